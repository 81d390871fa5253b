//! The transforms: passes of two or three levels over vectors, then six levels on each 64 neighbours in registers.
//!
//! Everything is done in *quads*, four butterflies side by side, so that the latency of one is hidden by the others.
//! Stretches that do not fit the first cache are split by one pass and then taken one part after the other. The number
//! of operations is counted against the machine in the docs of [`mod@forward`] and [`mod@inverse`].

mod forward;
mod inverse;
#[cfg(test)]
mod levels;
mod room;

use core::arch::x86_64::*;

use super::tables::{IfmaRoots, LaneRoots};
use super::{Factor, Lanes, WORD_BITS, load, splat, store};
use crate::backend::NttTables;
use crate::modulus::Modulus;
use room::{Ample, Modest, Room, Tight};

/// Vectors of eight words that stay in the first cache between passes: 32 KiB.
const CACHED: usize = 512;
/// Vectors whose last six levels run in registers.
const BLOCK: usize = 8;

/// Four vectors.
type Quad = [__m512i; 4];

/// Forward transform; `[0, q) → [0, q)` for `q < 2^50`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn forward(tables: &NttTables, roots: &IfmaRoots, xs: &mut [u64]) {
    let q = tables.modulus().value();
    let levels = u64::from(xs.len().trailing_zeros());
    if (2 * levels + 1) * q <= 1 << WORD_BITS {
        forward::transform::<Ample>(tables.modulus(), roots, xs);
    } else if Modest::CAPACITY * q <= 1 << WORD_BITS {
        forward::transform::<Modest>(tables.modulus(), roots, xs);
    } else {
        forward::transform::<Tight>(tables.modulus(), roots, xs);
    }
}

/// Forward transform of centred residues modulo `from < 2q`; `[0, from) → [0, q)` for `q < 2^50`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn forward_lifted(
    tables: &NttTables,
    roots: &IfmaRoots,
    out: &mut [u64],
    source: (&[u64], &Modulus),
    ahead: &[u64],
) {
    let q = tables.modulus().value();
    let levels = u64::from(out.len().trailing_zeros());
    if (2 * levels + 1) * q <= 1 << WORD_BITS {
        forward::transform_lifted::<Ample>(tables.modulus(), roots, out, source, ahead);
    } else if Modest::CAPACITY * q <= 1 << WORD_BITS {
        forward::transform_lifted::<Modest>(tables.modulus(), roots, out, source, ahead);
    } else {
        forward::transform_lifted::<Tight>(tables.modulus(), roots, out, source, ahead);
    }
}

/// Inverse transform, scaled by `1/n`; `[0, q) → [0, q)` for `q < 2^50`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn inverse(tables: &NttTables, roots: &IfmaRoots, xs: &mut [u64]) {
    let q = tables.modulus().value();
    if Ample::CAPACITY * q <= 1 << WORD_BITS {
        inverse::transform::<Ample>(tables, roots, xs);
    } else if Modest::CAPACITY * q <= 1 << WORD_BITS {
        inverse::transform::<Modest>(tables, roots, xs);
    } else {
        inverse::transform::<Tight>(tables, roots, xs);
    }
}

/// The levels that the next pass over a stretch of this many vectors takes, so that passes of three and two levels add up
/// to what is left above the blocks.
fn pass_levels(vectors: usize) -> u32 {
    let left = vectors.trailing_zeros() - BLOCK.trailing_zeros();
    if left.is_multiple_of(3) { 3 } else { 2 }
}

/// Equal parts of a stretch, in order.
fn rows<const COUNT: usize>(stretch: &mut [[u64; 8]]) -> [&mut [[u64; 8]]; COUNT] {
    let height = stretch.len() >> COUNT.trailing_zeros();
    let mut rest = stretch;
    core::array::from_fn(|_| {
        let (row, tail) = core::mem::take(&mut rest).split_at_mut(height);
        rest = tail;
        row
    })
}

fn pairs(row: &mut [[u64; 8]]) -> impl Iterator<Item = &mut [[u64; 8]; 2]> {
    row.as_chunks_mut().0.iter_mut()
}

/// The seven factors below a node, by level: one, two and four.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn vector_factors(roots: &IfmaRoots, node: usize) -> [Factor; 7] {
    let w1 = roots.vectors[node];
    let [w2, w3] = roots.vectors.as_chunks::<2>().0[node];
    let [w4, w5, w6, w7] = roots.vectors.as_chunks::<4>().0[node];
    [factor(w1), factor(w2), factor(w3), factor(w4), factor(w5), factor(w6), factor(w7)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn factor([value, quotient]: [u64; 2]) -> Factor {
    Factor { value: splat(value), quotient: splat(quotient) }
}

/// The factors of the level of span 4 for four pairs: lanes `a b a b a b a b`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn span_4_factors(roots: &LaneRoots) -> [Factor; 4] {
    let lanes = |x: [u64; 2]| _mm512_broadcast_i64x2(_mm_set_epi64x(x[1].cast_signed(), x[0].cast_signed()));
    let [values, quotients] = &roots.span_4;
    let at = |i: usize| Factor { value: lanes(values[i]), quotient: lanes(quotients[i]) };
    [at(0), at(1), at(2), at(3)]
}

/// The factors of the level of span 2 for four pairs: lanes `a b c d a b c d`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn span_2_factors(roots: &LaneRoots) -> [Factor; 4] {
    let lanes = |x: [u64; 4]| {
        let [a, b, c, d] = x.map(u64::cast_signed);
        _mm512_broadcast_i64x4(_mm256_set_epi64x(d, c, b, a))
    };
    let [values, quotients] = &roots.span_2;
    let at = |i: usize| Factor { value: lanes(values[i]), quotient: lanes(quotients[i]) };
    [at(0), at(1), at(2), at(3)]
}

/// The factors of the level of span 1 for four pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn span_1_factors(roots: &LaneRoots) -> [Factor; 4] {
    let [values, quotients] = &roots.span_1;
    let at = |i: usize| Factor { value: load(&values[i]), quotient: load(&quotients[i]) };
    [at(0), at(1), at(2), at(3)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn store_pair(xs: &mut [[u64; 8]; 2], first: __m512i, second: __m512i) {
    store(&mut xs[0], first);
    store(&mut xs[1], second);
}

/// Lane `i` of the result is lane `indices[i]` of `a` followed by `b`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn pick(a: __m512i, b: __m512i, indices: [i64; 8]) -> __m512i {
    let [i0, i1, i2, i3, i4, i5, i6, i7] = indices;
    _mm512_permutex2var_epi64(a, _mm512_setr_epi64(i0, i1, i2, i3, i4, i5, i6, i7), b)
}

/// The first halves of both, and the second halves.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn halves(a: __m512i, b: __m512i) -> (__m512i, __m512i) {
    (_mm512_shuffle_i64x2::<0b01_00_01_00>(a, b), _mm512_shuffle_i64x2::<0b11_10_11_10>(a, b))
}
