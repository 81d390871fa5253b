//! Products of ciphertexts, and the way down the levels.

use super::{Ciphertext, Ckks};
use crate::error::EvalError;

impl Ckks {
    /// Slot-wise product, of three polynomials; [`Ckks::relinearise`] makes it two again. Scales multiply. Sums of products
    /// can be relinearised and rescaled once. Cost: four products per limb and no transform.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::SizeMismatch`], [`EvalError::ScaleOutOfRange`],
    /// [`EvalError::MessageTooLarge`].
    pub fn multiply(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.multiply_into(a, b, out, scratch))
    }

    /// Slot-wise square, of three polynomials.
    ///
    /// # Errors
    /// Those of [`Ckks::multiply`].
    pub fn square(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.multiply(a, a)
    }

    /// Divides by the last prime and drops it: scale, message and noise shrink by that prime, and rounding adds a little
    /// noise. A plaintext factor at [`Ckks::prime_scale`] makes the scale come back to what it was. Cost: one transform per
    /// limb and polynomial.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`] at level 1, [`EvalError::ScaleOutOfRange`] if the scale is smaller than the prime.
    pub fn rescale(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.rescale_into(a, out, scratch))
    }

    /// Forgets primes: scale, message and noise stay. Costs a copy.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`] for level 0 or a level above the operand's; [`EvalError::MessageTooLarge`] if the message
    /// does not fit the lower level.
    pub fn drop_to(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.drop_to_into(a, level, out, scratch))
    }
}
