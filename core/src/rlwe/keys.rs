//! The secret key and the public encryption key.

use alloc::boxed::Box;
use core::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::params::Params;
use crate::poly::{Eval, Poly, Ring};
use crate::sample::{Label, Seed, noise, ternary, uniform_vartime};

/// A uniform ternary secret `s`. Wiped on drop, in both domains.
#[derive(Clone)]
pub struct SecretKey {
    params: Params,
    coefficients: Zeroizing<Box<[i8]>>,
    /// Modulo every ciphertext and special prime.
    values: Zeroizing<Poly<Eval>>,
}

impl SecretKey {
    /// A fresh key.
    #[must_use]
    pub fn generate(params: &Params, rng: &mut impl CryptoRng) -> Self {
        Self::from_coefficients(params, ternary(params.degree(), rng))
    }

    /// The key with these coefficients in `{-1, 0, 1}`.
    pub(crate) fn from_coefficients(params: &Params, coefficients: Zeroizing<Box<[i8]>>) -> Self {
        let ring = params.key_ring();
        let values = Zeroizing::new(ring.forward(ring.lift(&coefficients)));
        Self { params: params.clone(), coefficients, values }
    }

    /// The parameters it was made for.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    pub(crate) fn coefficients(&self) -> &[i8] {
        &self.coefficients
    }

    /// `s` modulo every ciphertext prime, then every special prime.
    pub(crate) fn values(&self) -> &Poly<Eval> {
        &self.values
    }

    /// `c_0 + c_1·s + c_2·s² + …` for a ciphertext modulo the first primes.
    pub(crate) fn phase(&self, ring: &Ring, parts: &[Poly<Eval>]) -> Zeroizing<Poly<Eval>> {
        let secret = Zeroizing::new(self.values.select(0..ring.basis().len()));
        let mut phase = Zeroizing::new(ring.zero());
        for part in parts.iter().rev() {
            ring.mul_assign(&mut phase, &secret);
            ring.add_assign(&mut phase, part);
        }
        phase
    }

    /// An encryption of zero, `e - a·s` for the uniform `a` of the seed and label, modulo the given limbs of the key ring.
    pub(crate) fn encrypt_zero(
        &self,
        limbs: impl ExactSizeIterator<Item = usize> + Clone,
        seed: &Seed,
        label: Label,
        rng: &mut impl CryptoRng,
    ) -> Poly<Eval> {
        self.encrypt_zero_under(&self.values, limbs, seed, label, rng)
    }

    /// As [`SecretKey::encrypt_zero`], under an image of the secret modulo the whole key ring.
    pub(crate) fn encrypt_zero_under(
        &self,
        image: &Poly<Eval>,
        limbs: impl ExactSizeIterator<Item = usize> + Clone,
        seed: &Seed,
        label: Label,
        rng: &mut impl CryptoRng,
    ) -> Poly<Eval> {
        let ring = self.params.key_ring().select(limbs.clone());
        let secret = Zeroizing::new(image.select(limbs));
        let mut mask = Zeroizing::new(uniform_vartime(&ring, seed, label));
        ring.mul_assign(&mut mask, &secret);
        let mut zero = ring.forward(ring.lift(&noise(ring.degree(), rng)));
        ring.sub_assign(&mut zero, &mask);
        zero
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").finish_non_exhaustive()
    }
}

/// A public encryption key: an encryption of zero modulo `Q`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    params: Params,
    seed: Seed,
    /// `e - a·s`.
    body: Poly<Eval>,
    /// `a`, from the seed.
    mask: Poly<Eval>,
}

impl PublicKey {
    /// A public key for a secret key.
    #[must_use]
    pub fn generate(secret: &SecretKey, rng: &mut impl CryptoRng) -> Self {
        let seed = Seed::generate(rng);
        let body = secret.encrypt_zero(0..secret.params.max_level(), &seed, Label::PublicKey, rng);
        Self::from_parts(&secret.params, seed, body)
    }

    pub(crate) fn from_parts(params: &Params, seed: Seed, body: Poly<Eval>) -> Self {
        let ring = params.key_ring().select(0..params.max_level());
        Self { params: params.clone(), seed, body, mask: uniform_vartime(&ring, &seed, Label::PublicKey) }
    }

    /// The parameters it was made for.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    pub(crate) const fn parts(&self) -> (&Seed, &Poly<Eval>) {
        (&self.seed, &self.body)
    }

    /// An encryption of zero: `(b·u + e_0, a·u + e_1)` for a fresh ternary `u`.
    pub(crate) fn encrypt_zero(&self, ring: &Ring, rng: &mut impl CryptoRng) -> [Poly<Eval>; 2] {
        let degree = ring.degree();
        let mask = Zeroizing::new(ring.forward(ring.lift(&ternary(degree, rng))));
        [&self.body, &self.mask].map(|part| {
            let mut out = part.clone();
            ring.mul_assign(&mut out, &mask);
            let error = Zeroizing::new(ring.forward(ring.lift(&noise(degree, rng))));
            ring.add_assign(&mut out, &error);
            out
        })
    }
}
