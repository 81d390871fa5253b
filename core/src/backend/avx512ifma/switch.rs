//! The kernels of key switching: sums for both halves of a key, exact division, lifts of one prime's residues, and
//! permutations within aligned eights.

use core::arch::x86_64::*;

use super::slices::Barrett;
use super::{Lanes, WORD_BITS, load, splat, splat_factor, store};
use crate::backend::{Backend, MAX_TERMS, PairTerm, Portable};
use crate::modulus::{Modulus, Shoup};

/// The most products of words below `2^50` whose high halves, each below `2^48`, sum to less than `2^52` with the
/// carries of the low halves.
const SHORT: usize = 15;

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn permute_blocks(out: &mut [u64], xs: &[u64], indices: &[u32]) {
    assert!(out.len() == indices.len() && xs.len() == indices.len());
    debug_assert!(indices.chunks(8).all(|block| block.iter().all(|i| i >> 3 == block[0] >> 3)));
    let ((out, out_rest), (blocks, rest)) = (out.as_chunks_mut::<8>(), indices.as_chunks::<8>());
    let sources = xs.as_chunks::<8>().0;
    for (out, block) in out.iter_mut().zip(blocks) {
        // The permutation reads the lowest three bits of each index.
        let lanes = block.map(u64::from);
        store(out, _mm512_permutexvar_epi64(load(&lanes), load(&sources[(block[0] >> 3) as usize])));
    }
    for (out, &i) in out_rest.iter_mut().zip(rest) {
        *out = xs[i as usize];
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn mul_into(q: &Modulus, out: &mut [u64], a: &[u64], b: &[u64]) {
    assert!(out.len() == a.len() && a.len() == b.len());
    let barrett = Barrett::new(q);
    let ((out, out_rest), (a, a_rest), (b, b_rest)) =
        (out.as_chunks_mut::<8>(), a.as_chunks::<8>(), b.as_chunks::<8>());
    for ((out, x), y) in out.iter_mut().zip(a).zip(b) {
        let (left, right) = (load(x), load(y));
        let low = _mm512_madd52lo_epu64(barrett.lanes.zero, left, right);
        let high = _mm512_madd52hi_epu64(barrett.lanes.zero, left, right);
        store(out, barrett.reduce(high, low));
    }
    Portable.mul_into(q, out_rest, a_rest, b_rest);
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn scale_into(q: &Modulus, out: &mut [u64], a: &[u64], w: Shoup) {
    assert_eq!(out.len(), a.len());
    let (lanes, factor) = (Lanes::new(q), splat_factor(w));
    let ((out, out_rest), (a, a_rest)) = (out.as_chunks_mut::<8>(), a.as_chunks::<8>());
    for (out, x) in out.iter_mut().zip(a) {
        store(out, Lanes::reduce_once(lanes.mul_lazy(load(x), factor), lanes.q));
    }
    Portable.scale_into(q, out_rest, a_rest, w);
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn scale_add(q: &Modulus, acc: &mut [u64], a: &[u64], w: Shoup) {
    assert_eq!(acc.len(), a.len());
    let (lanes, factor) = (Lanes::new(q), splat_factor(w));
    let ((acc, acc_rest), (a, a_rest)) = (acc.as_chunks_mut::<8>(), a.as_chunks::<8>());
    for (acc, x) in acc.iter_mut().zip(a) {
        let product = Lanes::reduce_once(lanes.mul_lazy(load(x), factor), lanes.q);
        store(acc, Lanes::reduce_once(_mm512_add_epi64(load(acc), product), lanes.q));
    }
    Portable.scale_add(q, acc_rest, a_rest, w);
}

/// `x - r + q` is below `2q < 2^52`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn divide(q: &Modulus, r: &mut [u64], x: &[u64], w: Shoup) {
    assert_eq!(r.len(), x.len());
    let (lanes, factor) = (Lanes::new(q), splat_factor(w));
    let ((r, r_rest), (x, x_rest)) = (r.as_chunks_mut::<8>(), x.as_chunks::<8>());
    for (r, x) in r.iter_mut().zip(x) {
        let difference = _mm512_sub_epi64(_mm512_add_epi64(load(x), lanes.q), load(r));
        store(r, Lanes::reduce_once(lanes.mul_lazy(difference, factor), lanes.q));
    }
    Portable.divide(q, r_rest, x_rest, w);
}

/// What lies in the upper half of `[0, from)` is lifted `from` too high; `-from mod q` is added there.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn lift_centred(q: &Modulus, out: &mut [u64], xs: &[u64], from: &Modulus) {
    assert_eq!(out.len(), xs.len());
    let lanes = Lanes::new(q);
    let (half, wrap) = (splat(from.value() >> 1), splat(q.neg(q.reduce(from.value()))));
    let ((out, out_rest), (xs, xs_rest)) = (out.as_chunks_mut::<8>(), xs.as_chunks::<8>());
    for (out, x) in out.iter_mut().zip(xs) {
        let x = load(x);
        let reduced = Lanes::reduce_once(lanes.mul_lazy(x, lanes.one), lanes.q);
        let sum = _mm512_mask_add_epi64(reduced, _mm512_cmpgt_epu64_mask(x, half), reduced, wrap);
        store(out, Lanes::reduce_once(sum, lanes.q));
    }
    Portable.lift_centred(q, out_rest, xs_rest, from);
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn dot_pair(q: &Modulus, outs: [&mut [u64]; 2], terms: &[PairTerm<'_>]) {
    let [first, second] = outs;
    let len = first.len();
    assert!(terms.len() <= MAX_TERMS && second.len() == len);
    assert!(terms.iter().all(|(x, ys)| x.len() == len && ys.iter().all(|y| y.len() == len)));
    match terms.len() {
        1 => dot_fixed::<1>(q, first, second, terms),
        2 => dot_fixed::<2>(q, first, second, terms),
        3 => dot_fixed::<3>(q, first, second, terms),
        4 => dot_fixed::<4>(q, first, second, terms),
        _ => dot_halves(q, first, second, terms),
    }
}

/// Both sums of a fixed number of terms, so that the compiler keeps their places in registers.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn dot_fixed<const N: usize>(q: &Modulus, first: &mut [u64], second: &mut [u64], terms: &[PairTerm<'_>]) {
    const { assert!(N <= SHORT) };
    let reduction = Short::new(q);
    let blocks: [_; N] =
        core::array::from_fn(|j| (terms[j].0.as_chunks::<8>().0, terms[j].1.map(|y| y.as_chunks::<8>().0)));
    let done = first.len() & !7;
    let count = done >> 3;
    let blocks = blocks.map(|(x, ys)| (&x[..count], ys.map(|y| &y[..count])));
    let outs = first.as_chunks_mut::<8>().0.iter_mut().zip(second.as_chunks_mut::<8>().0);
    for (i, (first, second)) in outs.enumerate().take(count) {
        let zero = reduction.lanes.zero;
        let (mut low, mut high) = ([zero; 2], [zero; 2]);
        for (x, ys) in &blocks {
            let x = load(&x[i]);
            for half in 0..2 {
                let y = load(&ys[half][i]);
                low[half] = _mm512_madd52lo_epu64(low[half], x, y);
                high[half] = _mm512_madd52hi_epu64(high[half], x, y);
            }
        }
        store(first, reduction.reduce(high[0], low[0]));
        store(second, reduction.reduce(high[1], low[1]));
    }
    let rest = core::array::from_fn::<_, N, _>(|j| (&terms[j].0[done..], terms[j].1.map(|y| &y[done..])));
    Portable.dot_pair(q, [&mut first[done..], &mut second[done..]], &rest);
}

/// The most terms for which [`combine`] has a loop.
pub(super) const FIXED: usize = 5;

/// As [`Backend::combine`], for at most [`FIXED`] terms and operands below `2^50`, as conversions of short digits are.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn combine(q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64]) {
    assert!(terms.len() == weights.len() && terms.iter().all(|a| a.len() == out.len()));
    match terms.len() {
        1 => combine_fixed::<1>(q, out, terms, weights),
        2 => combine_fixed::<2>(q, out, terms, weights),
        3 => combine_fixed::<3>(q, out, terms, weights),
        4 => combine_fixed::<4>(q, out, terms, weights),
        5 => combine_fixed::<5>(q, out, terms, weights),
        count => debug_assert!(count == 0, "at most {FIXED} terms"),
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn combine_fixed<const N: usize>(q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64]) {
    const { assert!(N <= SHORT) };
    let reduction = Short::new(q);
    let done = out.len() & !7;
    let blocks: [_; N] = core::array::from_fn(|j| &terms[j].as_chunks::<8>().0[..done >> 3]);
    let mut factors = [reduction.lanes.zero; N];
    factors.iter_mut().zip(weights).for_each(|(factor, &w)| *factor = splat(w));
    for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate().take(done >> 3) {
        let (mut low, mut high) = (reduction.lanes.zero, reduction.lanes.zero);
        for (block, &w) in blocks.iter().zip(&factors) {
            let x = load(&block[i]);
            low = _mm512_madd52lo_epu64(low, x, w);
            high = _mm512_madd52hi_epu64(high, x, w);
        }
        store(out, reduction.reduce(high, low));
    }
    let rest: [_; N] = core::array::from_fn(|j| &terms[j][done..]);
    Portable.combine(q, &mut out[done..], &rest, weights, super::MAX_BITS);
}

/// Any number of terms, one half after the other.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn dot_halves(q: &Modulus, first: &mut [u64], second: &mut [u64], terms: &[PairTerm<'_>]) {
    let mut half = [(&[][..], &[][..]); MAX_TERMS];
    for (h, out) in [first, second].into_iter().enumerate() {
        half.iter_mut().zip(terms).for_each(|(slot, (x, ys))| *slot = (x, ys[h]));
        super::slices::dot(q, out, &half[..terms.len()]);
    }
}

/// Reduction of sums of up to [`SHORT`] products of residues.
struct Short {
    lanes: Lanes,
    /// `2^52 mod q`.
    word: super::Factor,
}

impl Short {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn new(q: &Modulus) -> Self {
        Self { lanes: Lanes::new(q), word: splat_factor(q.shoup(q.reduce(1 << WORD_BITS))) }
    }

    /// `high·2^52 + low mod q` for `low < 2^56` and `high + low/2^52 < 2^52`: two words, each lazily in `[0, 2q)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn reduce(&self, high: __m512i, low: __m512i) -> __m512i {
        let q = &self.lanes;
        let high = _mm512_add_epi64(high, _mm512_srli_epi64::<WORD_BITS>(low));
        let sum = _mm512_add_epi64(q.mul_lazy(low, q.one), q.mul_lazy(high, self.word));
        Lanes::reduce_once(Lanes::reduce_once(sum, q.two_q), q.q)
    }
}
