//! Operations that write into ciphertexts that are there. With outputs of the right shape and a [`Scratch`] that has seen
//! the operation before, none allocates. After an error the content of an output is unspecified.

use alloc::boxed::Box;

use super::linear::{check_levels, check_size, matched};
use super::{Bounds, Ciphertext, Ckks, Plaintext, Scale};
use crate::backend::Backend;
use crate::error::EvalError;
use crate::poly::{Eval, Poly, Scratch};
use crate::rlwe::{EvaluationKeys, KeySwitchKey, NoiseBound};

/// What a ciphertext is, but for its residues.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) level: usize,
    pub(super) size: usize,
    pub(super) scale: Scale,
    pub(super) bounds: Bounds,
}

impl Ciphertext {
    pub(super) fn shape(&self) -> Shape {
        Shape { level: self.level(), size: self.size(), scale: self.scale, bounds: self.bounds }
    }
}

impl Ckks {
    /// A ciphertext of zeros, which is an encryption of 0 without noise or secrecy: a place to write to.
    ///
    /// # Panics
    /// If there is no such level.
    #[must_use]
    pub fn zero(&self, level: usize) -> Ciphertext {
        let ring = &self.level(level).ring;
        Ciphertext { parts: [ring.zero(), ring.zero()].into(), ..nothing() }
    }

    /// `out = Σ a_i`; see [`Ckks::sum`].
    ///
    /// # Errors
    /// See [`Ckks::sum`].
    pub fn sum_into(
        &self,
        terms: &[&Ciphertext],
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let Some((first, rest)) = terms.split_first() else {
            return Err(EvalError::OperandCount { left: 0, right: 0 });
        };
        let bounds = rest.iter().try_fold(first.bounds, |bounds, term| {
            Self::check_alike(first, term)?;
            Ok(bounds.plus(matched(first.scale, term.scale, term.bounds)?))
        })?;
        self.reshape(out, Shape { bounds, ..first.shape() }, scratch)?;
        let ring = &self.level(first.level()).ring;
        for (i, part) in out.parts.iter_mut().enumerate() {
            ring.sum_into(part, terms.len(), |k| &terms[k].parts[i]);
        }
        Ok(())
    }

    /// `out = Σ w_i·a_i`; see [`Ckks::linear_combination`].
    ///
    /// # Errors
    /// See [`Ckks::linear_combination`].
    pub fn linear_combination_into(
        &self,
        terms: &[&Ciphertext],
        weights: &[i64],
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let (Some((first, rest)), true) = (terms.split_first(), terms.len() == weights.len()) else {
            return Err(EvalError::OperandCount { left: terms.len(), right: weights.len() });
        };
        let size = |weight: &i64| weight.unsigned_abs() as f64;
        let bounds =
            rest.iter().zip(&weights[1..]).try_fold(first.bounds.scaled(size(&weights[0])), |bounds, (a, w)| {
                Self::check_alike(first, a)?;
                Ok(bounds.plus(matched(first.scale, a.scale, a.bounds)?.scaled(size(w))))
            })?;
        self.reshape(out, Shape { bounds, ..first.shape() }, scratch)?;
        let ring = &self.level(first.level()).ring;
        for (i, part) in out.parts.iter_mut().enumerate() {
            ring.combine_into(part, terms.len(), |k| &terms[k].parts[i], weights, scratch);
        }
        Ok(())
    }

    /// `a += b`; see [`Ckks::add`].
    ///
    /// # Errors
    /// See [`Ckks::add`].
    pub fn add_assign(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<(), EvalError> {
        Self::check_alike(a, b)?;
        a.bounds = self.rules(a.level()).check(a.bounds.plus(matched(a.scale, b.scale, b.bounds)?))?;
        let ring = &self.level(b.level()).ring;
        a.parts.iter_mut().zip(&b.parts).for_each(|(sum, part)| ring.add_assign(sum, part));
        Ok(())
    }

    /// `out = a + b`; see [`Ckks::add_plain`].
    ///
    /// # Errors
    /// See [`Ckks::add_plain`].
    pub fn add_plain_into(
        &self,
        a: &Ciphertext,
        b: &Plaintext,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        check_levels(a.level(), b.level())?;
        let bounds = a.bounds.plus(matched(a.scale, b.scale, b.bounds)?);
        self.reshape(out, Shape { bounds, ..a.shape() }, scratch)?;
        self.level(a.level()).ring.add_into(&mut out.parts[0], &a.parts[0], &b.poly);
        out.parts.iter_mut().zip(&a.parts).skip(1).for_each(|(out, part)| out.copy_from(part));
        Ok(())
    }

    /// `out = a·b`; see [`Ckks::mul_plain`].
    ///
    /// # Errors
    /// See [`Ckks::mul_plain`].
    pub fn mul_plain_into(
        &self,
        a: &Ciphertext,
        b: &Plaintext,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.dot_plain_into(&[a], &[b], out, scratch)
    }

    /// `out = Σ a_i·b_i`; see [`Ckks::dot_plain`].
    ///
    /// # Errors
    /// See [`Ckks::dot_plain`].
    pub fn dot_plain_into(
        &self,
        a: &[&Ciphertext],
        b: &[&Plaintext],
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let shape = Self::dot_shape(a.iter().map(|a| a.shape()), b)?;
        self.reshape(out, shape, scratch)?;
        let ring = &self.level(shape.level).ring;
        for (i, part) in out.parts.iter_mut().enumerate() {
            ring.dot_into(part, a.len(), |k| (&a[k].parts[i], &b[k].poly), scratch);
        }
        Ok(())
    }

    /// `out = a·b`, of three polynomials; see [`Ckks::multiply`].
    ///
    /// # Errors
    /// See [`Ckks::multiply`].
    pub fn multiply_into(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let shape = Self::product(a, b)?;
        self.reshape(out, shape, scratch)?;
        self.tensor([a, b], &mut out.parts);
        Ok(())
    }

    /// `out = a·b`, of two polynomials: [`Ckks::multiply`] and [`Ckks::relinearise`] in one, the three polynomials in between
    /// in the work space. Cost: one key switch, four products per limb.
    ///
    /// # Errors
    /// Those of [`Ckks::multiply`]; [`EvalError::MissingRelinKey`].
    pub fn multiply_relinearise_into(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let (shape, rules) = (Self::product(a, b)?, self.rules(a.level()));
        let key = keys.relin(a.level())?;
        let bounds = rules.key_switch(rules.check(shape.bounds)?);
        self.reshape(out, Shape { size: 2, bounds, ..shape }, scratch)?;
        self.tensor_switch([a, b], key, 0, out, scratch);
        Ok(())
    }

    /// `out = a·b`, of two polynomials, one level down: [`Ckks::multiply_relinearise_into`] and [`Ckks::rescale`] with one
    /// division by `P` and the last prime, which rounds once. At `l` limbs it saves `2·l` transforms.
    ///
    /// # Errors
    /// Those of [`Ckks::multiply_relinearise_into`] and [`Ckks::rescale`].
    pub fn multiply_relinearise_rescale_into(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let (shape, rules) = (Self::product(a, b)?, self.rules(a.level()));
        let key = keys.relin(a.level())?;
        let bounds = rules.rotate_raised(rules.check(shape.bounds)?);
        let shape = self.rescaled(Shape { size: 2, bounds, ..shape })?;
        self.reshape(out, shape, scratch)?;
        self.tensor_switch([a, b], key, 1, out, scratch);
        Ok(())
    }

    /// `out = a·a`, of two polynomials; see [`Ckks::multiply_relinearise_into`].
    ///
    /// # Errors
    /// See [`Ckks::multiply_relinearise_into`].
    pub fn square_relinearise_into(
        &self,
        a: &Ciphertext,
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.multiply_relinearise_into(a, a, keys, out, scratch)
    }

    /// Divides by the last prime and drops it; see [`Ckks::rescale`].
    ///
    /// # Errors
    /// See [`Ckks::rescale`].
    pub fn rescale_into(&self, a: &Ciphertext, out: &mut Ciphertext, scratch: &mut Scratch) -> Result<(), EvalError> {
        let shape = self.rescaled(a.shape())?;
        self.reshape(out, shape, scratch)?;
        if let Some(drop) = &self.level(a.level()).drop {
            out.parts.iter_mut().zip(&a.parts).for_each(|(out, part)| drop.apply_into(part, out, scratch));
        }
        Ok(())
    }

    /// What rescaling makes of a ciphertext.
    pub(super) fn rescaled(&self, a: Shape) -> Result<Shape, EvalError> {
        let Shape { level, size, scale, bounds } = a;
        if level == 1 {
            return Err(EvalError::NoSuchLevel { asked: 0, max: 1 });
        }
        let scale = scale.over(self.params.ciphertext_primes()[level - 1])?;
        Ok(Shape { level: level - 1, size, scale, bounds: self.rules(level).rescale(bounds, size) })
    }

    /// Forgets primes; see [`Ckks::drop_to`].
    ///
    /// # Errors
    /// See [`Ckks::drop_to`].
    pub fn drop_to_into(
        &self,
        a: &Ciphertext,
        level: usize,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        if level == 0 || level > a.level() {
            return Err(EvalError::NoSuchLevel { asked: level, max: a.level() });
        }
        self.reshape(out, Shape { level, ..a.shape() }, scratch)?;
        out.parts.iter_mut().zip(&a.parts).for_each(|(out, part)| out.copy_from(part));
        Ok(())
    }

    /// The value that an operation writes.
    pub(super) fn written(
        &self,
        write: impl FnOnce(&mut Ciphertext, &mut Scratch) -> Result<(), EvalError>,
    ) -> Result<Ciphertext, EvalError> {
        let mut out = nothing();
        write(&mut out, &mut Scratch::new()).map(|()| out)
    }

    /// `out = a`.
    ///
    /// # Errors
    /// None, for bounds that were checked before.
    pub(super) fn copy_into(
        &self,
        a: &Ciphertext,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.drop_to_into(a, a.level(), out, scratch)
    }

    /// Checks a result's bounds and makes room for it, of unspecified content. Allocates only for another number of
    /// polynomials, or for sizes of polynomials that the scratch does not have.
    pub(super) fn reshape(&self, out: &mut Ciphertext, shape: Shape, scratch: &mut Scratch) -> Result<(), EvalError> {
        let bounds = self.rules(shape.level).check(shape.bounds)?;
        self.make_room(out, Shape { bounds, ..shape }, scratch);
        Ok(())
    }

    /// As [`Ckks::reshape`], for bounds that are not to be checked.
    pub(super) fn make_room(&self, out: &mut Ciphertext, shape: Shape, scratch: &mut Scratch) {
        (out.bounds, out.scale) = (shape.bounds, shape.scale);
        let ring = &self.level(shape.level).ring;
        if out.size() != shape.size {
            let parts = core::mem::replace(&mut out.parts, (0..shape.size).map(|_| scratch.poly(ring)).collect());
            return parts.into_iter().for_each(|part| scratch.give_poly(part));
        }
        for part in out.parts.iter_mut().filter(|part| part.limb_count() != shape.level) {
            let fitting = scratch.poly(ring);
            scratch.give_poly(core::mem::replace(part, fitting));
        }
    }

    /// What a sum of products with plaintexts is.
    pub(super) fn dot_shape(a: impl ExactSizeIterator<Item = Shape>, b: &[&Plaintext]) -> Result<Shape, EvalError> {
        let counts = EvalError::OperandCount { left: a.len(), right: b.len() };
        if a.len() != b.len() {
            return Err(counts);
        }
        let mut sum: Option<Shape> = None;
        for (a, b) in a.zip(b) {
            let first = sum.unwrap_or(a);
            check_levels(first.level, a.level)?;
            if a.size != first.size {
                return Err(EvalError::SizeMismatch { found: a.size, needed: first.size });
            }
            check_levels(a.level, b.level())?;
            let (scale, bounds) = (a.scale.times(b.scale)?, a.bounds.times(b.bounds));
            sum = Some(match sum {
                Some(sum) => Shape { bounds: sum.bounds.plus(matched(sum.scale, scale, bounds)?), ..sum },
                None => Shape { scale, bounds, ..a },
            });
        }
        sum.ok_or(counts)
    }

    /// What a product of three polynomials is.
    fn product(a: &Ciphertext, b: &Ciphertext) -> Result<Shape, EvalError> {
        Self::check_alike(a, b)?;
        check_size(a, 2)?;
        Ok(Shape { level: a.level(), size: 3, scale: a.scale.times(b.scale)?, bounds: a.bounds.times(b.bounds) })
    }

    /// `out = a·b`, relinearised and divided by the last `drop` primes.
    fn tensor_switch(
        &self,
        [a, b]: [&Ciphertext; 2],
        key: &KeySwitchKey,
        drop: usize,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) {
        let level = self.level(a.level());
        let mut parts = [scratch.poly(&level.ring), scratch.poly(&level.ring), scratch.poly(&level.ring)];
        self.tensor([a, b], &mut parts);
        level.switcher.switch_add(parts.each_ref(), key, drop, &mut out.parts, scratch);
        parts.into_iter().for_each(|part| scratch.give_poly(part));
    }

    /// `(a_0·b_0, a_0·b_1 + a_1·b_0, a_1·b_1)`, limb by limb.
    fn tensor(&self, [a, b]: [&Ciphertext; 2], out: &mut [Poly<Eval>]) {
        let kernels = self.params.kernels();
        for (i, q) in self.level(a.level()).ring.moduli().iter().enumerate() {
            let ([a0, a1], [b0, b1]) = ([0, 1].map(|k| a.parts[k].limb(i)), [0, 1].map(|k| b.parts[k].limb(i)));
            kernels.mul_into(q, out[0].limb_mut(i), a0, b0);
            kernels.dot(q, out[1].limb_mut(i), &[(a0, b1), (a1, b0)]);
            kernels.mul_into(q, out[2].limb_mut(i), a1, b1);
        }
    }
}

/// A ciphertext without polynomials, to be given a shape.
fn nothing() -> Ciphertext {
    let least = NoiseBound::new(1.0);
    Ciphertext { scale: Scale::MIN, bounds: Bounds { message: least, noise: least }, parts: Box::new([]) }
}
