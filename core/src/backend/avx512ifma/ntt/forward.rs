//! The forward transform.
//!
//! A butterfly is three multiply-adds, an addition and a subtraction, five operations on eight lanes; reducing `x` adds
//! two. With two such operations per cycle, `n/2·log2 n` butterflies take at least `2.5/8` cycles each in the class
//! [`Ample`] and `3.5/8` in [`Tight`].

use core::arch::x86_64::*;

use super::*;

/// The constants of one modulus, in every lane.
#[derive(Clone, Copy)]
struct Constants<'a> {
    lanes: Lanes,
    one: __m512i,
    /// `floor(2^52/q)`.
    reciprocal: __m512i,
    /// `-lift`, to which the estimate of a reduction is added.
    minus_lift: __m512i,
    /// What the first operands of the first level are lifted by if no level reduces: `q` for every level.
    input_lift: __m512i,
    /// What to fetch meanwhile, in equal parts for each block.
    ahead: &'a [[u64; 8]],
}

/// Where the first pass reads residues modulo another prime, which it centres.
#[derive(Clone, Copy)]
struct Source<'a> {
    vectors: &'a [[u64; 8]],
    half: __m512i,
    /// `q` less the other prime, modulo `2^64`.
    wrap: __m512i,
}

impl Source<'_> {
    /// `x` in the lower half is itself, in the upper `x - from + q`: both below `q`, because `from/2` is.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn load(&self, at: usize) -> __m512i {
        let x = load(&self.vectors[at]);
        _mm512_mask_add_epi64(x, _mm512_cmpgt_epu64_mask(x, self.half), x, self.wrap)
    }
}

/// `[0, q) → [0, q)`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn transform<R: Room>(modulus: &Modulus, roots: &IfmaRoots, xs: &mut [u64]) {
    let constants = constants::<R>(modulus, xs.len(), &[]);
    let (vectors, _) = xs.as_chunks_mut::<8>();
    if R::FORWARD_LIFT == 0 {
        split::<R, true, false>(&constants, roots, vectors, 1, None);
    } else {
        stretch::<R>(&constants, roots, vectors, 1);
    }
}

/// As [`transform`], of centred residues modulo `from < 2q`: `[0, from) → [0, q)`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn transform_lifted<R: Room>(
    modulus: &Modulus,
    roots: &IfmaRoots,
    out: &mut [u64],
    (xs, from): (&[u64], &Modulus),
    ahead: &[u64],
) {
    let constants = constants::<R>(modulus, out.len(), ahead);
    let (vectors, _) = out.as_chunks_mut::<8>();
    let source = Source {
        vectors: &xs.as_chunks::<8>().0[..vectors.len()],
        half: splat(from.value() >> 1),
        wrap: splat(modulus.value().wrapping_sub(from.value())),
    };
    if R::FORWARD_LIFT == 0 {
        split::<R, true, true>(&constants, roots, vectors, 1, Some(&source));
    } else {
        split::<R, false, true>(&constants, roots, vectors, 1, Some(&source));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn constants<'a, R: Room>(modulus: &Modulus, degree: usize, ahead: &'a [u64]) -> Constants<'a> {
    let lanes = Lanes::new(modulus);
    Constants {
        lanes,
        one: splat(1),
        reciprocal: lanes.one.quotient,
        minus_lift: splat(R::FORWARD_LIFT.wrapping_neg()),
        input_lift: splat(u64::from(degree.trailing_zeros()) * modulus.value()),
        ahead: ahead.as_chunks::<8>().0,
    }
}

/// The stretch that root number `node` splits.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn stretch<R: Room>(c: &Constants<'_>, roots: &IfmaRoots, vectors: &mut [[u64; 8]], node: usize) {
    if vectors.len() > CACHED {
        split::<R, false, false>(c, roots, vectors, node, None);
        return;
    }
    let (mut len, mut first) = (vectors.len(), node);
    while len > BLOCK {
        for (i, part) in vectors.chunks_exact_mut(len).enumerate() {
            pass::<R, false, false>(c, roots, part, first + i, None);
        }
        let levels = pass_levels(len);
        (len, first) = (len >> levels, first << levels);
    }
    let offset = first - roots.lanes.len();
    for (i, block) in vectors.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
        fetch(c.ahead, offset + i, roots.lanes.len());
        in_registers::<R>(c, roots, &roots.lanes[offset + i], block, first + i);
    }
}

/// Asks for the `part`-th of so many equal parts to be brought to the second cache, between two blocks, where arithmetic
/// leaves memory idle. Every other line: lines come in pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn fetch(lines: &[[u64; 8]], part: usize, parts: usize) {
    let len = lines.len() >> parts.trailing_zeros();
    for pair in lines[part * len..(part + 1) * len].chunks(2) {
        #[allow(unused_unsafe, reason = "safe in newer compilers")]
        // SAFETY: a prefetch of a line that is borrowed; it faults nowhere.
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(pair.as_ptr().cast());
        }
    }
}

/// One pass, then the parts it leaves, one after the other. With `LIFT`, the input is lifted first; with `LIFTED`, it is
/// read from the source.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn split<R: Room, const LIFT: bool, const LIFTED: bool>(
    c: &Constants<'_>,
    roots: &IfmaRoots,
    vectors: &mut [[u64; 8]],
    node: usize,
    source: Option<&Source<'_>>,
) {
    pass::<R, LIFT, LIFTED>(c, roots, vectors, node, source);
    let levels = pass_levels(vectors.len());
    for (i, part) in vectors.chunks_exact_mut(vectors.len() >> levels).enumerate() {
        stretch::<R>(c, roots, part, (node << levels) + i);
    }
}

/// Two or three levels over a stretch.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn pass<R: Room, const LIFT: bool, const LIFTED: bool>(
    c: &Constants<'_>,
    roots: &IfmaRoots,
    vectors: &mut [[u64; 8]],
    node: usize,
    source: Option<&Source<'_>>,
) {
    if pass_levels(vectors.len()) == 3 {
        three_levels::<R, LIFT, LIFTED>(c, roots, vectors, node, source);
    } else {
        two_levels::<R, LIFT, LIFTED>(c, roots, vectors, node, source);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn three_levels<R: Room, const LIFT: bool, const LIFTED: bool>(
    c: &Constants<'_>,
    roots: &IfmaRoots,
    vectors: &mut [[u64; 8]],
    node: usize,
    source: Option<&Source<'_>>,
) {
    let w = vector_factors(roots, node);
    let mut rows = rows::<8>(vectors);
    let height = rows[0].len();
    for i in 0..height {
        let mut v = [c.lanes.zero; 8];
        for (k, (v, row)) in v.iter_mut().zip(&rows).enumerate() {
            *v = source.filter(|_| LIFTED).map_or_else(|| load(&row[i]), |source| source.load(k * height + i));
        }
        if LIFT {
            for x in &mut v[..4] {
                *x = _mm512_add_epi64(*x, c.input_lift);
            }
        }
        let out = between_vectors::<R>(c, v, &w);
        for (row, v) in rows.iter_mut().zip(out) {
            store(&mut row[i], v);
        }
    }
}

/// Two columns at a time, which makes quads.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn two_levels<R: Room, const LIFT: bool, const LIFTED: bool>(
    c: &Constants<'_>,
    roots: &IfmaRoots,
    vectors: &mut [[u64; 8]],
    node: usize,
    source: Option<&Source<'_>>,
) {
    let [w1, w2, w3, ..] = vector_factors(roots, node);
    let mut rows = rows::<4>(vectors);
    let height = rows[0].len();
    let [r0, r1, r2, r3] = &mut rows;
    let pairs = pairs(r0).zip(pairs(r1)).zip(pairs(r2)).zip(pairs(r3));
    for (i, (((r0, r1), r2), r3)) in pairs.enumerate() {
        let (mut x, y) = if let Some(source) = source.filter(|_| LIFTED) {
            let at = |row: usize, k: usize| source.load(row * height + 2 * i + k);
            ([at(0, 0), at(0, 1), at(1, 0), at(1, 1)], [at(2, 0), at(2, 1), at(3, 0), at(3, 1)])
        } else {
            let y = [load(&r2[0]), load(&r2[1]), load(&r3[0]), load(&r3[1])];
            ([load(&r0[0]), load(&r0[1]), load(&r1[0]), load(&r1[1])], y)
        };
        if LIFT {
            for x in &mut x {
                *x = _mm512_add_epi64(*x, c.input_lift);
            }
        }
        let ([a0, a1, b0, b1], [c0, c1, d0, d1]) = butterflies(c, x, y, [w1; 4], R::FORWARD[0]);
        let ([a0, a1, c0, c1], [b0, b1, d0, d1]) =
            butterflies(c, [a0, a1, c0, c1], [b0, b1, d0, d1], [w2, w2, w3, w3], R::FORWARD[1]);
        store_pair(r0, a0, a1);
        store_pair(r1, b0, b1);
        store_pair(r2, c0, c1);
        store_pair(r3, d0, d1);
    }
}

/// Six levels on 64 neighbours: three between vectors, three within.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn in_registers<R: Room>(
    c: &Constants<'_>,
    roots: &IfmaRoots,
    lane_roots: &LaneRoots,
    block: &mut [[u64; 8]; BLOCK],
    node: usize,
) {
    let mut v = [c.lanes.zero; 8];
    for (v, x) in v.iter_mut().zip(&*block) {
        *v = load(x);
    }
    let v = between_vectors::<R>(c, v, &vector_factors(roots, node));
    let (mut x, mut y) = ([c.lanes.zero; 4], [c.lanes.zero; 4]);
    // The pairs are A and B; x holds A0 B0 A1 B1 A2 B2 A3 B3, y the other halves.
    for i in 0..4 {
        let (a, b) = (v[2 * i], v[2 * i + 1]);
        x[i] = pick(a, b, [0, 8, 1, 9, 2, 10, 3, 11]);
        y[i] = pick(a, b, [4, 12, 5, 13, 6, 14, 7, 15]);
    }
    let (p, q) = butterflies(c, x, y, span_4_factors(lane_roots), R::FORWARD[0]);
    // A0 B0 A4 B4 A1 B1 A5 B5, and A2 B2 A6 B6 A3 B3 A7 B7.
    for i in 0..4 {
        x[i] = pick(p[i], q[i], [0, 1, 8, 9, 2, 3, 10, 11]);
        y[i] = pick(p[i], q[i], [4, 5, 12, 13, 6, 7, 14, 15]);
    }
    let (p, q) = butterflies(c, x, y, span_2_factors(lane_roots), R::FORWARD[1]);
    // A0 B0 A4 B4 A2 B2 A6 B6, and the odd ones.
    for i in 0..4 {
        (x[i], y[i]) = halves(p[i], q[i]);
    }
    let (p, q) = butterflies(c, x, y, span_1_factors(lane_roots), R::FORWARD[2]);
    let (p, q) = (canonical(c, p), canonical(c, q));
    for (i, out) in block.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let a = pick(p[i], q[i], [0, 8, 4, 12, 2, 10, 6, 14]);
        store_pair(out, a, pick(p[i], q[i], [1, 9, 5, 13, 3, 11, 7, 15]));
    }
}

/// Three levels on eight vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn between_vectors<R: Room>(c: &Constants<'_>, v: [__m512i; 8], w: &[Factor; 7]) -> [__m512i; 8] {
    let [v0, v1, v2, v3, v4, v5, v6, v7] = v;
    let [w1, w2, w3, w4, w5, w6, w7] = *w;
    let ([v0, v1, v2, v3], [v4, v5, v6, v7]) =
        butterflies(c, [v0, v1, v2, v3], [v4, v5, v6, v7], [w1; 4], R::FORWARD[0]);
    let ([v0, v1, v4, v5], [v2, v3, v6, v7]) =
        butterflies(c, [v0, v1, v4, v5], [v2, v3, v6, v7], [w2, w2, w3, w3], R::FORWARD[1]);
    let ([v0, v2, v4, v6], [v1, v3, v5, v7]) =
        butterflies(c, [v0, v2, v4, v6], [v1, v3, v5, v7], [w4, w5, w6, w7], R::FORWARD[2]);
    [v0, v1, v2, v3, v4, v5, v6, v7]
}

/// `(x + w·y, x - w·y)`, the products in `[-q, q)`. With `reduce`, `x` is brought to `[lift, lift + 2q)` first.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn butterflies(c: &Constants<'_>, mut x: Quad, mut y: Quad, w: [Factor; 4], reduce: bool) -> (Quad, Quad) {
    let (mut estimate, mut product) = (x, x);
    for i in 0..4 {
        // One more than Shoup's quotient: products come out lower by q.
        estimate[i] = _mm512_madd52hi_epu64(c.one, w[i].quotient, y[i]);
        product[i] = _mm512_madd52lo_epu64(c.lanes.zero, w[i].value, y[i]);
    }
    if reduce {
        for x in &mut x {
            let quotient = _mm512_madd52hi_epu64(c.minus_lift, *x, c.reciprocal);
            *x = _mm512_madd52lo_epu64(*x, quotient, c.lanes.minus_q);
        }
    }
    for i in 0..4 {
        product[i] = _mm512_madd52lo_epu64(product[i], estimate[i], c.lanes.minus_q);
    }
    for i in 0..4 {
        y[i] = _mm512_sub_epi64(x[i], product[i]);
        x[i] = _mm512_add_epi64(x[i], product[i]);
    }
    (x, y)
}

/// `[0, 2^52)`, dirty above, `→ [0, q)`: what Barrett's quotient leaves is below `2q`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn canonical(c: &Constants<'_>, x: Quad) -> Quad {
    let mut out = x;
    for x in &mut out {
        let quotient = _mm512_madd52hi_epu64(c.lanes.zero, *x, c.reciprocal);
        *x = _mm512_and_si512(_mm512_madd52lo_epu64(*x, quotient, c.lanes.minus_q), c.lanes.mask);
    }
    for x in &mut out {
        *x = Lanes::reduce_once(*x, c.lanes.q);
    }
    out
}
