//! Encryption and decryption.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::encode::round;
use super::rules::{Bounds, transform_error};
use super::{Ckks, Complex, Plaintext, Scale};
use crate::ct::barrier;
use crate::error::EvalError;
use crate::poly::{Coeff, Eval, Poly};
use crate::rlwe::{NoiseBound, PublicKey, SecretKey};
use crate::rns::RnsBasis;
use crate::sample::{Label, Seed, uniform_vartime};

/// A ciphertext: two polynomials (three before relinearisation) in the evaluation domain, with its level, its scale and
/// its bounds, all of which are public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    pub(crate) scale: Scale,
    pub(crate) bounds: Bounds,
    pub(crate) parts: Box<[Poly<Eval>]>,
}

impl Ciphertext {
    /// The level: how many ciphertext primes are left.
    #[must_use]
    pub fn level(&self) -> usize {
        self.parts[0].limb_count()
    }

    /// The number of polynomials.
    #[must_use]
    pub fn size(&self) -> usize {
        self.parts.len()
    }

    /// The scale.
    #[must_use]
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// The bounds on the message and the noise, at the scale.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The same ciphertext with other bounds. The caller vouches for them: an analysis of the whole program, or knowledge of
    /// the data, may know tighter ones on message and noise than the rules derive operation by operation. Nothing can check
    /// them, and no later operation asks again: wrong bounds give wrong answers, unnoticed.
    #[must_use]
    pub fn with_bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Bits after the binary point that the noise bound leaves: the error of each slot is at most `2^-precision`.
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.scale.log2() - self.bounds.noise.log2()
    }
}

/// A fresh ciphertext under the secret key, with a seed in place of its uniform half: half the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeededCiphertext {
    pub(crate) scale: Scale,
    pub(crate) message: NoiseBound,
    pub(crate) seed: Seed,
    pub(crate) body: Poly<Eval>,
}

impl SeededCiphertext {
    /// The level.
    #[must_use]
    pub fn level(&self) -> usize {
        self.body.limb_count()
    }

    /// The scale.
    #[must_use]
    pub const fn scale(&self) -> Scale {
        self.scale
    }
}

/// The decrypted slots, wiped on drop. They are as secret as the key: their low bits *are* the noise, and whoever sees them
/// next to the ciphertext can solve for the key (Li and Micciancio, ePrint 2020/1533). There is no way to print or compare
/// them; [`Decrypted::release`] is the explicit way out.
pub struct Decrypted {
    slots: Zeroizing<Vec<Complex>>,
    error: f64,
}

impl Decrypted {
    /// A public bound on the error of each slot: the noise at the ciphertext's scale, and the decoder's rounding.
    #[must_use]
    pub const fn error(&self) -> f64 {
        self.error
    }

    /// The largest precision that [`Decrypted::release`] takes: `2^-available` is at least the error bound.
    #[must_use]
    pub fn available_bits(&self) -> i32 {
        libm::floor(-libm::log2(self.error)) as i32
    }

    /// The slots, rounded to multiples of `2^-precision_bits`: no bit that the error bound does not vouch for.
    ///
    /// Rounding hides the noise except near the midpoints between two multiples, so a released value must not go to whoever
    /// made or chose the ciphertext unless noise that drowns it is added first: with security parameter `λ` and `τ`
    /// releases, Gaussian noise of deviation `√(12τ)·2^(λ/2)` times the error bound (Li, Micciancio, Schultz and Sorrell,
    /// ePrint 2022/816, corollary 2).
    ///
    /// # Errors
    /// [`EvalError::TooPrecise`] above [`Decrypted::available_bits`].
    pub fn release(self, precision_bits: i32) -> Result<Vec<Complex>, EvalError> {
        let available = self.available_bits();
        if precision_bits > available {
            return Err(EvalError::TooPrecise { asked: precision_bits, available });
        }
        let unit = libm::exp2(-f64::from(precision_bits));
        // The error bound is more than 2^-47 of the bound on values, so that quotients by the unit are below 2^48.
        let rounded = |x: f64| round(x * (1.0 / unit)) * unit;
        Ok(self.slots.iter().map(|z| Complex::new(rounded(z.re), rounded(z.im))).collect())
    }

    /// The real parts of [`Decrypted::release`].
    ///
    /// # Errors
    /// [`EvalError::TooPrecise`].
    pub fn release_real(self, precision_bits: i32) -> Result<Vec<f64>, EvalError> {
        Ok(self.release(precision_bits)?.into_iter().map(|z| z.re).collect())
    }

    /// Which of some slots has the largest real part, the first of them if there are several; `None` of none. Rounding,
    /// which can make two of them equal, comes after the decision, and nothing but it is released. Constant time.
    #[must_use]
    pub fn release_largest<'a>(slots: impl IntoIterator<Item = (&'a Self, usize)>) -> Option<usize> {
        let mut reals = slots.into_iter().map(|(decrypted, slot)| decrypted.slots[slot].re).zip(0u64..);
        let (mut largest, mut found) = reals.next()?;
        for (real, i) in reals {
            let larger = barrier(u64::from(real > largest)).wrapping_neg();
            largest = f64::from_bits((real.to_bits() & larger) | (largest.to_bits() & !larger));
            found = (i & larger) | (found & !larger);
        }
        Some(found as usize)
    }

    /// Slots without an error, for tests.
    #[cfg(test)]
    pub(super) fn of(slots: Vec<Complex>) -> Self {
        Self { slots: Zeroizing::new(slots), error: 0.0 }
    }

    /// The slots as they are, for tests that measure the error.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn exposed(&self) -> &[Complex] {
        &self.slots
    }
}

impl core::fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Decrypted(..)")
    }
}

impl Ckks {
    /// Encrypts under the secret key, at the plaintext's level.
    ///
    /// # Errors
    /// [`EvalError::MessageTooLarge`] if message and fresh noise do not fit the level.
    pub fn encrypt(
        &self,
        secret: &SecretKey,
        plaintext: &Plaintext,
        rng: &mut impl CryptoRng,
    ) -> Result<SeededCiphertext, EvalError> {
        let level = plaintext.level();
        self.rules(level).check(self.rules(level).fresh_secret(plaintext.bounds))?;
        let seed = Seed::generate(rng);
        let mut body = secret.encrypt_zero(0..level, &seed, Label::Ciphertext { stream: 0 }, rng);
        self.level(level).ring.add_assign(&mut body, &plaintext.poly);
        Ok(SeededCiphertext { scale: plaintext.scale, message: plaintext.bounds.message, seed, body })
    }

    /// The whole ciphertext of a seeded one.
    #[must_use]
    pub fn expand(&self, seeded: &SeededCiphertext) -> Ciphertext {
        self.expand_owned(seeded.clone())
    }

    /// As [`Ckks::expand`], without a copy of the half that is there.
    #[must_use]
    pub fn expand_owned(&self, seeded: SeededCiphertext) -> Ciphertext {
        let at = self.level(seeded.level());
        let mask = uniform_vartime(&at.ring, &seeded.seed, Label::Ciphertext { stream: 0 });
        let bounds = self.fresh_bounds(seeded.level(), seeded.message);
        Ciphertext { scale: seeded.scale, bounds, parts: [seeded.body, mask].into() }
    }

    /// The bounds of a fresh ciphertext whose message is within a bound.
    pub(crate) fn fresh_bounds(&self, level: usize, message: NoiseBound) -> Bounds {
        let rules = self.rules(level);
        rules.fresh_secret(rules.encoded(message))
    }

    /// Encrypts under a public key, at the plaintext's level.
    ///
    /// # Errors
    /// [`EvalError::MessageTooLarge`] if message and fresh noise do not fit the level.
    pub fn encrypt_public(
        &self,
        public: &PublicKey,
        plaintext: &Plaintext,
        rng: &mut impl CryptoRng,
    ) -> Result<Ciphertext, EvalError> {
        let level = plaintext.level();
        let bounds = self.rules(level).check(self.rules(level).fresh_public(plaintext.bounds))?;
        let ring = &self.level(level).ring;
        let mut parts = public.encrypt(ring, ring.zero(), rng);
        ring.add_assign(&mut parts[0], &plaintext.poly);
        Ok(Ciphertext { scale: plaintext.scale, bounds, parts: parts.into() })
    }

    /// Decrypts a ciphertext of any size and level. Constant time, denormals apart. Cost: as many inverse transforms as
    /// there are primes in the bound on message and noise, and one transform of doubles.
    ///
    /// # Errors
    /// [`EvalError::MessageTooLarge`] if the bounds say that the message may have wrapped around.
    pub fn decrypt(&self, secret: &SecretKey, ciphertext: &Ciphertext) -> Result<Decrypted, EvalError> {
        let level = self.phase_level(ciphertext.level(), ciphertext.bounds)?;
        let phase = self.small_phase(secret, ciphertext, level);
        Ok(self.decrypted(phase, 1.0 / ciphertext.scale.value(), ciphertext.bounds, self.slot_count()))
    }

    /// The least level whose primes tell a phase with these bounds: it is small.
    pub(super) fn phase_level(&self, level: usize, bounds: Bounds) -> Result<usize, EvalError> {
        let bounds = self.rules(level).check(bounds)?;
        let fits = |level: &usize| self.rules(*level).check(bounds).is_ok();
        Ok((1..level).find(fits).unwrap_or(level))
    }

    /// The first slots of a phase, times `unit`.
    pub(super) fn decrypted(
        &self,
        mut phase: Zeroizing<Vec<f64>>,
        unit: f64,
        bounds: Bounds,
        count: usize,
    ) -> Decrypted {
        phase.iter_mut().for_each(|x| *x *= unit);
        let (re, im) = phase.split_at_mut(self.slot_count());
        self.transform.to_slots(re, im);
        let places = &self.transform.places()[..count];
        let slots = places.iter().map(|&p| Complex::new(re[p as usize], im[p as usize]));
        let error =
            libm::exp2(bounds.noise.log2()) + transform_error(self.params.degree()) * libm::exp2(bounds.total().log2());
        Decrypted { slots: Zeroizing::new(slots.collect()), error: error * unit }
    }

    /// The coefficients of the phase, which is below half the product of the first `level` primes.
    fn small_phase(&self, secret: &SecretKey, ciphertext: &Ciphertext, level: usize) -> Zeroizing<Vec<f64>> {
        let at = self.level(level);
        let parts: Vec<_> = ciphertext.parts.iter().map(|part| part.select(0..level)).collect();
        let values = secret.phase(&at.ring, &parts);
        // A copy, because the evaluation form stays behind to be wiped.
        let phase = Zeroizing::new(at.ring.inverse(Poly::clone(&values)));
        self.to_doubles(phase, level)
    }

    /// Centred coefficients as doubles: mixed radix, `x = d_1 + q_1·(d_2 + q_2·(…))` with centred digits, of which the
    /// highest that is not 0 decides the sign, so that summing them in doubles loses nothing but the last bits.
    pub(super) fn to_doubles(&self, mut phase: Zeroizing<Poly<Coeff>>, level: usize) -> Zeroizing<Vec<f64>> {
        let (at, degree) = (self.level(level), self.params.degree());
        let kernels = at.ring.kernels();
        for (i, scaler) in at.digits.iter().enumerate() {
            let (digit, rest) = phase.residues_mut()[i * degree..].split_at_mut(degree);
            let mut remainder = Zeroizing::new(vec![0; rest.len()]);
            scaler.remainder(kernels, digit, &mut remainder);
            scaler.divide(kernels, rest, &mut remainder);
        }
        let mut out = Zeroizing::new(vec![0.0; degree]);
        for (limb, q) in phase.residues().chunks_exact(degree).zip(at.ring.moduli()).rev() {
            let radix = q.value() as f64;
            out.iter_mut().zip(limb).for_each(|(x, &digit)| *x = *x * radix + q.center(digit) as f64);
        }
        out
    }

    /// The largest error of a slot against the expected values, times the scale: what the noise bound bounds, but for the
    /// decoder's own rounding. Tests only: the value depends on the key.
    ///
    /// # Errors
    /// Those of [`Ckks::decrypt`].
    #[cfg(any(test, feature = "testing"))]
    pub fn measured_noise_log2(
        &self,
        secret: &SecretKey,
        ciphertext: &Ciphertext,
        expected: impl Fn(usize) -> Complex,
    ) -> Result<f64, EvalError> {
        let decrypted = self.decrypt(secret, ciphertext)?;
        let errors = decrypted.slots.iter().enumerate().map(|(i, &z)| (z - expected(i)).abs());
        Ok(libm::log2(errors.fold(0.0, f64::max) * ciphertext.scale.value()))
    }
}

/// For each prime but the last: the division by it, modulo the primes after it.
pub(super) fn digit_scalers(basis: &RnsBasis) -> Box<[crate::rns::Scaler]> {
    let one = num_bigint::BigUint::from(1u32);
    let moduli = basis.moduli();
    let scaler = |i: usize| {
        let digit = RnsBasis::new(&moduli[i..=i]).ok()?;
        Some(crate::rns::Scaler::new(&one, &digit, &moduli[i + 1..]))
    };
    (0..moduli.len().saturating_sub(1)).filter_map(scaler).collect()
}
