//! Sums of rotations of several ciphertexts: one decomposition for each of them, and one division by `P` for all, as for CKKS.

use super::evaluate::{check_levels, check_size};
use super::{Bfv, Ciphertext};
use crate::error::EvalError;
use crate::poly::Scratch;
use crate::rlwe::keyswitch::images;
use crate::rlwe::{EvaluationKeys, NoiseBound, rotation_element};

impl Bfv {
    /// `Σ_i Σ_s rotate_rows(a_i, s)` over the steps of each ciphertext; 0 steps, which need no key, are the ciphertext itself.
    /// Cost per stream for `t` ciphertexts of `l` limbs and keys of one level, with `d` digits and `α` special primes:
    /// `t·d·(l + α) + 2·(l + α)` transforms, and a product with a key for each rotation. Keys with other digits take digits and
    /// a division of their own.
    ///
    /// # Errors
    /// Those of [`Bfv::sum`] and [`Bfv::rotate_rows`]; [`EvalError::OperandCount`] for no steps at all.
    pub fn sum_rotated(
        &self,
        terms: &[(&Ciphertext, &[isize])],
        keys: &EvaluationKeys,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, EvalError> {
        let mut out = self.zero(1);
        self.sum_rotated_into(terms, keys, &mut out, scratch).map(|()| out)
    }

    /// As [`Bfv::sum_rotated`], in place. Unspecified content after an error.
    ///
    /// # Errors
    /// See [`Bfv::sum_rotated`].
    pub fn sum_rotated_into(
        &self,
        terms: &[(&Ciphertext, &[isize])],
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let degree = self.params.degree();
        let element = move |&steps: &isize| rotation_element(degree, steps);
        self.sum_images(&terms.iter().map(|&(a, steps)| (a, steps.iter().map(element))), keys, out, scratch)
    }

    /// As [`Bfv::sum_rotated_into`], for automorphisms `X → X^g` in place of rotations, of which `g = 1` needs no key.
    ///
    /// # Errors
    /// See [`Bfv::sum_rotated`].
    pub fn sum_galois_into(
        &self,
        terms: &[(&Ciphertext, &[usize])],
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let terms = terms.iter().map(|&(a, elements)| (a, elements.iter().copied()));
        self.sum_images(&terms, keys, out, scratch)
    }

    fn sum_images<'a>(
        &self,
        terms: &(impl Iterator<Item = (&'a Ciphertext, impl Iterator<Item = usize> + Clone)> + Clone),
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let (level, noise) = self.undivided(terms.clone(), keys)?;
        let at = self.level(level);
        let of = |stream: usize| {
            terms.clone().map(move |(a, elements)| (&*a.streams[stream], images(keys, level, elements)))
        };
        let divisions = at.switcher.divisions(&of(0).flat_map(|(_, keys)| keys).flatten());
        let noise = (0..divisions).fold(noise, |noise, _| at.rules.lower(noise));
        self.reshape(out, level, 2, noise, scratch)?;
        for (stream, out) in out.streams.iter_mut().enumerate() {
            match divisions {
                0 => at.switcher.sum_still(of(stream), out),
                _ => at.switcher.sum_images(&of(stream), 0, out, scratch),
            }
        }
        Ok(())
    }

    /// The level of the sum and its noise before the division, with all operands and keys checked.
    fn undivided<'a>(
        &self,
        terms: impl Iterator<Item = (&'a Ciphertext, impl Iterator<Item = usize>)>,
        keys: &EvaluationKeys,
    ) -> Result<(usize, NoiseBound), EvalError> {
        let mut sum: Option<(usize, NoiseBound)> = None;
        for (a, elements) in terms {
            check_size(a, 2)?;
            check_levels(sum.map_or(a.level, |(level, _)| level), a.level)?;
            for element in elements {
                let rules = self.rules(a.level);
                let noise = keys.switching(element, a.level)?.map_or(a.noise, |_| rules.rotate_raised(a.noise));
                sum = Some((a.level, sum.map_or(noise, |(_, sum)| sum.plus(noise))));
            }
        }
        let (level, noise) = sum.ok_or(EvalError::OperandCount { left: 0, right: 0 })?;
        self.rules(level).check(noise).map(|noise| (level, noise))
    }
}
