//! Arithmetic modulo an odd `q < 2^60`.
//!
//! Every operation takes and gives canonical residues in `[0, q)` and runs in constant time, except where the name ends
//! in `_vartime`. Debug builds check that range; release builds do not, and a word outside of it gives a wrong word back,
//! never undefined behaviour. [`Modulus::are_residues`] looks at words from outside. The three ways to multiply differ in what they know beforehand:
//!
//! | way | knows | gives | file |
//! |---|---|---|---|
//! | Barrett | only `q` | `a·b mod q` | [`barrett`] |
//! | Shoup | `q` and one factor | `[0, 2q)` from any `u64` | [`shoup`] |
//! | Montgomery | `q`; operands in Montgomery form | `a·b·2^-64 mod q` | [`montgomery`] |

pub mod barrett;
pub mod montgomery;
pub mod reciprocal;
pub mod shoup;
#[cfg(test)]
mod word_model;

use crate::ct::{mask_less, mask_negative, reduce_once, select};
use crate::error::ParamError;
use barrett::Barrett;
use montgomery::Montgomery;
pub use reciprocal::Reciprocal;
pub use shoup::Shoup;

/// An odd modulus in `[3, 2^60)` with the constants of its reductions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modulus {
    value: u64,
    barrett: Barrett,
    montgomery: Montgomery,
}

impl Modulus {
    /// Largest size of a modulus in bits.
    ///
    /// 60 leaves the headroom that lazy reduction needs: `4q < 2^62`, and Barrett's constant fits a word.
    pub const MAX_BITS: u32 = 60;

    /// Checks `q` and derives its constants.
    ///
    /// # Errors
    /// [`ParamError::BadModulus`] unless `q` is odd and in `[3, 2^60)`.
    pub const fn new(value: u64) -> Result<Self, ParamError> {
        if value < 3 || value & 1 == 0 || value >> Self::MAX_BITS != 0 {
            return Err(ParamError::BadModulus { value });
        }
        Ok(Self { value, barrett: Barrett::new(value), montgomery: Montgomery::new(value) })
    }

    /// `q`.
    #[inline(always)]
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }

    /// Bits of `q`: `2^(bits-1) < q < 2^bits`.
    #[inline]
    #[must_use]
    pub const fn bits(&self) -> u32 {
        u64::BITS - self.value.leading_zeros()
    }

    /// The constants of Montgomery multiplication.
    #[inline]
    #[must_use]
    pub const fn montgomery(&self) -> &Montgomery {
        &self.montgomery
    }

    /// `a + b`; `[0, q)² → [0, q)`.
    #[inline(always)]
    #[must_use]
    pub const fn add(&self, a: u64, b: u64) -> u64 {
        debug_assert!(a < self.value && b < self.value);
        reduce_once(a + b, self.value)
    }

    /// `a - b`; `[0, q)² → [0, q)`.
    #[inline(always)]
    #[must_use]
    pub const fn sub(&self, a: u64, b: u64) -> u64 {
        debug_assert!(a < self.value && b < self.value);
        reduce_once(a + self.value - b, self.value)
    }

    /// `-a`; `[0, q) → [0, q)`.
    #[inline(always)]
    #[must_use]
    pub const fn neg(&self, a: u64) -> u64 {
        debug_assert!(a < self.value);
        // All bits unless a is 0. Compilers make a branch of `reduce_once` here.
        (self.value - a) & mask_negative(a.wrapping_neg())
    }

    /// `a·b` by Barrett reduction; `[0, q)² → [0, q)`.
    #[inline(always)]
    #[must_use]
    pub const fn mul(&self, a: u64, b: u64) -> u64 {
        debug_assert!(a < self.value && b < self.value);
        reduce_once(self.barrett.reduce_product_lazy(a as u128 * b as u128), self.value)
    }

    /// `a·b + c` with one reduction; `[0, q)³ → [0, q)`.
    #[inline(always)]
    #[must_use]
    pub const fn mul_add(&self, a: u64, b: u64, c: u64) -> u64 {
        debug_assert!(a < self.value && b < self.value && c < self.value);
        reduce_once(self.barrett.reduce_product_lazy(a as u128 * b as u128 + c as u128), self.value)
    }

    /// `x mod q` for any `x`.
    #[inline(always)]
    #[must_use]
    pub const fn reduce(&self, x: u64) -> u64 {
        self.reduce_wide(x as u128)
    }

    /// `x mod q` for any `x`.
    #[inline(always)]
    #[must_use]
    pub const fn reduce_wide(&self, x: u128) -> u64 {
        reduce_once(self.barrett.reduce_wide_lazy(x), self.value)
    }

    /// `x mod q` in `[0, q)` for any signed `x`.
    #[inline]
    #[must_use]
    pub const fn reduce_signed(&self, x: i128) -> u64 {
        let sign = x >> 127;
        let residue = self.reduce_wide(x.unsigned_abs());
        select(sign as u64, self.neg(residue), residue)
    }

    /// The representative of `a` in `(-q/2, q/2]`; `a` in `[0, q)`.
    #[inline]
    #[must_use]
    pub const fn center(&self, a: u64) -> i64 {
        debug_assert!(a < self.value);
        let above = mask_less(self.value >> 1, a);
        (a as i64).wrapping_sub((self.value & above) as i64)
    }

    /// Whether all words are residues, in `[0, q)`. Constant time: what the words are does not show but in the answer.
    #[must_use]
    pub fn are_residues(&self, xs: &[u64]) -> bool {
        // x - q borrows, and x was no large word that looks negative itself.
        xs.iter().fold(u64::MAX, |all, &x| all & mask_negative(x.wrapping_sub(self.value) & !x)) == u64::MAX
    }

    /// The factor `w` with its Shoup quotient; `w` in `[0, q)`. The factor is public: deriving the quotient divides.
    ///
    /// # Panics
    /// If `w ≥ q`.
    #[inline]
    #[must_use]
    pub const fn shoup(&self, w: u64) -> Shoup {
        assert!(w < self.value, "a factor is not below the modulus");
        Shoup::new(w, self.value)
    }

    /// `1/q` as a binary fraction.
    #[inline]
    #[must_use]
    pub const fn reciprocal(&self) -> Reciprocal {
        Reciprocal::new(self.value)
    }

    /// `a^exponent`. Time depends on `exponent`, not on `a`.
    #[must_use]
    pub const fn pow_vartime(&self, a: u64, mut exponent: u64) -> u64 {
        let m = &self.montgomery;
        let mut base = m.enter(a);
        let mut result = m.enter(1);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = m.mul(result, base);
            }
            base = m.mul(base, base);
            exponent >>= 1;
        }
        m.leave(result)
    }

    /// `a^-1` for a prime modulus, by Fermat's little theorem. Time depends on `q` alone.
    ///
    /// `None` if `a` is zero or has no inverse.
    #[must_use]
    pub const fn inverse(&self, a: u64) -> Option<u64> {
        let inverse = self.pow_vartime(a, self.value - 2);
        if self.mul(a, inverse) == 1 { Some(inverse) } else { None }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    /// The smallest and largest prime of several sizes, and the extremes of the whole range.
    pub(crate) const EDGE_MODULI: [u64; 13] = [
        3,
        5,
        65537,
        (1 << 30) - 35,
        (1 << 30) + 3,
        (1 << 46) - 21,
        (1 << 46) + 15,
        (1 << 50) - 27,
        (1 << 50) + 55,
        (1 << 59) - 55,
        (1 << 59) + 81,
        (1 << 60) - 93,
        (1 << 60) - 1,
    ];

    pub(crate) fn modulus() -> impl Strategy<Value = Modulus> {
        prop_oneof![
            proptest::sample::select(&EDGE_MODULI[..]),
            (1u64..1 << 59).prop_map(|x| 2 * x + 1),
            (2u32..60, any::<u64>()).prop_map(|(bits, x)| (x >> (64 - bits)) | 1 | (1 << (bits - 1))),
        ]
        .prop_map(|q| Modulus::new(q).unwrap())
    }

    /// A residue that is often at an edge of its range.
    pub(crate) fn residue(q: u64) -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(1), Just(q - 1), Just(q / 2), Just(q / 2 + 1), 0..q]
    }

    fn operands() -> impl Strategy<Value = (Modulus, u64, u64, u64)> {
        modulus().prop_flat_map(|m| (Just(m), residue(m.value()), residue(m.value()), residue(m.value())))
    }

    fn big(x: u64) -> BigUint {
        BigUint::from(x)
    }

    #[test]
    fn refuses_what_is_out_of_range() {
        for value in [0, 1, 2, 4, 1 << 59, 1 << 60, (1 << 60) + 1, u64::MAX] {
            assert_eq!(Modulus::new(value), Err(ParamError::BadModulus { value }));
        }
    }

    proptest! {
        #[test]
        fn ring_operations_match_bigint((m, a, b, c) in operands()) {
            let q = big(m.value());
            prop_assert_eq!(big(m.add(a, b)), (big(a) + big(b)) % &q);
            prop_assert_eq!(big(m.sub(a, b)), (big(a) + &q - big(b)) % &q);
            prop_assert_eq!(big(m.neg(a)), (&q - big(a)) % &q);
            prop_assert_eq!(big(m.mul(a, b)), (big(a) * big(b)) % &q);
            prop_assert_eq!(big(m.mul_add(a, b, c)), (big(a) * big(b) + big(c)) % &q);
        }

        #[test]
        fn montgomery_matches_bigint((m, a, b, _) in operands()) {
            let mont = m.montgomery();
            let product = mont.leave(mont.mul(mont.enter(a), mont.enter(b)));
            prop_assert_eq!(big(product), (big(a) * big(b)) % big(m.value()));
        }

        #[test]
        fn shoup_matches_bigint((m, w, _, _) in operands(), x in prop_oneof![Just(0), Just(u64::MAX), any::<u64>()]) {
            let q = m.value();
            prop_assert!(m.shoup(w).mul_lazy(x, q) < 2 * q);
            prop_assert_eq!(big(m.shoup(w).mul(x, q)), (big(w) * big(x)) % big(q));
        }

        #[test]
        fn wide_reduction_matches_bigint(m in modulus(), x in prop_oneof![Just(0), Just(u128::MAX), any::<u128>()]) {
            prop_assert_eq!(big(m.reduce_wide(x)), BigUint::from(x) % big(m.value()));
            prop_assert_eq!(m.reduce(x as u64), (x as u64) % m.value());
        }

        #[test]
        fn signed_reduction_and_centre_are_inverse(m in modulus(), x in prop_oneof![Just(i128::MIN), Just(i128::MAX), any::<i128>()]) {
            let r = m.reduce_signed(x);
            prop_assert_eq!(i128::from(r), x.rem_euclid(i128::from(m.value())));
            let c = m.center(r);
            prop_assert!(2 * i128::from(c).abs() <= i128::from(m.value()));
            prop_assert_eq!(m.reduce_signed(i128::from(c)), r);
        }

        #[test]
        fn powers_match_bigint((m, a, _, _) in operands(), e in any::<u64>()) {
            prop_assert_eq!(big(m.pow_vartime(a, e)), big(a).modpow(&big(e), &big(m.value())));
        }
    }

    #[test]
    fn words_that_are_no_residues_are_found() {
        for q in EDGE_MODULI.map(|q| Modulus::new(q).unwrap()) {
            let value = q.value();
            assert!(q.are_residues(&[]) && q.are_residues(&[0, 1, value - 1]));
            for bad in [value, value + 1, 1 << 61, (1 << 63) - 1, 1 << 63, u64::MAX] {
                assert!(!q.are_residues(&[0, bad, 1]), "{bad} modulo {value}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "not below the modulus")]
    fn factors_are_residues() {
        let _ = Modulus::new(17).unwrap().shoup(17);
    }

    #[test]
    fn inverses() {
        let m = Modulus::new((1 << 46) - 21).unwrap();
        for a in [1, 2, m.value() - 1, 123_456_789] {
            assert_eq!(m.mul(a, m.inverse(a).unwrap()), 1);
        }
        assert_eq!(m.inverse(0), None);
        assert_eq!(Modulus::new(15).unwrap().inverse(5), None);
    }
}
