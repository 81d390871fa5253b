//! Coefficients to values.

use core::arch::x86_64::*;

use super::super::field::{Factor, Field, store};
use super::super::roots::DoubleRoots;
use super::{Tile, Vector, keep, quarters, take, thirds, transpose};
use crate::backend::NttTables;

/// Forward transform; `[0, q) → [0, q)`.
///
/// Passes of two levels run over the whole array first and then over its quarters, so that they soon stay within the
/// first cache; the last four levels run on tiles of 64 values.
#[target_feature(enable = "avx2,fma")]
pub(in super::super) fn forward(tables: &NttTables, roots: &DoubleRoots, xs: &mut [u64]) {
    let q = Field::new(tables.modulus());
    let reduced = reduced_levels(xs.len().trailing_zeros(), thirds(tables.modulus()));
    let passes = Passes { q, roots, reduced };
    let (vectors, _) = xs.as_chunks_mut::<4>();
    if vectors.len().trailing_zeros() & 1 == 0 {
        passes.block::<true>(vectors, 1);
        return;
    }
    // An even number of levels is left for the blocks.
    let (low, high) = vectors.split_at_mut(vectors.len() >> 1);
    let w = roots.factor(1);
    for (x, y) in low.iter_mut().zip(&mut *high) {
        let [mut a, mut b] = take::<true, 2>([x, y]);
        q.forward::<false>(&mut a, &mut b, w);
        keep([x, y], [a, b]);
    }
    passes.block::<false>(low, 2);
    passes.block::<false>(high, 3);
}

/// The levels, as bits, where a pass begins by reducing, so that no product has an operand above `limit` thirds of `q`.
///
/// Residues have three thirds, reduced operands two, and each level adds two. A pass that begins with `b` thirds has
/// products of `b` and `b + 2` and leaves `b + 4` to the products of the next, or 6 if it reduces; the last one leaves them
/// to a reduction. The least `limit` is 12.
fn reduced_levels(levels: u32, limit: u64) -> u32 {
    let (mut reduced, mut bound, mut level) = (0, 3, 0);
    while level < levels {
        let step = 2 - ((levels - level) & 1);
        let last = level + step == levels;
        if bound + 2 * u64::from(step - u32::from(last)) > limit {
            reduced |= 1 << level;
            bound = 2;
        }
        bound += 2 * u64::from(step);
        level += step;
    }
    reduced
}

struct Passes<'a> {
    q: Field,
    roots: &'a DoubleRoots,
    reduced: u32,
}

impl Passes<'_> {
    /// The block that root number `node` splits; with `WORDS`, the first pass.
    #[target_feature(enable = "avx2,fma")]
    fn block<const WORDS: bool>(&self, vectors: &mut [Vector], node: usize) {
        if self.reduces(node) {
            self.two_levels::<WORDS, true>(vectors, node);
        } else {
            self.two_levels::<WORDS, false>(vectors, node);
        }
        if let Ok(tile) = <&mut Tile>::try_from(&mut *vectors) {
            self.last_levels(tile, 4 * node);
        } else {
            for (i, part) in quarters(vectors).into_iter().enumerate() {
                self.block::<false>(part, 4 * node + i);
            }
        }
    }

    /// Whether the pass that begins with root number `node` reduces.
    fn reduces(&self, node: usize) -> bool {
        self.reduced >> node.ilog2() & 1 == 1
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn two_levels<const WORDS: bool, const REDUCE: bool>(&self, vectors: &mut [Vector], node: usize) {
        let factors = self.roots.factors(node);
        let [s0, s1, s2, s3] = quarters(vectors);
        for (((x0, x1), x2), x3) in s0.iter_mut().zip(s1).zip(s2).zip(s3) {
            let v = take::<WORDS, 4>([x0, x1, x2, x3]);
            keep([x0, x1, x2, x3], self.butterflies::<REDUCE>(v, factors));
        }
    }

    /// Four levels on each of the blocks from number `node` on: two between vectors, then, on transposed blocks, two within.
    ///
    /// Each step runs over the whole tile, because a block's own steps wait for each other longer than processors look
    /// ahead.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn last_levels(&self, tile: &mut Tile, node: usize) {
        let (blocks, _) = tile.as_chunks_mut::<4>();
        let reduce = [self.reduces(node), self.reduces(4 * node)];
        let two_levels = |reduce: bool, v, factors| {
            if reduce { self.butterflies::<true>(v, factors) } else { self.butterflies::<false>(v, factors) }
        };
        for (i, block) in blocks.iter_mut().enumerate() {
            let v = take::<false, 4>(block.each_ref());
            keep(block.each_mut(), two_levels(reduce[0], v, self.roots.factors(node + i)));
        }
        let within = &self.roots.within()[node - self.roots.within().len()..];
        for (block, roots) in blocks.iter_mut().zip(within) {
            let v = transpose(take::<false, 4>(block.each_ref()));
            keep(block.each_mut(), two_levels(reduce[1], v, roots.factors()));
        }
        for block in blocks {
            let v = transpose(take::<false, 4>(block.each_ref()));
            for (x, v) in block.iter_mut().zip(v) {
                store(x, self.q.words(self.q.reduce(v)));
            }
        }
    }

    /// Two levels: pairs of neighbours, then neighbours.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn butterflies<const REDUCE: bool>(
        &self,
        [mut a, mut b, mut c, mut d]: [__m256d; 4],
        [w1, w2, w3]: [Factor; 3],
    ) -> [__m256d; 4] {
        let q = &self.q;
        q.forward::<REDUCE>(&mut a, &mut c, w1);
        q.forward::<REDUCE>(&mut b, &mut d, w1);
        q.forward::<false>(&mut a, &mut b, w2);
        q.forward::<false>(&mut c, &mut d, w3);
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the tightest limit every other pass reduces; far from it none does.
    #[test]
    fn levels_are_reduced_where_they_must_be() {
        assert_eq!(reduced_levels(13, 12), 1 << 3 | 1 << 7);
        assert_eq!(reduced_levels(12, 12), 1 << 4 | 1 << 8);
        assert_eq!(reduced_levels(17, 3 + 2 * 16), 0);
    }
}
