//! The factor by which messages are multiplied before they are rounded to integers.

use core::fmt;

use crate::error::EvalError;

/// A scale: a normal number in `[1, 2^1000]`.
///
/// Ciphertexts carry the scale that they really have: products multiply it and rescaling divides it by the prime that was
/// dropped, each with a relative rounding error of `2^-53` that the noise bound includes.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Scale(f64);

/// Scales are never NaN.
impl Eq for Scale {}

impl Scale {
    /// The smallest scale.
    pub const MIN: Self = Self(1.0);

    /// The largest scale, `2^1000`.
    pub const MAX: Self = Self(f64::from_bits((1023 + 1000) << 52));

    /// The relative difference up to which operands of a sum count as equally scaled: `2^-40`. It forgives the rounding of
    /// a scale in thousands of operations, and no difference of primes. The noise bound includes what it forgives.
    pub const TOLERANCE: f64 = f64::from_bits((1023 - 40) << 52);

    /// The scale with this value, if it is in range.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&value).then_some(Self(value))
    }

    /// The scale `2^bits`, if it is in range.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        Self::new(libm::exp2(f64::from(bits)))
    }

    /// An odd prime below `2^60`.
    pub(super) const fn of_prime(prime: u64) -> Self {
        Self(prime as f64)
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }

    /// Its `log2`.
    #[must_use]
    pub fn log2(self) -> f64 {
        libm::log2(self.0)
    }

    /// The scale of a product.
    ///
    /// # Errors
    /// [`EvalError::ScaleOutOfRange`].
    pub fn times(self, other: Self) -> Result<Self, EvalError> {
        Self::checked(self.0 * other.0)
    }

    /// The scale after the division by a prime.
    ///
    /// # Errors
    /// [`EvalError::ScaleOutOfRange`].
    pub fn over(self, prime: u64) -> Result<Self, EvalError> {
        Self::checked(self.0 / prime as f64)
    }

    /// Whether the scales are equal up to [`Scale::TOLERANCE`].
    #[must_use]
    pub fn matches(self, other: Self) -> bool {
        libm::fabs(self.0 - other.0) <= Self::TOLERANCE * self.0.min(other.0)
    }

    fn checked(value: f64) -> Result<Self, EvalError> {
        let log2 = || libm::log2(value.clamp(f64::MIN_POSITIVE, f64::MAX)) as i32;
        Self::new(value).ok_or_else(|| EvalError::ScaleOutOfRange { log2: log2() })
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "2^{:.6}", self.log2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_useful_numbers_are_scales() {
        for bad in [0.0, -1.0, 0.999, f64::NAN, f64::INFINITY, 2e301, f64::MIN_POSITIVE] {
            assert_eq!(Scale::new(bad), None, "{bad}");
        }
        assert_eq!(Scale::from_bits(1000), Some(Scale::MAX));
        assert_eq!(Scale::from_bits(0), Some(Scale::MIN));
        assert_eq!(Scale::from_bits(1001), None);
        assert_eq!(Scale::TOLERANCE, libm::exp2(-40.0));
    }

    #[test]
    fn products_and_quotients_stay_in_range() {
        let scale = Scale::from_bits(40).unwrap();
        assert_eq!(scale.times(scale), Ok(Scale::from_bits(80).unwrap()));
        assert_eq!(scale.over(1 << 30), Ok(Scale::from_bits(10).unwrap()));
        assert_eq!(scale.over(1 << 45), Err(EvalError::ScaleOutOfRange { log2: -5 }));
        assert_eq!(Scale::MAX.times(scale), Err(EvalError::ScaleOutOfRange { log2: 1024 }));
        assert!(alloc::format!("{scale}").starts_with("2^40.000"));
    }

    #[test]
    fn tolerance_forgives_roundings_and_not_primes() {
        let scale = Scale::new(1e12).unwrap();
        assert!(scale.matches(Scale::new(1e12 * (1.0 + 1e-14)).unwrap()));
        assert!(!scale.matches(Scale::new(1e12 * (1.0 + 1e-11)).unwrap()));
    }
}
