//! Montgomery multiplication with `R = 2^64`.

use crate::ct::reduce_once;

/// Constants of Montgomery reduction modulo an odd `q`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Montgomery {
    value: u64,
    /// `-q^-1 mod 2^64`.
    neg_inverse: u64,
    /// `2^128 mod q`: multiplying by it enters Montgomery form.
    r_squared: u64,
}

impl Montgomery {
    #[allow(clippy::integer_division_remainder_used, reason = "the modulus is public")]
    pub(super) const fn new(value: u64) -> Self {
        // Newton: each step doubles the correct bits of the inverse; q·q = 1 mod 8 gives the first three.
        let mut inverse = value;
        let mut bits = 3;
        while bits < 64 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(value.wrapping_mul(inverse)));
            bits *= 2;
        }
        // 2^128 mod q = (2^128 - 1 mod q) + 1 mod q.
        let r_squared = reduce_once((u128::MAX % value as u128) as u64 + 1, value);
        Self { value, neg_inverse: inverse.wrapping_neg(), r_squared }
    }

    /// `x·2^-64 mod q`; `[0, q·2^64) → [0, q)`.
    ///
    /// `m = -x/q mod 2^64` makes `x + m·q` divisible by `2^64`, and the quotient is below
    /// `(q·2^64 + 2^64·q)/2^64 = 2q`.
    #[inline(always)]
    #[must_use]
    pub const fn reduce(&self, x: u128) -> u64 {
        let m = (x as u64).wrapping_mul(self.neg_inverse);
        reduce_once(((x + m as u128 * self.value as u128) >> 64) as u64, self.value)
    }

    /// `a·b·2^-64 mod q`; `[0, q)² → [0, q)`.
    #[inline(always)]
    #[must_use]
    pub const fn mul(&self, a: u64, b: u64) -> u64 {
        debug_assert!(a < self.value && b < self.value);
        self.reduce(a as u128 * b as u128)
    }

    /// `a → a·2^64 mod q`; `[0, q) → [0, q)`.
    #[inline]
    #[must_use]
    pub const fn enter(&self, a: u64) -> u64 {
        self.mul(a, self.r_squared)
    }

    /// `a·2^64 → a`; `[0, q) → [0, q)`.
    #[inline]
    #[must_use]
    pub const fn leave(&self, a: u64) -> u64 {
        self.reduce(a as u128)
    }
}
