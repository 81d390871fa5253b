//! The inverse transform: the steps of the forward one backwards.
//!
//! A butterfly is three multiply-adds and three additions or subtractions, six operations on eight lanes; reducing the sum
//! adds two. The last level multiplies both outputs, which scales by `1/n`.

use core::arch::x86_64::*;

use super::super::splat_factor;
use super::*;

/// The constants of one modulus, in every lane.
#[derive(Clone, Copy)]
struct Constants {
    lanes: Lanes,
    /// `floor(2^52/q)`.
    reciprocal: __m512i,
    /// What differences are lifted by, within vectors and between them.
    lanes_lift: [__m512i; 3],
    pass_lift: [__m512i; 3],
    /// The factors of the last level: `1/n` and `w/n`.
    last: [Factor; 2],
}

/// `[0, q) → [0, q)`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn transform<R: Room>(tables: &NttTables, roots: &IfmaRoots, xs: &mut [u64]) {
    let q = tables.modulus().value();
    let (scale, root) = tables.last_inverse_level();
    let lanes = Lanes::new(tables.modulus());
    let [l0, l1, l2] = R::LANES_LIFT;
    let [p0, p1, p2] = R::PASS_LIFT;
    let constants = Constants {
        lanes,
        reciprocal: lanes.one.quotient,
        lanes_lift: [splat(l0 * q), splat(l1 * q), splat(l2 * q)],
        pass_lift: [splat(p0 * q), splat(p1 * q), splat(p2 * q)],
        last: [splat_factor(scale), splat_factor(root)],
    };
    let (vectors, _) = xs.as_chunks_mut::<8>();
    let levels = pass_levels(vectors.len());
    for (i, part) in vectors.chunks_exact_mut(vectors.len() >> levels).enumerate() {
        stretch::<R>(&constants, roots, part, (1 << levels) + i);
    }
    pass::<R, true>(&constants, roots, vectors, 1, levels);
}

/// The stretch that root number `node` joins.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn stretch<R: Room>(c: &Constants, roots: &IfmaRoots, vectors: &mut [[u64; 8]], node: usize) {
    if vectors.len() > CACHED {
        let levels = pass_levels(vectors.len());
        for (i, part) in vectors.chunks_exact_mut(vectors.len() >> levels).enumerate() {
            stretch::<R>(c, roots, part, (node << levels) + i);
        }
        pass::<R, false>(c, roots, vectors, node, levels);
        return;
    }
    let depth = vectors.len().trailing_zeros();
    let first = node << (depth - BLOCK.trailing_zeros());
    let offset = first - roots.lanes.len();
    for (i, block) in vectors.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
        in_registers::<R>(c, roots, &roots.lanes[offset + i], block, first + i);
    }
    let mut done = BLOCK.trailing_zeros();
    while done < depth {
        let levels = pass_levels(BLOCK << (depth - done));
        done += levels;
        let first = node << (depth - done);
        for (i, part) in vectors.chunks_exact_mut(1 << done).enumerate() {
            pass::<R, false>(c, roots, part, first + i, levels);
        }
    }
}

/// Two or three levels over a stretch; with `LAST`, the last one is that of the whole transform.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn pass<R: Room, const LAST: bool>(
    c: &Constants,
    roots: &IfmaRoots,
    vectors: &mut [[u64; 8]],
    node: usize,
    levels: u32,
) {
    if levels == 3 {
        three_levels::<R, LAST>(c, roots, vectors, node);
    } else {
        two_levels::<R, LAST>(c, roots, vectors, node);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn three_levels<R: Room, const LAST: bool>(c: &Constants, roots: &IfmaRoots, vectors: &mut [[u64; 8]], node: usize) {
    let w = vector_factors(roots, node);
    let mut rows = rows::<8>(vectors);
    for i in 0..rows[0].len() {
        let mut v = [c.lanes.zero; 8];
        for (v, row) in v.iter_mut().zip(&rows) {
            *v = load(&row[i]);
        }
        let out = between_vectors::<R, LAST>(c, v, &w);
        for (row, v) in rows.iter_mut().zip(out) {
            store(&mut row[i], v);
        }
    }
}

/// Two columns at a time, which makes quads.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn two_levels<R: Room, const LAST: bool>(c: &Constants, roots: &IfmaRoots, vectors: &mut [[u64; 8]], node: usize) {
    let [w1, w2, w3, ..] = vector_factors(roots, node);
    let [reduce_0, [first, second]] = R::FOUR_REDUCE;
    let mut rows = rows::<4>(vectors);
    let [r0, r1, r2, r3] = &mut rows;
    let pairs = pairs(r0).zip(pairs(r1)).zip(pairs(r2)).zip(pairs(r3));
    for (((r0, r1), r2), r3) in pairs {
        let x = [load(&r0[0]), load(&r0[1]), load(&r2[0]), load(&r2[1])];
        let y = [load(&r1[0]), load(&r1[1]), load(&r3[0]), load(&r3[1])];
        let [even, odd] = reduce_0;
        let ([a0, a1, c0, c1], [b0, b1, d0, d1]) =
            butterflies(c, x, y, [w2, w2, w3, w3], c.pass_lift[0], [even, even, odd, odd]);
        let (x, y) = ([a0, a1, b0, b1], [c0, c1, d0, d1]);
        let ([a0, a1, b0, b1], [c0, c1, d0, d1]) = if LAST {
            last_butterflies(c, x, y, c.pass_lift[1])
        } else {
            butterflies(c, x, y, [w1; 4], c.pass_lift[1], [first, first, second, second])
        };
        store_pair(r0, a0, a1);
        store_pair(r1, b0, b1);
        store_pair(r2, c0, c1);
        store_pair(r3, d0, d1);
    }
}

/// Six levels on 64 neighbours: three within vectors, three between.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn in_registers<R: Room>(
    c: &Constants,
    roots: &IfmaRoots,
    lane_roots: &LaneRoots,
    block: &mut [[u64; 8]; BLOCK],
    node: usize,
) {
    let [lift_0, lift_1, lift_2] = c.lanes_lift;
    let [reduce_0, reduce_1, reduce_2] = R::LANES_REDUCE;
    let (mut x, mut y) = ([c.lanes.zero; 4], [c.lanes.zero; 4]);
    // The pairs are A and B; x holds A0 B0 A4 B4 A2 B2 A6 B6, y the odd ones.
    for (i, pair) in block.as_chunks::<2>().0.iter().enumerate() {
        let (a, b) = (load(&pair[0]), load(&pair[1]));
        x[i] = pick(a, b, [0, 8, 4, 12, 2, 10, 6, 14]);
        y[i] = pick(a, b, [1, 9, 5, 13, 3, 11, 7, 15]);
    }
    let (p, q) = butterflies(c, x, y, span_1_factors(lane_roots), lift_0, [reduce_0; 4]);
    // A0 B0 A4 B4 A1 B1 A5 B5, and A2 B2 A6 B6 A3 B3 A7 B7.
    for i in 0..4 {
        (x[i], y[i]) = halves(p[i], q[i]);
    }
    let (p, q) = butterflies(c, x, y, span_2_factors(lane_roots), lift_1, [reduce_1; 4]);
    // A0 B0 A1 B1 A2 B2 A3 B3, and the other halves.
    for i in 0..4 {
        x[i] = _mm512_shuffle_i64x2::<0b10_00_10_00>(p[i], q[i]);
        y[i] = _mm512_shuffle_i64x2::<0b11_01_11_01>(p[i], q[i]);
    }
    let (p, q) = butterflies(c, x, y, span_4_factors(lane_roots), lift_2, [reduce_2; 4]);
    let mut v = [c.lanes.zero; 8];
    for i in 0..4 {
        v[2 * i] = pick(p[i], q[i], [0, 2, 4, 6, 8, 10, 12, 14]);
        v[2 * i + 1] = pick(p[i], q[i], [1, 3, 5, 7, 9, 11, 13, 15]);
    }
    let v = between_vectors::<R, false>(c, v, &vector_factors(roots, node));
    for (x, v) in block.iter_mut().zip(v) {
        store(x, v);
    }
}

/// Three levels on eight vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn between_vectors<R: Room, const LAST: bool>(c: &Constants, v: [__m512i; 8], w: &[Factor; 7]) -> [__m512i; 8] {
    let [v0, v1, v2, v3, v4, v5, v6, v7] = v;
    let [w1, w2, w3, w4, w5, w6, w7] = *w;
    let [reduce_0, reduce_1, reduce_2] = R::EIGHT_REDUCE;
    let [lift_0, lift_1, lift_2] = c.pass_lift;
    let ([v0, v2, v4, v6], [v1, v3, v5, v7]) =
        butterflies(c, [v0, v2, v4, v6], [v1, v3, v5, v7], [w4, w5, w6, w7], lift_0, reduce_0);
    let ([v0, v1, v4, v5], [v2, v3, v6, v7]) =
        butterflies(c, [v0, v1, v4, v5], [v2, v3, v6, v7], [w2, w2, w3, w3], lift_1, reduce_1);
    let (x, y) = ([v0, v1, v2, v3], [v4, v5, v6, v7]);
    let ([v0, v1, v2, v3], [v4, v5, v6, v7]) =
        if LAST { last_butterflies(c, x, y, lift_2) } else { butterflies(c, x, y, [w1; 4], lift_2, reduce_2) };
    [v0, v1, v2, v3, v4, v5, v6, v7]
}

/// `(x + y, w·(x - y + lift))`, the products in `[0, 2q)`, the sums brought there with `reduce`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn butterflies(
    c: &Constants,
    mut x: Quad,
    mut y: Quad,
    w: [Factor; 4],
    lift: __m512i,
    reduce: [bool; 4],
) -> (Quad, Quad) {
    for i in 0..4 {
        let difference = _mm512_sub_epi64(_mm512_add_epi64(x[i], lift), y[i]);
        x[i] = _mm512_add_epi64(x[i], y[i]);
        y[i] = difference;
    }
    let y = products(c, y, w);
    for i in 0..4 {
        if reduce[i] {
            let quotient = _mm512_madd52hi_epu64(c.lanes.zero, x[i], c.reciprocal);
            x[i] = _mm512_madd52lo_epu64(x[i], quotient, c.lanes.minus_q);
        }
    }
    (x, y)
}

/// `((x + y)/n, w·(x - y + lift)/n)` in `[0, q)`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn last_butterflies(c: &Constants, mut x: Quad, mut y: Quad, lift: __m512i) -> (Quad, Quad) {
    for i in 0..4 {
        let difference = _mm512_sub_epi64(_mm512_add_epi64(x[i], lift), y[i]);
        x[i] = _mm512_add_epi64(x[i], y[i]);
        y[i] = difference;
    }
    let [scale, root] = c.last;
    let (mut x, mut y) = (products(c, x, [scale; 4]), products(c, y, [root; 4]));
    for v in x.iter_mut().chain(&mut y) {
        *v = Lanes::reduce_once(_mm512_and_si512(*v, c.lanes.mask), c.lanes.q);
    }
    (x, y)
}

/// `w·x` in `[0, 2q)`, dirty above 52 bits.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn products(c: &Constants, x: Quad, w: [Factor; 4]) -> Quad {
    let (mut estimate, mut product) = (x, x);
    for i in 0..4 {
        estimate[i] = _mm512_madd52hi_epu64(c.lanes.zero, w[i].quotient, x[i]);
        product[i] = _mm512_madd52lo_epu64(c.lanes.zero, w[i].value, x[i]);
    }
    for i in 0..4 {
        product[i] = _mm512_madd52lo_epu64(product[i], estimate[i], c.lanes.minus_q);
    }
    product
}
