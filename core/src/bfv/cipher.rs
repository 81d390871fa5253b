//! Encryption and decryption.

use alloc::boxed::Box;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Bfv, Plaintext};
use crate::error::EvalError;
use crate::poly::{Coeff, Eval, Poly};
use crate::rlwe::{NoiseBound, PublicKey, SecretKey};
use crate::sample::{Label, Seed, uniform_vartime};

/// A ciphertext: for each plaintext modulus two polynomials (three before relinearisation), in the evaluation domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    pub(crate) level: usize,
    pub(crate) noise: NoiseBound,
    pub(crate) streams: Box<[Box<[Poly<Eval>]>]>,
}

impl Ciphertext {
    /// The level: how many ciphertext primes are left.
    #[must_use]
    pub const fn level(&self) -> usize {
        self.level
    }

    /// Polynomials per stream.
    #[must_use]
    pub fn size(&self) -> usize {
        self.streams.first().map_or(0, |stream| stream.len())
    }

    /// The public bound on the noise.
    #[must_use]
    pub const fn noise(&self) -> NoiseBound {
        self.noise
    }
}

/// A fresh ciphertext under the secret key, with a seed in place of its uniform half: half the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeededCiphertext {
    pub(crate) seed: Seed,
    pub(crate) bodies: Box<[Poly<Eval>]>,
}

/// A decrypted value. It is as secret as the key: sending it, or whether decryption failed, to whoever made the
/// ciphertext can reveal the key. There is no way to print or compare it; [`Private::release`] is the explicit way out.
pub struct Private<T>(T);

impl<T> Private<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, to be kept by the key's owner.
    #[must_use]
    pub fn release(self) -> T {
        self.0
    }

    /// A private value computed from a private value.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Private<U> {
        Private(f(self.0))
    }
}

impl<T> Private<alloc::vec::Vec<T>> {
    /// Private values as one private list.
    #[must_use]
    pub fn collect(values: impl IntoIterator<Item = Private<T>>) -> Self {
        Self(values.into_iter().map(Private::release).collect())
    }
}

impl<T> core::fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Private(..)")
    }
}

impl Bfv {
    /// Encrypts under the secret key, at the highest level.
    ///
    /// # Errors
    /// [`EvalError::NoiseExhausted`] if the parameters are too small for even a fresh ciphertext.
    pub fn encrypt(
        &self,
        secret: &SecretKey,
        plaintext: &Plaintext,
        rng: &mut impl CryptoRng,
    ) -> Result<SeededCiphertext, EvalError> {
        let level = self.params.max_level();
        self.rules(level).check(self.rules(level).fresh_secret())?;
        let seed = Seed::generate(rng);
        let at = self.level(level);
        let bodies = plaintext.streams.iter().zip(&at.streams).enumerate().map(|(j, (message, stream))| {
            let label = Label::Ciphertext { stream: j as u8 };
            secret.encrypt(&at.ring, 0..level, at.scale_up(stream, message), (&seed, label), rng)
        });
        Ok(SeededCiphertext { bodies: bodies.collect(), seed })
    }

    /// The whole ciphertext of a seeded one.
    #[must_use]
    pub fn expand(&self, seeded: &SeededCiphertext) -> Ciphertext {
        self.expand_owned(seeded.clone())
    }

    /// As [`Bfv::expand`], without a copy of the half that is there.
    #[must_use]
    pub fn expand_owned(&self, seeded: SeededCiphertext) -> Ciphertext {
        let level = self.params.max_level();
        let ring = &self.level(level).ring;
        let SeededCiphertext { bodies, seed } = seeded;
        let streams = bodies.into_vec().into_iter().enumerate().map(|(j, body)| {
            let mask = uniform_vartime(ring, &seed, Label::Ciphertext { stream: j as u8 });
            [body, mask].into()
        });
        Ciphertext { level, noise: self.rules(level).fresh_secret(), streams: streams.collect() }
    }

    /// Encrypts under a public key, at the highest level.
    ///
    /// # Errors
    /// [`EvalError::NoiseExhausted`] if the parameters are too small for even a fresh ciphertext.
    pub fn encrypt_public(
        &self,
        public: &PublicKey,
        plaintext: &Plaintext,
        rng: &mut impl CryptoRng,
    ) -> Result<Ciphertext, EvalError> {
        let level = self.params.max_level();
        let noise = self.rules(level).check(self.rules(level).fresh_public())?;
        let at = self.level(level);
        let streams = plaintext.streams.iter().zip(&at.streams);
        let streams =
            streams.map(|(message, stream)| public.encrypt(&at.ring, at.scale_up(stream, message), rng).into());
        Ok(Ciphertext { level, noise, streams: streams.collect() })
    }

    /// Decrypts a ciphertext of any size and level. Constant time; the noise bound, which is public, decides how many primes
    /// are looked at ([`NoiseRules::decryption_level`](super::NoiseRules::decryption_level)). Cost: one transform for each
    /// of these.
    ///
    /// # Errors
    /// [`EvalError::NoiseExhausted`] if the noise bound says that the result could be wrong.
    pub fn decrypt(&self, secret: &SecretKey, ciphertext: &Ciphertext) -> Result<Private<Plaintext>, EvalError> {
        let rules = self.rules(ciphertext.level);
        let needed = rules.decryption_level(rules.check(ciphertext.noise)?);
        let streams = ciphertext.streams.iter().zip(&self.level(ciphertext.level).streams).zip(&self.plain_rings);
        let streams = streams.map(|((parts, stream), plain)| {
            let phase = self.phase(secret, needed, parts);
            let mut message: Poly<Coeff> = plain.zero();
            stream.scale_down[needed - 1].convert(plain.kernels(), phase.residues(), message.residues_mut());
            message
        });
        Ok(Private(Plaintext { streams: streams.collect() }))
    }

    /// The phase modulo the primes of a level, which may be below the ciphertext's.
    fn phase(&self, secret: &SecretKey, level: usize, parts: &[Poly<Eval>]) -> Zeroizing<Poly<Coeff>> {
        let ring = &self.level(level).ring;
        Zeroizing::new(ring.inverse(secret.phase(ring, parts)))
    }

    /// `log2` of the largest noise coefficient, measured with the secret key against the exact message. Tests only: the
    /// value depends on the key.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn measured_noise_log2(&self, secret: &SecretKey, ciphertext: &Ciphertext) -> f64 {
        use num_bigint::BigUint;
        let level = ciphertext.level;
        let at = self.level(level);
        let basis = at.ring.basis();
        let product = basis.product();
        let mut largest = BigUint::default();
        for ((parts, stream), plain) in ciphertext.streams.iter().zip(&at.streams).zip(&self.plain_rings) {
            let mut error = self.phase(secret, level, parts);
            let mut message = plain.zero::<Coeff>();
            stream.scale_down[level - 1].convert(at.ring.kernels(), error.residues(), message.residues_mut());
            at.ring.sub_assign(&mut error, &at.scale_up(stream, &message));
            for i in 0..self.params.degree() {
                let residues: alloc::vec::Vec<u64> = error.limbs().map(|limb| limb[i]).collect();
                let value = basis.compose_vartime(&residues);
                largest = largest.max(if &value * 2u32 > product { &product - value } else { value });
            }
        }
        let shift = largest.bits().saturating_sub(60);
        libm::log2(num_traits::ToPrimitive::to_f64(&(largest >> shift)).unwrap_or(0.0).max(1.0)) + shift as f64
    }
}
