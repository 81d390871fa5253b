//! Kernels for AVX-512 with 52-bit integer multiply-add, eight residues at a time, for primes below `2^50`.
//!
//! `vpmadd52lo` and `vpmadd52hi` multiply the low 52 bits of two lanes and add the low or high 52 bits of the product to a
//! third. Larger primes and operands go to the portable code, compiled for this instruction set.
//!
//! # Safety
//! Every `unsafe` call into this module's functions rests on the token: an [`Avx512Ifma`] exists only where the processor
//! and the operating system support the instructions.

mod ntt;
mod slices;

use core::arch::x86_64::*;

use super::{Backend, LaneRoots, NttTables, Portable, sealed};
use crate::modulus::{Modulus, Reciprocal, Shoup};

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

/// Methods that compile the portable code for this instruction set.
macro_rules! compiled_portable {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {
        $(fn $name(self, $($arg: $ty),*) {
            #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
            fn compiled($($arg: $ty),*) {
                Portable.$name($($arg),*);
            }
            // SAFETY: the token proves the features.
            unsafe { compiled($($arg),*) }
        })*
    };
}

impl Backend for Avx512Ifma {
    fn name(self) -> &'static str {
        "avx512ifma"
    }

    compiled_portable! {
        add(q: &Modulus, a: &mut [u64], b: &[u64]);
        sub(q: &Modulus, a: &mut [u64], b: &[u64]);
        neg(q: &Modulus, a: &mut [u64]);
        permute(out: &mut [u64], xs: &[u64], indices: &[u32]);
    }

    fn ntt_forward(self, tables: &NttTables, xs: &mut [u64]) {
        let Some([lanes, _]) = tables.lane_roots() else { return Portable.ntt_forward(tables, xs) };
        let q = tables.modulus().value();
        debug_assert!(xs.iter().all(|&x| x < q));
        let levels = u64::from(xs.len().trailing_zeros());
        // Each level adds at most 2q: nothing has to be reduced on the way if it all fits a word.
        let unreduced = (2 * levels + 1) * q <= WORD_MASK;
        let transform = if unreduced { ntt::forward::<true> } else { ntt::forward::<false> };
        // SAFETY: the token proves the features.
        unsafe { transform(tables, lanes, xs) }
    }

    fn ntt_inverse(self, tables: &NttTables, xs: &mut [u64]) {
        let Some([_, lanes]) = tables.lane_roots() else { return Portable.ntt_inverse(tables, xs) };
        debug_assert!(xs.iter().all(|&x| x < tables.modulus().value()));
        // SAFETY: the token proves the features.
        unsafe { ntt::inverse(tables, lanes, xs) }
    }

    fn mul(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        if q.bits() > MAX_BITS {
            return Portable.mul(q, a, b);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::mul(q, a, b) }
    }

    fn mul_add(self, q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]) {
        if q.bits() > MAX_BITS {
            return Portable.mul_add(q, acc, a, b);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::mul_add(q, acc, a, b) }
    }

    fn mul_scalar(self, q: &Modulus, a: &mut [u64], w: Shoup) {
        if q.bits() > MAX_BITS {
            return Portable.mul_scalar(q, a, w);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::mul_scalar(q, a, w) }
    }

    fn dot(self, q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]) {
        if q.bits() > MAX_BITS {
            return Portable.dot(q, out, terms);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::dot(q, out, terms) }
    }

    fn combine(self, q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64], bits: u32) {
        if q.bits() > MAX_BITS || bits > WORD_BITS {
            return Portable.combine(q, out, terms, weights, bits);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::combine(q, out, terms, weights) }
    }

    fn round_quotients(self, out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]) {
        if reciprocals.iter().any(|r| r.shift() >= MAX_BITS) {
            return Portable.round_quotients(out, terms, reciprocals);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::round_quotients(out, terms, reciprocals) }
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

    /// `(x + w·y, x - w·y)`. With `UNREDUCED`, values grow by at most `2q` and are only meaningful modulo `2^52`; the sum
    /// is accumulated by the multiplier and the difference is `2x + 2q` less the sum. Otherwise `[0, 4q)² → [0, 4q)²`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn forward<const UNREDUCED: bool>(&self, x: &mut __m512i, y: &mut __m512i, w: Factor) {
        if UNREDUCED {
            let double = _mm512_add_epi64(_mm512_add_epi64(*x, *x), self.two_q);
            let estimate = _mm512_madd52hi_epu64(self.zero, w.quotient, *y);
            let sum = _mm512_madd52lo_epu64(*x, w.value, *y);
            *x = _mm512_madd52lo_epu64(sum, estimate, self.minus_q);
            *y = _mm512_sub_epi64(double, *x);
        } else {
            let reduced = Self::reduce_once(*x, self.two_q);
            let product = self.mul_lazy(*y, w);
            *x = _mm512_add_epi64(reduced, product);
            *y = _mm512_sub_epi64(_mm512_add_epi64(reduced, self.two_q), product);
        }
    }

    /// `(x + y, w·(x - y))`; `[0, 2q)² → [0, 2q)²`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn inverse(&self, x: &mut __m512i, y: &mut __m512i, w: Factor) {
        let difference = _mm512_sub_epi64(_mm512_add_epi64(*x, self.two_q), *y);
        *x = Self::reduce_once(_mm512_add_epi64(*x, *y), self.two_q);
        *y = self.mul_lazy(difference, w);
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

/// The seven factors of three levels, one per lane.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn lane_factors(roots: &LaneRoots) -> [Factor; 7] {
    let factor = |i: usize| Factor { value: load(&roots.values[i]), quotient: load(&roots.quotients[i]) };
    [factor(0), factor(1), factor(2), factor(3), factor(4), factor(5), factor(6)]
}
