//! Values to coefficients.

use core::arch::x86_64::*;

use super::super::field::{Factor, Field, Ratio, splat, store};
use super::super::roots::DoubleRoots;
use super::{Tile, Vector, keep, quarters, take, thirds, transpose};
use crate::backend::NttTables;

/// Inverse transform; `[0, q) → [0, q)`: the steps of the forward transform backwards. The last level carries the factor
/// `1/n`.
#[target_feature(enable = "avx2,fma")]
pub(in super::super) fn inverse(tables: &NttTables, roots: &DoubleRoots, xs: &mut [u64]) {
    let limit = thirds(tables.modulus());
    if 3 * xs.len() as u64 <= limit {
        Passes::<0>::new(tables, roots).run(xs);
    } else if 16 <= limit {
        Passes::<1>::new(tables, roots).run(xs);
    } else {
        Passes::<2>::new(tables, roots).run(xs);
    }
}

/// Passes of two levels, each of which reduces the first `REDUCED` of its four results.
///
/// If operands have at most `b` thirds of `q`, the products of the two levels have operands of at most `2b` and `4b`, and
/// the results have `4b`, 4, 2 and 2. Residues have three thirds, reduced numbers two. With `REDUCED` = 2, `b` is 3 and
/// then 2, so that no operand is above 12; with 1, it becomes 4, so that none is above 16; with 0, sums double at each
/// level, up to `3n`.
struct Passes<'a, const REDUCED: usize> {
    q: Field,
    roots: &'a DoubleRoots,
    /// The factors of the last level, `1/n` and the root times `1/n`.
    scale: Ratio,
    scaled_root: Ratio,
}

impl<'a, const REDUCED: usize> Passes<'a, REDUCED> {
    #[target_feature(enable = "avx2,fma")]
    fn new(tables: &NttTables, roots: &'a DoubleRoots) -> Self {
        let (scale, root) = tables.last_inverse_level();
        let ratio = |w| Ratio::of(w, tables.modulus().value());
        Self { q: Field::new(tables.modulus()), roots, scale: ratio(scale), scaled_root: ratio(root) }
    }

    #[target_feature(enable = "avx2,fma")]
    fn run(&self, xs: &mut [u64]) {
        let (vectors, _) = xs.as_chunks_mut::<4>();
        if vectors.len().trailing_zeros() & 1 == 0 {
            self.block::<true>(vectors, 1);
            return;
        }
        let (low, high) = vectors.split_at_mut(vectors.len() >> 1);
        self.block::<false>(low, 2);
        self.block::<false>(high, 3);
        let factors = (splat(&self.scale), splat(&self.scaled_root));
        for (x, y) in low.iter_mut().zip(high) {
            let [a, b] = take::<false, 2>([x, y]);
            self.last_level(x, y, a, b, factors);
        }
    }

    /// The block that root number `node` joins; the whole array with `LAST`.
    #[target_feature(enable = "avx2,fma")]
    fn block<const LAST: bool>(&self, vectors: &mut [Vector], node: usize) {
        if let Ok(tile) = <&mut Tile>::try_from(&mut *vectors) {
            self.first_levels(tile, 4 * node);
        } else {
            for (i, part) in quarters(vectors).into_iter().enumerate() {
                self.block::<false>(part, 4 * node + i);
            }
        }
        self.two_levels::<LAST>(vectors, node);
    }

    /// Four levels on each of the blocks from number `node` on: two within vectors, on transposed blocks, then two between.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn first_levels(&self, tile: &mut Tile, node: usize) {
        let (blocks, _) = tile.as_chunks_mut::<4>();
        let within = &self.roots.within()[node - self.roots.within().len()..];
        for (block, roots) in blocks.iter_mut().zip(within) {
            let v = transpose(take::<true, 4>(block.each_ref()));
            keep(block.each_mut(), self.butterflies(v, roots.factors()));
        }
        for (i, block) in blocks.iter_mut().enumerate() {
            let v = transpose(take::<false, 4>(block.each_ref()));
            keep(block.each_mut(), self.butterflies(v, self.roots.factors(node + i)));
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn two_levels<const LAST: bool>(&self, vectors: &mut [Vector], node: usize) {
        let factors = self.roots.factors(node);
        let last = (splat(&self.scale), splat(&self.scaled_root));
        let [s0, s1, s2, s3] = quarters(vectors);
        for (((x0, x1), x2), x3) in s0.iter_mut().zip(s1).zip(s2).zip(s3) {
            let v = take::<false, 4>([x0, x1, x2, x3]);
            if LAST {
                let [mut a, mut b, mut c, mut d] = v;
                self.q.inverse(&mut a, &mut b, factors[1]);
                self.q.inverse(&mut c, &mut d, factors[2]);
                self.last_level(x0, x2, a, c, last);
                self.last_level(x1, x3, b, d, last);
            } else {
                keep([x0, x1, x2, x3], self.butterflies(v, factors));
            }
        }
    }

    /// Two levels: neighbours, then pairs of them.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn butterflies(&self, [mut a, mut b, mut c, mut d]: [__m256d; 4], [w1, w2, w3]: [Factor; 3]) -> [__m256d; 4] {
        let q = &self.q;
        q.inverse(&mut a, &mut b, w2);
        q.inverse(&mut c, &mut d, w3);
        q.inverse(&mut a, &mut c, w1);
        q.inverse(&mut b, &mut d, w1);
        [if REDUCED > 0 { q.reduce(a) } else { a }, if REDUCED > 1 { q.reduce(b) } else { b }, c, d]
    }

    /// `((x + y)/n, w·(x - y)/n)` as words in `[0, q)`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn last_level(&self, x: &mut Vector, y: &mut Vector, a: __m256d, b: __m256d, (scale, root): (Factor, Factor)) {
        let q = &self.q;
        store(x, q.words(q.mul(_mm256_add_pd(a, b), scale)));
        store(y, q.words(q.mul(_mm256_sub_pd(a, b), root)));
    }
}
