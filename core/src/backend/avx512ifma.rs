//! Kernels for AVX-512 with 52-bit integer multiply-add, eight residues at a time, for primes below `2^50`.
//!
//! `vpmadd52lo` and `vpmadd52hi` multiply the low 52 bits of two lanes and add the low or high 52 bits of the product to a
//! third. Larger primes and operands go to the kernels of [`Avx512`].
//!
//! # Safety
//! Every `unsafe` call into this module's functions rests on the token: an [`Avx512Ifma`] exists only where the processor
//! and the operating system support the instructions.

mod convert;
#[cfg(feature = "rlwe")]
mod keystream;
mod ntt;
mod pair;
mod slices;
mod sums;
mod switch;
mod tables;

use core::arch::x86_64::*;

#[cfg(feature = "rlwe")]
use super::Rounds;
use super::{Avx512, Backend, Conversion, KeyRows, NttTables, PairFinish, PairTerm, TILE, pairs, sealed};
use crate::modulus::{Modulus, Reciprocal, Shoup};
pub(super) use tables::IfmaRoots;

cpufeatures::new!(features, "avx512f", "avx512dq", "avx512ifma");

/// Bits of a lane's operands.
const WORD_BITS: u32 = 52;
/// The largest moduli of this class, in bits: `4q < 2^52`.
const MAX_BITS: u32 = 50;
const WORD_MASK: u64 = (1 << WORD_BITS) - 1;

/// Proof that this machine has the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512Ifma(());

impl Avx512Ifma {
    /// The backend, if the processor has the instructions and the operating system saves their registers.
    #[must_use]
    pub fn detect() -> Option<Self> {
        features::get().then_some(Self(()))
    }
}

impl sealed::Sealed for Avx512Ifma {}

/// Methods that need no 52-bit product.
macro_rules! as_avx512 {
    ($($(#[$attribute:meta])* $name:ident($($arg:ident: $ty:ty),*);)*) => {
        $($(#[$attribute])* fn $name(self, $($arg: $ty),*) {
            Avx512::from(self).$name($($arg),*);
        })*
    };
}

impl Backend for Avx512Ifma {
    fn name(self) -> &'static str {
        "avx512ifma"
    }

    as_avx512! {
        add(q: &Modulus, a: &mut [u64], b: &[u64]);
        sub(q: &Modulus, a: &mut [u64], b: &[u64]);
        neg(q: &Modulus, a: &mut [u64]);
        permute(out: &mut [u64], xs: &[u64], indices: &[u32]);
        add_into(q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]);
        #[cfg(feature = "rlwe")]
        binomial(out: &mut [i8], words: &[u64]);
        #[cfg(feature = "rlwe")]
        add_small(q: &Modulus, a: &mut [u64], b: &[i8]);
        #[cfg(feature = "rlwe")]
        pack(bits: u32, out: &mut [u8], words: &[u64]);
        #[cfg(feature = "rlwe")]
        unpack(bits: u32, out: &mut [u64], bytes: &[u8]);
    }

    fn ntt_forward(self, tables: &NttTables, xs: &mut [u64]) {
        let Some([roots, _]) = tables.ifma_roots() else { return Avx512::from(self).ntt_forward(tables, xs) };
        debug_assert!(xs.iter().all(|&x| x < tables.modulus().value()));
        // SAFETY: the token proves the features.
        unsafe { ntt::forward(tables, roots, xs) }
    }

    fn ntt_forward_lifted(self, tables: &NttTables, out: &mut [u64], xs: &[u64], from: &Modulus, ahead: &[u64]) {
        let q = tables.modulus();
        match tables.ifma_roots() {
            Some([roots, _]) if from.bits() <= MAX_BITS && from.value() < 2 * q.value() => {
                assert!(out.len() == tables.degree() && xs.len() == out.len());
                debug_assert!(xs.iter().all(|&x| x < from.value()));
                // SAFETY: the token proves the features.
                unsafe { ntt::forward_lifted(tables, roots, out, (xs, from), ahead) }
            }
            _ => {
                self.lift_centred(q, out, xs, from);
                self.ntt_forward(tables, out);
            }
        }
    }

    fn ntt_inverse(self, tables: &NttTables, xs: &mut [u64]) {
        let Some([_, roots]) = tables.ifma_roots() else { return Avx512::from(self).ntt_inverse(tables, xs) };
        debug_assert!(xs.iter().all(|&x| x < tables.modulus().value()));
        // SAFETY: the token proves the features.
        unsafe { ntt::inverse(tables, roots, xs) }
    }

    fn mul(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).mul(q, a, b);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::mul(q, a, b) }
    }

    fn mul_add(self, q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).mul_add(q, acc, a, b);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::mul_add(q, acc, a, b) }
    }

    fn mul_scalar(self, q: &Modulus, a: &mut [u64], w: Shoup) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).mul_scalar(q, a, w);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::mul_scalar(q, a, w) }
    }

    fn dot(self, q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).dot(q, out, terms);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::dot(q, out, terms) }
    }

    fn combine(self, q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64], bits: u32) {
        if q.bits() > MAX_BITS || bits > WORD_BITS {
            return Avx512::from(self).combine(q, out, terms, weights, bits);
        }
        if bits <= MAX_BITS && (1..=switch::FIXED).contains(&terms.len()) {
            // SAFETY: the token proves the features.
            return unsafe { switch::combine(q, out, terms, weights) };
        }
        // SAFETY: the token proves the features.
        unsafe { slices::combine(q, out, terms, weights) }
    }

    fn round_quotients(self, out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]) {
        if reciprocals.iter().any(|r| r.shift() >= MAX_BITS) {
            return Avx512::from(self).round_quotients(out, terms, reciprocals);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::round_quotients(out, terms, reciprocals) }
    }

    fn permute_blocks(self, out: &mut [u64], xs: &[u64], indices: &[u32]) {
        // SAFETY: the token proves the features.
        unsafe { switch::permute_blocks(out, xs, indices) }
    }

    fn mul_into(self, q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).mul_into(q, out, a, b);
        }
        // SAFETY: the token proves the features.
        unsafe { switch::mul_into(q, out, a, b) }
    }

    fn scale_into(self, q: &Modulus, out: &mut [u64], a: &[u64], w: Shoup) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).scale_into(q, out, a, w);
        }
        // SAFETY: the token proves the features.
        unsafe { switch::scale_into(q, out, a, w) }
    }

    fn scale_add(self, q: &Modulus, acc: &mut [u64], a: &[u64], w: Shoup) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).scale_add(q, acc, a, w);
        }
        // SAFETY: the token proves the features.
        unsafe { switch::scale_add(q, acc, a, w) }
    }

    fn divide(self, q: &Modulus, r: &mut [u64], x: &[u64], w: Shoup) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).divide(q, r, x, w);
        }
        // SAFETY: the token proves the features.
        unsafe { switch::divide(q, r, x, w) }
    }

    fn lift_centred(self, q: &Modulus, out: &mut [u64], xs: &[u64], from: &Modulus) {
        if q.bits().max(from.bits()) > MAX_BITS {
            return Avx512::from(self).lift_centred(q, out, xs, from);
        }
        // SAFETY: the token proves the features.
        unsafe { switch::lift_centred(q, out, xs, from) }
    }

    fn dot_pair(self, q: &Modulus, outs: [&mut [u64]; 2], terms: &[PairTerm<'_>]) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).dot_pair(q, outs, terms);
        }
        // SAFETY: the token proves the features.
        unsafe { switch::dot_pair(q, outs, terms) }
    }

    fn switch_pair(self, q: &Modulus, outs: [&mut [u64]; 2], xs: &[&[u64]], key: KeyRows<'_>, finish: &PairFinish<'_>) {
        if q.bits() > MAX_BITS || xs.len() > pair::FIXED || outs[0].len() < TILE {
            return pairs::switch_pair(self, q, outs, xs, key, finish);
        }
        // SAFETY: the token proves the features.
        unsafe { pair::switch_pair(q, outs, xs, key, finish) }
    }

    fn convert(self, tables: &Conversion, input: &[u64], out: &mut [u64]) {
        let columns = tables.columns(input, out);
        if !convert::serves(tables, columns) {
            return tables.run(self, input, out);
        }
        // SAFETY: the token proves the features.
        unsafe { convert::convert(tables, input, out, columns) }
    }

    fn tensor(self, q: &Modulus, out: [&mut [u64]; 3], a: [&[u64]; 2], b: [&[u64]; 2]) {
        if q.bits() > MAX_BITS {
            return Avx512::from(self).tensor(q, out, a, b);
        }
        // SAFETY: the token proves the features.
        unsafe { sums::tensor(q, out, a, b) }
    }

    #[cfg(feature = "rlwe")]
    fn keystream(self, rounds: Rounds, key: &[u8; 32], stream: u64, block: u64, out: &mut [u64]) {
        assert!(out.len().is_multiple_of(8));
        // SAFETY: the token proves the features.
        let done = unsafe { keystream::keystream(rounds, key, stream, block, out) };
        Avx512::from(self).keystream(rounds, key, stream, block.wrapping_add((done >> 3) as u64), &mut out[done..]);
    }

    #[cfg(feature = "rlwe")]
    fn accept_vartime(self, q: &Modulus, words: &[u64], out: &mut [u64]) -> (usize, usize) {
        Avx512::from(self).accept_vartime(q, words, out)
    }

    #[cfg(feature = "rlwe")]
    fn are_packed_residues(self, q: &Modulus, bytes: &[u8]) -> bool {
        Avx512::from(self).are_packed_residues(q, bytes)
    }
}

/// The constants of one modulus, in every lane.
#[derive(Clone, Copy)]
struct Lanes {
    q: __m512i,
    two_q: __m512i,
    /// `2^52 - q`: adding its multiples subtracts those of `q`, modulo `2^52`.
    minus_q: __m512i,
    mask: __m512i,
    zero: __m512i,
    /// The factor 1: multiplying by it reduces.
    one: Factor,
}

/// A factor in every lane, or one per lane, with `floor(w·2^52/q)`.
#[derive(Clone, Copy)]
struct Factor {
    value: __m512i,
    quotient: __m512i,
}

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn new(modulus: &Modulus) -> Self {
        let q = modulus.value();
        Self {
            q: splat(q),
            two_q: splat(2 * q),
            minus_q: splat(WORD_MASK + 1 - q),
            mask: splat(WORD_MASK),
            zero: _mm512_setzero_si512(),
            one: splat_factor(modulus.shoup(1)),
        }
    }

    /// `[0, 2m) → [0, m)` for a multiple `m` of `q`, at most `2^63`: the unsigned minimum picks the difference unless it
    /// wrapped around.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn reduce_once(x: __m512i, m: __m512i) -> __m512i {
        _mm512_min_epu64(x, _mm512_sub_epi64(x, m))
    }

    /// `w·x` in `[0, 2q)` for `x < 2^52` (bits above are not read): Shoup's quotient at 52 bits.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn mul_lazy(&self, x: __m512i, w: Factor) -> __m512i {
        let estimate = _mm512_madd52hi_epu64(self.zero, w.quotient, x);
        let product = _mm512_madd52lo_epu64(self.zero, w.value, x);
        _mm512_and_si512(_mm512_madd52lo_epu64(product, estimate, self.minus_q), self.mask)
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn splat(x: u64) -> __m512i {
    _mm512_set1_epi64(x.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn load(xs: &[u64; 8]) -> __m512i {
    // SAFETY: eight words are 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(xs.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn store(xs: &mut [u64; 8], value: __m512i) {
    // SAFETY: eight words are 64 writable bytes; the store needs no alignment.
    unsafe { _mm512_storeu_si512(xs.as_mut_ptr().cast(), value) }
}

/// A Shoup factor in every lane: the quotient at 52 bits is the one at 64 bits without its last 12.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn splat_factor(w: Shoup) -> Factor {
    Factor { value: splat(w.value), quotient: splat(w.quotient >> (u64::BITS - WORD_BITS)) }
}
