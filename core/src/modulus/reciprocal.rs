//! `x/q` as a binary fraction: what base conversion needs to know how often `Q` fits into a sum.

/// `floor(2^(63+b) / q)` for a `q` of `b` bits, which lies in `[2^63, 2^64)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reciprocal {
    value: u64,
    /// `b - 1`.
    shift: u32,
}

impl Reciprocal {
    #[allow(clippy::integer_division_remainder_used, reason = "the modulus is public")]
    pub(super) const fn new(q: u64) -> Self {
        let bits = u64::BITS - q.leading_zeros();
        Self { value: ((1u128 << (63 + bits)) / q as u128) as u64, shift: bits - 1 }
    }

    /// The fraction's 64 bits.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const fn value(&self) -> u64 {
        self.value
    }

    /// How far a product with a residue is shifted to the right.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const fn shift(&self) -> u32 {
        self.shift
    }

    /// `x/q` in units of `2^-64`, at most 3 units too small, for `x` in `[0, q)`; the result is below `2^64`.
    ///
    /// Truncating the reciprocal loses `x/2^(b-1) < 2` units, the shift less than one.
    #[inline(always)]
    #[must_use]
    pub const fn fraction(&self, x: u64) -> u64 {
        ((x as u128 * self.value as u128) >> self.shift) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_at_most_three_units_short() {
        for q in super::super::tests::EDGE_MODULI {
            let reciprocal = Reciprocal::new(q);
            for x in [0, 1, q / 3, q / 2, q - 1] {
                let exact = (u128::from(x) << 64) / u128::from(q);
                let short = exact - u128::from(reciprocal.fraction(x));
                assert!(short <= 3, "x = {x}, q = {q}: {short}");
            }
        }
    }
}
