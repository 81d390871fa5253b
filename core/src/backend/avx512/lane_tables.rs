//! What the transforms read beside the roots.

use alloc::boxed::Box;

use crate::modulus::{Modulus, Shoup};

/// The roots of the levels that run within vectors, and those that carry the scaling of the inverse.
#[derive(Clone, Debug)]
pub(in crate::backend) struct LaneTables {
    /// For each 64 values of the forward transform.
    pub(super) forward: Box<[LaneFactors]>,
    /// For each 64 values of the inverse transform.
    pub(super) inverse: Box<[LaneFactors]>,
    /// `n^-1·ψ^-rev(2)` and `n^-1·ψ^-rev(3)`.
    pub(super) scaled_roots: [Shoup; 2],
}

impl LaneTables {
    /// The smallest degree that runs in lanes: 64 values, below one pass of two levels.
    const MIN_DEGREE: usize = 256;

    /// Whether transforms of this degree run in lanes.
    pub(in crate::backend) const fn serve(degree: usize) -> bool {
        degree >= Self::MIN_DEGREE
    }

    /// The tables of a transform with these roots and `scale = n^-1`.
    pub(in crate::backend) fn new(q: &Modulus, roots: &[Shoup], inverse_roots: &[Shoup], scale: u64) -> Self {
        let scaled = |i: usize| q.shoup(q.mul(scale, inverse_roots[i].value));
        Self {
            forward: LaneFactors::of(roots),
            inverse: LaneFactors::of(inverse_roots),
            scaled_roots: [2, 3].map(scaled),
        }
    }
}

/// The roots of the three levels next to the values of 64 neighbours, for eight lanes: lane `l` belongs to the `l`-th
/// eight of them. Row 0 is for the level of span 8, rows 1 and 2 for span 4, rows 3 to 6 for span 2.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct LaneFactors {
    /// The roots.
    pub(super) values: [[u64; 8]; 7],
    /// Their quotients `floor(w·2^64/q)`.
    pub(super) quotients: [[u64; 8]; 7],
}

/// The level, counted from that of span 8, and the block within the lane's eight values, of each row.
const ROWS: [(usize, usize); 7] = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (2, 3)];

impl LaneFactors {
    /// The rows for each 64 values of a transform whose roots are `roots`.
    fn of(roots: &[Shoup]) -> Box<[Self]> {
        let n = roots.len();
        let group = |g: usize| {
            let mut out = Self { values: [[0; 8]; 7], quotients: [[0; 8]; 7] };
            for lane in 0..8 {
                for (row, (level, child)) in ROWS.into_iter().enumerate() {
                    let root = roots[(n >> (3 - level)) + ((8 * g + lane) << level) + child];
                    out.values[row][lane] = root.value;
                    out.quotients[row][lane] = root.quotient;
                }
            }
            out
        };
        (0..n >> 6).map(group).collect()
    }
}
