//! How noise bounds grow: the rules that the evaluator follows, and that a planner can follow without a ciphertext.

use alloc::boxed::Box;

use super::product;
use crate::error::EvalError;
use crate::params::log2_product;
use crate::rlwe::keyswitch::Gadget;
use crate::rlwe::noise::{self, NoiseBound};

/// The noise rules of one level.
#[derive(Clone, Debug)]
pub struct NoiseRules {
    degree: usize,
    /// The largest plaintext modulus.
    plain: u64,
    log2_q: f64,
    /// `log2` of the products of the first one, two, … primes.
    log2_products: Box<[f64]>,
    /// The prime that a switch to the next lower level drops.
    last_prime: u64,
    /// What the product with a key adds, before the rounding of the division by `P`.
    key_product: NoiseBound,
    /// What a key switch adds.
    key_switch: NoiseBound,
}

impl NoiseRules {
    /// The rules of the level that uses the first `level` of the primes `ciphertext`, by the sizes of moduli alone. Keys
    /// of this and of every higher level are allowed for.
    ///
    /// # Panics
    /// If a list is empty or the level is not one of 1 to the number of ciphertext primes.
    #[must_use]
    pub fn new(degree: usize, plain: &[u64], ciphertext: &[u64], special: &[u64], level: usize) -> Self {
        let primes = &ciphertext[..level];
        let key_product = |key_level: usize| {
            let gadget = Gadget::new(&ciphertext[..key_level], special);
            let digit_bits = gadget.digits(level).map(|digit| log2_product(&primes[digit]));
            noise::key_product(degree, digit_bits, log2_product(&special[..gadget.special()]))
        };
        let key_product = (level..=ciphertext.len()).map(key_product).max().unwrap_or(NoiseBound::new(1.0));
        Self {
            degree,
            plain: plain.iter().copied().max().unwrap_or(1),
            log2_q: log2_product(primes),
            log2_products: (1..=level).map(|count| log2_product(&primes[..count])).collect(),
            last_prime: primes[level - 1],
            key_product,
            key_switch: key_product.plus(noise::rounding(degree, 2)),
        }
    }

    /// `log2` of the largest bound that still decrypts: `Q/(2t)` for the largest `t`.
    #[must_use]
    pub fn limit_log2(&self) -> f64 {
        self.log2_q - libm::log2(self.plain as f64) - 1.0
    }

    /// Passes a bound that still decrypts.
    ///
    /// # Errors
    /// [`EvalError::NoiseExhausted`] for a larger one.
    pub fn check(&self, bound: NoiseBound) -> Result<NoiseBound, EvalError> {
        let limit = self.limit_log2();
        if bound.log2() < limit {
            return Ok(bound);
        }
        let (noise_bits, limit_bits) = (libm::ceil(bound.log2()) as u32, libm::floor(limit.max(0.0)) as u32);
        Err(EvalError::NoiseExhausted { noise_bits, limit_bits })
    }

    /// How many of the first primes decide the message of a ciphertext with this bound.
    ///
    /// With the phase `x = round(Q·m/t) + e` and `ρ = [Q·m]_t`, the centred residue of `Q·m` modulo `t`, there is
    /// `t·x = Q·m - ρ + t·e`, and modulo any divisor `D` of `Q` that is `t·e - ρ`. Where `|t·e - ρ| < D/2` it is the centred
    /// residue itself, and modulo `t` it gives away `-ρ`, from which `m = ρ·Q^-1`. All of `Q` is `D` at the limit of what
    /// decrypts; fresh ciphertexts need little.
    #[must_use]
    pub fn decryption_level(&self, bound: NoiseBound) -> usize {
        // t·(e + 1/2), and a bit for the half of D. The steps of bounds dwarf what the conversion's rounding could miss.
        let needed = bound.plus(NoiseBound::new(1.0)).log2() + libm::log2(self.plain as f64) + 1.0;
        let enough = self.log2_products.iter().position(|&bits| bits > needed);
        enough.map_or(self.log2_products.len(), |index| index + 1)
    }

    /// A fresh encryption under the secret key.
    #[must_use]
    pub fn fresh_secret(&self) -> NoiseBound {
        noise::fresh_secret(self.degree)
    }

    /// A fresh encryption under a public key.
    #[must_use]
    pub fn fresh_public(&self) -> NoiseBound {
        noise::fresh_public(self.degree)
    }

    /// `Σ w_i·a_i`: the triangle inequality. An empty sum has the least bound.
    #[must_use]
    pub fn linear_combination(&self, terms: impl Iterator<Item = (NoiseBound, i64)>) -> NoiseBound {
        let bounds = terms.map(|(bound, weight)| bound.times(weight.unsigned_abs() as f64));
        bounds.reduce(NoiseBound::plus).unwrap_or(NoiseBound::new(1.0))
    }

    /// A sum with a plaintext: its rounding.
    #[must_use]
    pub fn add_plain(&self, a: NoiseBound) -> NoiseBound {
        a.plus(noise::message_rounding(self.degree))
    }

    /// A product with a plaintext of this norm ([`super::PlainMultiplicand::norm`]).
    #[must_use]
    pub fn mul_plain(&self, a: NoiseBound, norm: f64) -> NoiseBound {
        a.times(norm.max(1.0))
    }

    /// A product of two ciphertexts, before relinearisation.
    ///
    /// The second factor is switched to the auxiliary modulus `P`, `b' = P/Q·b + δ`, and the product scaled by `t/P`: `b`
    /// counts like a ciphertext with the noise `e + Q/P·(δ_0 + δ_1·s)`.
    #[must_use]
    pub fn multiply(&self, a: NoiseBound, b: NoiseBound) -> NoiseBound {
        let switch = noise::rounding(self.degree, 2).times(libm::exp2(-product::margin_log2(self.log2_q)));
        noise::multiply(self.degree, self.plain, self.log2_q, a, b.plus(switch))
    }

    /// A relinearisation, rotation or row swap.
    #[must_use]
    pub fn key_switch(&self, a: NoiseBound) -> NoiseBound {
        a.plus(self.key_switch)
    }

    /// A rotation that stays modulo `Q·P`, in units of `P`.
    #[must_use]
    pub fn rotate_raised(&self, a: NoiseBound) -> NoiseBound {
        a.plus(self.key_product)
    }

    /// The division by `P` of a sum modulo `Q·P`.
    #[must_use]
    pub fn lower(&self, a: NoiseBound) -> NoiseBound {
        a.plus(noise::rounding(self.degree, 2))
    }

    /// `log2` of the prime that a switch to the next lower level drops: by so much the noise could shrink.
    #[must_use]
    pub fn last_prime_log2(&self) -> f64 {
        libm::log2(self.last_prime as f64)
    }

    /// A switch of a ciphertext of `size` polynomials to the next lower level.
    #[must_use]
    pub fn drop_prime(&self, a: NoiseBound, size: usize) -> NoiseBound {
        a.times(1.0 / self.last_prime as f64).plus(noise::rounding(self.degree, size))
    }
}
