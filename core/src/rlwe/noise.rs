//! A public bound on the noise: a function of the operations done, never of a key.
//!
//! The bound `B` says that every coefficient of the noise is at most `B` in absolute value, except with probability below
//! `2^-128`. Random polynomials are followed by their standard deviation `σ` and bounded by `14σ`
//! (`P(|N(0,1)| > 14) < 2^-146`, which leaves room for `2^17` coefficients); sums are bounded by the triangle
//! inequality, because operands may depend on each other: rotate-and-add sums concentrate the noise in few
//! coefficients, where it grows like the number of terms and not like its root.
//!
//! One assumption is left to the caller: successive plaintext factors are not alike. The noise of `x·p·p` grows by
//! `‖p·p‖₂`, which exceeds `‖p‖₂²` if the values of `p` at the roots of unity differ much; factors that agree are multiplied
//! with each other first. Weights, masks and products with ciphertexts in between have no such structure.

use crate::sample::{NOISE_VARIANCE, TERNARY_VARIANCE};

/// Standard deviations that a bound covers.
pub const TAIL: f64 = 14.0;

/// Covers the dependence of successive products through the one secret: `E|s(ζ)|^(2d) = d!·(E|s(ζ)|²)^d` makes the `d`-th
/// product larger than independence predicts by `√d`, so this holds up to depth four.
const SHARED_SECRET: f64 = 2.0;

/// `log2` of a noise bound, in steps of 1/1024 bit, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoiseBound(u32);

impl NoiseBound {
    const STEPS: f64 = 1024.0;

    /// The bound with this value; at least 1.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Self::from_log2(libm::log2(value.max(1.0)))
    }

    /// The bound with this `log2`; at least 0, and at most what 32 bits of steps hold.
    #[must_use]
    pub fn from_log2(log2: f64) -> Self {
        Self(libm::ceil(log2.max(0.0) * Self::STEPS) as u32)
    }

    /// From a number of steps of 1/1024 bit, as bytes carry it.
    #[must_use]
    pub const fn from_steps(steps: u32) -> Self {
        Self(steps)
    }

    /// The number of steps of 1/1024 bit.
    #[must_use]
    pub const fn steps(self) -> u32 {
        self.0
    }

    /// `log2` of the bound.
    #[must_use]
    pub fn log2(self) -> f64 {
        f64::from(self.0) / Self::STEPS
    }

    /// The bound of a sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (high, low) = if self > other { (self, other) } else { (other, self) };
        let ratio = libm::exp2(low.log2() - high.log2());
        Self(high.0.saturating_add(Self::new(1.0 + ratio).0))
    }

    /// The bound of a multiple.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        let steps = f64::from(self.0) + libm::log2(factor.max(f64::MIN_POSITIVE)) * Self::STEPS;
        Self(libm::ceil(steps.max(0.0)) as u32)
    }
}

/// Standard deviation of the sum of a ciphertext's rounding errors, each uniform in `[-1/2, 1/2]`, in the phase
/// `c_0 + c_1·s + … + c_d·s^d`.
fn rounding_deviation(degree: usize, highest_power: i32) -> f64 {
    let secret = degree as f64 * TERNARY_VARIANCE;
    // The variance of a coefficient of s^2 is up to twice the square of that of s, see SHARED_SECRET.
    let variance: f64 = (0..=highest_power).map(|d| libm::pow(secret, f64::from(d)) * f64::from(d.max(1))).sum();
    libm::sqrt(variance / 12.0)
}

/// The rounding of a message scaled by `Q/t`. It depends on the message alone and may line up with a plaintext factor `p`:
/// their product is at most `‖p‖₁/2 ≤ √n/2·‖p‖₂`, so that it counts like a random polynomial with the bound `√n/2`.
#[must_use]
pub fn message_rounding(degree: usize) -> NoiseBound {
    NoiseBound::new(libm::sqrt(degree as f64) / 2.0)
}

/// A fresh encryption under the secret key.
#[must_use]
pub fn fresh_secret(degree: usize) -> NoiseBound {
    NoiseBound::new(TAIL * libm::sqrt(NOISE_VARIANCE)).plus(message_rounding(degree))
}

/// A fresh encryption under a public key: the noise is `e·u + e_0 + e_1·s`.
#[must_use]
pub fn fresh_public(degree: usize) -> NoiseBound {
    let variance = NOISE_VARIANCE * (1.0 + 2.0 * degree as f64 * TERNARY_VARIANCE);
    NoiseBound::new(TAIL * libm::sqrt(variance)).plus(message_rounding(degree))
}

/// What division by a prime adds by rounding each of `size` polynomials.
#[must_use]
pub fn rounding(degree: usize, size: usize) -> NoiseBound {
    NoiseBound::new(TAIL * rounding_deviation(degree, size as i32 - 1))
}

/// What the product with a switching key adds: `Σ_j d_j·e_j / P` for centred digits `d_j` modulo `D_j`. Digits that are
/// cut before an automorphism are as those that are cut after it: it permutes coefficients and changes signs.
#[must_use]
pub fn key_product(degree: usize, digit_bits: impl Iterator<Item = f64>, special_bits: f64) -> NoiseBound {
    let ratios: f64 = digit_bits.map(|bits| libm::exp2(2.0 * (bits - special_bits)) / 12.0).sum();
    NoiseBound::new(TAIL * libm::sqrt(degree as f64 * NOISE_VARIANCE * ratios))
}

/// What key switching adds: the product with the key, and the rounding of the division by `P`.
#[must_use]
pub fn key_switch(degree: usize, digit_bits: impl Iterator<Item = f64>, special_bits: f64) -> NoiseBound {
    key_product(degree, digit_bits, special_bits).plus(rounding(degree, 2))
}

/// A BFV product modulo `t` before relinearisation: `t·(u_1·e_2 + u_2·e_1)` for `u = (c_0 + c_1·s)/Q`, the product of the
/// noises, and the rounding of three polynomials.
#[must_use]
pub fn multiply(degree: usize, plain: u64, log2_q: f64, a: NoiseBound, b: NoiseBound) -> NoiseBound {
    let n = degree as f64;
    let growth = plain as f64 * libm::sqrt(n) * rounding_deviation(degree, 1) * SHARED_SECRET;
    let cross = NoiseBound::from_log2(libm::log2(plain as f64 * n) + a.log2() + b.log2() - log2_q);
    a.plus(b).times(growth).plus(cross).plus(rounding(degree, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_round_up() {
        for value in [1.0, 1.5, 3.0, 1e9, 1e300] {
            let bound = NoiseBound::new(value).log2();
            assert!(bound >= libm::log2(value) && bound < libm::log2(value) + 0.001);
        }
        assert_eq!(NoiseBound::new(0.0).log2(), 0.0);
        assert_eq!(NoiseBound::from_log2(f64::INFINITY).plus(NoiseBound::new(8.0)).steps(), u32::MAX);
        let (a, b) = (NoiseBound::new(1000.0), NoiseBound::new(24.0));
        assert!((10.0..10.01).contains(&a.plus(b).log2()));
        assert_eq!(a.plus(b), b.plus(a));
        assert!((13.0..13.01).contains(&NoiseBound::new(1024.0).times(8.0).log2()));
        assert_eq!(b.times(1e-9).log2(), 0.0);
    }

    #[test]
    fn a_sum_with_a_tiny_term_still_grows() {
        let big = NoiseBound::new(libm::exp2(200.0));
        assert!(big.plus(NoiseBound::new(1.0)) >= big);
    }
}
