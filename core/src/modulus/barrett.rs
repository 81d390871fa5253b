//! Barrett reduction: division by `q` becomes multiplication by a precomputed reciprocal.

/// Reciprocals of `q`. With `b` the bits of `q` (so `2^(b-1) < q < 2^b`, `b ≤ 60`):
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrett {
    value: u64,
    /// `b - 2`.
    shift_in: u32,
    /// `b + 5`.
    shift_out: u32,
    /// `floor(2^(2b+3) / q)`, below `2^(b+4) ≤ 2^64`.
    narrow: u64,
    /// `floor(2^128 / q)`, high and low word.
    wide: [u64; 2],
}

impl Barrett {
    #[allow(clippy::integer_division_remainder_used, reason = "the modulus is public")]
    pub(super) const fn new(value: u64) -> Self {
        let bits = u64::BITS - value.leading_zeros();
        // floor(2^128 / q) = floor((2^128 - 1) / q), because q > 1 is odd and does not divide 2^128.
        let wide = u128::MAX / value as u128;
        Self {
            value,
            shift_in: bits - 2,
            shift_out: bits + 5,
            narrow: ((1u128 << (2 * bits + 3)) / value as u128) as u64,
            wide: [(wide >> 64) as u64, wide as u64],
        }
    }

    /// `z mod q` in `[0, 2q)`, for `z < 2^(2b)`: any product of two residues, plus a residue.
    ///
    /// With `z1 = z/2^(b-2) - e1` and `narrow = 2^(2b+3)/q - e2`, `0 ≤ e1, e2 < 1`, the estimate `z1·narrow/2^(b+5)` is
    /// below `z/q` by at most `e1·2^(b-2)/q + e2·z/2^(2b+3) < 1/2 + 1/8 < 1`, so its floor is the quotient or one less
    /// (Dhem, "Design of an efficient public-key cryptographic library", 1998, section 2.2.4).
    #[inline(always)]
    #[must_use]
    pub const fn reduce_product_lazy(&self, z: u128) -> u64 {
        let estimate = ((z >> self.shift_in) as u64 as u128 * self.narrow as u128) >> self.shift_out;
        (z as u64).wrapping_sub((estimate as u64).wrapping_mul(self.value))
    }

    /// `x mod q` in `[0, 2q)` for any `x`.
    ///
    /// `floor(x·wide / 2^128)` with `wide = 2^128/q - e`, `0 ≤ e < 1`, is below `x/q` by `e·x/2^128 < 1`, so its floor is
    /// the quotient or one less.
    #[inline(always)]
    #[must_use]
    pub const fn reduce_wide_lazy(&self, x: u128) -> u64 {
        let (x1, x0) = ((x >> 64) as u64 as u128, x as u64 as u128);
        let (r1, r0) = (self.wide[0] as u128, self.wide[1] as u128);
        // The high word of x·wide, as schoolbook columns. Each middle sum is below 2^128.
        let middle = x1 * r0 + ((x0 * r0) >> 64);
        let middle_low = x0 * r1 + (middle as u64 as u128);
        let quotient = (x1 * r1) as u64;
        let quotient = quotient.wrapping_add((middle >> 64) as u64).wrapping_add((middle_low >> 64) as u64);
        (x as u64).wrapping_sub(quotient.wrapping_mul(self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_meet_their_definition() {
        for value in super::super::tests::EDGE_MODULI {
            let barrett = Barrett::new(value);
            let bits = barrett.shift_in + 2;
            assert!(value >> (bits - 1) == 1);
            let narrow = u128::from(barrett.narrow);
            let power = 1u128 << (2 * bits + 3);
            assert!(narrow * u128::from(value) <= power && (narrow + 1) * u128::from(value) > power);
        }
    }

    #[test]
    fn product_bound_holds_at_the_edge() {
        for value in super::super::tests::EDGE_MODULI {
            let barrett = Barrett::new(value);
            let bits = barrett.shift_in + 2;
            let q = u128::from(value);
            for z in [0, 1, q - 1, q, 2 * q - 1, (q - 1) * (q - 1), (q - 1) * q, (1u128 << (2 * bits)) - 1] {
                let r = barrett.reduce_product_lazy(z);
                assert!(r < 2 * value && u128::from(r) % q == z % q, "z = {z}, q = {q}");
            }
        }
    }
}
