//! Pointwise operations, sums of products, and the rounding of base conversion.

use core::arch::x86_64::*;

use super::{Lanes, WORD_BITS, WORD_MASK, load, splat, splat_factor, store};
use crate::backend::{Backend, MAX_TERMS, Portable};
use crate::modulus::{Modulus, Reciprocal, Shoup};

/// Barrett's constants at 52 bits, for a `q` of `b ≤ 50` bits.
pub(super) struct Barrett {
    pub(super) lanes: Lanes,
    /// `floor(2^(b+50) / q)`, below `2^51`.
    reciprocal: __m512i,
    /// `b - 2`.
    low_shift: __m128i,
    /// `54 - b`.
    high_shift: __m128i,
}

impl Barrett {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    #[allow(clippy::integer_division_remainder_used, reason = "the modulus is public")]
    pub(super) fn new(modulus: &Modulus) -> Self {
        let bits = modulus.bits();
        let reciprocal = ((1u128 << (bits + 50)) / u128::from(modulus.value())) as u64;
        Self {
            lanes: Lanes::new(modulus),
            reciprocal: splat(reciprocal),
            low_shift: _mm_cvtsi64_si128(i64::from(bits) - 2),
            high_shift: _mm_cvtsi64_si128(54 - i64::from(bits)),
        }
    }

    /// `high·2^52 + low mod q` for a value below `2^(2b)` and `low < 2^53`.
    ///
    /// With `z1 = z/2^(b-2) - e1 < 2^52` and `reciprocal = 2^(b+50)/q - e2`, the estimate `z1·reciprocal/2^52` is below
    /// `z/q` by at most `e1·reciprocal/2^52 + e2·z1/2^52 < 1/2 + 1`, so the remainder is below `3q`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn reduce(&self, high: __m512i, low: __m512i) -> __m512i {
        let q = &self.lanes;
        let top = _mm512_add_epi64(_mm512_srl_epi64(low, self.low_shift), _mm512_sll_epi64(high, self.high_shift));
        let estimate = _mm512_madd52hi_epu64(q.zero, top, self.reciprocal);
        let remainder = _mm512_and_si512(_mm512_madd52lo_epu64(low, estimate, q.minus_q), q.mask);
        Lanes::reduce_once(Lanes::reduce_once(remainder, q.two_q), q.q)
    }
}

/// `x[i] = f(x[i], …)` for vectors of eight; the last few values go to `rest`.
macro_rules! split {
    ($xs:ident) => {{
        let (chunks, rest) = $xs.as_chunks::<8>();
        (chunks, rest)
    }};
    (mut $xs:ident) => {{
        let (chunks, rest) = $xs.as_chunks_mut::<8>();
        (chunks, rest)
    }};
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn mul(q: &Modulus, a: &mut [u64], b: &[u64]) {
    assert_eq!(a.len(), b.len());
    let barrett = Barrett::new(q);
    let ((a, a_rest), (b, b_rest)) = (split!(mut a), split!(b));
    for (x, y) in a.iter_mut().zip(b) {
        let (left, right) = (load(x), load(y));
        let low = _mm512_madd52lo_epu64(barrett.lanes.zero, left, right);
        let high = _mm512_madd52hi_epu64(barrett.lanes.zero, left, right);
        store(x, barrett.reduce(high, low));
    }
    Portable.mul(q, a_rest, b_rest);
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn mul_add(q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]) {
    assert!(acc.len() == a.len() && a.len() == b.len());
    let barrett = Barrett::new(q);
    let ((acc, acc_rest), (a, a_rest), (b, b_rest)) = (split!(mut acc), split!(a), split!(b));
    for ((sum, x), y) in acc.iter_mut().zip(a).zip(b) {
        let (left, right) = (load(x), load(y));
        let low = _mm512_madd52lo_epu64(load(sum), left, right);
        let high = _mm512_madd52hi_epu64(barrett.lanes.zero, left, right);
        store(sum, barrett.reduce(high, low));
    }
    Portable.mul_add(q, acc_rest, a_rest, b_rest);
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn mul_scalar(q: &Modulus, a: &mut [u64], w: Shoup) {
    let (lanes, factor) = (Lanes::new(q), splat_factor(w));
    let (a, rest) = split!(mut a);
    for x in a {
        store(x, Lanes::reduce_once(lanes.mul_lazy(load(x), factor), lanes.q));
    }
    Portable.mul_scalar(q, rest, w);
}

/// Reduction of sums of up to [`MAX_TERMS`] products of 52-bit words, kept as sums of high and of low halves.
struct Wide {
    lanes: Lanes,
    /// `2^52` and `2^104` modulo `q`.
    word: super::Factor,
    two_words: super::Factor,
}

impl Wide {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn new(q: &Modulus) -> Self {
        let word = q.reduce(1 << WORD_BITS);
        Self {
            lanes: Lanes::new(q),
            word: splat_factor(q.shoup(word)),
            two_words: splat_factor(q.shoup(q.mul(word, word))),
        }
    }

    /// `high·2^52 + low mod q` for `high, low < 2^63`.
    ///
    /// The three words of the value are multiplied by 1, `2^52` and `2^104`, each lazily in `[0, 2q)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn reduce(&self, high: __m512i, low: __m512i) -> __m512i {
        let q = &self.lanes;
        let high = _mm512_add_epi64(high, _mm512_srli_epi64::<WORD_BITS>(low));
        let top = _mm512_srli_epi64::<WORD_BITS>(high);
        let sum = _mm512_add_epi64(q.mul_lazy(low, q.one), q.mul_lazy(high, self.word));
        let sum = _mm512_add_epi64(sum, q.mul_lazy(top, self.two_words));
        let four_q = _mm512_add_epi64(q.two_q, q.two_q);
        Lanes::reduce_once(Lanes::reduce_once(Lanes::reduce_once(sum, four_q), q.two_q), q.q)
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn dot(q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]) {
    assert!(terms.len() <= MAX_TERMS);
    assert!(terms.iter().all(|(a, b)| a.len() == out.len() && b.len() == out.len()));
    let wide = Wide::new(q);
    let done = out.len() & !7;
    for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let (mut high, mut low) = (wide.lanes.zero, wide.lanes.zero);
        for (a, b) in terms {
            let (x, y) = (load(&a.as_chunks().0[i]), load(&b.as_chunks().0[i]));
            low = _mm512_madd52lo_epu64(low, x, y);
            high = _mm512_madd52hi_epu64(high, x, y);
        }
        store(out, wide.reduce(high, low));
    }
    for i in done..out.len() {
        let products = terms.iter().map(|(a, b)| q.mul(a[i], b[i]));
        out[i] = products.fold(0, |sum, x| q.add(sum, x));
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn combine(q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64]) {
    assert!(terms.len() <= MAX_TERMS && terms.len() == weights.len());
    assert!(terms.iter().all(|a| a.len() == out.len()));
    debug_assert!(weights.iter().all(|&w| w <= WORD_MASK));
    let wide = Wide::new(q);
    let done = out.len() & !7;
    for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let (mut high, mut low) = (wide.lanes.zero, wide.lanes.zero);
        for (a, &w) in terms.iter().zip(weights) {
            let (x, w) = (load(&a.as_chunks().0[i]), splat(w));
            low = _mm512_madd52lo_epu64(low, x, w);
            high = _mm512_madd52hi_epu64(high, x, w);
        }
        store(out, wide.reduce(high, low));
    }
    for i in done..out.len() {
        let products = terms.iter().zip(weights).map(|(a, &w)| u128::from(a[i]) * u128::from(w));
        out[i] = products.fold(0, |sum, x| q.add(sum, q.reduce_wide(x)));
    }
}

/// The fractions are those of [`Reciprocal::fraction`], to the last bit; their carries are counted.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn round_quotients(out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]) {
    assert!(terms.len() <= MAX_TERMS && terms.len() == reciprocals.len());
    assert!(terms.iter().all(|a| a.len() == out.len()));
    let (zero, one, half) = (_mm512_setzero_si512(), splat(1), splat(1 << 63));
    let done = out.len() & !7;
    for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let (mut sum, mut carries) = (half, zero);
        for (a, r) in terms.iter().zip(reciprocals) {
            let fraction = fraction(load(&a.as_chunks().0[i]), *r);
            sum = _mm512_add_epi64(sum, fraction);
            carries = _mm512_mask_add_epi64(carries, _mm512_cmplt_epu64_mask(sum, fraction), carries, one);
        }
        store(out, carries);
    }
    let tails = terms.iter().map(|a| &a[done..]);
    let mut rest = [&[][..]; MAX_TERMS];
    for (slot, tail) in rest.iter_mut().zip(tails) {
        *slot = tail;
    }
    Portable.round_quotients(&mut out[done..], &rest[..terms.len()], reciprocals);
}

/// `floor(x·r / 2^shift)` for `x < 2^50` and a 64-bit `r`, which is below `2^64`.
///
/// With `r = r1·2^52 + r0`, the product is `(x·r1 + high(x·r0))·2^52 + low(x·r0)`; what is shifted out of the top is zero.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn fraction(x: __m512i, r: Reciprocal) -> __m512i {
    let zero = _mm512_setzero_si512();
    let (r0, r1) = (splat(r.value() & WORD_MASK), splat(r.value() >> WORD_BITS));
    // x·r1 < 2^62: a 64-bit product holds it.
    let upper = _mm512_madd52hi_epu64(_mm512_mullo_epi64(x, r1), x, r0);
    let lower = _mm512_madd52lo_epu64(zero, x, r0);
    let (left, right) = (i64::from(WORD_BITS) - i64::from(r.shift()), i64::from(r.shift()));
    let upper = _mm512_sll_epi64(upper, _mm_cvtsi64_si128(left));
    _mm512_add_epi64(upper, _mm512_srl_epi64(lower, _mm_cvtsi64_si128(right)))
}
