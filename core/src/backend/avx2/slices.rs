//! Pointwise products and sums of products.

use core::arch::x86_64::*;

use super::field::{Factor, Field, Ratio, doubles, load, splat, store};
use crate::backend::{Backend, MAX_TERMS, Portable};
use crate::modulus::{Modulus, Shoup};

#[target_feature(enable = "avx2,fma")]
pub(super) fn mul(q: &Modulus, a: &mut [u64], b: &[u64]) {
    assert_eq!(a.len(), b.len());
    debug_assert!(a.iter().chain(b).all(|&x| x < q.value()));
    let field = Field::new(q);
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks_mut::<4>(), b.as_chunks::<4>());
    for (x, y) in a.iter_mut().zip(b) {
        store(x, field.words(field.mul_pair(doubles(load(x)), doubles(load(y)))));
    }
    Portable.mul(q, a_rest, b_rest);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn mul_add(q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]) {
    assert!(acc.len() == a.len() && a.len() == b.len());
    debug_assert!(acc.iter().chain(a).chain(b).all(|&x| x < q.value()));
    let field = Field::new(q);
    let (acc, acc_rest) = acc.as_chunks_mut::<4>();
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for ((sum, x), y) in acc.iter_mut().zip(a).zip(b) {
        let (x, y) = (doubles(load(x)), doubles(load(y)));
        store(sum, field.words(field.mul_pair_add(x, y, doubles(load(sum)))));
    }
    Portable.mul_add(q, acc_rest, a_rest, b_rest);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn mul_scalar(q: &Modulus, a: &mut [u64], w: Shoup) {
    debug_assert!(a.iter().all(|&x| x < q.value()));
    let (field, factor) = (Field::new(q), splat(&Ratio::of(w, q.value())));
    let (a, rest) = a.as_chunks_mut::<4>();
    for x in a {
        store(x, field.words(field.mul(doubles(load(x)), factor)));
    }
    Portable.mul_scalar(q, rest, w);
}

/// Bits of the operands of sums of products, and of half of one.
pub(super) const WORD_BITS: u32 = 52;
const HALF_BITS: u32 = 26;
const WORD_MASK: i64 = (1 << WORD_BITS) - 1;
const HALF_MASK: i64 = (1 << HALF_BITS) - 1;

/// The low and the high half of words of 52 bits.
#[derive(Clone, Copy)]
struct Halves([__m256i; 2]);

impl Halves {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn of(words: __m256i) -> Self {
        Self([
            _mm256_and_si256(words, _mm256_set1_epi64x(HALF_MASK)),
            _mm256_srli_epi64::<{ HALF_BITS.cast_signed() }>(words),
        ])
    }
}

/// A sum of up to [`MAX_TERMS`] products of 52-bit words, `low + middle·2^26 + high·2^52`: each product of halves is
/// below `2^52`, so the parts stay below `2^61`.
struct Sum {
    low: __m256i,
    middle: __m256i,
    high: __m256i,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn zero() -> Self {
        let zero = _mm256_setzero_si256();
        Self { low: zero, middle: zero, high: zero }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add_product(&mut self, Halves([a0, a1]): Halves, Halves([b0, b1]): Halves) {
        self.low = _mm256_add_epi64(self.low, _mm256_mul_epu32(a0, b0));
        self.middle = _mm256_add_epi64(self.middle, _mm256_mul_epu32(a0, b1));
        self.middle = _mm256_add_epi64(self.middle, _mm256_mul_epu32(a1, b0));
        self.high = _mm256_add_epi64(self.high, _mm256_mul_epu32(a1, b1));
    }
}

/// Two vectors, whose sums run side by side.
type Pair = [[u64; 4]; 2];

fn pairs(words: &[u64]) -> &[Pair] {
    words.as_chunks().0.as_chunks().0
}

fn pairs_mut(words: &mut [u64]) -> &mut [Pair] {
    words.as_chunks_mut().0.as_chunks_mut().0
}

/// Reduction of sums of products.
struct Wide {
    field: Field,
    /// `2^52` and `2^104` modulo `q`.
    word: Factor,
    two_words: Factor,
}

impl Wide {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(q: &Modulus) -> Self {
        let word = q.reduce(1 << WORD_BITS);
        let factor = |w| splat(&Ratio::of(q.shoup(w), q.value()));
        Self { field: Field::new(q), word: factor(word), two_words: factor(q.mul(word, word)) }
    }

    /// The residue of a sum, in `[0, q)`.
    ///
    /// Its words of 52 bits are multiplied by 1, `2^52` and `2^104`. The first stays below `2^52` and the other products
    /// below `2q/3`, so their sum is below `2^53`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn reduce(&self, sum: &Sum) -> __m256i {
        let (half_mask, word_mask) = (_mm256_set1_epi64x(HALF_MASK), _mm256_set1_epi64x(WORD_MASK));
        let middle = _mm256_add_epi64(sum.middle, _mm256_srli_epi64::<{ HALF_BITS.cast_signed() }>(sum.low));
        let high = _mm256_add_epi64(sum.high, _mm256_srli_epi64::<{ HALF_BITS.cast_signed() }>(middle));
        let shifted = _mm256_slli_epi64::<{ HALF_BITS.cast_signed() }>(_mm256_and_si256(middle, half_mask));
        let low = _mm256_or_si256(shifted, _mm256_and_si256(sum.low, half_mask));
        let upper = self.field.mul(doubles(_mm256_and_si256(high, word_mask)), self.word);
        let top = self.field.mul(doubles(_mm256_srli_epi64::<{ WORD_BITS.cast_signed() }>(high)), self.two_words);
        self.field.words(self.field.reduce(_mm256_add_pd(_mm256_add_pd(doubles(low), upper), top)))
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn dot(q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]) {
    assert!(terms.len() <= MAX_TERMS);
    assert!(terms.iter().all(|(a, b)| a.len() == out.len() && b.len() == out.len()));
    debug_assert!(terms.iter().all(|(a, b)| a.iter().chain(*b).all(|&x| x < q.value())));
    let wide = Wide::new(q);
    let done = out.len() & !7;
    for (i, out) in pairs_mut(out).iter_mut().enumerate() {
        let mut sums = [Sum::zero(), Sum::zero()];
        for (a, b) in terms {
            for ((sum, x), y) in sums.iter_mut().zip(&pairs(a)[i]).zip(&pairs(b)[i]) {
                sum.add_product(Halves::of(load(x)), Halves::of(load(y)));
            }
        }
        for (out, sum) in out.iter_mut().zip(&sums) {
            store(out, wide.reduce(sum));
        }
    }
    for i in done..out.len() {
        let products = terms.iter().map(|(a, b)| q.mul(a[i], b[i]));
        out[i] = products.fold(0, |sum, x| q.add(sum, x));
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn combine(q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64]) {
    assert!(terms.len() <= MAX_TERMS && terms.len() == weights.len());
    assert!(terms.iter().all(|a| a.len() == out.len()));
    debug_assert!(weights.iter().chain(terms.iter().copied().flatten()).all(|x| x >> WORD_BITS == 0));
    let wide = Wide::new(q);
    let done = out.len() & !7;
    for (i, out) in pairs_mut(out).iter_mut().enumerate() {
        let mut sums = [Sum::zero(), Sum::zero()];
        for (a, &w) in terms.iter().zip(weights) {
            let w = Halves::of(_mm256_set1_epi64x(w.cast_signed()));
            for (sum, x) in sums.iter_mut().zip(&pairs(a)[i]) {
                sum.add_product(Halves::of(load(x)), w);
            }
        }
        for (out, sum) in out.iter_mut().zip(&sums) {
            store(out, wide.reduce(sum));
        }
    }
    for i in done..out.len() {
        let products = terms.iter().zip(weights).map(|(a, &w)| u128::from(a[i]) * u128::from(w));
        out[i] = products.fold(0, |sum, x| q.add(sum, q.reduce_wide(x)));
    }
}
