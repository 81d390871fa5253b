//! The secret key and the public encryption key.

use alloc::boxed::Box;
use core::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::backend::{AlignedWords, Backend};
use crate::params::Params;
use crate::poly::{Coeff, Eval, Poly, Ring};
use crate::sample::{Label, Seed, noise, ternary, uniform_limb_vartime, uniform_vartime};

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
        Self::from_coefficients(params, ternary(params.kernels(), params.degree(), rng))
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

    /// `c_0 + c_1·s + c_2·s² + …` modulo the primes of `ring`, the first of those of the parts. The caller wipes it.
    ///
    /// # Panics
    /// If there are no parts or they have fewer limbs than `ring`.
    pub(crate) fn phase(&self, ring: &Ring, parts: &[Poly<Eval>]) -> Poly<Eval> {
        let (rest, last) = parts.split_at(parts.len() - 1);
        let mut phase = last[0].select(0..ring.basis().len());
        for (i, (limb, q)) in phase.limbs_mut().zip(ring.moduli()).enumerate() {
            for part in rest.iter().rev() {
                ring.kernels().mul(q, limb, self.values.limb(i));
                ring.kernels().add(q, limb, part.limb(i));
            }
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
        self.encrypt_under(image, &ring, limbs, ring.zero(), (seed, label), rng)
    }

    /// An encryption of a polynomial, `m + e - a·s`, modulo the given limbs of the key ring, which are those of `ring`. Cost: one
    /// transform per limb.
    pub(crate) fn encrypt(
        &self,
        ring: &Ring,
        limbs: impl ExactSizeIterator<Item = usize>,
        message: Poly<Coeff>,
        uniform: (&Seed, Label),
        rng: &mut impl CryptoRng,
    ) -> Poly<Eval> {
        self.encrypt_under(&self.values, ring, limbs, message, uniform, rng)
    }

    /// As [`SecretKey::encrypt`], under an image of the secret modulo the whole key ring.
    fn encrypt_under(
        &self,
        image: &Poly<Eval>,
        ring: &Ring,
        limbs: impl ExactSizeIterator<Item = usize>,
        message: Poly<Coeff>,
        (seed, label): (&Seed, Label),
        rng: &mut impl CryptoRng,
    ) -> Poly<Eval> {
        let kernels = ring.kernels();
        let mut body = ring.forward(with_noise(ring, message, rng));
        // The products a·s are secret, one limb at a time.
        let mut product = Zeroizing::new(AlignedWords::zeros(ring.degree()));
        for (((number, limb), q), i) in body.limbs_mut().enumerate().zip(ring.moduli()).zip(limbs) {
            uniform_limb_vartime(kernels, q, (seed, label, number), &mut product);
            kernels.mul(q, &mut product, image.limb(i));
            kernels.sub(q, limb, &product);
        }
        body
    }
}

/// A polynomial and fresh noise.
fn with_noise(ring: &Ring, mut message: Poly<Coeff>, rng: &mut impl CryptoRng) -> Poly<Coeff> {
    let noise = noise(ring.kernels(), ring.degree(), rng);
    for (limb, q) in message.limbs_mut().zip(ring.moduli()) {
        ring.kernels().add_small(q, limb, &noise);
    }
    message
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

    /// An encryption of a polynomial: `(b·u + e_0 + m, a·u + e_1)` for a fresh ternary `u`. Cost: three transforms per limb.
    pub(crate) fn encrypt(&self, ring: &Ring, message: Poly<Coeff>, rng: &mut impl CryptoRng) -> [Poly<Eval>; 2] {
        let mask = Zeroizing::new(ring.forward(ring.lift(&ternary(ring.kernels(), ring.degree(), rng))));
        let mut encrypt = |message, part: &Poly<Eval>| {
            let mut out = ring.forward(with_noise(ring, message, rng));
            for (((limb, q), a), u) in out.limbs_mut().zip(ring.moduli()).zip(part.limbs()).zip(mask.limbs()) {
                ring.kernels().mul_add(q, limb, a, u);
            }
            out
        };
        [encrypt(message, &self.body), encrypt(ring.zero(), &self.mask)]
    }
}
