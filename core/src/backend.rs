//! The kernels: functions over slices, one implementation per instruction set.
//!
//! [`Kernels::detect`] looks at the machine once; the value is kept where rings are kept, and every slice-level call
//! goes through it. All backends give bit-identical results, which the suite in this module checks. Ranges are written
//! *input → output*; a slice of residues always belongs to one modulus.

#[allow(unsafe_code, reason = "lines seen as words")]
mod aligned;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "intrinsics that need a processor feature")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "intrinsics that need a processor feature")]
mod avx512;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "intrinsics that need a processor feature")]
mod avx512ifma;
#[cfg(feature = "rlwe")]
mod bits;
mod conversion;
#[cfg(test)]
mod level_bounds;
mod pairs;
mod portable;
#[cfg(feature = "rlwe")]
mod sampling;
#[cfg(any(test, feature = "testing"))]
pub mod suite;
mod tables;

use crate::ct::mask_less;
use crate::modulus::{Modulus, Reciprocal, Shoup};
pub(crate) use aligned::AlignedWords;
#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
#[cfg(target_arch = "x86_64")]
pub use avx512ifma::Avx512Ifma;
#[cfg(feature = "wire")]
pub(crate) use bits::packed_len;
pub use conversion::{Conversion, Source, Target};
pub(crate) use pairs::TILE;
pub use pairs::{BlockOrder, KeyRows, PairFinish};
pub use portable::Portable;
#[cfg(feature = "rlwe")]
pub use sampling::Rounds;
pub use tables::NttTables;
pub(crate) use tables::bit_reverse;

mod sealed {
    pub trait Sealed {}
}

/// One implementation of every kernel. Sealed: backends live in this module.
///
/// # Panics
/// Every kernel panics if its slices differ in length where they must not, in every build. Words out of range are refused
/// by debug builds only; elsewhere they give wrong words, never undefined behaviour.
pub trait Backend: Copy + sealed::Sealed {
    /// The name in reports.
    fn name(self) -> &'static str;

    /// Forward negacyclic NTT in place; `[0, q) → [0, q)`, natural → bit-reversed order.
    fn ntt_forward(self, tables: &NttTables, xs: &mut [u64]);

    /// Forward transform of the centred representatives of residues modulo an odd `from`: [`Backend::lift_centred`] and
    /// [`Backend::ntt_forward`]; `[0, from) → [0, q)`. What will be read next can be named, for backends that fetch it
    /// meanwhile.
    #[inline(always)]
    fn ntt_forward_lifted(self, tables: &NttTables, out: &mut [u64], xs: &[u64], from: &Modulus, ahead: &[u64]) {
        let _ = ahead;
        self.lift_centred(tables.modulus(), out, xs, from);
        self.ntt_forward(tables, out);
    }

    /// Inverse negacyclic NTT in place, scaled by `n^-1`; `[0, q) → [0, q)`, bit-reversed → natural order.
    fn ntt_inverse(self, tables: &NttTables, xs: &mut [u64]);

    /// `a += b`; `[0, q)² → [0, q)`.
    fn add(self, q: &Modulus, a: &mut [u64], b: &[u64]);

    /// `a -= b`; `[0, q)² → [0, q)`.
    fn sub(self, q: &Modulus, a: &mut [u64], b: &[u64]);

    /// `a = -a`; `[0, q) → [0, q)`.
    fn neg(self, q: &Modulus, a: &mut [u64]);

    /// `a *= b`; `[0, q)² → [0, q)`.
    fn mul(self, q: &Modulus, a: &mut [u64], b: &[u64]);

    /// `acc += a·b`; `[0, q)³ → [0, q)`.
    fn mul_add(self, q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]);

    /// `a *= w`; `[0, q) → [0, q)`.
    fn mul_scalar(self, q: &Modulus, a: &mut [u64], w: Shoup);

    /// `out = Σ a_i·b_i` with one reduction at the end; `[0, q)² → [0, q)`, at most [`MAX_TERMS`] terms.
    fn dot(self, q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]);

    /// `out = Σ w_i·a_i` with one reduction at the end; `a_i, w_i` in `[0, 2^bits) → [0, q)`, `bits ≤ 60`, at most
    /// [`MAX_TERMS`] terms.
    ///
    /// The `a_i` need not be residues of `q`: base conversion feeds residues of other moduli.
    fn combine(self, q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64], bits: u32);

    /// `out = round(Σ a_i/q_i)`; `a_i` in `[0, q_i) → [0, k]` for `k` terms, at most [`MAX_TERMS`].
    ///
    /// The sum is short by at most `3k·2^-64`, so the rounding is exact unless its fraction is that close to one half.
    fn round_quotients(self, out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]);

    /// `out[i] = xs[indices[i]]`.
    fn permute(self, out: &mut [u64], xs: &[u64], indices: &[u32]);

    /// As [`Backend::permute`], for indices that take each aligned eight from one aligned eight.
    fn permute_blocks(self, out: &mut [u64], xs: &[u64], indices: &[u32]) {
        self.permute(out, xs, indices);
    }

    /// `out = a + b`; `[0, q)² → [0, q)`.
    #[inline(always)]
    fn add_into(self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        assert!(out.len() == a.len() && a.len() == b.len());
        for ((out, &x), &y) in out.iter_mut().zip(a).zip(b) {
            *out = q.add(x, y);
        }
    }

    /// `out = a·b`; `[0, q)² → [0, q)`.
    #[inline(always)]
    fn mul_into(self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        assert!(out.len() == a.len() && a.len() == b.len());
        for ((out, &x), &y) in out.iter_mut().zip(a).zip(b) {
            *out = q.mul(x, y);
        }
    }

    /// `out = a·w`; `[0, q) → [0, q)`.
    #[inline(always)]
    fn scale_into(self, q: &Modulus, out: &mut [u64], a: &[u64], w: Shoup) {
        assert_eq!(out.len(), a.len());
        for (out, &x) in out.iter_mut().zip(a) {
            *out = w.mul(x, q.value());
        }
    }

    /// `acc += a·w`; `[0, q)² → [0, q)`.
    #[inline(always)]
    fn scale_add(self, q: &Modulus, acc: &mut [u64], a: &[u64], w: Shoup) {
        assert_eq!(acc.len(), a.len());
        for (acc, &x) in acc.iter_mut().zip(a) {
            *acc = q.add(*acc, w.mul(x, q.value()));
        }
    }

    /// `r = (x - r)·w`: the end of an exact division by the modulus that `w` inverts; `[0, q)² → [0, q)`.
    #[inline(always)]
    fn divide(self, q: &Modulus, r: &mut [u64], x: &[u64], w: Shoup) {
        assert_eq!(r.len(), x.len());
        for (r, &x) in r.iter_mut().zip(x) {
            *r = w.mul(q.sub(x, *r), q.value());
        }
    }

    /// The centred representatives of residues modulo an odd `from`, modulo `q`; `[0, from) → [0, q)`.
    #[inline(always)]
    fn lift_centred(self, q: &Modulus, out: &mut [u64], xs: &[u64], from: &Modulus) {
        assert_eq!(out.len(), xs.len());
        let (half, wrap) = (from.value() >> 1, q.reduce(from.value()));
        for (out, &x) in out.iter_mut().zip(xs) {
            *out = q.sub(q.reduce(x), wrap & mask_less(half, x));
        }
    }

    /// `outs[h] = Σ_j x_j·y_(j,h)` for both halves `h`, with one reduction each; terms are `(x_j, [y_(j,0), y_(j,1)])`;
    /// `[0, q)² → [0, q)`, at most [`MAX_TERMS`] terms.
    #[inline(always)]
    fn dot_pair(self, q: &Modulus, outs: [&mut [u64]; 2], terms: &[PairTerm<'_>]) {
        let len = outs[0].len();
        assert!(terms.len() <= MAX_TERMS && outs[1].len() == len);
        assert!(terms.iter().all(|(x, ys)| x.len() == len && ys.iter().all(|y| y.len() == len)));
        for (half, out) in outs.into_iter().enumerate() {
            for (i, out) in out.iter_mut().enumerate() {
                let sum = terms.iter().fold(0u128, |sum, (x, ys)| sum + u128::from(x[i]) * u128::from(ys[half][i]));
                *out = q.reduce_wide(sum);
            }
        }
    }

    /// `outs[h] = w'·(Σ_j x_j·y_(j,h) + w·r_h + a_h)` for both halves `h`, in another order, or added to what is there: sums of
    /// products with the first digits of a key, and what key switching does with them, see [`PairFinish`];
    /// `[0, q) → [0, q)`, fewer than [`MAX_TERMS`] terms.
    #[inline(always)]
    fn switch_pair(self, q: &Modulus, outs: [&mut [u64]; 2], xs: &[&[u64]], key: KeyRows<'_>, finish: &PairFinish<'_>) {
        pairs::switch_pair(self, q, outs, xs, key, finish);
    }

    /// Base conversion, limb-major: one row of `input` per source, one of `out` per target; `[0, q_i) → [0, p_j)`.
    ///
    /// The quotients are rounded as in [`Backend::round_quotients`].
    fn convert(self, tables: &Conversion, input: &[u64], out: &mut [u64]) {
        tables.run(self, input, out);
    }

    /// `out += (a_0·b_0, a_0·b_1 + a_1·b_0, a_1·b_1)`; `[0, q)⁷ → [0, q)³`.
    fn tensor(self, q: &Modulus, out: [&mut [u64]; 3], a: [&[u64]; 2], b: [&[u64]; 2]) {
        let n = out[0].len();
        assert!(out.iter().all(|row| row.len() == n) && a.iter().chain(&b).all(|row| row.len() == n));
        let [x, y, z] = out;
        self.mul_add(q, x, a[0], b[0]);
        self.mul_add(q, y, a[0], b[1]);
        self.mul_add(q, y, a[1], b[0]);
        self.mul_add(q, z, a[1], b[1]);
    }

    /// Fills whole blocks of eight words with the output of ChaCha20 or ChaCha8, in order and least significant byte first,
    /// from the given block of the stream on (64-bit counter and 64-bit stream number, as Bernstein's original has them).
    #[cfg(feature = "rlwe")]
    fn keystream(self, rounds: Rounds, key: &[u8; 32], stream: u64, block: u64, out: &mut [u64]) {
        sampling::keystream(rounds, key, stream, block, out);
    }

    /// Takes words of as many bits as `q` has from the packed ones in `words`, least significant bit first, and appends those
    /// below `q` to `out`; `[0, 2^64) → [0, q)`. They are taken 64 at a time, which are as many of `words` as `q` has bits,
    /// until `out` is full (what is left of the 64 is dropped) or `words` has no 64 more. Returns how many of `words` were
    /// read and how many of `out` were written. What lies behind those in `out` is arbitrary. Variable time, for public words.
    #[cfg(feature = "rlwe")]
    fn accept_vartime(self, q: &Modulus, words: &[u64], out: &mut [u64]) -> (usize, usize) {
        bits::accept_vartime(q, words, out)
    }

    /// Packs words, a multiple of 8 of them, least significant bit first and one behind the other; `[0, 2^bits)` → as many
    /// bytes as they have bits, over 8.
    #[cfg(feature = "rlwe")]
    fn pack(self, bits: u32, out: &mut [u8], words: &[u64]) {
        bits::pack(bits, out, words);
    }

    /// What [`Backend::pack`] packed, `→ [0, 2^bits)`.
    #[cfg(feature = "rlwe")]
    fn unpack(self, bits: u32, out: &mut [u64], bytes: &[u8]) {
        bits::unpack(bits, out, bytes);
    }

    /// Whether words that are packed at the bits of `q`, a multiple of 8 of them, are in `[0, q)`. Nothing is written. For
    /// public bytes.
    #[cfg(feature = "rlwe")]
    fn are_packed_residues(self, q: &Modulus, bytes: &[u8]) -> bool {
        bits::are_packed_residues(q, bytes)
    }

    /// Each coefficient is the number of ones among bits 0 to 20 of its word less those among bits 21 to 41.
    #[cfg(feature = "rlwe")]
    fn binomial(self, out: &mut [i8], words: &[u64]) {
        sampling::binomial(out, words);
    }

    /// `a += b`; `[0, q) × [-128, 127] → [0, q)`, for `q > 128`.
    #[cfg(feature = "rlwe")]
    fn add_small(self, q: &Modulus, a: &mut [u64], b: &[i8]) {
        sampling::add_small(q, a, b);
    }
}

/// A term of [`Backend::dot_pair`]: one factor of both sums, and the other factor of each.
pub type PairTerm<'a> = (&'a [u64], [&'a [u64]; 2]);

/// The most products below `2^120` that a 128-bit accumulator holds: `2^128 / 2^120 = 256`, less one for slack.
pub const MAX_TERMS: usize = 255;

/// A backend that this machine can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernels {
    /// Safe Rust for every machine.
    Portable(Portable),
    /// AVX2 with fused multiply-add, for primes below `2^50`.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// AVX-512 in 64-bit lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// AVX-512 with 52-bit multiply-add, for primes below `2^50`; larger ones as [`Self::Avx512`].
    #[cfg(target_arch = "x86_64")]
    Avx512Ifma(Avx512Ifma),
}

/// Calls the same kernel on whichever backend is chosen.
macro_rules! dispatch {
    ($self:ident, $backend:ident => $call:expr) => {
        match $self {
            Kernels::Portable($backend) => $call,
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx2($backend) => $call,
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx512($backend) => $call,
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx512Ifma($backend) => $call,
        }
    };
}

impl Kernels {
    /// The portable backend.
    pub const PORTABLE: Self = Self::Portable(Portable);

    /// The fastest backend that this machine can run.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::PORTABLE)
    }

    /// Every backend that this machine can run, slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let wider = [
            Avx2::detect().map(Self::Avx2),
            Avx512::detect().map(Self::Avx512),
            Avx512Ifma::detect().map(Self::Avx512Ifma),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let wider: [Option<Self>; 0] = [];
        core::iter::once(Self::PORTABLE).chain(wider.into_iter().flatten())
    }
}

impl sealed::Sealed for Kernels {}

/// Every kernel of the backend that was chosen.
impl Backend for Kernels {
    fn name(self) -> &'static str {
        dispatch!(self, k => k.name())
    }

    fn ntt_forward(self, tables: &NttTables, xs: &mut [u64]) {
        assert_eq!(xs.len(), tables.degree(), "residues of a transform");
        dispatch!(self, k => k.ntt_forward(tables, xs));
    }

    fn ntt_forward_lifted(self, tables: &NttTables, out: &mut [u64], xs: &[u64], from: &Modulus, ahead: &[u64]) {
        assert!(out.len() == tables.degree() && xs.len() == out.len(), "residues of a transform");
        dispatch!(self, k => k.ntt_forward_lifted(tables, out, xs, from, ahead));
    }

    fn ntt_inverse(self, tables: &NttTables, xs: &mut [u64]) {
        assert_eq!(xs.len(), tables.degree(), "residues of a transform");
        dispatch!(self, k => k.ntt_inverse(tables, xs));
    }

    fn add(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        dispatch!(self, k => k.add(q, a, b));
    }

    fn sub(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        dispatch!(self, k => k.sub(q, a, b));
    }

    fn neg(self, q: &Modulus, a: &mut [u64]) {
        dispatch!(self, k => k.neg(q, a));
    }

    fn mul(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        dispatch!(self, k => k.mul(q, a, b));
    }

    fn mul_add(self, q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]) {
        dispatch!(self, k => k.mul_add(q, acc, a, b));
    }

    fn mul_scalar(self, q: &Modulus, a: &mut [u64], w: Shoup) {
        dispatch!(self, k => k.mul_scalar(q, a, w));
    }

    fn dot(self, q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]) {
        dispatch!(self, k => k.dot(q, out, terms));
    }

    fn combine(self, q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64], bits: u32) {
        assert!(bits <= Modulus::MAX_BITS && weights.iter().all(|w| w >> bits == 0), "weights of {bits} bits");
        dispatch!(self, k => k.combine(q, out, terms, weights, bits));
    }

    fn round_quotients(self, out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]) {
        dispatch!(self, k => k.round_quotients(out, terms, reciprocals));
    }

    fn permute(self, out: &mut [u64], xs: &[u64], indices: &[u32]) {
        dispatch!(self, k => k.permute(out, xs, indices));
    }

    fn permute_blocks(self, out: &mut [u64], xs: &[u64], indices: &[u32]) {
        dispatch!(self, k => k.permute_blocks(out, xs, indices));
    }

    fn add_into(self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        dispatch!(self, k => k.add_into(q, out, a, b));
    }

    fn mul_into(self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        dispatch!(self, k => k.mul_into(q, out, a, b));
    }

    fn scale_into(self, q: &Modulus, out: &mut [u64], a: &[u64], w: Shoup) {
        dispatch!(self, k => k.scale_into(q, out, a, w));
    }

    fn scale_add(self, q: &Modulus, acc: &mut [u64], a: &[u64], w: Shoup) {
        dispatch!(self, k => k.scale_add(q, acc, a, w));
    }

    fn divide(self, q: &Modulus, r: &mut [u64], x: &[u64], w: Shoup) {
        dispatch!(self, k => k.divide(q, r, x, w));
    }

    fn lift_centred(self, q: &Modulus, out: &mut [u64], xs: &[u64], from: &Modulus) {
        dispatch!(self, k => k.lift_centred(q, out, xs, from));
    }

    fn dot_pair(self, q: &Modulus, outs: [&mut [u64]; 2], terms: &[PairTerm<'_>]) {
        dispatch!(self, k => k.dot_pair(q, outs, terms));
    }

    fn switch_pair(self, q: &Modulus, outs: [&mut [u64]; 2], xs: &[&[u64]], key: KeyRows<'_>, finish: &PairFinish<'_>) {
        dispatch!(self, k => k.switch_pair(q, outs, xs, key, finish));
    }

    fn convert(self, tables: &Conversion, input: &[u64], out: &mut [u64]) {
        dispatch!(self, k => k.convert(tables, input, out));
    }

    fn tensor(self, q: &Modulus, out: [&mut [u64]; 3], a: [&[u64]; 2], b: [&[u64]; 2]) {
        dispatch!(self, k => k.tensor(q, out, a, b));
    }

    #[cfg(feature = "rlwe")]
    fn keystream(self, rounds: Rounds, key: &[u8; 32], stream: u64, block: u64, out: &mut [u64]) {
        dispatch!(self, k => k.keystream(rounds, key, stream, block, out));
    }

    #[cfg(feature = "rlwe")]
    fn accept_vartime(self, q: &Modulus, words: &[u64], out: &mut [u64]) -> (usize, usize) {
        dispatch!(self, k => k.accept_vartime(q, words, out))
    }

    #[cfg(feature = "rlwe")]
    fn pack(self, bits: u32, out: &mut [u8], words: &[u64]) {
        dispatch!(self, k => k.pack(bits, out, words));
    }

    #[cfg(feature = "rlwe")]
    fn unpack(self, bits: u32, out: &mut [u64], bytes: &[u8]) {
        dispatch!(self, k => k.unpack(bits, out, bytes));
    }

    #[cfg(feature = "rlwe")]
    fn are_packed_residues(self, q: &Modulus, bytes: &[u8]) -> bool {
        dispatch!(self, k => k.are_packed_residues(q, bytes))
    }

    #[cfg(feature = "rlwe")]
    fn binomial(self, out: &mut [i8], words: &[u64]) {
        dispatch!(self, k => k.binomial(out, words));
    }

    #[cfg(feature = "rlwe")]
    fn add_small(self, q: &Modulus, a: &mut [u64], b: &[i8]) {
        dispatch!(self, k => k.add_small(q, a, b));
    }
}

impl Default for Kernels {
    fn default() -> Self {
        Self::detect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ntt::NttPlan;
    use crate::prime::{is_prime_vartime, next_ntt_prime_vartime};
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn every_available_backend_conforms() {
        Kernels::available().for_each(suite::check);
    }

    /// The primes on either side of each bound at which transforms of 52-bit lanes change their ways, at every shape of
    /// their passes, with operands that make every level grow.
    #[test]
    fn transforms_agree_at_the_edges_of_their_classes() {
        for log_degree in 8..=17 {
            let (degree, step) = (1usize << log_degree, 2u64 << log_degree);
            for bound in [2 * log_degree + 1, 64, 8, 4].map(|multiples| (1u64 << 52) / multiples) {
                let below = (1..).map(|i| (bound / step - i) * step + 1).find(|&q| is_prime_vartime(q)).unwrap();
                for prime in [below, next_ntt_prime_vartime(bound, degree).unwrap()] {
                    let plan = NttPlan::new(Modulus::new(prime).unwrap(), degree).unwrap();
                    transforms_agree(&plan, &vec![prime - 1; degree]);
                    transforms_agree(&plan, &(0..degree as u64).map(|i| prime - 1 - i).collect::<Vec<_>>());
                }
            }
        }
    }

    fn transforms_agree(plan: &NttPlan, xs: &[u64]) {
        let mut expected = None;
        for kernels in Kernels::available() {
            let (degree, prime) = (plan.degree(), plan.modulus().value());
            let mut values = xs.to_vec();
            plan.forward(kernels, &mut values);
            assert_eq!(&values, expected.get_or_insert_with(|| values.clone()), "n = {degree}, q = {prime}");
            plan.inverse(kernels, &mut values);
            assert_eq!(values, xs, "{}, n = {degree}, q = {prime}", kernels.name());
        }
    }

    #[test]
    fn detection_names_an_available_backend() {
        assert!(Kernels::available().any(|kernels| kernels == Kernels::detect()));
        assert_eq!(Kernels::PORTABLE.name(), "portable");
    }
}
