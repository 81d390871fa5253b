//! Rotations and relinearisation: the operations that switch keys.

use alloc::vec::Vec;

use super::evaluate::check_size;
use super::{Bfv, Ciphertext};
use crate::error::EvalError;
use crate::poly::Scratch;
use crate::rlwe::{EvaluationKeys, rotation_element, row_swap_element};

impl Bfv {
    /// Three polynomials → two, by one key switch per stream.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`] unless there are three, [`EvalError::MissingRelinKey`],
    /// [`EvalError::NoiseExhausted`].
    pub fn relinearise(&self, a: &Ciphertext, keys: &EvaluationKeys) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.relinearise_into(a, keys, out, scratch))
    }

    /// As [`Bfv::relinearise`], in place. Unspecified content after an error.
    ///
    /// # Errors
    /// See [`Bfv::relinearise`].
    pub fn relinearise_into(
        &self,
        a: &Ciphertext,
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        check_size(a, 3)?;
        let (level, key) = (self.level(a.level), keys.relin(a.level)?);
        self.reshape(out, a.level, 2, level.rules.key_switch(a.noise), scratch)?;
        for (out, parts) in out.streams.iter_mut().zip(&a.streams) {
            level.switcher.switch_add([0, 1, 2].map(|i| &parts[i]), key, 0, out, scratch);
        }
        Ok(())
    }

    /// Rotates each row of `n/2` slots to the left by `steps`: slot `i` gets the value of slot `i + steps`.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`], [`EvalError::MissingGaloisKey`], [`EvalError::NoiseExhausted`].
    pub fn rotate_rows(&self, a: &Ciphertext, steps: isize, keys: &EvaluationKeys) -> Result<Ciphertext, EvalError> {
        self.apply_galois(a, rotation_element(self.params.degree(), steps), keys)
    }

    /// Swaps the two rows of slots.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`], [`EvalError::MissingGaloisKey`], [`EvalError::NoiseExhausted`].
    pub fn rotate_columns(&self, a: &Ciphertext, keys: &EvaluationKeys) -> Result<Ciphertext, EvalError> {
        self.apply_galois(a, row_swap_element(self.params.degree()), keys)
    }

    /// The automorphism `X → X^g` and one key switch per stream.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`], [`EvalError::MissingGaloisKey`], [`EvalError::NoiseExhausted`].
    pub fn apply_galois(&self, a: &Ciphertext, element: usize, keys: &EvaluationKeys) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.apply_galois_into(a, element, keys, out, scratch))
    }

    /// As [`Bfv::apply_galois`], in place. Unspecified content after an error.
    ///
    /// # Errors
    /// See [`Bfv::apply_galois`].
    pub fn apply_galois_into(
        &self,
        a: &Ciphertext,
        element: usize,
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        check_size(a, 2)?;
        let Some(key) = keys.switching(element, a.level)? else { return self.copy_into(a, out, scratch) };
        let level = self.level(a.level);
        self.reshape(out, a.level, 2, level.rules.key_switch(a.noise), scratch)?;
        for (out, parts) in out.streams.iter_mut().zip(&a.streams) {
            level.switcher.rotate(parts, key, out, scratch);
        }
        Ok(())
    }

    /// The rotations of one ciphertext by each of `steps`, as [`Bfv::rotate_rows`] gives them, for less: the digits of the
    /// ciphertext are found once for all keys that take the same.
    ///
    /// # Errors
    /// See [`Bfv::rotate_rows`].
    pub fn rotate_many(
        &self,
        a: &Ciphertext,
        steps: &[isize],
        keys: &EvaluationKeys,
        scratch: &mut Scratch,
    ) -> Result<Vec<Ciphertext>, EvalError> {
        let mut out: Vec<_> = steps.iter().map(|_| self.zero(a.level)).collect();
        self.rotate_many_into(a, steps, keys, &mut out, scratch)?;
        Ok(out)
    }

    /// As [`Bfv::rotate_many`], in place.
    ///
    /// # Errors
    /// See [`Bfv::rotate_rows`]; [`EvalError::OperandCount`] for another number of outputs than of steps.
    pub fn rotate_many_into(
        &self,
        a: &Ciphertext,
        steps: &[isize],
        keys: &EvaluationKeys,
        out: &mut [Ciphertext],
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let elements = steps.iter().map(|&steps| rotation_element(self.params.degree(), steps));
        self.apply_each(a, &elements, keys, out, scratch)
    }

    /// As [`Bfv::rotate_many_into`], for automorphisms `X → X^g` in place of rotations.
    ///
    /// # Errors
    /// See [`Bfv::rotate_many_into`].
    pub fn apply_galois_many_into(
        &self,
        a: &Ciphertext,
        elements: &[usize],
        keys: &EvaluationKeys,
        out: &mut [Ciphertext],
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.apply_each(a, &elements.iter().copied(), keys, out, scratch)
    }

    fn apply_each(
        &self,
        a: &Ciphertext,
        elements: &(impl ExactSizeIterator<Item = usize> + Clone),
        keys: &EvaluationKeys,
        out: &mut [Ciphertext],
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        if out.len() != elements.len() {
            return Err(EvalError::OperandCount { left: out.len(), right: elements.len() });
        }
        check_size(a, 2)?;
        let level = self.level(a.level);
        for (out, element) in out.iter_mut().zip(elements.clone()) {
            let noise = keys.switching(element, a.level)?.map_or(a.noise, |_| level.rules.key_switch(a.noise));
            self.reshape(out, a.level, 2, noise, scratch)?;
        }
        for (j, parts) in a.streams.iter().enumerate() {
            let chosen = elements.clone().filter_map(|element| keys.switching(element, a.level).ok());
            let images = chosen.zip(out.iter_mut().map(|out| &mut *out.streams[j]));
            level.switcher.rotate_each(parts, images, scratch);
        }
        Ok(())
    }
}
