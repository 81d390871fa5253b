//! The negacyclic number-theoretic transform.
//!
//! A polynomial of `Z_q[X]/(X^n + 1)` becomes its values at the odd powers of a primitive `2n`-th root of unity `ψ`, so
//! that polynomial products become pointwise. **Order contract:** coefficients are in natural order; the value at index
//! `i` is the one at `ψ^(2·rev(i) + 1)`, where `rev` reverses the `log2 n` bits of `i`.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::backend::{Backend, Kernels};
use crate::error::ParamError;
use crate::modulus::{Modulus, Shoup};
use crate::prime::primitive_root_vartime;

/// Smallest supported degree.
pub const MIN_DEGREE: usize = 8;
/// Largest supported degree.
pub const MAX_DEGREE: usize = 1 << 17;

/// The powers of `ψ` that the kernels read, with their Shoup quotients.
#[derive(Clone, Debug)]
pub struct NttTables {
    modulus: Modulus,
    /// `roots[i] = ψ^rev(i)`; level `l` reads `roots[2^l .. 2^(l+1)]`.
    roots: Box<[Shoup]>,
    /// `inverse_roots[i] = ψ^-rev(i)`.
    inverse_roots: Box<[Shoup]>,
    /// `n^-1` and `n^-1·inverse_roots[1]`.
    last_inverse_level: (Shoup, Shoup),
    /// The roots of the three levels next to the values, forward and inverse, where a backend reads them.
    lane_roots: Option<[Box<[LaneRoots]>; 2]>,
}

/// The roots of the three levels next to the values of 64 neighbours, for eight lanes: lane `l` belongs to the `l`-th
/// eight of them. Row 0 is for the level of span 8, rows 1 and 2 for span 4, rows 3 to 6 for span 2.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct LaneRoots {
    /// The roots.
    pub values: [[u64; 8]; 7],
    /// Their quotients `floor(w·2^52/q)`.
    pub quotients: [[u64; 8]; 7],
}

impl LaneRoots {
    /// The smallest degree and the largest modulus that backends with lanes take on.
    const MIN_DEGREE: usize = 128;
    const MAX_BITS: u32 = 50;

    fn of(modulus: &Modulus, roots: &[Shoup]) -> Option<Box<[Self]>> {
        let n = roots.len();
        let served = cfg!(target_arch = "x86_64") && n >= Self::MIN_DEGREE && modulus.bits() <= Self::MAX_BITS;
        let group = |g: usize| {
            let mut out = Self { values: [[0; 8]; 7], quotients: [[0; 8]; 7] };
            for lane in 0..8 {
                let block = 8 * g + lane;
                for (row, (level, child)) in
                    [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (2, 3)].into_iter().enumerate()
                {
                    let root = roots[(n >> (3 - level)) + (block << level) + child];
                    out.values[row][lane] = root.value;
                    out.quotients[row][lane] = root.quotient >> 12;
                }
            }
            out
        };
        served.then(|| (0..n >> 6).map(group).collect())
    }
}

impl NttTables {
    /// The modulus `q`.
    #[must_use]
    pub const fn modulus(&self) -> &Modulus {
        &self.modulus
    }

    /// `ψ^rev(i)` for `i` in `[0, n)`.
    #[must_use]
    pub fn roots(&self) -> &[Shoup] {
        &self.roots
    }

    /// `ψ^-rev(i)` for `i` in `[0, n)`.
    #[must_use]
    pub fn inverse_roots(&self) -> &[Shoup] {
        &self.inverse_roots
    }

    /// The roots of the three levels next to the values, forward and inverse, if a backend reads them: in groups of 64
    /// neighbours.
    #[must_use]
    pub fn lane_roots(&self) -> Option<[&[LaneRoots]; 2]> {
        self.lane_roots.as_ref().map(|[forward, inverse]| [&**forward, &**inverse])
    }

    /// The factors of the last inverse level, which carry the scaling: `n^-1` and `n^-1·ψ^-rev(1)`.
    #[must_use]
    pub const fn last_inverse_level(&self) -> (Shoup, Shoup) {
        self.last_inverse_level
    }
}

/// A transform of fixed degree and modulus.
#[derive(Clone, Debug)]
pub struct NttPlan {
    tables: NttTables,
}

impl NttPlan {
    /// Derives the tables. Cost: about `3n` multiplications.
    ///
    /// # Errors
    /// [`ParamError::BadDegree`] unless `degree` is a power of two in `[8, 2^17]`; [`ParamError::NotPrime`] or
    /// [`ParamError::NoRoot`] if the modulus has no primitive `2n`-th root.
    pub fn new(modulus: Modulus, degree: usize) -> Result<Self, ParamError> {
        check_degree(degree)?;
        let root = primitive_root_vartime(&modulus, degree)?;
        let inverse = |x| modulus.inverse(x).ok_or(ParamError::NotPrime { value: modulus.value() });
        let scale = inverse(degree as u64)?;
        let inverse_roots = powers_bit_reversed(&modulus, inverse(root)?, degree);
        let scaled_root = modulus.mul(scale, inverse_roots[1].value);
        let roots = powers_bit_reversed(&modulus, root, degree);
        let lanes = LaneRoots::of(&modulus, &roots).zip(LaneRoots::of(&modulus, &inverse_roots));
        Ok(Self {
            tables: NttTables {
                modulus,
                lane_roots: lanes.map(|(forward, inverse)| [forward, inverse]),
                roots,
                inverse_roots,
                last_inverse_level: (modulus.shoup(scale), modulus.shoup(scaled_root)),
            },
        })
    }

    /// The modulus `q`.
    #[must_use]
    pub const fn modulus(&self) -> &Modulus {
        &self.tables.modulus
    }

    /// The degree `n`.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.tables.roots.len()
    }

    /// The tables that kernels read.
    #[must_use]
    pub const fn tables(&self) -> &NttTables {
        &self.tables
    }

    /// Coefficients → values, in place; `[0, q) → [0, q)`. Cost: `n/2·log2 n` butterflies.
    ///
    /// # Panics
    /// If `xs` does not hold `n` residues.
    pub fn forward(&self, kernels: Kernels, xs: &mut [u64]) {
        assert_eq!(xs.len(), self.degree());
        kernels.ntt_forward(&self.tables, xs);
    }

    /// Values → coefficients, in place; `[0, q) → [0, q)`. Cost: `n/2·log2 n` butterflies.
    ///
    /// # Panics
    /// If `xs` does not hold `n` residues.
    pub fn inverse(&self, kernels: Kernels, xs: &mut [u64]) {
        assert_eq!(xs.len(), self.degree());
        kernels.ntt_inverse(&self.tables, xs);
    }

    /// The values by definition, in `n²` multiplications: what the conformance suite compares with.
    #[must_use]
    pub fn evaluate_schoolbook(&self, coefficients: &[u64]) -> Vec<u64> {
        let (q, n) = (self.modulus(), self.degree());
        let root = self.tables.roots[n >> 1].value;
        let at = |x: u64| coefficients.iter().rev().fold(0, |sum, &c| q.mul_add(sum, x, c));
        (0..n).map(|i| at(q.pow_vartime(root, 2 * bit_reverse(i, n) as u64 + 1))).collect()
    }
}

/// Reverses the lowest `log2 n` bits of `i`.
#[must_use]
pub(crate) const fn bit_reverse(i: usize, n: usize) -> usize {
    i.reverse_bits() >> (usize::BITS - n.trailing_zeros())
}

pub(crate) fn check_degree(degree: usize) -> Result<(), ParamError> {
    if degree.is_power_of_two() && (MIN_DEGREE..=MAX_DEGREE).contains(&degree) {
        Ok(())
    } else {
        Err(ParamError::BadDegree { degree, min: MIN_DEGREE, max: MAX_DEGREE })
    }
}

fn powers_bit_reversed(modulus: &Modulus, base: u64, n: usize) -> Box<[Shoup]> {
    let mut powers = vec![modulus.shoup(1); n].into_boxed_slice();
    let mut power = 1;
    for i in 0..n {
        powers[bit_reverse(i, n)] = modulus.shoup(power);
        power = modulus.mul(power, base);
    }
    powers
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Schoolbook product in `Z_q[X]/(X^n + 1)`.
    pub(crate) fn negacyclic_product(q: &Modulus, a: &[u64], b: &[u64]) -> Vec<u64> {
        let n = a.len();
        let mut out = vec![0; n];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                let term = q.mul(x, y);
                let slot = &mut out[(i + j) % n];
                *slot = if i + j < n { q.add(*slot, term) } else { q.sub(*slot, term) };
            }
        }
        out
    }

    #[test]
    fn root_table_ends_with_the_root() {
        // evaluate_schoolbook relies on roots[n/2] = ψ^rev(n/2) = ψ^1.
        let plan = NttPlan::new(Modulus::new(17).unwrap(), 8).unwrap();
        assert_eq!(plan.tables.roots[4].value, 3);
    }

    /// Values modulo 17 at the odd powers of 3, worked out by hand: X evaluates to ψ^(2·rev(i)+1).
    #[test]
    fn known_values_modulo_17() {
        let plan = NttPlan::new(Modulus::new(17).unwrap(), 8).unwrap();
        let mut x = [0, 1, 0, 0, 0, 0, 0, 0];
        plan.forward(Kernels::PORTABLE, &mut x);
        assert_eq!(x, [3, 14, 5, 12, 10, 7, 11, 6]);
        let mut one_plus_x2 = [1, 0, 1, 0, 0, 0, 0, 0];
        plan.forward(Kernels::PORTABLE, &mut one_plus_x2);
        assert_eq!(one_plus_x2, [10, 10, 9, 9, 16, 16, 3, 3]);
    }

    #[test]
    fn refuses_bad_degrees() {
        let q = Modulus::new(65537).unwrap();
        for degree in [0, 1, 4, 24, 1 << 18] {
            assert!(matches!(NttPlan::new(q, degree), Err(ParamError::BadDegree { .. })), "{degree}");
        }
        assert!(matches!(NttPlan::new(q, 1 << 16), Err(ParamError::NoRoot { .. })));
    }

    proptest! {
        #[test]
        fn products_become_pointwise(
            bits in prop_oneof![Just(20u32), Just(46), Just(60)],
            log_n in 3u32..8,
            seed in any::<u64>(),
        ) {
            let n = 1 << log_n;
            let q = crate::prime::ntt_primes_vartime(bits, n, 1, &[]).unwrap()[0];
            let plan = NttPlan::new(Modulus::new(q).unwrap(), n).unwrap();
            let poly = |salt: u64| (0..n as u64).map(|i| plan.modulus().reduce(seed.wrapping_mul(2 * i + salt))).collect::<Vec<_>>();
            let (mut a, mut b) = (poly(3), poly(10));
            let expected = negacyclic_product(plan.modulus(), &a, &b);
            plan.forward(Kernels::detect(), &mut a);
            plan.forward(Kernels::detect(), &mut b);
            Kernels::detect().mul(plan.modulus(), &mut a, &b);
            plan.inverse(Kernels::detect(), &mut a);
            prop_assert_eq!(a, expected);
        }
    }
}
