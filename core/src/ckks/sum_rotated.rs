//! Sums of rotations of several ciphertexts: one decomposition for each of them, and one division by `P` for all.
//!
//! Folds (`x + rotate(x, a) + rotate(x, b) + rotate(x, a + b)`) and giant steps (`Σ rotate(y_j, j)`) are such sums.

use super::in_place::Shape;
use super::linear::{check_levels, check_size, matched};
use super::{Ciphertext, Ckks};
use crate::error::EvalError;
use crate::poly::Scratch;
use crate::rlwe::keyswitch::images;
use crate::rlwe::{EvaluationKeys, rotation_element};

impl Ckks {
    /// `Σ_i Σ_s rotate(a_i, s)` over the steps of each ciphertext; 0 steps, which need no key, are the ciphertext itself. The
    /// scale is that of the first. Cost for `t` ciphertexts of `l` limbs and keys of one level, with `d` digits and `α`
    /// special primes: `t·d·(l + α) + 2·(l + α)` transforms, and a product with a key for each rotation. Keys with other digits
    /// take digits and a division of their own.
    ///
    /// # Errors
    /// Those of [`Ckks::sum`] and [`Ckks::rotate`]; [`EvalError::OperandCount`] for no steps at all.
    pub fn sum_rotated(
        &self,
        terms: &[(&Ciphertext, &[isize])],
        keys: &EvaluationKeys,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, EvalError> {
        let mut out = self.zero(1);
        self.sum_rotated_into(terms, keys, &mut out, scratch).map(|()| out)
    }

    /// As [`Ckks::sum_rotated`], in place. Unspecified content after an error.
    ///
    /// # Errors
    /// See [`Ckks::sum_rotated`].
    pub fn sum_rotated_into(
        &self,
        terms: &[(&Ciphertext, &[isize])],
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.sum_images(self.rotations(terms), 0, keys, out, scratch)
    }

    /// [`Ckks::sum_rotated_into`] and [`Ckks::rescale`] with one division by `P` and the last prime, which rounds once. It costs
    /// as many transforms as the sum alone.
    ///
    /// # Errors
    /// Those of [`Ckks::sum_rotated`] and [`Ckks::rescale`].
    pub fn sum_rotated_rescale_into(
        &self,
        terms: &[(&Ciphertext, &[isize])],
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.sum_images(self.rotations(terms), 1, keys, out, scratch)
    }

    /// As [`Ckks::sum_rotated_into`], for automorphisms `X → X^g` in place of rotations, of which `g = 1` needs no key.
    ///
    /// # Errors
    /// See [`Ckks::sum_rotated`].
    pub fn sum_galois_into(
        &self,
        terms: &[(&Ciphertext, &[usize])],
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let terms = terms.iter().map(|&(a, elements)| (a, elements.iter().copied()));
        self.sum_images(terms, 0, keys, out, scratch)
    }

    fn rotations<'a>(
        &self,
        terms: &'a [(&'a Ciphertext, &'a [isize])],
    ) -> impl Iterator<Item = (&'a Ciphertext, impl Iterator<Item = usize> + Clone + use<'a>)> + Clone + use<'a> {
        let degree = self.params.degree();
        terms.iter().map(move |&(a, steps)| (a, steps.iter().map(move |&steps| rotation_element(degree, steps))))
    }

    fn sum_images<'a>(
        &self,
        terms: impl Iterator<Item = (&'a Ciphertext, impl Iterator<Item = usize> + Clone)> + Clone,
        drop: usize,
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let sum = self.undivided(terms.clone(), keys)?;
        let level = sum.level;
        let images = terms.map(|(a, elements)| (&*a.parts, images(keys, level, elements)));
        let (at, switching) = (self.level(level), images.clone().flat_map(|(_, keys)| keys).flatten());
        let divisions = at.switcher.divisions(&switching);
        let shape = if drop == 0 { sum } else { self.rescaled(sum)? };
        let rules = self.rules(shape.level);
        let bounds = (drop..divisions).fold(shape.bounds, |bounds, _| rules.lower(bounds));
        self.reshape(out, Shape { bounds, ..shape }, scratch)?;
        match (divisions, &at.drop) {
            (0, Some(division)) if drop == 1 => {
                let mut whole = [scratch.poly(&at.ring), scratch.poly(&at.ring)];
                at.switcher.sum_still(images, &mut whole);
                out.parts.iter_mut().zip(&whole).for_each(|(out, part)| division.apply_into(part, out, scratch));
                whole.into_iter().for_each(|part| scratch.give_poly(part));
            }
            (0, _) => at.switcher.sum_still(images, &mut out.parts),
            _ => at.switcher.sum_images(&images, drop, &mut out.parts, scratch),
        }
        Ok(())
    }

    /// What the sum is before its division, with all operands and keys checked.
    fn undivided<'a>(
        &self,
        terms: impl Iterator<Item = (&'a Ciphertext, impl Iterator<Item = usize>)>,
        keys: &EvaluationKeys,
    ) -> Result<Shape, EvalError> {
        let mut sum: Option<Shape> = None;
        for (a, elements) in terms {
            check_size(a, 2)?;
            check_levels(sum.map_or(a.level(), |sum| sum.level), a.level())?;
            for element in elements {
                let bounds = match keys.switching(element, a.level())? {
                    Some(_) => self.rules(a.level()).rotate_raised(a.bounds),
                    None => a.bounds,
                };
                sum = Some(match sum {
                    Some(sum) => Shape { bounds: sum.bounds.plus(matched(sum.scale, a.scale, bounds)?), ..sum },
                    None => Shape { bounds, ..a.shape() },
                });
            }
        }
        let sum = sum.ok_or(EvalError::OperandCount { left: 0, right: 0 })?;
        self.rules(sum.level).check(sum.bounds).map(|_| sum)
    }
}
