//! Bounds on message and error: the rules that the evaluator follows, and that a planner can follow without a ciphertext.
//!
//! Both are bounds in the slots, at the ciphertext's scale: the phase of a ciphertext has the value `scale·z + e` at a slot
//! that holds `z`, with `|scale·z| ≤ message` and `|e| ≤ noise` for every slot at once. Slots add and multiply one by
//! one, so sums and products of bounds are the triangle inequality and hold for every message, dependent operands included.
//! The coefficients of a polynomial are at most the largest absolute value of its slots, so that `message + noise < Q/2`
//! keeps a ciphertext from wrapping around.
//!
//! What is **certain**: the rounding of an encoding, the propagation through sums and products, the rounding of scales.
//! What is **heuristic**: fresh noise, key switching and the rounding of rescaling are taken for sums of independent terms,
//! whose value at a slot is a complex Gaussian; each bound is exceeded in some slot with probability below `2^-128`. The
//! message bound is what the encoder was told, and it checked.

use core::f64::consts::LN_2;

use super::Scale;
use crate::error::EvalError;
use crate::params::log2_product;
use crate::rlwe::NoiseBound;
use crate::rlwe::keyswitch::Gadget;
use crate::sample::{NOISE_VARIANCE, TERNARY_VARIANCE};

/// Bounds on the values of a polynomial at the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// On the scaled message.
    pub message: NoiseBound,
    /// On the difference between the polynomial and the scaled message.
    pub noise: NoiseBound,
}

impl Bounds {
    /// The bounds of a sum or a difference.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { message: self.message.plus(other.message), noise: self.noise.plus(other.noise) }
    }

    /// The bounds of a product: `|ab - a'b'| ≤ |a'|·|b - b'| + |b'|·|a - a'| + |a - a'|·|b - b'|`.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let product = |a: NoiseBound, b: NoiseBound| NoiseBound::from_log2(a.log2() + b.log2());
        let cross = product(self.message, other.noise).plus(product(other.message, self.noise));
        let message = product(self.message, other.message);
        Self { message, noise: cross.plus(product(self.noise, other.noise)) }.with_rounded_scale()
    }

    /// The bounds of a multiple.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { message: self.message.times(factor), noise: self.noise.times(factor) }
    }

    /// On the whole polynomial.
    #[must_use]
    pub fn total(self) -> NoiseBound {
        self.message.plus(self.noise)
    }

    pub(super) fn with_noise(self, added: NoiseBound) -> Self {
        Self { noise: self.noise.plus(added), ..self }
    }

    /// What adding to an operand of a slightly different scale costs.
    pub(super) fn with_forgiven_scale(self) -> Self {
        self.with_noise(self.message.times(Scale::TOLERANCE))
    }

    fn with_rounded_scale(self) -> Self {
        self.with_noise(self.message.times(f64::EPSILON))
    }
}

/// The rules of one level.
#[derive(Clone, Debug)]
pub struct NoiseRules {
    degree: usize,
    log2_q: f64,
    /// The prime that rescaling drops.
    last_prime: u64,
    /// What the product with a key adds, before the rounding of the division by `P`.
    key_product: NoiseBound,
    /// What a key switch adds.
    key_switch: NoiseBound,
}

impl NoiseRules {
    /// The rules of the level that uses the first `level` of the primes `ciphertext`, by the sizes of primes alone. Keys of
    /// this and of every higher level are allowed for.
    ///
    /// # Panics
    /// If a list is empty or the level is not one of 1 to the number of ciphertext primes.
    #[must_use]
    pub fn new(degree: usize, ciphertext: &[u64], special: &[u64], level: usize) -> Self {
        let primes = &ciphertext[..level];
        let product = |key_level: usize| {
            let gadget = Gadget::new(&ciphertext[..key_level], special);
            let digit_bits = gadget.digits(level).map(|digit| log2_product(&primes[digit]));
            key_product(degree, digit_bits, log2_product(&special[..gadget.special()]))
        };
        let key_product = (level..=ciphertext.len()).map(product).fold(1.0, f64::max);
        Self {
            degree,
            log2_q: log2_product(primes),
            last_prime: primes[level - 1],
            key_product: NoiseBound::new(key_product),
            key_switch: NoiseBound::new(key_product + rounding(degree, 2)),
        }
    }

    /// `log2` of the largest message with noise that does not wrap around: `Q/2`.
    #[must_use]
    pub fn limit_log2(&self) -> f64 {
        self.log2_q - 1.0
    }

    /// Passes bounds that do not allow the message to wrap around.
    ///
    /// # Errors
    /// [`EvalError::MessageTooLarge`] for larger ones.
    pub fn check(&self, bounds: Bounds) -> Result<Bounds, EvalError> {
        let (total, limit) = (bounds.total().log2(), self.limit_log2());
        if total < limit {
            return Ok(bounds);
        }
        let (message_bits, limit_bits) = (libm::floor(total) as u32 + 1, libm::floor(limit.max(0.0)) as u32);
        Err(EvalError::MessageTooLarge { message_bits, limit_bits })
    }

    /// A plaintext: `n/2` for the rounding of its `n` coefficients, and the error of the transform.
    #[must_use]
    pub fn encoded(&self, message: NoiseBound) -> Bounds {
        let rounding = NoiseBound::new(self.degree as f64 / 2.0);
        Bounds { message, noise: rounding.plus(message.times(transform_error(self.degree))) }
    }

    /// A scalar: rounded once.
    #[must_use]
    pub fn scalar(&self, message: NoiseBound) -> Bounds {
        Bounds { message, noise: NoiseBound::new(0.5) }.with_rounded_scale()
    }

    /// A fresh encryption under the secret key.
    #[must_use]
    pub fn fresh_secret(&self, plaintext: Bounds) -> Bounds {
        plaintext.with_noise(NoiseBound::new(tail(0) * self.noise_deviation()))
    }

    /// A fresh encryption under a public key: the noise is `e·u + e_0 + e_1·s`.
    #[must_use]
    pub fn fresh_public(&self, plaintext: Bounds) -> Bounds {
        let products = tail(1) * self.noise_deviation() * libm::sqrt(2.0 * self.degree as f64 * TERNARY_VARIANCE);
        self.fresh_secret(plaintext).with_noise(NoiseBound::new(products))
    }

    /// A relinearisation, rotation or conjugation.
    #[must_use]
    pub fn key_switch(&self, a: Bounds) -> Bounds {
        a.with_noise(self.key_switch)
    }

    /// A rotation that stays modulo `Q·P`, in units of `P`.
    #[must_use]
    pub fn rotate_raised(&self, a: Bounds) -> Bounds {
        a.with_noise(self.key_product)
    }

    /// The division by `P` of a sum modulo `Q·P`.
    #[must_use]
    pub fn lower(&self, a: Bounds) -> Bounds {
        a.with_noise(NoiseBound::new(rounding(self.degree, 2)))
    }

    /// Rescaling a ciphertext of `size` polynomials.
    #[must_use]
    pub fn rescale(&self, a: Bounds, size: usize) -> Bounds {
        let divided = a.scaled(1.0 / self.last_prime as f64).with_rounded_scale();
        divided.with_noise(NoiseBound::new(rounding(self.degree, size)))
    }

    /// `log2` of the prime that rescaling drops.
    #[must_use]
    pub fn last_prime_log2(&self) -> f64 {
        libm::log2(self.last_prime as f64)
    }

    /// Standard deviation of a noise polynomial at a slot.
    fn noise_deviation(&self) -> f64 {
        libm::sqrt(self.degree as f64 * NOISE_VARIANCE)
    }
}

/// The error of a transform relative to the largest slot: [`super::fft::relative_error`] is in the Euclidean norm, and one
/// slot may receive all of it.
pub(super) fn transform_error(degree: usize) -> f64 {
    super::fft::relative_error(degree >> 1) * libm::sqrt(degree as f64)
}

/// How many standard deviations bound a polynomial times the `d`-th power of another at every slot: `|x·y^d|` for complex
/// Gaussians `x` and `y`.
///
/// `|x|²` and `|y|²` are exponential, so that `P(|x|² > a, |y|² > b) = exp(-a - b)`; the largest `a·b^d` with
/// `a + b = L` is at `b = d·a`. `L` leaves 22 of its 150 bits for the number of slots, at most `2^16`, and for the factor
/// `√(πL)` by which all ways to reach the product exceed the likeliest.
fn tail(d: usize) -> f64 {
    const L: f64 = 150.0 * LN_2;
    let (d, a) = (d as f64, L / (d as f64 + 1.0));
    libm::sqrt(a * libm::pow(d * a, d))
}

/// What rounding each of `size` polynomials adds to the phase `c_0 + c_1·s + …`.
fn rounding(degree: usize, size: usize) -> f64 {
    let (rounding, secret) = (degree as f64 / 12.0, degree as f64 * TERNARY_VARIANCE);
    (0..size).map(|d| tail(d) * libm::sqrt(rounding * libm::pow(secret, d as f64))).sum()
}

/// What the product with a switching key adds: `Σ_j d_j·e_j / P` for centred digits `d_j` modulo `D_j`.
fn key_product(degree: usize, digit_bits: impl Iterator<Item = f64>, special_bits: f64) -> f64 {
    let ratios: f64 = digit_bits.map(|bits| libm::exp2(2.0 * (bits - special_bits)) / 12.0).sum();
    tail(1) * degree as f64 * libm::sqrt(NOISE_VARIANCE * ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(message: f64, noise: f64) -> Bounds {
        Bounds { message: NoiseBound::new(message), noise: NoiseBound::new(noise) }
    }

    #[test]
    fn products_follow_the_triangle_inequality() {
        let product = bounds(1000.0, 10.0).times(bounds(2000.0, 30.0));
        assert!((product.message.log2() - libm::log2(2e6)).abs() < 0.003);
        assert!((product.noise.log2() - libm::log2(1000.0 * 30.0 + 2000.0 * 10.0 + 300.0)).abs() < 0.01);
        let sum = bounds(1000.0, 10.0).plus(bounds(2000.0, 30.0));
        assert!((sum.total().log2() - libm::log2(3040.0)).abs() < 0.01);
    }

    #[test]
    fn tails_are_those_of_gaussians() {
        assert!((tail(0) - libm::sqrt(150.0 * LN_2)).abs() < 1e-12);
        assert!((tail(1) - 75.0 * LN_2).abs() < 1e-12);
        assert!((tail(2) - libm::pow(50.0 * LN_2, 1.5) * 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_message_beyond_half_the_modulus_is_refused() {
        let rules = NoiseRules::new(1024, &[1 << 30, 1 << 30], &[1 << 31], 2);
        assert!(rules.check(bounds(libm::exp2(58.9), 2.0)).is_ok());
        let error = EvalError::MessageTooLarge { message_bits: 60, limit_bits: 59 };
        assert_eq!(rules.check(bounds(libm::exp2(59.0), 2.0)), Err(error));
    }
}
