//! The negacyclic number-theoretic transform.
//!
//! A polynomial of `Z_q[X]/(X^n + 1)` becomes its values at the odd powers of a primitive `2n`-th root of unity `ψ`, so
//! that polynomial products become pointwise. **Order contract:** coefficients are in natural order; the value at index
//! `i` is the one at `ψ^(2·rev(i) + 1)`, where `rev` reverses the `log2 n` bits of `i`.
//!
//! A product of polynomials, for whoever needs the transform alone:
//!
//! ```
//! use tacit_core::backend::{Backend, Kernels};
//! use tacit_core::modulus::Modulus;
//! use tacit_core::ntt::NttPlan;
//! use tacit_core::prime::ntt_primes_vartime;
//!
//! # fn main() -> Result<(), tacit_core::error::ParamError> {
//! // Once: the largest prime of 50 bits with a 16-th root of unity, its tables, and the machine's fastest kernels.
//! let q = Modulus::new(ntt_primes_vartime(50, 8, 1, &[])?[0])?;
//! let plan = NttPlan::new(q, 8)?;
//! let kernels = Kernels::detect();
//!
//! let mut a = [1, 2, 0, 0, 0, 0, 0, 0];
//! let mut b = [0, 0, 0, 0, 0, 0, 0, 3];
//! plan.check(&a)?;
//! plan.check(&b)?;
//! plan.forward(kernels, &mut a);
//! plan.forward(kernels, &mut b);
//! kernels.mul(&q, &mut a, &b);
//! plan.inverse(kernels, &mut a);
//!
//! // (1 + 2X)·3X^7 = 3X^7 + 6X^8, and X^8 = -1.
//! assert_eq!(a, [q.neg(6), 0, 0, 0, 0, 0, 0, 3]);
//! # Ok(())
//! # }
//! ```

use crate::backend::{Backend, Kernels, NttTables};
use crate::error::ParamError;
use crate::modulus::Modulus;

/// Smallest supported degree.
pub const MIN_DEGREE: usize = 8;
/// Largest supported degree.
pub const MAX_DEGREE: usize = crate::prime::MAX_DEGREE;

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
        Ok(Self { tables: NttTables::new(modulus, degree)? })
    }

    /// The modulus `q`.
    #[must_use]
    pub const fn modulus(&self) -> &Modulus {
        self.tables.modulus()
    }

    /// The degree `n`.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.tables.degree()
    }

    /// The tables that kernels read.
    #[must_use]
    pub const fn tables(&self) -> &NttTables {
        &self.tables
    }

    /// Whether these words can be transformed: for words from outside, which [`Self::forward`] and [`Self::inverse`] take
    /// for residues. Constant time but for the answer.
    ///
    /// # Errors
    /// [`ParamError::LengthMismatch`] unless there are `n`, [`ParamError::NotReduced`] if one is not in `[0, q)`.
    pub fn check(&self, xs: &[u64]) -> Result<(), ParamError> {
        let (given, needed) = (xs.len(), self.degree());
        if given != needed {
            return Err(ParamError::LengthMismatch { given, needed });
        }
        if self.modulus().are_residues(xs) {
            Ok(())
        } else {
            Err(ParamError::NotReduced { modulus: self.modulus().value() })
        }
    }

    /// Coefficients → values, in place; `[0, q) → [0, q)`. Cost: `n/2·log2 n` butterflies.
    ///
    /// # Panics
    /// If `xs` does not hold `n` residues.
    pub fn forward(&self, kernels: Kernels, xs: &mut [u64]) {
        kernels.ntt_forward(&self.tables, xs);
    }

    /// Values → coefficients, in place; `[0, q) → [0, q)`. Cost: `n/2·log2 n` butterflies.
    ///
    /// # Panics
    /// If `xs` does not hold `n` residues.
    pub fn inverse(&self, kernels: Kernels, xs: &mut [u64]) {
        kernels.ntt_inverse(&self.tables, xs);
    }
}

pub(crate) fn check_degree(degree: usize) -> Result<(), ParamError> {
    if degree.is_power_of_two() && (MIN_DEGREE..=MAX_DEGREE).contains(&degree) {
        Ok(())
    } else {
        Err(ParamError::BadDegree { degree, min: MIN_DEGREE, max: MAX_DEGREE })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
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
    fn words_from_outside_are_checked() {
        let plan = NttPlan::new(Modulus::new(17).unwrap(), 8).unwrap();
        assert_eq!(plan.check(&[16; 8]), Ok(()));
        assert_eq!(plan.check(&[16; 9]), Err(ParamError::LengthMismatch { given: 9, needed: 8 }));
        assert_eq!(plan.check(&[0, 0, 0, 0, 0, 0, 0, 17]), Err(ParamError::NotReduced { modulus: 17 }));
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
