//! Kernels for AVX-512 (F and DQ), eight residues at a time in 64-bit lanes, for every modulus.
//!
//! There is no high half of a 64-bit product: it is made of products of 32-bit halves, and where an estimate of a quotient
//! is all that is needed, the smallest of the four is left out. The estimate is then up to two short, which costs no
//! more than headroom: `q < 2^60` leaves room for `16q` in a lane.
//!
//! # Safety
//! Every `unsafe` call into this module's functions rests on the token: an [`Avx512`] exists only where the processor and
//! the operating system support the instructions.

#[cfg(feature = "rlwe")]
mod bits;
mod lane_tables;
mod ntt;
mod slices;
#[cfg(test)]
mod tests;

use core::arch::x86_64::*;

use super::{Avx512Ifma, Backend, NttTables, Portable, sealed};
use crate::modulus::{Modulus, Reciprocal, Shoup};
use lane_tables::LaneFactors;
pub(super) use lane_tables::LaneTables;

cpufeatures::new!(features, "avx512f", "avx512dq");

/// Proof that this machine has the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(());

impl Avx512 {
    /// The backend, if the processor has the instructions and the operating system saves their registers.
    #[must_use]
    pub fn detect() -> Option<Self> {
        features::get().then_some(Self(()))
    }
}

/// The instructions of this backend are among those of the other.
impl From<Avx512Ifma> for Avx512 {
    fn from(_: Avx512Ifma) -> Self {
        Self(())
    }
}

impl sealed::Sealed for Avx512 {}

/// Methods that run a function of this module's files, or the portable code compiled for this instruction set.
macro_rules! kernels {
    ($($path:path as $name:ident($($arg:ident: $ty:ty),*);)*) => {
        $(fn $name(self, $($arg: $ty),*) {
            #[target_feature(enable = "avx512f,avx512dq")]
            fn compiled($($arg: $ty),*) {
                $path($($arg),*);
            }
            // SAFETY: the token proves the features.
            unsafe { compiled($($arg),*) }
        })*
    };
    (portable: $($(#[$attribute:meta])* $name:ident($($arg:ident: $ty:ty),*);)*) => {
        $($(#[$attribute])* fn $name(self, $($arg: $ty),*) {
            #[target_feature(enable = "avx512f,avx512dq")]
            fn compiled($($arg: $ty),*) {
                Portable.$name($($arg),*);
            }
            // SAFETY: the token proves the features.
            unsafe { compiled($($arg),*) }
        })*
    };
}

impl Backend for Avx512 {
    fn name(self) -> &'static str {
        "avx512"
    }

    fn ntt_forward(self, tables: &NttTables, xs: &mut [u64]) {
        let Some(lanes) = tables.lane_tables() else { return Portable.ntt_forward(tables, xs) };
        debug_assert!(xs.iter().all(|&x| x < tables.modulus().value()));
        // SAFETY: the token proves the features.
        unsafe { ntt::forward(tables, lanes, xs) }
    }

    fn ntt_inverse(self, tables: &NttTables, xs: &mut [u64]) {
        let Some(lanes) = tables.lane_tables() else { return Portable.ntt_inverse(tables, xs) };
        debug_assert!(xs.iter().all(|&x| x < tables.modulus().value()));
        // SAFETY: the token proves the features.
        unsafe { ntt::inverse(tables, lanes, xs) }
    }

    kernels! {
        slices::mul as mul(q: &Modulus, a: &mut [u64], b: &[u64]);
        slices::mul_add as mul_add(q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]);
        slices::mul_scalar as mul_scalar(q: &Modulus, a: &mut [u64], w: Shoup);
        slices::dot as dot(q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]);
        slices::combine as combine(q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64], bits: u32);
        slices::round_quotients as round_quotients(out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]);
    }

    kernels! {
        portable:
        add(q: &Modulus, a: &mut [u64], b: &[u64]);
        sub(q: &Modulus, a: &mut [u64], b: &[u64]);
        neg(q: &Modulus, a: &mut [u64]);
        permute(out: &mut [u64], xs: &[u64], indices: &[u32]);
        #[cfg(feature = "rlwe")]
        binomial(out: &mut [i8], words: &[u64]);
        #[cfg(feature = "rlwe")]
        add_small(q: &Modulus, a: &mut [u64], b: &[i8]);
    }

    #[cfg(feature = "rlwe")]
    fn accept_vartime(self, q: &Modulus, words: &[u64], out: &mut [u64]) -> (usize, usize) {
        // SAFETY: the token proves the features.
        unsafe { bits::accept_vartime(q, words, out) }
    }

    #[cfg(feature = "rlwe")]
    fn pack(self, bits: u32, out: &mut [u8], words: &[u64]) {
        // SAFETY: the token proves the features.
        unsafe { bits::pack(bits, out, words) }
    }

    #[cfg(feature = "rlwe")]
    fn unpack(self, bits: u32, out: &mut [u64], bytes: &[u8]) {
        // SAFETY: the token proves the features.
        unsafe { bits::unpack(bits, out, bytes) }
    }

    #[cfg(feature = "rlwe")]
    fn are_packed_residues(self, q: &Modulus, bytes: &[u8]) -> bool {
        // SAFETY: the token proves the features.
        unsafe { bits::are_packed_residues(q, bytes) }
    }
}

/// Multiples of one modulus, in every lane.
#[derive(Clone, Copy)]
struct Lanes {
    q: __m512i,
    two_q: __m512i,
    four_q: __m512i,
    eight_q: __m512i,
}

/// A factor in every lane, or one per lane, with `floor(w·2^64/q)`.
#[derive(Clone, Copy)]
struct Factor {
    value: __m512i,
    quotient: __m512i,
    /// The upper half of the quotient.
    quotient_high: __m512i,
}

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn new(modulus: &Modulus) -> Self {
        let q = modulus.value();
        Self { q: splat(q), two_q: splat(2 * q), four_q: splat(4 * q), eight_q: splat(8 * q) }
    }

    /// `[0, 2m) → [0, m)` for a multiple `m` of `q`, at most `2^63`: the unsigned minimum picks the difference unless it
    /// wrapped around.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn reduce_once(x: __m512i, m: __m512i) -> __m512i {
        let reduced = _mm512_min_epu64(x, _mm512_sub_epi64(x, m));
        debug_assert!(all_below(reduced, m));
        reduced
    }

    /// `[0, 4q) → [0, q)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn reduce_fourfold(&self, x: __m512i) -> __m512i {
        Self::reduce_once(Self::reduce_once(x, self.two_q), self.q)
    }

    /// `[0, 16q) → [0, 4q)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn reduce_sixteenfold(&self, x: __m512i) -> __m512i {
        Self::reduce_once(Self::reduce_once(x, self.eight_q), self.four_q)
    }

    /// `w·x` in `[0, 4q)` for any `x`: Shoup's product with an estimate that is at most three short.
    ///
    /// [`high_estimate`] is below `quotient·x/2^64` by less than 3; that is below `w·x/q` by less than `x/2^64 < 1`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn mul_lazy(&self, x: __m512i, w: Factor) -> __m512i {
        let estimate = high_estimate(x, w.quotient, w.quotient_high);
        _mm512_sub_epi64(_mm512_mullo_epi64(x, w.value), _mm512_mullo_epi64(estimate, self.q))
    }

    /// `(x + w·y, x - w·y)`; `[0, 16q)² → [0, 12q)²` with `REDUCE`, `[0, 12q) × [0, 16q) → [0, 16q)²` without.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn forward<const REDUCE: bool>(&self, x: &mut __m512i, y: &mut __m512i, w: Factor) {
        let product = self.mul_lazy(*y, w);
        let reduced = if REDUCE { Self::reduce_once(*x, self.eight_q) } else { *x };
        debug_assert!(all_below(reduced, _mm512_add_epi64(self.eight_q, self.four_q)));
        debug_assert!(all_below(product, self.four_q));
        *x = _mm512_add_epi64(reduced, product);
        *y = _mm512_sub_epi64(_mm512_add_epi64(reduced, self.four_q), product);
    }

    /// `(x + y, w·(x - y))`; `[0, m)² → [0, 2m) × [0, 4q)` for a multiple `m` of `q`, at most `8q`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn inverse(&self, x: &mut __m512i, y: &mut __m512i, w: Factor, m: __m512i) {
        debug_assert!(all_below(*x, m) && all_below(*y, m));
        let difference = _mm512_sub_epi64(_mm512_add_epi64(*x, m), *y);
        *x = _mm512_add_epi64(*x, *y);
        *y = self.mul_lazy(difference, w);
    }
}

/// `floor(x·y/2^64)` or up to 2 less; `y_high = floor(y/2^32)`.
///
/// With 32-bit halves, `x·y/2^64 = x1·y1 + x1·y0/2^32 + x0·y1/2^32 + x0·y0/2^64`. Dropping the fractions of the middle terms
/// and the last term loses less than 1 each.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn high_estimate(x: __m512i, y: __m512i, y_high: __m512i) -> __m512i {
    let x_high = _mm512_srli_epi64::<32>(x);
    let left = _mm512_srli_epi64::<32>(_mm512_mul_epu32(x_high, y));
    let right = _mm512_srli_epi64::<32>(_mm512_mul_epu32(x, y_high));
    _mm512_add_epi64(_mm512_add_epi64(_mm512_mul_epu32(x_high, y_high), left), right)
}

/// Whether each lane is below its bound.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn all_below(x: __m512i, bound: __m512i) -> bool {
    _mm512_cmplt_epu64_mask(x, bound) == u8::MAX
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn splat(x: u64) -> __m512i {
    _mm512_set1_epi64(x.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn load(xs: &[u64; 8]) -> __m512i {
    // SAFETY: eight words are 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(xs.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn store(xs: &mut [u64; 8], value: __m512i) {
    // SAFETY: eight words are 64 writable bytes; the store needs no alignment.
    unsafe { _mm512_storeu_si512(xs.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn factor(value: __m512i, quotient: __m512i) -> Factor {
    Factor { value, quotient, quotient_high: _mm512_srli_epi64::<32>(quotient) }
}

/// A Shoup factor in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn splat_factor(w: Shoup) -> Factor {
    factor(splat(w.value), splat(w.quotient))
}
