//! The transforms.

use core::arch::x86_64::*;

use crate::backend::{LaneRoots, NttTables};

use super::{Factor, Lanes, lane_factors, load, splat_factor, store};

/// Forward transform; `[0, q) → [0, q)`.
///
/// Passes of two levels run over the whole array first and then over its quarters, so that they soon stay within the
/// first cache; the last six levels of each 64 values run in registers.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn forward<const UNREDUCED: bool>(tables: &NttTables, lanes: &[LaneRoots], xs: &mut [u64]) {
    let q = Lanes::new(tables.modulus());
    let (vectors, _) = xs.as_chunks_mut::<8>();
    // Six levels are left for the registers; an odd one goes first.
    if vectors.len().trailing_zeros() & 1 == 1 {
        forward_block::<UNREDUCED>(&q, tables, lanes, vectors, 1);
        return;
    }
    let (low, high) = vectors.split_at_mut(vectors.len() >> 1);
    let w = splat_factor(tables.roots()[1]);
    for (x, y) in low.iter_mut().zip(&mut *high) {
        let (mut a, mut b) = (load(x), load(y));
        q.forward::<UNREDUCED>(&mut a, &mut b, w);
        store(x, a);
        store(y, b);
    }
    forward_block::<UNREDUCED>(&q, tables, lanes, low, 2);
    forward_block::<UNREDUCED>(&q, tables, lanes, high, 3);
}

/// The block that root number `node` splits.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn forward_block<const UNREDUCED: bool>(
    q: &Lanes,
    tables: &NttTables,
    lanes: &[LaneRoots],
    vectors: &mut [[u64; 8]],
    node: usize,
) {
    if let Ok(block) = <&mut [[u64; 8]; 8]>::try_from(&mut *vectors) {
        forward_64::<UNREDUCED>(q, tables, &lanes[node - lanes.len()], block, node);
        return;
    }
    let roots = tables.roots();
    let [w1, w2, w3] = [node, 2 * node, 2 * node + 1].map(|i| splat_factor(roots[i]));
    let quarter = vectors.len() >> 2;
    let (low, high) = vectors.split_at_mut(2 * quarter);
    let ((s0, s1), (s2, s3)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    for (((x0, x1), x2), x3) in s0.iter_mut().zip(&mut *s1).zip(&mut *s2).zip(&mut *s3) {
        let (mut a, mut b, mut c, mut d) = (load(x0), load(x1), load(x2), load(x3));
        q.forward::<UNREDUCED>(&mut a, &mut c, w1);
        q.forward::<UNREDUCED>(&mut b, &mut d, w1);
        q.forward::<UNREDUCED>(&mut a, &mut b, w2);
        q.forward::<UNREDUCED>(&mut c, &mut d, w3);
        store(x0, a);
        store(x1, b);
        store(x2, c);
        store(x3, d);
    }
    for (i, part) in [s0, s1, s2, s3].into_iter().enumerate() {
        forward_block::<UNREDUCED>(q, tables, lanes, part, 4 * node + i);
    }
}

/// Six levels on 64 values: three between vectors, then, after a transposition, three within.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn forward_64<const UNREDUCED: bool>(
    q: &Lanes,
    tables: &NttTables,
    lanes: &LaneRoots,
    block: &mut [[u64; 8]; 8],
    node: usize,
) {
    let roots = tables.roots();
    let mut v = [q.zero; 8];
    for (v, x) in v.iter_mut().zip(&*block) {
        *v = load(x);
    }
    let w1 = splat_factor(roots[node]);
    let w2: [Factor; 2] = [0, 1].map(|i| splat_factor(roots[2 * node + i]));
    let w4: [Factor; 4] = [0, 1, 2, 3].map(|i| splat_factor(roots[4 * node + i]));
    forward_levels::<UNREDUCED>(q, &mut v, w1, w2, w4);
    let mut v = transpose(v);
    let [a, b0, b1, c0, c1, c2, c3] = lane_factors(lanes);
    forward_levels::<UNREDUCED>(q, &mut v, a, [b0, b1], [c0, c1, c2, c3]);
    let reduced = reduce_output::<UNREDUCED>(q, v);
    for (v, x) in transpose(reduced).into_iter().zip(block) {
        store(x, v);
    }
}

/// Three levels on eight vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn forward_levels<const UNREDUCED: bool>(
    q: &Lanes,
    v: &mut [__m512i; 8],
    w1: Factor,
    w2: [Factor; 2],
    w4: [Factor; 4],
) {
    let [v0, v1, v2, v3, v4, v5, v6, v7] = v;
    q.forward::<UNREDUCED>(v0, v4, w1);
    q.forward::<UNREDUCED>(v1, v5, w1);
    q.forward::<UNREDUCED>(v2, v6, w1);
    q.forward::<UNREDUCED>(v3, v7, w1);
    q.forward::<UNREDUCED>(v0, v2, w2[0]);
    q.forward::<UNREDUCED>(v1, v3, w2[0]);
    q.forward::<UNREDUCED>(v4, v6, w2[1]);
    q.forward::<UNREDUCED>(v5, v7, w2[1]);
    q.forward::<UNREDUCED>(v0, v1, w4[0]);
    q.forward::<UNREDUCED>(v2, v3, w4[1]);
    q.forward::<UNREDUCED>(v4, v5, w4[2]);
    q.forward::<UNREDUCED>(v6, v7, w4[3]);
}

/// `[0, 2^52)`, dirty above, or `[0, 4q)`, → `[0, q)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn reduce_output<const UNREDUCED: bool>(q: &Lanes, v: [__m512i; 8]) -> [__m512i; 8] {
    let mut out = v;
    if UNREDUCED {
        for v in &mut out {
            *v = Lanes::reduce_once(q.mul_lazy(*v, q.one), q.q);
        }
    } else {
        for v in &mut out {
            *v = Lanes::reduce_once(Lanes::reduce_once(*v, q.two_q), q.q);
        }
    }
    out
}

/// Inverse transform; `[0, q) → [0, q)`: the steps of [`forward`] backwards. The last level carries the factor `1/n`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn inverse(tables: &NttTables, lanes: &[LaneRoots], xs: &mut [u64]) {
    let q = Lanes::new(tables.modulus());
    let (vectors, _) = xs.as_chunks_mut::<8>();
    if vectors.len().trailing_zeros() & 1 == 1 {
        inverse_block::<true>(&q, tables, lanes, vectors, 1);
        return;
    }
    let (low, high) = vectors.split_at_mut(vectors.len() >> 1);
    inverse_block::<false>(&q, tables, lanes, low, 2);
    inverse_block::<false>(&q, tables, lanes, high, 3);
    let (scale, root) = tables.last_inverse_level();
    let (scale, root) = (splat_factor(scale), splat_factor(root));
    for (x, y) in low.iter_mut().zip(high) {
        let (mut a, mut b) = (load(x), load(y));
        last_butterfly(&q, &mut a, &mut b, scale, root);
        store(x, a);
        store(y, b);
    }
}

/// `((x + y)/n, w·(x - y)/n)`; `[0, 2q)² → [0, q)²`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn last_butterfly(q: &Lanes, x: &mut __m512i, y: &mut __m512i, scale: Factor, root: Factor) {
    let difference = _mm512_sub_epi64(_mm512_add_epi64(*x, q.two_q), *y);
    *x = Lanes::reduce_once(q.mul_lazy(_mm512_add_epi64(*x, *y), scale), q.q);
    *y = Lanes::reduce_once(q.mul_lazy(difference, root), q.q);
}

/// The block that root number `node` joins; the whole array with `LAST`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse_block<const LAST: bool>(
    q: &Lanes,
    tables: &NttTables,
    lanes: &[LaneRoots],
    vectors: &mut [[u64; 8]],
    node: usize,
) {
    if let Ok(block) = <&mut [[u64; 8]; 8]>::try_from(&mut *vectors) {
        inverse_64(q, tables, &lanes[node - lanes.len()], block, node);
        return;
    }
    let quarter = vectors.len() >> 2;
    let (low, high) = vectors.split_at_mut(2 * quarter);
    let ((s0, s1), (s2, s3)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    for (i, part) in [&mut *s0, &mut *s1, &mut *s2, &mut *s3].into_iter().enumerate() {
        inverse_block::<false>(q, tables, lanes, part, 4 * node + i);
    }
    let roots = tables.inverse_roots();
    let [w1, w2, w3] = [node, 2 * node, 2 * node + 1].map(|i| splat_factor(roots[i]));
    let (scale, root) = tables.last_inverse_level();
    let (scale, root) = (splat_factor(scale), splat_factor(root));
    for (((x0, x1), x2), x3) in s0.iter_mut().zip(s1).zip(s2).zip(s3) {
        let (mut a, mut b, mut c, mut d) = (load(x0), load(x1), load(x2), load(x3));
        q.inverse(&mut a, &mut b, w2);
        q.inverse(&mut c, &mut d, w3);
        if LAST {
            last_butterfly(q, &mut a, &mut c, scale, root);
            last_butterfly(q, &mut b, &mut d, scale, root);
        } else {
            q.inverse(&mut a, &mut c, w1);
            q.inverse(&mut b, &mut d, w1);
        }
        store(x0, a);
        store(x1, b);
        store(x2, c);
        store(x3, d);
    }
}

/// Six levels on 64 values, `[0, 2q) → [0, 2q)`: three within vectors, then three between.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse_64(q: &Lanes, tables: &NttTables, lanes: &LaneRoots, block: &mut [[u64; 8]; 8], node: usize) {
    let roots = tables.inverse_roots();
    let mut v = [q.zero; 8];
    for (v, x) in v.iter_mut().zip(&*block) {
        *v = load(x);
    }
    let mut v = transpose(v);
    let [a, b0, b1, c0, c1, c2, c3] = lane_factors(lanes);
    inverse_levels(q, &mut v, a, [b0, b1], [c0, c1, c2, c3]);
    let mut v = transpose(v);
    let w1 = splat_factor(roots[node]);
    let w2: [Factor; 2] = [0, 1].map(|i| splat_factor(roots[2 * node + i]));
    let w4: [Factor; 4] = [0, 1, 2, 3].map(|i| splat_factor(roots[4 * node + i]));
    inverse_levels(q, &mut v, w1, w2, w4);
    for (v, x) in v.into_iter().zip(block) {
        store(x, v);
    }
}

/// Three levels on eight vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse_levels(q: &Lanes, v: &mut [__m512i; 8], w1: Factor, w2: [Factor; 2], w4: [Factor; 4]) {
    let [v0, v1, v2, v3, v4, v5, v6, v7] = v;
    q.inverse(v0, v1, w4[0]);
    q.inverse(v2, v3, w4[1]);
    q.inverse(v4, v5, w4[2]);
    q.inverse(v6, v7, w4[3]);
    q.inverse(v0, v2, w2[0]);
    q.inverse(v1, v3, w2[0]);
    q.inverse(v4, v6, w2[1]);
    q.inverse(v5, v7, w2[1]);
    q.inverse(v0, v4, w1);
    q.inverse(v1, v5, w1);
    q.inverse(v2, v6, w1);
    q.inverse(v3, v7, w1);
}

/// Rows ↔ columns of an 8×8 matrix of words: pairs of words, then of pairs, then of quadruples change places.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn transpose(v: [__m512i; 8]) -> [__m512i; 8] {
    let [v0, v1, v2, v3, v4, v5, v6, v7] = v;
    let (a0, a1) = (_mm512_unpacklo_epi64(v0, v1), _mm512_unpackhi_epi64(v0, v1));
    let (a2, a3) = (_mm512_unpacklo_epi64(v2, v3), _mm512_unpackhi_epi64(v2, v3));
    let (a4, a5) = (_mm512_unpacklo_epi64(v4, v5), _mm512_unpackhi_epi64(v4, v5));
    let (a6, a7) = (_mm512_unpacklo_epi64(v6, v7), _mm512_unpackhi_epi64(v6, v7));
    // Quarters 0 and 2 of both operands, and quarters 1 and 3.
    let even = |x, y| _mm512_shuffle_i64x2::<0b10_00_10_00>(x, y);
    let odd = |x, y| _mm512_shuffle_i64x2::<0b11_01_11_01>(x, y);
    let (b0, b2) = (even(a0, a2), odd(a0, a2));
    let (b1, b3) = (even(a1, a3), odd(a1, a3));
    let (b4, b6) = (even(a4, a6), odd(a4, a6));
    let (b5, b7) = (even(a5, a7), odd(a5, a7));
    [even(b0, b4), even(b1, b5), even(b2, b6), even(b3, b7), odd(b0, b4), odd(b1, b5), odd(b2, b6), odd(b3, b7)]
}
