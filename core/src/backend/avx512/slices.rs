//! Pointwise operations, sums of products, and the rounding of base conversion.

use core::arch::x86_64::*;

use super::{Factor, Lanes, high_estimate, load, splat, splat_factor, store};
use crate::backend::{Backend, MAX_TERMS, Portable};
use crate::modulus::{Modulus, Reciprocal, Shoup};

/// Barrett's constants for `q·2^shift`, the multiple of `q` in `[2^59, 2^60)`: every modulus as if it had 60 bits, so that
/// shifts are the same for all.
struct Barrett {
    lanes: Lanes,
    shift: __m512i,
    /// `q·2^shift`.
    shifted: __m512i,
    /// `floor(2^122 / (q·2^shift))`, below `2^63`, and its upper half.
    reciprocal: __m512i,
    reciprocal_high: __m512i,
}

impl Barrett {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    #[allow(clippy::integer_division_remainder_used, reason = "the modulus is public")]
    fn new(modulus: &Modulus) -> Self {
        let shift = Modulus::MAX_BITS - modulus.bits();
        let shifted = modulus.value() << shift;
        let reciprocal = ((1u128 << 122) / u128::from(shifted)) as u64;
        Self {
            lanes: Lanes::new(modulus),
            shift: splat(u64::from(shift)),
            shifted: splat(shifted),
            reciprocal: splat(reciprocal),
            reciprocal_high: splat(reciprocal >> 32),
        }
    }

    /// `x·y mod q` in `[0, 4q)` for `x, y` in `[0, q)`.
    ///
    /// With `m = q·2^shift` and `z = x·2^shift·y < 2^120`, let `top = z/2^58 - e1 < 2^62` and `reciprocal = 2^122/m - e2`. The
    /// estimate of `top·reciprocal/2^64` is below `z/m` by less than `e1·reciprocal/2^64 + e2·top/2^64 + 3 < 1/2 + 1/4 + 3`:
    /// the lowest product of halves and two fractions are dropped.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn mul_lazy(&self, x: __m512i, y: __m512i) -> __m512i {
        let x = _mm512_sllv_epi64(x, self.shift);
        let (x_high, y_high) = (_mm512_srli_epi64::<32>(x), _mm512_srli_epi64::<32>(y));
        let lowest = _mm512_mul_epu32(x, y);
        // Each upper half is below 2^28, each mixed product below 2^60.
        let mixed = _mm512_add_epi64(_mm512_mul_epu32(x_high, y), _mm512_mul_epu32(x, y_high));
        let low = _mm512_add_epi64(lowest, _mm512_slli_epi64::<32>(mixed));
        let middle = _mm512_add_epi64(mixed, _mm512_srli_epi64::<32>(lowest));
        let highest = _mm512_mul_epu32(x_high, y_high);
        let top = _mm512_add_epi64(_mm512_slli_epi64::<6>(highest), _mm512_srli_epi64::<26>(middle));
        let estimate = high_estimate(top, self.reciprocal, self.reciprocal_high);
        let remainder = _mm512_sub_epi64(low, _mm512_mullo_epi64(estimate, self.shifted));
        _mm512_srlv_epi64(remainder, self.shift)
    }
}

/// `a *= b`; `[0, q)² → [0, q)`.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn mul(q: &Modulus, a: &mut [u64], b: &[u64]) {
    assert_eq!(a.len(), b.len());
    let barrett = Barrett::new(q);
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks_mut::<8>(), b.as_chunks::<8>());
    for (x, y) in a.iter_mut().zip(b) {
        let product = barrett.mul_lazy(load(x), load(y));
        store(x, barrett.lanes.reduce_fourfold(product));
    }
    Portable.mul(q, a_rest, b_rest);
}

/// `acc += a·b`; `[0, q)³ → [0, q)`.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn mul_add(q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]) {
    assert!(acc.len() == a.len() && a.len() == b.len());
    let barrett = Barrett::new(q);
    let ((acc, acc_rest), (a, a_rest), (b, b_rest)) =
        (acc.as_chunks_mut::<8>(), a.as_chunks::<8>(), b.as_chunks::<8>());
    for ((sum, x), y) in acc.iter_mut().zip(a).zip(b) {
        // With the sum, the product would exceed 4q.
        let product = Lanes::reduce_once(barrett.mul_lazy(load(x), load(y)), barrett.lanes.two_q);
        let value = _mm512_add_epi64(product, load(sum));
        store(sum, barrett.lanes.reduce_fourfold(value));
    }
    Portable.mul_add(q, acc_rest, a_rest, b_rest);
}

/// `a *= w`; `[0, q) → [0, q)`.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn mul_scalar(q: &Modulus, a: &mut [u64], w: Shoup) {
    let (lanes, factor) = (Lanes::new(q), splat_factor(w));
    let (a, rest) = a.as_chunks_mut::<8>();
    for x in a {
        let product = lanes.mul_lazy(load(x), factor);
        store(x, lanes.reduce_fourfold(product));
    }
    Portable.mul_scalar(q, rest, w);
}

/// Bits of a digit of the operands of sums.
const DIGIT_BITS: u32 = 30;
const DIGIT_MASK: u64 = (1 << DIGIT_BITS) - 1;
/// How many products of digits, and one word below `2^60`, a lane holds: `(15 + 1)·2^60 = 2^64`.
const SUM_TERMS: usize = 15;

/// Digits of words below `2^60`.
#[derive(Clone, Copy)]
struct Digits {
    low: __m512i,
    high: __m512i,
}

/// Sums of up to [`SUM_TERMS`] products of digits, apart by weight: `2^0`, `2^30` twice, `2^60`.
struct Sums {
    low: __m512i,
    middle: [__m512i; 2],
    high: __m512i,
}

impl Sums {
    /// The sum that is `x < 2^60`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn from_word(x: __m512i) -> Self {
        let zero = _mm512_setzero_si512();
        Self { low: x, middle: [zero; 2], high: zero }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn add_product(&mut self, x: Digits, y: Digits) {
        self.low = _mm512_add_epi64(self.low, _mm512_mul_epu32(x.low, y.low));
        self.middle[0] = _mm512_add_epi64(self.middle[0], _mm512_mul_epu32(x.high, y.low));
        self.middle[1] = _mm512_add_epi64(self.middle[1], _mm512_mul_epu32(x.low, y.high));
        self.high = _mm512_add_epi64(self.high, _mm512_mul_epu32(x.high, y.high));
    }
}

/// What brings [`Sums`] back to residues.
struct Wide {
    lanes: Lanes,
    digit_mask: __m512i,
    /// 1 and `2^60` modulo `q`.
    one: Factor,
    two_digits: Factor,
}

impl Wide {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn new(q: &Modulus) -> Self {
        let two_digits = q.reduce(1 << (2 * DIGIT_BITS));
        Self {
            lanes: Lanes::new(q),
            digit_mask: splat(DIGIT_MASK),
            one: splat_factor(q.shoup(1)),
            two_digits: splat_factor(q.shoup(two_digits)),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn digits(&self, x: __m512i) -> Digits {
        Digits { low: _mm512_and_si512(x, self.digit_mask), high: _mm512_srli_epi64::<DIGIT_BITS>(x) }
    }

    /// The sum in `[0, q)`.
    ///
    /// Carries leave two digits, below `2^62` together, and what counts `2^60`: at most `15·2^60 + 2^36 < 2^64`. Both are
    /// multiplied by their weights, lazily in `[0, 4q)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn reduce(&self, sums: &Sums) -> __m512i {
        let low = self.digits(sums.low);
        let middle = self.digits(_mm512_add_epi64(sums.middle[0], low.high));
        let other = self.digits(sums.middle[1]);
        let high = _mm512_add_epi64(_mm512_add_epi64(sums.high, middle.high), other.high);
        let second = _mm512_slli_epi64::<DIGIT_BITS>(_mm512_add_epi64(middle.low, other.low));
        let low = self.lanes.mul_lazy(_mm512_add_epi64(low.low, second), self.one);
        let high = self.lanes.mul_lazy(high, self.two_digits);
        let sum = Lanes::reduce_once(_mm512_add_epi64(low, high), self.lanes.four_q);
        self.lanes.reduce_fourfold(sum)
    }
}

/// `out = Σ a_i·b_i`; `[0, q)² → [0, q)`. One reduction per [`SUM_TERMS`] terms.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn dot(q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]) {
    assert!(terms.len() <= MAX_TERMS);
    assert!(terms.iter().all(|(a, b)| a.len() == out.len() && b.len() == out.len()));
    let wide = Wide::new(q);
    let (vectors, rest) = out.as_chunks_mut::<8>();
    let done = 8 * vectors.len();
    for (i, out) in vectors.iter_mut().enumerate() {
        let mut value = _mm512_setzero_si512();
        for terms in terms.chunks(SUM_TERMS) {
            let mut sums = Sums::from_word(value);
            for (a, b) in terms {
                let (x, y) = (load(&a.as_chunks().0[i]), load(&b.as_chunks().0[i]));
                sums.add_product(wide.digits(x), wide.digits(y));
            }
            value = wide.reduce(&sums);
        }
        store(out, value);
    }
    for (i, out) in (done..).zip(rest) {
        let products = terms.iter().map(|(a, b)| q.mul(a[i], b[i]));
        *out = products.fold(0, |sum, x| q.add(sum, x));
    }
}

/// `out = Σ w_i·a_i`; `a_i, w_i` in `[0, 2^60) → [0, q)`. One reduction per [`SUM_TERMS`] terms.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn combine(q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64], bits: u32) {
    assert!(terms.len() <= MAX_TERMS && terms.len() == weights.len());
    debug_assert!(bits <= 2 * DIGIT_BITS && weights.iter().all(|w| w >> bits == 0));
    assert!(terms.iter().all(|a| a.len() == out.len()));
    let wide = Wide::new(q);
    let (vectors, rest) = out.as_chunks_mut::<8>();
    let done = 8 * vectors.len();
    for (i, out) in vectors.iter_mut().enumerate() {
        let mut value = _mm512_setzero_si512();
        for (terms, weights) in terms.chunks(SUM_TERMS).zip(weights.chunks(SUM_TERMS)) {
            let mut sums = Sums::from_word(value);
            for (a, &w) in terms.iter().zip(weights) {
                sums.add_product(wide.digits(load(&a.as_chunks().0[i])), wide.digits(splat(w)));
            }
            value = wide.reduce(&sums);
        }
        store(out, value);
    }
    for (i, out) in (done..).zip(rest) {
        let products = terms.iter().zip(weights).map(|(a, &w)| u128::from(a[i]) * u128::from(w));
        *out = products.fold(0, |sum, x| q.add(sum, q.reduce_wide(x)));
    }
}

/// The fractions are those of [`Reciprocal::fraction`], to the last bit; their carries are counted.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn round_quotients(out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]) {
    assert!(terms.len() <= MAX_TERMS && terms.len() == reciprocals.len());
    assert!(terms.iter().all(|a| a.len() == out.len()));
    let (one, half) = (splat(1), splat(1 << 63));
    let (vectors, rest) = out.as_chunks_mut::<8>();
    let done = 8 * vectors.len();
    for (i, out) in vectors.iter_mut().enumerate() {
        let (mut sum, mut carries) = (half, _mm512_setzero_si512());
        for (a, r) in terms.iter().zip(reciprocals) {
            let fraction = fraction(load(&a.as_chunks().0[i]), *r);
            sum = _mm512_add_epi64(sum, fraction);
            carries = _mm512_mask_add_epi64(carries, _mm512_cmplt_epu64_mask(sum, fraction), carries, one);
        }
        store(out, carries);
    }
    for (i, out) in (done..).zip(rest) {
        let fractions = terms.iter().zip(reciprocals).map(|(a, r)| u128::from(r.fraction(a[i])));
        *out = (fractions.fold(1 << 63, |sum: u128, fraction| sum + fraction) >> 64) as u64;
    }
}

/// `floor(x·r / 2^shift)` for `x < 2^60` and a 64-bit `r`, which is below `2^64`.
///
/// With 32-bit halves, `x1·r0 < 2^60` takes the carry from below without overflow, and `x0·r1 < 2^64 - 2^32` the lower half
/// of that. What is shifted out of the top is zero.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn fraction(x: __m512i, r: Reciprocal) -> __m512i {
    let low_half = splat(u64::from(u32::MAX));
    let (r0, r1) = (splat(r.value()), splat(r.value() >> 32));
    let x1 = _mm512_srli_epi64::<32>(x);
    let lowest = _mm512_mul_epu32(x, r0);
    let first = _mm512_add_epi64(_mm512_mul_epu32(x1, r0), _mm512_srli_epi64::<32>(lowest));
    let second = _mm512_add_epi64(_mm512_mul_epu32(x, r1), _mm512_and_si512(first, low_half));
    let carry = _mm512_add_epi64(_mm512_srli_epi64::<32>(first), _mm512_srli_epi64::<32>(second));
    let upper = _mm512_add_epi64(_mm512_mul_epu32(x1, r1), carry);
    let lower = _mm512_add_epi64(_mm512_slli_epi64::<32>(second), _mm512_and_si512(lowest, low_half));
    let right = u64::from(r.shift());
    let upper = _mm512_sllv_epi64(upper, splat(u64::from(u64::BITS) - right));
    _mm512_or_si512(upper, _mm512_srlv_epi64(lower, splat(right)))
}
