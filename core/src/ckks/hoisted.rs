//! Many rotations of one ciphertext, and sums of them that are divided by `P` once, as for BFV, with scales.
//!
//! A matrix–vector product by diagonals, with baby steps `i` and giant steps `j`, is: hoist, [`Hoisted::rotate_raised`] once
//! per `i`; for each `j` a sum of [`Ckks::mul_raised`] and [`Ckks::mul_add_raised`], lowered once, rotated and rescaled.

use zeroize::{Zeroize, Zeroizing};

use super::in_place::Shape;
use super::linear::{check_levels, check_size, matched};
use super::{Bounds, Ciphertext, Ckks, Plaintext, Scale};
use crate::error::EvalError;
use crate::poly::{Eval, Poly, Scratch};
use crate::rlwe::keyswitch::{Decomposed, Gadget, GaloisKey, Raised};
use crate::rlwe::{EvaluationKeys, rotation_element};
use crate::rns::BaseConverter;

/// A ciphertext of two polynomials and the digits of its second, for keys made at one level.
#[derive(Debug)]
pub struct Hoisted<'a> {
    ckks: &'a Ckks,
    ciphertext: &'a Ciphertext,
    key_level: usize,
    digits: Decomposed,
}

/// `P` times a ciphertext, modulo `Q·P` for the special primes of keys made at one level.
#[derive(Debug)]
pub struct RaisedCiphertext {
    level: usize,
    key_level: usize,
    scale: Scale,
    /// In units of `P`.
    bounds: Bounds,
    parts: Raised,
}

/// A plaintext ready to be multiplied with raised ciphertexts. Wiped on drop.
#[derive(Clone)]
pub struct RaisedPlaintext {
    level: usize,
    key_level: usize,
    gadget: Gadget,
    scale: Scale,
    bounds: Bounds,
    poly: Poly<Eval>,
}

impl Ckks {
    /// Finds the digits of a ciphertext, for rotations by keys that were made at `key_level`, or at a level with the same
    /// digits. Cost at `l` limbs, `α` special primes and `d` digits: `d·(l + α)` of the `d·(l + α) + 2·(l + α)` transforms of
    /// a rotation.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`]; [`EvalError::NoSuchLevel`] for keys of a level that the parameters do not have;
    /// [`EvalError::LevelMismatch`] for keys that do not serve this ciphertext.
    pub fn hoist<'a>(
        &'a self,
        a: &'a Ciphertext,
        key_level: usize,
        scratch: &mut Scratch,
    ) -> Result<Hoisted<'a>, EvalError> {
        check_size(a, 2)?;
        let gadget = Gadget::serving(&self.params, a.level(), key_level)?;
        let digits = self.level(a.level()).switcher.decompose(&a.parts[1], gadget, scratch);
        Ok(Hoisted { ckks: self, ciphertext: a, key_level, digits })
    }

    /// The form in which a plaintext is multiplied with ciphertexts of its level that were raised for keys of `key_level`.
    /// Cost: one transform per limb, special ones included.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`], [`EvalError::LevelMismatch`]: see [`Ckks::hoist`].
    pub fn raised_plaintext(&self, plaintext: &Plaintext, key_level: usize) -> Result<RaisedPlaintext, EvalError> {
        let level = plaintext.level();
        let gadget = Gadget::serving(&self.params, level, key_level)?;
        let (ring, raised) = (&self.level(level).ring, self.level(level).switcher.raised_ring(gadget));
        // A plaintext's bounds keep its coefficients below Q/2: the centred representatives are the coefficients.
        let special = raised.select(level..raised.basis().len());
        let converter = BaseConverter::new(ring.basis(), special.moduli());
        let coefficients = Zeroizing::new(ring.inverse(plaintext.poly.clone()));
        let mut poly: Poly<Eval> = raised.zero();
        let (data, rest) = poly.residues_mut().split_at_mut(plaintext.poly.residues().len());
        data.copy_from_slice(plaintext.poly.residues());
        converter.convert(ring.kernels(), coefficients.residues(), rest);
        special.forward_rows(rest);
        Ok(RaisedPlaintext { level, key_level, gadget, scale: plaintext.scale, bounds: plaintext.bounds, poly })
    }

    /// Slot-wise product with a plaintext. Scales multiply.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::KeyLevelMismatch`], [`EvalError::ScaleOutOfRange`],
    /// [`EvalError::MessageTooLarge`].
    pub fn mul_raised(
        &self,
        a: &RaisedCiphertext,
        b: &RaisedPlaintext,
        scratch: &mut Scratch,
    ) -> Result<RaisedCiphertext, EvalError> {
        let (scale, bounds) = self.raised_product(a, b)?;
        let parts = a.parts.times(self.level(a.level).switcher.raised_ring(b.gadget), &b.poly, scratch);
        Ok(RaisedCiphertext { level: a.level, key_level: a.key_level, scale, bounds, parts })
    }

    /// `sum += a·b`, slot by slot. The scale is that of the sum.
    ///
    /// # Errors
    /// See [`Ckks::mul_raised`]; [`EvalError::ScaleMismatch`].
    pub fn mul_add_raised(
        &self,
        sum: &mut RaisedCiphertext,
        a: &RaisedCiphertext,
        b: &RaisedPlaintext,
    ) -> Result<(), EvalError> {
        check_raised(sum, a)?;
        let (scale, bounds) = self.raised_product(a, b)?;
        sum.bounds = self.rules(a.level).check(sum.bounds.plus(matched(sum.scale, scale, bounds)?))?;
        sum.parts.mul_add_assign(self.level(a.level).switcher.raised_ring(b.gadget), &b.poly, &a.parts);
        Ok(())
    }

    /// `sum += a`. The scale is that of the sum.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::KeyLevelMismatch`], [`EvalError::ScaleMismatch`],
    /// [`EvalError::MessageTooLarge`].
    pub fn add_raised(&self, sum: &mut RaisedCiphertext, a: &RaisedCiphertext) -> Result<(), EvalError> {
        check_raised(sum, a)?;
        sum.bounds = self.rules(a.level).check(sum.bounds.plus(matched(sum.scale, a.scale, a.bounds)?))?;
        sum.parts.add_assign(self.level(a.level).switcher.raised_ring(a.parts.gadget()), &a.parts);
        Ok(())
    }

    /// The ciphertext that was raised: one division by `P`. Cost: `2·(l + α)` transforms.
    ///
    /// # Errors
    /// [`EvalError::MessageTooLarge`].
    pub fn lower(&self, a: RaisedCiphertext, scratch: &mut Scratch) -> Result<Ciphertext, EvalError> {
        let mut out = self.zero(a.level);
        self.lower_into(a, &mut out, scratch).map(|()| out)
    }

    /// As [`Ckks::lower`], in place. Unspecified content after an error.
    ///
    /// # Errors
    /// See [`Ckks::lower`].
    pub fn lower_into(
        &self,
        a: RaisedCiphertext,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let level = self.level(a.level);
        let bounds = level.rules.lower(a.bounds);
        self.reshape(out, Shape { level: a.level, size: 2, scale: a.scale, bounds }, scratch)?;
        level.switcher.lower(a.parts, &mut out.parts, scratch);
        Ok(())
    }

    fn raised_product(&self, a: &RaisedCiphertext, b: &RaisedPlaintext) -> Result<(Scale, Bounds), EvalError> {
        check_levels(a.level, b.level)?;
        if a.parts.gadget() != b.gadget {
            return Err(EvalError::KeyLevelMismatch { left: a.key_level, right: b.key_level });
        }
        Ok((a.scale.times(b.scale)?, self.rules(a.level).check(a.bounds.times(b.bounds))?))
    }
}

impl Hoisted<'_> {
    /// Rotates to the left by `steps`, as [`Ckks::rotate`] does, bit for bit. Cost: `2·(l + α)` transforms.
    ///
    /// # Errors
    /// [`EvalError::MissingGaloisKey`], [`EvalError::MessageTooLarge`]; [`EvalError::KeyLevelMismatch`] for a key of a
    /// level with other digits.
    pub fn rotate(&self, steps: isize, keys: &EvaluationKeys, scratch: &mut Scratch) -> Result<Ciphertext, EvalError> {
        let mut out = self.ckks.zero(self.ciphertext.level());
        self.apply_galois_into(self.element(steps), keys, &mut out, scratch).map(|()| out)
    }

    /// As [`Ckks::apply_galois_into`].
    ///
    /// # Errors
    /// See [`Hoisted::rotate`].
    pub fn apply_galois_into(
        &self,
        element: usize,
        keys: &EvaluationKeys,
        out: &mut Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let (ckks, a) = (self.ckks, self.ciphertext);
        let Some(key) = self.key(element, keys)? else { return ckks.copy_into(a, out, scratch) };
        ckks.reshape(out, ckks.switched(a), scratch)?;
        ckks.level(a.level()).switcher.rotate_hoisted(&a.parts, &self.digits, key, &mut out.parts, scratch);
        Ok(())
    }

    /// The rotation by `steps`, not yet divided by `P`. No transform.
    ///
    /// # Errors
    /// See [`Hoisted::rotate`].
    pub fn rotate_raised(
        &self,
        steps: isize,
        keys: &EvaluationKeys,
        scratch: &mut Scratch,
    ) -> Result<RaisedCiphertext, EvalError> {
        self.apply_galois_raised(self.element(steps), keys, scratch)
    }

    /// As [`Hoisted::rotate_raised`], for the automorphism `X → X^g`.
    ///
    /// # Errors
    /// See [`Hoisted::rotate`].
    pub fn apply_galois_raised(
        &self,
        element: usize,
        keys: &EvaluationKeys,
        scratch: &mut Scratch,
    ) -> Result<RaisedCiphertext, EvalError> {
        let (a, key) = (self.ciphertext, self.key(element, keys)?);
        let level = self.ckks.level(a.level());
        let bounds = level.rules.check(key.map_or(a.bounds, |_| level.rules.rotate_raised(a.bounds)))?;
        let parts = level.switcher.rotate_raised(&a.parts, &self.digits, key, scratch);
        Ok(RaisedCiphertext { level: a.level(), key_level: self.key_level, scale: a.scale, bounds, parts })
    }

    /// Gives the digits' buffers back.
    pub fn recycle(self, scratch: &mut Scratch) {
        self.digits.give(scratch);
    }

    fn element(&self, steps: isize) -> usize {
        rotation_element(self.ckks.params().degree(), steps)
    }

    fn key<'k>(&self, element: usize, keys: &'k EvaluationKeys) -> Result<Option<&'k GaloisKey>, EvalError> {
        keys.hoisting(element, self.ciphertext.level(), (self.digits.gadget(), self.key_level))
    }
}

impl RaisedCiphertext {
    /// The scale.
    #[must_use]
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// The bounds on message and noise at the scale, in units of `P`.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Gives the buffers back.
    pub fn recycle(self, scratch: &mut Scratch) {
        self.parts.give(scratch);
    }
}

impl Drop for RaisedPlaintext {
    fn drop(&mut self) {
        self.poly.zeroize();
    }
}

impl core::fmt::Debug for RaisedPlaintext {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RaisedPlaintext")
            .field("level", &self.level)
            .field("scale", &self.scale)
            .finish_non_exhaustive()
    }
}

fn check_raised(a: &RaisedCiphertext, b: &RaisedCiphertext) -> Result<(), EvalError> {
    check_levels(a.level, b.level)?;
    if a.parts.gadget() == b.parts.gadget() {
        return Ok(());
    }
    Err(EvalError::KeyLevelMismatch { left: a.key_level, right: b.key_level })
}
