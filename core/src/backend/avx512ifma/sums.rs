//! Sums of products below `2^103`, reduced once, and the tensor product of ciphertexts made of them.

use core::arch::x86_64::*;

use super::{Factor, Lanes, load, splat, splat_factor, store};
use crate::backend::{Backend, Portable};
use crate::modulus::Modulus;

/// Reduction of sums below `2^103`, kept as sums of the high and of the low halves of their products.
pub(super) struct Sums {
    lanes: Lanes,
    /// `2^51`.
    word: Factor,
    mask: __m512i,
}

impl Sums {
    const WORD_BITS: u32 = 51;

    /// Whether so many products below `2^product_bits` are a sum of this class.
    pub(super) const fn hold(product_bits: u32, count: usize) -> bool {
        product_bits + (usize::BITS - (count - 1).leading_zeros()) <= 2 * Self::WORD_BITS + 1
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn new(q: &Modulus) -> Self {
        let word = q.shoup(q.reduce(1 << Self::WORD_BITS));
        Self { lanes: Lanes::new(q), word: splat_factor(word), mask: splat((1 << Self::WORD_BITS) - 1) }
    }

    /// `high·2^52 + low mod q` for a value below `2^103` and `low < 2^63`.
    ///
    /// The value is `upper·2^51 + lower` with `upper < 2^52` and `lower < 2^51`. Shoup's product of `upper` and `2^51` is in
    /// `[0, 2q)`, so that with `lower` it is below `2^51 + 2q ≤ 2^52`: one word, of which 1 is the last factor.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn reduce(&self, high: __m512i, low: __m512i) -> __m512i {
        let (q, sum) = (&self.lanes, self.fold(high, low));
        let estimate = _mm512_madd52hi_epu64(q.zero, sum, q.one.quotient);
        let rest = _mm512_and_si512(_mm512_madd52lo_epu64(sum, estimate, q.minus_q), q.mask);
        Lanes::reduce_once(rest, q.q)
    }

    /// As [`Sums::reduce`], times `w`: the last factor is `w`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn reduce_times(&self, high: __m512i, low: __m512i, w: Factor) -> __m512i {
        Lanes::reduce_once(self.lanes.mul_lazy(self.fold(high, low), w), self.lanes.q)
    }

    /// `a + b mod q`; `[0, q)² → [0, q)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn add(&self, a: __m512i, b: __m512i) -> __m512i {
        Lanes::reduce_once(_mm512_add_epi64(a, b), self.lanes.q)
    }

    /// One word below `2^52` of the same residue.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn fold(&self, high: __m512i, low: __m512i) -> __m512i {
        let q = &self.lanes;
        let lower = _mm512_and_si512(low, self.mask);
        let upper = _mm512_add_epi64(_mm512_add_epi64(high, high), _mm512_srli_epi64::<{ Self::WORD_BITS }>(low));
        let estimate = _mm512_madd52hi_epu64(q.zero, upper, self.word.quotient);
        let sum = _mm512_madd52lo_epu64(lower, upper, self.word.value);
        _mm512_madd52lo_epu64(sum, estimate, q.minus_q)
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn tensor(q: &Modulus, out: [&mut [u64]; 3], a: [&[u64]; 2], b: [&[u64]; 2]) {
    let n = out[0].len();
    assert!(out.iter().all(|row| row.len() == n) && a.iter().chain(&b).all(|row| row.len() == n));
    let sums = Sums::new(q);
    let [(x, x_rest), (y, y_rest), (z, z_rest)] = out.map(|row| row.as_chunks_mut::<8>());
    let [(a0, a0_rest), (a1, a1_rest)] = a.map(|row| row.as_chunks::<8>());
    let [(b0, b0_rest), (b1, b1_rest)] = b.map(|row| row.as_chunks::<8>());
    for ((((((x, y), z), a0), a1), b0), b1) in x.iter_mut().zip(y).zip(z).zip(a0).zip(a1).zip(b0).zip(b1) {
        let (a0, a1, b0, b1) = (load(a0), load(a1), load(b0), load(b1));
        let product = |low, a, b| (_mm512_madd52hi_epu64(sums.lanes.zero, a, b), _mm512_madd52lo_epu64(low, a, b));
        let ((high, low), (top, bottom)) = (product(load(x), a0, b0), product(load(z), a1, b1));
        let (cross_high, cross_low) = product(load(y), a0, b1);
        let cross_high = _mm512_madd52hi_epu64(cross_high, a1, b0);
        let cross_low = _mm512_madd52lo_epu64(cross_low, a1, b0);
        store(x, sums.reduce(high, low));
        store(y, sums.reduce(cross_high, cross_low));
        store(z, sums.reduce(top, bottom));
    }
    Portable.tensor(q, [x_rest, y_rest, z_rest], [a0_rest, a1_rest], [b0_rest, b1_rest]);
}
