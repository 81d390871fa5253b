//! Shoup multiplication: one factor is known beforehand, with its quotient by `q`.

use crate::ct::reduce_once;

/// A factor `w` in `[0, q)` and `floor(w·2^64 / q)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shoup {
    /// `w`.
    pub value: u64,
    /// `floor(w·2^64 / q)`.
    pub quotient: u64,
}

impl Shoup {
    #[allow(clippy::integer_division_remainder_used, reason = "factors known beforehand are public constants")]
    pub(super) const fn new(value: u64, q: u64) -> Self {
        debug_assert!(value < q);
        Self { value, quotient: (((value as u128) << 64) / q as u128) as u64 }
    }

    /// `w·x mod q` in `[0, 2q)`, for any `x`.
    ///
    /// With `quotient = w·2^64/q - e`, `0 ≤ e < 1`, the estimate `quotient·x/2^64` is below `w·x/q` by `e·x/2^64 < 1`
    /// (Harvey, "Faster arithmetic for number-theoretic transforms", 2014, section 3).
    #[inline(always)]
    #[must_use]
    pub const fn mul_lazy(&self, x: u64, q: u64) -> u64 {
        let estimate = ((self.quotient as u128 * x as u128) >> 64) as u64;
        self.value.wrapping_mul(x).wrapping_sub(estimate.wrapping_mul(q))
    }

    /// `w·x mod q` in `[0, q)`, for any `x`.
    #[inline(always)]
    #[must_use]
    pub const fn mul(&self, x: u64, q: u64) -> u64 {
        reduce_once(self.mul_lazy(x, q), q)
    }
}
