//! Rotations, conjugation and relinearisation: the operations that switch keys.

use alloc::vec::Vec;

use super::in_place::Shape;
use super::linear::check_size;
use super::{Ciphertext, Ckks};
use crate::error::EvalError;
use crate::poly::Scratch;
use crate::rlwe::{EvaluationKeys, rotation_element, row_swap_element};

impl Ckks {
    /// Three polynomials → two, by one key switch.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`] unless there are three, [`EvalError::MissingRelinKey`],
    /// [`EvalError::MessageTooLarge`].
    pub fn relinearise(&self, a: &Ciphertext, keys: &EvaluationKeys) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.relinearise_into(a, keys, out, scratch))
    }

    /// As [`Ckks::relinearise`], in place. Unspecified content after an error.
    ///
    /// # Errors
    /// See [`Ckks::relinearise`].
    pub fn relinearise_into(
        &self,
        a: &Ciphertext,
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        check_size(a, 3)?;
        let (level, key) = (self.level(a.level()), keys.relin(a.level())?);
        self.reshape(out, self.switched(a), scratch)?;
        level.switcher.switch_add([0, 1, 2].map(|i| &a.parts[i]), key, 0, &mut out.parts, scratch);
        Ok(())
    }

    /// Rotates the slots to the left by `steps` (to the right if negative): slot `i` gets the value of slot `i + steps`.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`], [`EvalError::MissingGaloisKey`], [`EvalError::MessageTooLarge`].
    pub fn rotate(&self, a: &Ciphertext, steps: isize, keys: &EvaluationKeys) -> Result<Ciphertext, EvalError> {
        self.apply_galois(a, rotation_element(self.params.degree(), steps), keys)
    }

    /// The complex conjugate of each slot. Its key is that of [`row_swap_element`].
    ///
    /// # Errors
    /// Those of [`Ckks::rotate`].
    pub fn conjugate(&self, a: &Ciphertext, keys: &EvaluationKeys) -> Result<Ciphertext, EvalError> {
        self.apply_galois(a, row_swap_element(self.params.degree()), keys)
    }

    /// The automorphism `X → X^g` and one key switch.
    ///
    /// # Errors
    /// Those of [`Ckks::rotate`].
    pub fn apply_galois(&self, a: &Ciphertext, element: usize, keys: &EvaluationKeys) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.apply_galois_into(a, element, keys, out, scratch))
    }

    /// As [`Ckks::apply_galois`], in place. Unspecified content after an error.
    ///
    /// # Errors
    /// See [`Ckks::rotate`].
    pub fn apply_galois_into(
        &self,
        a: &Ciphertext,
        element: usize,
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        check_size(a, 2)?;
        let Some(key) = keys.switching(element, a.level())? else { return self.copy_into(a, out, scratch) };
        self.reshape(out, self.switched(a), scratch)?;
        self.level(a.level()).switcher.rotate(&a.parts, key, &mut out.parts, scratch);
        Ok(())
    }

    /// The rotations of one ciphertext by each of `steps`, as [`Ckks::rotate`] gives them bit for bit, for less: the digits of
    /// the ciphertext are found once for all neighbours whose keys take the same.
    ///
    /// # Errors
    /// See [`Ckks::rotate`].
    pub fn rotate_many(
        &self,
        a: &Ciphertext,
        steps: &[isize],
        keys: &EvaluationKeys,
        scratch: &mut Scratch,
    ) -> Result<Vec<Ciphertext>, EvalError> {
        let mut out: Vec<_> = steps.iter().map(|_| self.zero(a.level())).collect();
        self.rotate_many_into(a, steps, keys, &mut out, scratch)?;
        Ok(out)
    }

    /// As [`Ckks::rotate_many`], in place.
    ///
    /// # Errors
    /// See [`Ckks::rotate`]; [`EvalError::OperandCount`] for another number of outputs than of steps.
    pub fn rotate_many_into(
        &self,
        a: &Ciphertext,
        steps: &[isize],
        keys: &EvaluationKeys,
        out: &mut [Ciphertext],
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let elements = steps.iter().map(|&steps| rotation_element(self.params.degree(), steps));
        self.apply_each(a, elements, keys, out, scratch)
    }

    /// As [`Ckks::rotate_many_into`], for automorphisms `X → X^g` in place of rotations: conjugation
    /// ([`row_swap_element`]), rotations ([`rotation_element`]), and rotations that conjugate, whose elements are products
    /// modulo `2n`, share their digits.
    ///
    /// # Errors
    /// See [`Ckks::rotate_many_into`].
    pub fn apply_galois_many_into(
        &self,
        a: &Ciphertext,
        elements: &[usize],
        keys: &EvaluationKeys,
        out: &mut [Ciphertext],
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.apply_each(a, elements.iter().copied(), keys, out, scratch)
    }

    fn apply_each(
        &self,
        a: &Ciphertext,
        elements: impl ExactSizeIterator<Item = usize> + Clone,
        keys: &EvaluationKeys,
        out: &mut [Ciphertext],
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        if out.len() != elements.len() {
            return Err(EvalError::OperandCount { left: out.len(), right: elements.len() });
        }
        check_size(a, 2)?;
        for (out, element) in out.iter_mut().zip(elements.clone()) {
            let key = keys.switching(element, a.level())?;
            self.reshape(out, key.map_or(a.shape(), |_| self.switched(a)), scratch)?;
        }
        let chosen = elements.filter_map(|element| keys.switching(element, a.level()).ok());
        let images = chosen.zip(out.iter_mut().map(|out| &mut *out.parts));
        self.level(a.level()).switcher.rotate_each(&a.parts, images, scratch);
        Ok(())
    }

    /// What a key switch makes of a ciphertext.
    pub(super) fn switched(&self, a: &Ciphertext) -> Shape {
        Shape { size: 2, bounds: self.rules(a.level()).key_switch(a.bounds), ..a.shape() }
    }
}
