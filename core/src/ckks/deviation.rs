//! Typical noise: standard deviations in place of bounds.
//!
//! [`super::NoiseRules`] bound the noise whatever the operands are, and sums by the triangle inequality. A planner that
//! knows the whole computation follows variances instead: errors at a slot from different sources are independent and
//! add their squares. A slot's error is complex; its deviation is the root of `E|e|²`.

use crate::params::log2_product;
use crate::rlwe::keyswitch::Gadget;
use crate::sample::{NOISE_VARIANCE, TERNARY_VARIANCE};

/// Standard deviations of what operations at one level add to the error of a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviations {
    /// Rounding the coefficients of a plaintext.
    pub encoding: f64,
    /// Encryption under the secret key.
    pub fresh: f64,
    /// A relinearisation, rotation or conjugation; the largest over keys of this and every higher level.
    pub key_switch: f64,
    /// Rescaling a ciphertext of two polynomials, at the lower scale.
    pub rescale: f64,
}

impl Deviations {
    /// At the level that uses the first `level` of the primes `ciphertext`.
    ///
    /// # Panics
    /// If a list is empty or the level is not one of 1 to the number of ciphertext primes.
    #[must_use]
    pub fn new(degree: usize, ciphertext: &[u64], special: &[u64], level: usize) -> Self {
        let n = degree as f64;
        let rounding = n / 12.0;
        let rounded = rounding * (1.0 + n * TERNARY_VARIANCE);
        let switch = |key_level: usize| {
            let gadget = Gadget::new(&ciphertext[..key_level], special);
            let special_bits = log2_product(&special[..gadget.special()]);
            let bits = gadget.digits(level).map(|digit| log2_product(&ciphertext[..level][digit]));
            // Each digit is uniform modulo its primes, and multiplies the noise of a key.
            bits.map(|bits| libm::exp2(2.0 * (bits - special_bits)) / 12.0).sum::<f64>() * n * n * NOISE_VARIANCE
        };
        let products = (level..=ciphertext.len()).map(switch).fold(0.0, f64::max);
        Self {
            encoding: libm::sqrt(rounding),
            fresh: libm::sqrt(n * NOISE_VARIANCE),
            key_switch: libm::sqrt(products + rounded),
            rescale: libm::sqrt(rounded),
        }
    }
}
