//! CKKS: approximate arithmetic on vectors of real or complex numbers (Cheon, Kim, Kim and Song, ePrint 2016/421, in the
//! residue form of ePrint 2018/931).
//!
//! ```
//! use rand_core::SeedableRng;
//! use tacit_core::ckks::{Ckks, Encoding, Scale};
//! use tacit_core::params::Params;
//! use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey, rotation_element};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! // No plaintext modulus; the bound on log2(Q·P) is the same as everywhere.
//! let params = Params::builder(8192).ciphertext_bits(&[50, 40, 40]).special_bits(&[50]).build()?;
//! let ckks = Ckks::new(&params);
//! let mut rng = chacha20::ChaCha20Rng::from_seed([7; 32]);
//! let secret = SecretKey::generate(&params, &mut rng);
//! let mut request = KeyRequest::default();
//! request.need_relin(3);
//! request.need_galois(rotation_element(8192, 1), 2);
//! let keys = EvaluationKeys::generate(&secret, &request, &mut rng)?;
//!
//! let scale = Scale::from_bits(40).ok_or("a scale")?;
//! let encoding = Encoding { level: 3, scale, bound: 4.0 };
//! let x = ckks.expand(&ckks.encrypt(&secret, &ckks.encode(&[0.5, -1.5, 3.25], &encoding)?, &mut rng)?);
//!
//! // x² at twice the scale, back down by one prime, then neighbours added: x_i² + x_(i+1)².
//! let square = ckks.rescale(&ckks.relinearise(&ckks.square(&x)?, &keys)?)?;
//! let sum = ckks.add(&square, &ckks.rotate(&square, 1, &keys)?)?;
//!
//! let answer = ckks.decrypt(&secret, &sum)?.release_real(16)?;
//! let expected = [2.5, 12.8125, 10.5625];
//! assert!(answer.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4));
//! # Ok(())
//! # }
//! ```
//!
//! A plaintext has `n/2` complex slots. A ciphertext's phase at a slot that holds `z` is `scale·z` with an error; level,
//! scale and public bounds on message and error travel with it ([`Bounds`], which says what is promised). Products multiply
//! scales; [`Ckks::rescale`] divides by one prime and is never implied, so that sums of products are rescaled once. Sums need
//! equal scales ([`Scale::TOLERANCE`]). Rings, keys and key switching are those of [`crate::rlwe`].
//!
//! Decryptions are approximate, and their error is the noise: publishing one is an explicit call with a stated precision
//! ([`Decrypted`]).
//!
//! Parameters: the first prime holds the final message (its scale and some bits for its size), each further prime is about
//! as large as the scale of the factors that are rescaled by it, and special primes are at least as large as the others.
//! Primes below `2^50` take the fast kernels.
//!
//! The conjugate-invariant ring (Kim and Song, ePrint 2018/952) would give `n` real slots instead of `n/2` complex ones at
//! the same security. Real data already fills the complex slots when two vectors are packed as `x + i·y`
//! ([`Ckks::mul_i`], [`Ckks::conjugate`]) and only linear maps follow; for squares the ring saves half of the ciphertexts,
//! at the price of a second transform and of a dimension whose keys and ciphertexts nothing else here shares. It is not
//! implemented.

mod cipher;
mod complex;
mod deviation;
mod encode;
mod evaluate;
mod fft;
mod hoisted;
mod in_place;
mod linear;
#[cfg(feature = "wire")]
mod packed;
mod rotate;
mod rules;
mod scale;
mod sum_rotated;
mod trace;

pub use cipher::{Ciphertext, Decrypted, SeededCiphertext};
pub use complex::Complex;
pub use deviation::Deviations;
pub use encode::{Encoding, Plaintext};
pub use hoisted::{Hoisted, RaisedCiphertext, RaisedPlaintext};
#[cfg(feature = "wire")]
pub use packed::PackedCiphertext;
pub use rules::{Bounds, NoiseRules};
pub use scale::Scale;
pub use trace::TracedCiphertext;

use alloc::boxed::Box;

use crate::error::EvalError;
use crate::params::Params;
use crate::poly::{Coeff, Poly, Ring};
use crate::rlwe::keyswitch::{ScaleDown, Switcher};
use crate::rns::Scaler;
use fft::SlotTransform;

/// The scheme for one parameter set: encoder, encryptor and evaluator. Immutable; share it by reference.
#[derive(Clone, Debug)]
pub struct Ckks {
    params: Params,
    transform: SlotTransform,
    /// Entry `l - 1` belongs to level `l`.
    levels: Box<[Level]>,
    /// The value of `X^(n/2)` at the first root, a square root of -1, for each ciphertext prime.
    imaginary: Box<[u64]>,
}

/// Everything derived for one level.
#[derive(Clone, Debug)]
struct Level {
    ring: Ring,
    rules: NoiseRules,
    switcher: Switcher,
    /// Division by the last prime; the lowest level has none to drop.
    drop: Option<ScaleDown>,
    /// For each prime but the last: the division by it, modulo the primes after it. Decryption reads digits with them.
    digits: Box<[Scaler]>,
}

impl Ckks {
    /// Derives the tables of every level. Plaintext moduli of the set, if any, play no part.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        Self {
            transform: SlotTransform::new(params.degree()),
            levels: (1..=params.max_level()).map(|level| Level::new(params, level)).collect(),
            imaginary: imaginary(params),
            params: params.clone(),
        }
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The number of complex slots, `n/2`.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.transform.slots()
    }

    /// The rules for bounds at a level.
    ///
    /// # Panics
    /// If there is no such level.
    #[must_use]
    pub fn rules(&self, level: usize) -> &NoiseRules {
        &self.level(level).rules
    }

    /// The prime that rescaling from this level divides by, as a scale: a factor at this scale leaves the scale of a
    /// ciphertext as it is.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`].
    pub fn prime_scale(&self, level: usize) -> Result<Scale, EvalError> {
        self.check_level(level)?;
        Ok(Scale::of_prime(self.params.ciphertext_primes()[level - 1]))
    }

    fn level(&self, level: usize) -> &Level {
        &self.levels[level - 1]
    }

    /// The ring of a level.
    #[cfg(feature = "wire")]
    pub(crate) fn ring(&self, level: usize) -> &Ring {
        &self.level(level).ring
    }

    fn check_level(&self, asked: usize) -> Result<(), EvalError> {
        let max = self.params.max_level();
        if (1..=max).contains(&asked) { Ok(()) } else { Err(EvalError::NoSuchLevel { asked, max }) }
    }
}

impl Level {
    fn new(params: &Params, level: usize) -> Self {
        let ring = params.key_ring().select(0..level);
        Self {
            rules: NoiseRules::new(params.degree(), params.ciphertext_primes(), params.special_primes(), level),
            switcher: Switcher::new(params, level),
            drop: (level > 1).then(|| ScaleDown::new(&ring, level - 1)),
            digits: cipher::digit_scalers(ring.basis()),
            ring,
        }
    }
}

fn imaginary(params: &Params) -> Box<[u64]> {
    let ring = params.key_ring().select(0..params.max_level());
    let mut monomial: Poly<Coeff> = ring.zero();
    monomial.limbs_mut().for_each(|limb| limb[limb.len() >> 1] = 1);
    ring.forward(monomial).limbs().map(|limb| limb[0]).collect()
}

#[cfg(test)]
mod tests;
