//! Operations on ciphertexts. None needs a secret; each updates the noise bound and refuses a result that would not
//! decrypt.

use alloc::boxed::Box;

use super::{Bfv, Ciphertext, PlainAddend, PlainMultiplicand};
use crate::error::EvalError;
use crate::poly::{Eval, Poly, Scratch};
use crate::rlwe::NoiseBound;

impl Bfv {
    /// Slot-wise sum.
    ///
    /// # Errors
    /// [`EvalError`] for operands of different level or size, or exhausted noise.
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.sum(&[a, b])
    }

    /// Slot-wise sum of any number.
    ///
    /// # Errors
    /// [`EvalError`] for no operands, operands of different level or size, or exhausted noise.
    pub fn sum(&self, terms: &[&Ciphertext]) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.sum_into(terms, out, scratch))
    }

    /// Slot-wise difference.
    ///
    /// # Errors
    /// [`EvalError`] for operands of different level or size, or exhausted noise.
    pub fn sub(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvalError> {
        check_alike(a, b)?;
        let ring = &self.level(a.level).ring;
        let mut streams = a.streams.clone();
        let parts = streams.iter_mut().flatten().zip(b.streams.iter().flatten());
        parts.for_each(|(out, part)| ring.sub_assign(out, part));
        self.checked(a.level, a.noise.plus(b.noise), streams)
    }

    /// Slot-wise product with one signed word.
    ///
    /// # Errors
    /// [`EvalError::NoiseExhausted`].
    pub fn mul_scalar(&self, a: &Ciphertext, w: i64) -> Result<Ciphertext, EvalError> {
        self.linear_combination(&[a], &[w])
    }

    /// `Σ w_i·a_i` for signed words, with one reduction at the end. The noise grows by `Σ |w_i|`. Time does not depend on
    /// the weights, zero or not.
    ///
    /// # Errors
    /// [`EvalError`] for no operands, lists of different length, operands of different level or size, or
    /// exhausted noise.
    pub fn linear_combination(&self, terms: &[&Ciphertext], weights: &[i64]) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.linear_combination_into(terms, weights, out, scratch))
    }

    /// Slot-wise sum with a plaintext.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::NoiseExhausted`].
    pub fn add_plain(&self, a: &Ciphertext, b: &PlainAddend) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.add_plain_into(a, b, out, scratch))
    }

    /// Slot-wise product with a plaintext. The noise grows by the plaintext's norm, if earlier plaintext factors were not
    /// like this one ([`crate::rlwe::noise`]).
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::NoiseExhausted`].
    pub fn mul_plain(&self, a: &Ciphertext, b: &PlainMultiplicand) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.mul_plain_into(a, b, out, scratch))
    }

    /// `Σ a_i·b_i` slot by slot for plaintexts `b_i`, with one reduction at the end. The noise is the sum of that of the
    /// products ([`Bfv::mul_plain`]).
    ///
    /// # Errors
    /// [`EvalError`] for no operands, lists of different length, operands of different level or size, or exhausted noise.
    pub fn inner_product(
        &self,
        terms: &[&Ciphertext],
        factors: &[&PlainMultiplicand],
    ) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.inner_product_into(terms, factors, out, scratch))
    }

    /// Slot-wise product, of three polynomials; [`Bfv::relinearise`] makes it two again.
    ///
    /// # Errors
    /// [`EvalError`] for operands of different level or of more than two polynomials, or exhausted noise.
    pub fn multiply(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.multiply_into(a, b, out, scratch))
    }

    /// As [`Bfv::multiply`], in place. Unspecified content after an error.
    ///
    /// # Errors
    /// See [`Bfv::multiply`].
    pub fn multiply_into(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        check_alike(a, b)?;
        check_size(a, 2)?;
        let level = self.level(a.level);
        self.reshape(out, a.level, 3, level.rules.multiply(a.noise, b.noise), scratch)?;
        let factors = a.streams.iter().zip(&b.streams).zip(&level.streams);
        for (((a, b), stream), out) in factors.zip(&mut out.streams) {
            level.product(&stream.tensor, a, Some(b), out, scratch);
        }
        Ok(())
    }

    /// Slot-wise square, of three polynomials. Seven eighths of the transforms of [`Bfv::multiply`].
    ///
    /// # Errors
    /// [`EvalError`] for an operand of more than two polynomials, or exhausted noise.
    pub fn square(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.square_into(a, out, scratch))
    }

    /// As [`Bfv::square`], in place. Unspecified content after an error.
    ///
    /// # Errors
    /// See [`Bfv::square`].
    pub fn square_into(&self, a: &Ciphertext, out: &mut Ciphertext, scratch: &mut Scratch) -> Result<(), EvalError> {
        check_size(a, 2)?;
        let level = self.level(a.level);
        self.reshape(out, a.level, 3, level.rules.multiply(a.noise, a.noise), scratch)?;
        for ((parts, stream), out) in a.streams.iter().zip(&level.streams).zip(&mut out.streams) {
            level.product(&stream.tensor, parts, None, out, scratch);
        }
        Ok(())
    }

    /// Switches down to a lower level: the message stays, noise and bytes shrink with the modulus.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`] for level 0 or a level above the operand's; [`EvalError::NoiseExhausted`] if too little
    /// modulus is left.
    pub fn switch_to(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.switch_to_into(a, level, out, scratch))
    }

    /// The value that an operation writes.
    pub(super) fn written(
        &self,
        write: impl FnOnce(&mut Ciphertext, &mut Scratch) -> Result<(), EvalError>,
    ) -> Result<Ciphertext, EvalError> {
        let mut out = Ciphertext { level: 0, noise: NoiseBound::new(1.0), streams: Box::new([]) };
        write(&mut out, &mut Scratch::new()).map(|()| out)
    }

    fn checked(
        &self,
        level: usize,
        noise: NoiseBound,
        streams: Box<[Box<[Poly<Eval>]>]>,
    ) -> Result<Ciphertext, EvalError> {
        self.rules(level).check(noise).map(|noise| Ciphertext { level, noise, streams })
    }
}

pub(super) fn check_levels(left: usize, right: usize) -> Result<(), EvalError> {
    if left == right { Ok(()) } else { Err(EvalError::LevelMismatch { left, right }) }
}

pub(super) fn check_size(a: &Ciphertext, needed: usize) -> Result<(), EvalError> {
    if a.size() == needed { Ok(()) } else { Err(EvalError::SizeMismatch { found: a.size(), needed }) }
}

pub(super) fn check_alike(a: &Ciphertext, b: &Ciphertext) -> Result<(), EvalError> {
    check_levels(a.level, b.level)?;
    check_size(b, a.size())
}
