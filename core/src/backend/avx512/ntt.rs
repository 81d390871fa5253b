//! The transforms.

use core::arch::x86_64::*;

use super::{Factor, LaneFactors, LaneTables, Lanes, factor, load, splat_factor, store};
use crate::backend::NttTables;
use crate::modulus::Shoup;

/// Two blocks of 64 values, each in eight vectors. What happens to one is independent of the other: a product waits longer
/// for the one before it than eight vectors can fill.
type Pair = [[__m512i; 8]; 2];

/// Forward transform; `[0, q) → [0, q)`.
///
/// Passes of two levels run over the whole array first and then over its quarters, so that they soon stay within the
/// first cache; the last six or seven levels run in registers. Between passes, values are in `[0, 16q)`: the first level of
/// a pass brings its left operands to `[0, 8q)`, and each level adds at most `4q`.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn forward(tables: &NttTables, lanes: &LaneTables, xs: &mut [u64]) {
    let (vectors, _) = xs.as_chunks_mut::<8>();
    forward_block::<false>(&Lanes::new(tables.modulus()), tables.roots(), &lanes.forward, vectors, 1);
}

/// The block that root `node` splits: two levels, then its quarters; `[0, 16q) → [0, q)` with `REDUCE`, `[0, 8q) → [0, q)`
/// without.
#[target_feature(enable = "avx512f,avx512dq")]
fn forward_block<const REDUCE: bool>(
    q: &Lanes,
    roots: &[Shoup],
    lanes: &[LaneFactors],
    vectors: &mut [[u64; 8]],
    node: usize,
) {
    let [w1, w2, w3] = [node, 2 * node, 2 * node + 1].map(|i| splat_factor(roots[i]));
    each_quadruple(vectors, |[a, b, c, d]| {
        q.forward::<REDUCE>(a, c, w1);
        q.forward::<REDUCE>(b, d, w1);
        q.forward::<false>(a, b, w2);
        q.forward::<false>(c, d, w3);
    });
    match vectors.len() >> 2 {
        8 => each_pair(vectors, |i, pair| forward_pair::<false>(q, roots, lanes, pair, 4 * node + i)),
        16 => each_pair(vectors, |i, pair| forward_pair::<true>(q, roots, lanes, pair, 8 * node + i)),
        quarter => {
            for (i, part) in vectors.chunks_exact_mut(quarter).enumerate() {
                forward_block::<true>(q, roots, lanes, part, 4 * node + i);
            }
        }
    }
}

/// The two blocks of 64 values that roots `node` and `node + 1` split, `[0, 16q) → [0, q)`: three levels between vectors,
/// then, after a transposition, three within. With `JOINED`, they are the halves of one block, whose level comes first.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn forward_pair<const JOINED: bool>(
    q: &Lanes,
    roots: &[Shoup],
    lanes: &[LaneFactors],
    block: &mut [[u64; 8]; 16],
    node: usize,
) {
    let mut v = load_pair(block);
    let at = |i: usize| splat_factor(roots[i]);
    if JOINED {
        let ([low, high], w) = (&mut v, at(node >> 1));
        for (x, y) in low.iter_mut().zip(high) {
            q.forward::<true>(x, y, w);
        }
    }
    forward_level_4::<true>(q, &mut v, [0, 1].map(|i| at(node + i)));
    forward_level_2::<false>(q, &mut v, [0, 1, 2, 3].map(|i| at(2 * node + i)));
    forward_level_1::<true>(q, &mut v, [0, 1, 2, 3, 4, 5, 6, 7].map(|i| at(4 * node + i)));
    let mut v = v.map(|v| transpose(v));
    let [one, other] = [0, 1].map(|i| &lanes[node - lanes.len() + i]);
    forward_level_4::<false>(q, &mut v, [lane_factor(one, 0), lane_factor(other, 0)]);
    forward_level_2::<true>(q, &mut v, level_2(one, other));
    forward_level_1::<false>(q, &mut v, level_1(one, other));
    for (v, block) in v.into_iter().zip(block.as_chunks_mut::<8>().0) {
        let reduced = v.map(|v| q.reduce_fourfold(q.reduce_sixteenfold(v)));
        for (v, x) in transpose(reduced).into_iter().zip(block) {
            store(x, v);
        }
    }
}

/// A level between vectors that are four apart.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn forward_level_4<const REDUCE: bool>(q: &Lanes, v: &mut Pair, w: [Factor; 2]) {
    for ([v0, v1, v2, v3, v4, v5, v6, v7], w) in v.iter_mut().zip(w) {
        q.forward::<REDUCE>(v0, v4, w);
        q.forward::<REDUCE>(v1, v5, w);
        q.forward::<REDUCE>(v2, v6, w);
        q.forward::<REDUCE>(v3, v7, w);
    }
}

/// A level between vectors that are two apart.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn forward_level_2<const REDUCE: bool>(q: &Lanes, v: &mut Pair, w: [Factor; 4]) {
    for ([v0, v1, v2, v3, v4, v5, v6, v7], w) in v.iter_mut().zip(w.as_chunks::<2>().0) {
        q.forward::<REDUCE>(v0, v2, w[0]);
        q.forward::<REDUCE>(v1, v3, w[0]);
        q.forward::<REDUCE>(v4, v6, w[1]);
        q.forward::<REDUCE>(v5, v7, w[1]);
    }
}

/// A level between neighbouring vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn forward_level_1<const REDUCE: bool>(q: &Lanes, v: &mut Pair, w: [Factor; 8]) {
    for ([v0, v1, v2, v3, v4, v5, v6, v7], w) in v.iter_mut().zip(w.as_chunks::<4>().0) {
        q.forward::<REDUCE>(v0, v1, w[0]);
        q.forward::<REDUCE>(v2, v3, w[1]);
        q.forward::<REDUCE>(v4, v5, w[2]);
        q.forward::<REDUCE>(v6, v7, w[3]);
    }
}

/// Inverse transform; `[0, q) → [0, q)`: the steps of [`forward`] backwards.
///
/// Between passes, values are in `[0, 4q)`. Products are; sums are left to grow within a pass, as far as `16q`.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn inverse(tables: &NttTables, lanes: &LaneTables, xs: &mut [u64]) {
    let (q, roots) = (Lanes::new(tables.modulus()), tables.inverse_roots());
    let (vectors, _) = xs.as_chunks_mut::<8>();
    inverse_quarters(&q, roots, &lanes.inverse, vectors, 1);
    let w1 = splat_factor(roots[1]);
    let [w2, w3] = lanes.scaled_roots.map(|w| splat_factor(w));
    let (scale, scaled_w1) = tables.last_inverse_level();
    let (scale, scaled_w1) = (splat_factor(scale), splat_factor(scaled_w1));
    each_quadruple(vectors, |[a, b, c, d]| {
        q.inverse(a, b, w2, q.four_q);
        q.inverse(c, d, w3, q.four_q);
        // The products carry the factor 1/n by now, the sums do not. Sums are in [0, 8q), products in [0, 4q).
        q.inverse(a, c, scaled_w1, q.eight_q);
        q.inverse(b, d, w1, q.four_q);
        *a = q.mul_lazy(*a, scale);
        *b = Lanes::reduce_once(*b, q.four_q);
        for x in [a, b, c, d] {
            *x = q.reduce_fourfold(*x);
        }
    });
}

/// The block that root `node` joins: its quarters, then two levels; `[0, q) → [0, 4q)`.
#[target_feature(enable = "avx512f,avx512dq")]
fn inverse_block(q: &Lanes, roots: &[Shoup], lanes: &[LaneFactors], vectors: &mut [[u64; 8]], node: usize) {
    inverse_quarters(q, roots, lanes, vectors, node);
    let [w1, w2, w3] = [node, 2 * node, 2 * node + 1].map(|i| splat_factor(roots[i]));
    each_quadruple(vectors, |[a, b, c, d]| {
        q.inverse(a, b, w2, q.four_q);
        q.inverse(c, d, w3, q.four_q);
        // Sums are in [0, 8q), products in [0, 4q).
        q.inverse(a, c, w1, q.eight_q);
        q.inverse(b, d, w1, q.four_q);
        *a = q.reduce_sixteenfold(*a);
        *b = Lanes::reduce_once(*b, q.four_q);
    });
}

/// The quarters of the block of `node`.
#[target_feature(enable = "avx512f,avx512dq")]
fn inverse_quarters(q: &Lanes, roots: &[Shoup], lanes: &[LaneFactors], vectors: &mut [[u64; 8]], node: usize) {
    match vectors.len() >> 2 {
        8 => each_pair(vectors, |i, pair| inverse_pair::<false>(q, roots, lanes, pair, 4 * node + i)),
        16 => each_pair(vectors, |i, pair| inverse_pair::<true>(q, roots, lanes, pair, 8 * node + i)),
        quarter => {
            for (i, part) in vectors.chunks_exact_mut(quarter).enumerate() {
                inverse_block(q, roots, lanes, part, 4 * node + i);
            }
        }
    }
}

/// The two blocks of 64 values that roots `node` and `node + 1` join, `[0, 4q) → [0, 4q)`: three levels within vectors, then
/// three between. With `JOINED`, they are the halves of one block, whose level comes last.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn inverse_pair<const JOINED: bool>(
    q: &Lanes,
    roots: &[Shoup],
    lanes: &[LaneFactors],
    block: &mut [[u64; 8]; 16],
    node: usize,
) {
    let [one, other] = [0, 1].map(|i| &lanes[node - lanes.len() + i]);
    let mut v = load_pair(block).map(|v| transpose(v));
    inverse_level_1(q, &mut v, level_1(one, other));
    inverse_level_2(q, &mut v, level_2(one, other));
    inverse_level_4(q, &mut v, [lane_factor(one, 0), lane_factor(other, 0)]);
    let mut v = v.map(|v| transpose(v));
    let at = |i: usize| splat_factor(roots[i]);
    inverse_level_1(q, &mut v, [0, 1, 2, 3, 4, 5, 6, 7].map(|i| at(4 * node + i)));
    inverse_level_2(q, &mut v, [0, 1, 2, 3].map(|i| at(2 * node + i)));
    inverse_level_4(q, &mut v, [0, 1].map(|i| at(node + i)));
    if JOINED {
        let ([low, high], w) = (&mut v, at(node >> 1));
        for (x, y) in low.iter_mut().zip(high) {
            q.inverse(x, y, w, q.four_q);
            *x = Lanes::reduce_once(*x, q.four_q);
        }
    }
    for (v, block) in v.into_iter().zip(block.as_chunks_mut::<8>().0) {
        for (v, x) in v.into_iter().zip(block) {
            store(x, v);
        }
    }
}

/// The first of three levels, between neighbouring vectors: `[0, 4q)`, then sums in `[0, 8q)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn inverse_level_1(q: &Lanes, v: &mut Pair, w: [Factor; 8]) {
    for ([v0, v1, v2, v3, v4, v5, v6, v7], w) in v.iter_mut().zip(w.as_chunks::<4>().0) {
        q.inverse(v0, v1, w[0], q.four_q);
        q.inverse(v2, v3, w[1], q.four_q);
        q.inverse(v4, v5, w[2], q.four_q);
        q.inverse(v6, v7, w[3], q.four_q);
    }
}

/// The second of three levels, between vectors that are two apart: sums meet sums and products meet products, which
/// gives sums in `[0, 8q)` again.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn inverse_level_2(q: &Lanes, v: &mut Pair, w: [Factor; 4]) {
    for ([v0, v1, v2, v3, v4, v5, v6, v7], w) in v.iter_mut().zip(w.as_chunks::<2>().0) {
        q.inverse(v0, v2, w[0], q.eight_q);
        q.inverse(v1, v3, w[0], q.four_q);
        q.inverse(v4, v6, w[1], q.eight_q);
        q.inverse(v5, v7, w[1], q.four_q);
        *v0 = Lanes::reduce_once(*v0, q.eight_q);
        *v4 = Lanes::reduce_once(*v4, q.eight_q);
    }
}

/// The last of three levels, between vectors that are four apart: all in `[0, 4q)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn inverse_level_4(q: &Lanes, v: &mut Pair, w: [Factor; 2]) {
    for ([v0, v1, v2, v3, v4, v5, v6, v7], w) in v.iter_mut().zip(w) {
        q.inverse(v0, v4, w, q.eight_q);
        q.inverse(v1, v5, w, q.eight_q);
        q.inverse(v2, v6, w, q.four_q);
        q.inverse(v3, v7, w, q.four_q);
        *v0 = q.reduce_sixteenfold(*v0);
        *v1 = q.reduce_sixteenfold(*v1);
        *v2 = Lanes::reduce_once(*v2, q.four_q);
        *v3 = Lanes::reduce_once(*v3, q.four_q);
    }
}

/// What `f` does to each pair of blocks of 64 values; it is told the number of the first.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn each_pair(vectors: &mut [[u64; 8]], f: impl Fn(usize, &mut [[u64; 8]; 16])) {
    for (i, pair) in vectors.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        f(2 * i, pair);
    }
}

/// Two levels in one pass: what `f` does to the vectors at the same place of each quarter.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn each_quadruple(vectors: &mut [[u64; 8]], f: impl Fn([&mut __m512i; 4])) {
    let (low, high) = vectors.split_at_mut(vectors.len() >> 1);
    let ((s0, s1), (s2, s3)) = (low.split_at_mut(low.len() >> 1), high.split_at_mut(high.len() >> 1));
    for (((x0, x1), x2), x3) in s0.iter_mut().zip(s1).zip(s2).zip(s3) {
        let (mut a, mut b, mut c, mut d) = (load(x0), load(x1), load(x2), load(x3));
        f([&mut a, &mut b, &mut c, &mut d]);
        store(x0, a);
        store(x1, b);
        store(x2, c);
        store(x3, d);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn load_pair(block: &[[u64; 8]; 16]) -> Pair {
    let [x0, x1, x2, x3, x4, x5, x6, x7, y0, y1, y2, y3, y4, y5, y6, y7] = block;
    [[x0, x1, x2, x3, x4, x5, x6, x7].map(|x| load(x)), [y0, y1, y2, y3, y4, y5, y6, y7].map(|y| load(y))]
}

/// One row of factors.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn lane_factor(lanes: &LaneFactors, row: usize) -> Factor {
    factor(load(&lanes.values[row]), load(&lanes.quotients[row]))
}

/// The factors of span 4 of two groups.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn level_2(one: &LaneFactors, other: &LaneFactors) -> [Factor; 4] {
    [lane_factor(one, 1), lane_factor(one, 2), lane_factor(other, 1), lane_factor(other, 2)]
}

/// The factors of span 2 of two groups.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn level_1(one: &LaneFactors, other: &LaneFactors) -> [Factor; 8] {
    let [a, b, c, d] = [3, 4, 5, 6].map(|row| lane_factor(one, row));
    let [e, f, g, h] = [3, 4, 5, 6].map(|row| lane_factor(other, row));
    [a, b, c, d, e, f, g, h]
}

/// Rows ↔ columns of an 8×8 matrix of words: pairs of words, then of pairs, then of quadruples change places.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
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
