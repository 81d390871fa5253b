//! Sums over slots for whoever decrypts, without a key switch: see the traces of [`crate::rlwe`].

use super::linear::check_size;
use super::{Bounds, Ciphertext, Ckks, Decrypted, Scale};
use crate::error::EvalError;
use crate::rlwe::SecretKey;
use crate::rlwe::trace::{TraceParts, check_period, stride};

/// What of a ciphertext tells its slots summed by their number modulo a period, and nothing else of it. About half the
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedCiphertext {
    pub(crate) scale: Scale,
    pub(crate) bounds: Bounds,
    pub(crate) period: usize,
    pub(crate) parts: TraceParts,
}

impl TracedCiphertext {
    /// The level: how many ciphertext primes are left.
    #[must_use]
    pub fn level(&self) -> usize {
        self.parts.mask.limb_count()
    }

    /// Slots from one of a sum to the next.
    #[must_use]
    pub const fn period(&self) -> usize {
        self.period
    }

    /// The scale.
    #[must_use]
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// The bounds on the mean of the slots of a sum and on its noise, at the scale.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }
}

impl Ckks {
    /// Sums the slots whose numbers are congruent modulo `period`, for whoever decrypts. No noise is added. Of the
    /// ciphertext's bounds only those on the means of these slots have to hold
    /// ([`Ciphertext::with_bounds`]): other coefficients of the message may wrap around. Cost: one transform per limb.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`] for three polynomials, [`EvalError::BadPeriod`] for a period that is no power of two from
    /// [`MIN_TRACE_PERIOD`](crate::rlwe::MIN_TRACE_PERIOD) to the number of slots.
    pub fn trace(&self, a: &Ciphertext, period: usize) -> Result<TracedCiphertext, EvalError> {
        check_period(self.params.degree(), period)?;
        check_size(a, 2)?;
        let parts = TraceParts::new(&self.level(a.level()).ring, [&a.parts[0], &a.parts[1]], period);
        Ok(TracedCiphertext { scale: a.scale, bounds: a.bounds, period, parts })
    }

    /// The sums, `period` of them. Constant time, as [`Ckks::decrypt`].
    ///
    /// # Errors
    /// [`EvalError::MessageTooLarge`] if the bounds say that a sum may have wrapped around.
    pub fn decrypt_traced(&self, secret: &SecretKey, a: &TracedCiphertext) -> Result<Decrypted, EvalError> {
        let level = self.phase_level(a.level(), a.bounds)?;
        let phase = a.parts.phase(secret, &self.level(level).ring, a.period);
        let unit = stride(self.params.degree(), a.period) as f64 / a.scale.value();
        Ok(self.decrypted(self.to_doubles(phase, level), unit, a.bounds, a.period))
    }
}
