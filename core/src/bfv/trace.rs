//! Sums over slots for whoever decrypts, without a key switch: see the traces of [`crate::rlwe`].

use alloc::boxed::Box;

use super::{Bfv, Ciphertext, Plaintext, Private};
use crate::error::EvalError;
use crate::poly::{Coeff, Poly};
use crate::rlwe::trace::{TraceParts, check_period, stride};
use crate::rlwe::{NoiseBound, SecretKey};

/// What of a ciphertext tells its slots summed by their number modulo a period, row by row, and nothing else of it. About
/// half the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedCiphertext {
    pub(crate) level: usize,
    pub(crate) noise: NoiseBound,
    pub(crate) period: usize,
    pub(crate) streams: Box<[TraceParts]>,
}

impl TracedCiphertext {
    /// The level: how many ciphertext primes are left.
    #[must_use]
    pub const fn level(&self) -> usize {
        self.level
    }

    /// Slots from one of a sum to the next.
    #[must_use]
    pub const fn period(&self) -> usize {
        self.period
    }

    /// The public bound on the noise.
    #[must_use]
    pub const fn noise(&self) -> NoiseBound {
        self.noise
    }
}

impl Bfv {
    /// Sums the slots of each row whose numbers are congruent modulo `period`, for whoever decrypts. Exact, and without
    /// noise. Cost: one transform per limb.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`] for three polynomials, [`EvalError::BadPeriod`] for a period that is no power of two from
    /// [`MIN_TRACE_PERIOD`](crate::rlwe::MIN_TRACE_PERIOD) to a row.
    pub fn trace(&self, a: &Ciphertext, period: usize) -> Result<TracedCiphertext, EvalError> {
        check_period(self.params.degree(), period)?;
        if a.size() != 2 {
            return Err(EvalError::SizeMismatch { found: a.size(), needed: 2 });
        }
        let ring = &self.level(a.level).ring;
        let streams = a.streams.iter().map(|parts| TraceParts::new(ring, [&parts[0], &parts[1]], period)).collect();
        Ok(TracedCiphertext { level: a.level, noise: a.noise, period, streams })
    }

    /// The sums, each in every slot that was added to it. Constant time, as [`Bfv::decrypt`].
    ///
    /// # Errors
    /// [`EvalError::NoiseExhausted`] if the noise bound says that the result could be wrong.
    pub fn decrypt_traced(&self, secret: &SecretKey, a: &TracedCiphertext) -> Result<Private<Plaintext>, EvalError> {
        let rules = self.rules(a.level);
        let needed = rules.decryption_level(rules.check(a.noise)?);
        let terms = stride(self.params.degree(), a.period) as u64;
        let streams = a.streams.iter().zip(&self.level(a.level).streams).zip(&self.plain_rings);
        let streams = streams.map(|((parts, stream), plain)| {
            let phase = parts.phase(secret, &self.level(needed).ring, a.period);
            let mut message: Poly<Coeff> = plain.zero();
            stream.scale_down[needed - 1].convert(plain.kernels(), phase.residues(), message.residues_mut());
            plain.mul_residues_assign(&mut message, &[plain.moduli()[0].reduce(terms)]);
            message
        });
        Ok(Private::new(Plaintext { streams: streams.collect() }))
    }
}
