//! What the transforms read: quotients for 52-bit words, and roots in the order of the lanes.

use alloc::boxed::Box;

use crate::modulus::{Modulus, Shoup};

use super::{MAX_BITS, WORD_BITS};

/// The powers of one root for both kinds of levels.
#[derive(Clone, Debug)]
pub(in crate::backend) struct IfmaRoots {
    /// For levels between vectors: entry `i` is root number `i` and its quotient.
    pub(super) vectors: Box<[[u64; 2]]>,
    /// For the three levels within vectors: one entry for every 64 neighbours.
    pub(super) lanes: Box<[LaneRoots]>,
}

/// The roots of the levels of spans 4, 2 and 1 for four pairs of vectors, `A` and `B`, in the order that the shuffles of
/// the transforms give the lanes. What repeats along the lanes is stored once.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct LaneRoots {
    pub(super) span_1: [[[u64; 8]; 4]; 2],
    pub(super) span_2: [[[u64; 4]; 4]; 2],
    pub(super) span_4: [[[u64; 2]; 4]; 2],
}

impl IfmaRoots {
    /// The smallest degree that has a pass between vectors on either side of the blocks.
    const MIN_DEGREE: usize = 256;

    /// Whether transforms of this modulus and degree have kernels that read these.
    pub(in crate::backend) fn serve(modulus: &Modulus, degree: usize) -> bool {
        degree >= Self::MIN_DEGREE && modulus.bits() <= MAX_BITS
    }

    /// Rearranges `roots[i] = ψ^rev(i)`.
    pub(in crate::backend) fn new(roots: &[Shoup]) -> Self {
        let n = roots.len();
        let at = |i: usize| [roots[i].value, roots[i].quotient >> (u64::BITS - WORD_BITS)];
        let block = |b: usize| {
            let mut out = LaneRoots { span_1: [[[0; 8]; 4]; 2], span_2: [[[0; 4]; 4]; 2], span_4: [[[0; 2]; 4]; 2] };
            for pair in 0..4 {
                let node = 4 * b + pair;
                for word in 0..2 {
                    out.span_4[word][pair] = [0, 1].map(|i| at((n >> 3) + 2 * node + i)[word]);
                    out.span_2[word][pair] = [0, 2, 1, 3].map(|i| at((n >> 2) + 4 * node + i)[word]);
                    out.span_1[word][pair] = [0, 4, 2, 6, 1, 5, 3, 7].map(|i| at((n >> 1) + 8 * node + i)[word]);
                }
            }
            out
        };
        Self { vectors: (0..n >> 3).map(at).collect(), lanes: (0..n >> 6).map(block).collect() }
    }
}
