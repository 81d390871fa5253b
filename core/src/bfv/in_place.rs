//! Operations that write into ciphertexts that are there. With outputs of the right shape and a [`Scratch`] that has seen
//! the operation before, none allocates. After an error the content of an output is unspecified.

use alloc::boxed::Box;

use super::evaluate::{check_alike, check_levels};
use super::{Bfv, Ciphertext, PlainAddend, PlainMultiplicand};
use crate::error::EvalError;
use crate::poly::{Eval, Poly, Scratch};
use crate::rlwe::NoiseBound;

impl Bfv {
    /// A ciphertext of zeros, which is an encryption of 0 without noise or secrecy: a place to write to.
    ///
    /// # Panics
    /// If there is no such level.
    #[must_use]
    pub fn zero(&self, level: usize) -> Ciphertext {
        let ring = &self.level(level).ring;
        let streams = self.plain_rings.iter().map(|_| Box::from([ring.zero(), ring.zero()]));
        Ciphertext { level, noise: NoiseBound::new(1.0), streams: streams.collect() }
    }

    /// `out = Σ a_i`; see [`Bfv::sum`].
    ///
    /// # Errors
    /// See [`Bfv::sum`].
    pub fn sum_into(
        &self,
        terms: &[&Ciphertext],
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let Some((first, rest)) = terms.split_first() else {
            return Err(EvalError::OperandCount { left: 0, right: 0 });
        };
        rest.iter().try_for_each(|term| check_alike(first, term))?;
        let noise = rest.iter().fold(first.noise, |noise, term| noise.plus(term.noise));
        self.reshape(out, first.level, first.size(), noise, scratch)?;
        let ring = &self.level(first.level).ring;
        for (j, parts) in out.streams.iter_mut().enumerate() {
            for (i, part) in parts.iter_mut().enumerate() {
                ring.sum_into(part, terms.len(), |k| &terms[k].streams[j][i]);
            }
        }
        Ok(())
    }

    /// `a += b`; see [`Bfv::add`].
    ///
    /// # Errors
    /// See [`Bfv::add`].
    pub fn add_assign(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<(), EvalError> {
        check_alike(a, b)?;
        a.noise = self.rules(a.level).check(a.noise.plus(b.noise))?;
        let parts = a.streams.iter_mut().flatten().zip(b.streams.iter().flatten());
        parts.for_each(|(sum, part)| self.level(b.level).ring.add_assign(sum, part));
        Ok(())
    }

    /// `out = Σ w_i·a_i`; see [`Bfv::linear_combination`].
    ///
    /// # Errors
    /// See [`Bfv::linear_combination`].
    pub fn linear_combination_into(
        &self,
        terms: &[&Ciphertext],
        weights: &[i64],
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let (Some(first), true) = (terms.first(), terms.len() == weights.len()) else {
            return Err(EvalError::OperandCount { left: terms.len(), right: weights.len() });
        };
        terms.iter().try_for_each(|term| check_alike(first, term))?;
        let bounds = terms.iter().map(|term| term.noise).zip(weights.iter().copied());
        let noise = self.rules(first.level).linear_combination(bounds);
        self.reshape(out, first.level, first.size(), noise, scratch)?;
        let ring = &self.level(first.level).ring;
        for (j, parts) in out.streams.iter_mut().enumerate() {
            for (i, part) in parts.iter_mut().enumerate() {
                ring.combine_into(part, terms.len(), |k| &terms[k].streams[j][i], weights, scratch);
            }
        }
        Ok(())
    }

    /// `out = a + b`; see [`Bfv::add_plain`].
    ///
    /// # Errors
    /// See [`Bfv::add_plain`].
    pub fn add_plain_into(
        &self,
        a: &Ciphertext,
        b: &PlainAddend,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        check_levels(a.level, b.level)?;
        let level = self.level(a.level);
        self.reshape(out, a.level, a.size(), level.rules.add_plain(a.noise), scratch)?;
        for ((out, parts), message) in out.streams.iter_mut().zip(&a.streams).zip(&b.streams) {
            level.ring.add_into(&mut out[0], &parts[0], message);
            out.iter_mut().zip(parts.iter()).skip(1).for_each(|(out, part)| out.copy_from(part));
        }
        Ok(())
    }

    /// `out = a·b`; see [`Bfv::mul_plain`].
    ///
    /// # Errors
    /// See [`Bfv::mul_plain`].
    pub fn mul_plain_into(
        &self,
        a: &Ciphertext,
        b: &PlainMultiplicand,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        check_levels(a.level, b.level)?;
        let level = self.level(a.level);
        self.reshape(out, a.level, a.size(), level.rules.mul_plain(a.noise, b.norm), scratch)?;
        for ((out, parts), factor) in out.streams.iter_mut().zip(&a.streams).zip(&b.streams) {
            out.iter_mut().zip(parts.iter()).for_each(|(out, part)| level.ring.mul_into(out, part, factor));
        }
        Ok(())
    }

    /// `out = Σ a_i·b_i`; see [`Bfv::inner_product`].
    ///
    /// # Errors
    /// See [`Bfv::inner_product`].
    pub fn inner_product_into(
        &self,
        terms: &[&Ciphertext],
        factors: &[&PlainMultiplicand],
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let (Some((first, rest)), true) = (terms.split_first(), terms.len() == factors.len()) else {
            return Err(EvalError::OperandCount { left: terms.len(), right: factors.len() });
        };
        rest.iter().try_for_each(|term| check_alike(first, term))?;
        factors.iter().try_for_each(|factor| check_levels(first.level, factor.level))?;
        let rules = self.rules(first.level);
        let bounds = terms.iter().zip(factors).map(|(term, factor)| (rules.mul_plain(term.noise, factor.norm), 1));
        self.reshape(out, first.level, first.size(), rules.linear_combination(bounds), scratch)?;
        let ring = &self.level(first.level).ring;
        for (j, parts) in out.streams.iter_mut().enumerate() {
            for (i, part) in parts.iter_mut().enumerate() {
                ring.dot_into(part, terms.len(), |k| (&terms[k].streams[j][i], &factors[k].streams[j]), scratch);
            }
        }
        Ok(())
    }

    /// Switches down to a lower level; see [`Bfv::switch_to`].
    ///
    /// # Errors
    /// See [`Bfv::switch_to`].
    pub fn switch_to_into(
        &self,
        a: &Ciphertext,
        level: usize,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        if level == 0 || level > a.level {
            return Err(EvalError::NoSuchLevel { asked: level, max: a.level });
        }
        if level == a.level {
            return self.copy_into(a, out, scratch);
        }
        let drop_noise = |noise: Result<NoiseBound, EvalError>, l: usize| {
            self.rules(l - 1).check(self.rules(l).drop_prime(noise?, a.size()))
        };
        let noise = (level + 1..=a.level).rev().fold(Ok(a.noise), drop_noise)?;
        self.reshape(out, level, a.size(), noise, scratch)?;
        for (out, part) in out.streams.iter_mut().flatten().zip(a.streams.iter().flatten()) {
            self.drop_primes(part, a.level, level, out, scratch);
        }
        Ok(())
    }

    /// Divides by one prime after the other.
    fn drop_primes(&self, part: &Poly<Eval>, from: usize, to: usize, out: &mut Poly<Eval>, scratch: &mut Scratch) {
        let Some(drop) = &self.level(from).drop else { return };
        if to + 1 == from {
            return drop.apply_into(part, out, scratch);
        }
        let mut between = scratch.poly(&self.level(from - 1).ring);
        drop.apply_into(part, &mut between, scratch);
        self.drop_primes(&between, from - 1, to, out, scratch);
        scratch.give_poly(between);
    }

    /// `out = a`.
    ///
    /// # Errors
    /// None: a ciphertext's own noise decrypts, or was an error before.
    pub(super) fn copy_into(
        &self,
        a: &Ciphertext,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.reshape(out, a.level, a.size(), a.noise, scratch)?;
        let parts = out.streams.iter_mut().flatten().zip(a.streams.iter().flatten());
        parts.for_each(|(out, part)| out.copy_from(part));
        Ok(())
    }

    /// Checks a result's noise and makes room for it, of unspecified content. Allocates only for another number of
    /// polynomials, or for sizes of polynomials that the scratch does not have.
    pub(super) fn reshape(
        &self,
        out: &mut Ciphertext,
        level: usize,
        size: usize,
        noise: NoiseBound,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let noise = self.rules(level).check(noise)?;
        self.make_room(out, level, size, noise, scratch);
        Ok(())
    }

    /// As [`Bfv::reshape`], for noise that is not to be checked.
    pub(super) fn make_room(
        &self,
        out: &mut Ciphertext,
        level: usize,
        size: usize,
        noise: NoiseBound,
        scratch: &mut Scratch,
    ) {
        (out.noise, out.level) = (noise, level);
        let ring = &self.level(level).ring;
        if out.streams.len() != self.plain_rings.len() || out.size() != size {
            let stream = |_| (0..size).map(|_| scratch.poly(ring)).collect();
            out.streams = self.plain_rings.iter().map(stream).collect();
            return;
        }
        for part in out.streams.iter_mut().flatten().filter(|part| part.limb_count() != level) {
            let fitting = scratch.poly(ring);
            scratch.give_poly(core::mem::replace(part, fitting));
        }
    }
}
