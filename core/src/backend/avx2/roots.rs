//! Roots of unity as doubles.

use alloc::boxed::Box;
use core::arch::x86_64::*;

use super::field::{self, Factor, Ratio, splat};
use crate::modulus::{Modulus, Shoup};

/// The roots of one direction. Size: 16 bytes each.
#[derive(Clone, Debug)]
pub(in super::super) struct DoubleRoots {
    /// Those of the levels between vectors: numbers below `n/4`.
    between: Box<[Ratio]>,
    /// Those of the two levels within vectors, for 16 neighbours each.
    within: Box<[WithinRoots]>,
}

/// The roots of the two levels next to the values of 16 neighbours: lane `l` belongs to the `l`-th four of them. Row 0 is
/// for the level of span 4, rows 1 and 2 for span 2.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct WithinRoots {
    values: [[f64; 4]; 3],
    quotients: [[f64; 4]; 3],
}

impl DoubleRoots {
    /// The smallest degree that is transformed on doubles: four levels in registers and two before.
    const MIN_DEGREE: usize = 64;

    /// Whether a degree and a modulus are transformed on doubles.
    pub(in super::super) fn serve(modulus: &Modulus, degree: usize) -> bool {
        degree >= Self::MIN_DEGREE && field::serves(modulus)
    }

    /// Centres the roots of a degree and a modulus that are served.
    pub(in super::super) fn new(modulus: &Modulus, roots: &[Shoup]) -> Self {
        let (n, q) = (roots.len(), modulus.value());
        debug_assert!(Self::serve(modulus, n));
        let within = |group: usize| {
            let mut out = WithinRoots { values: [[0.0; 4]; 3], quotients: [[0.0; 4]; 3] };
            for lane in 0..4 {
                let block = 4 * group + lane;
                for (row, number) in
                    [(n >> 2) + block, (n >> 1) + 2 * block, (n >> 1) + 2 * block + 1].into_iter().enumerate()
                {
                    let root = Ratio::of(roots[number], q);
                    out.values[row][lane] = root.value;
                    out.quotients[row][lane] = root.quotient;
                }
            }
            out
        };
        Self {
            between: roots[..n >> 2].iter().map(|&w| Ratio::of(w, q)).collect(),
            within: (0..n >> 4).map(within).collect(),
        }
    }

    /// The root of a block, in every lane.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn factor(&self, node: usize) -> Factor {
        splat(&self.between[node])
    }

    /// The roots of a block and of its halves.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn factors(&self, node: usize) -> [Factor; 3] {
        [self.factor(node), self.factor(2 * node), self.factor(2 * node + 1)]
    }

    /// Those of the blocks of 16 values.
    pub(super) fn within(&self) -> &[WithinRoots] {
        &self.within
    }
}

impl WithinRoots {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn factors(&self) -> [Factor; 3] {
        let factor = |row: usize| Factor { value: load(&self.values[row]), quotient: load(&self.quotients[row]) };
        [factor(0), factor(1), factor(2)]
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(xs: &[f64; 4]) -> __m256d {
    // SAFETY: four doubles are 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_pd(xs.as_ptr()) }
}
