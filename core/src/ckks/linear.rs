//! Sums and products with plaintexts and scalars. None needs a key; each keeps the scale and the bounds, and refuses a
//! result that may wrap around the modulus.

use alloc::vec::Vec;

use super::{Bounds, Ciphertext, Ckks, Encoding, Plaintext, Scale};
use crate::backend::Backend;
use crate::error::EvalError;

impl Ckks {
    /// Slot-wise sum. The scale is that of the first operand.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::SizeMismatch`], [`EvalError::ScaleMismatch`] for scales that differ by
    /// more than [`Scale::TOLERANCE`], [`EvalError::MessageTooLarge`].
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.sum(&[a, b])
    }

    /// Slot-wise sum of any number.
    ///
    /// # Errors
    /// Those of [`Ckks::add`]; [`EvalError::OperandCount`] for no operands.
    pub fn sum(&self, terms: &[&Ciphertext]) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.sum_into(terms, out, scratch))
    }

    /// Slot-wise difference. The scale is that of the first operand.
    ///
    /// # Errors
    /// Those of [`Ckks::add`].
    pub fn sub(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvalError> {
        Self::check_alike(a, b)?;
        let mut out = a.clone();
        out.bounds = out.bounds.plus(matched(a.scale, b.scale, b.bounds)?);
        let ring = &self.level(a.level()).ring;
        out.parts.iter_mut().zip(&b.parts).for_each(|(out, part)| ring.sub_assign(out, part));
        self.checked(out)
    }

    /// Slot-wise negation.
    #[must_use]
    pub fn neg(&self, a: &Ciphertext) -> Ciphertext {
        let mut out = a.clone();
        let ring = &self.level(a.level()).ring;
        out.parts.iter_mut().for_each(|part| ring.neg_assign(part));
        out
    }

    /// Slot-wise sum with a plaintext of the same level and scale.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::ScaleMismatch`], [`EvalError::MessageTooLarge`].
    pub fn add_plain(&self, a: &Ciphertext, b: &Plaintext) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.add_plain_into(a, b, out, scratch))
    }

    /// Slot-wise product with a plaintext of the same level. Scales multiply; [`Ckks::rescale`] brings the product back
    /// down, at best after all sums.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::ScaleOutOfRange`], [`EvalError::MessageTooLarge`].
    pub fn mul_plain(&self, a: &Ciphertext, b: &Plaintext) -> Result<Ciphertext, EvalError> {
        self.dot_plain(&[a], &[b])
    }

    /// `Σ a_i·b_i`, with one reduction per coefficient. Time does not depend on the plaintexts.
    ///
    /// # Errors
    /// [`EvalError::OperandCount`] for no operands or lists of different length; otherwise those of [`Ckks::mul_plain`] and
    /// [`Ckks::add`], the scales being those of the products.
    pub fn dot_plain(&self, a: &[&Ciphertext], b: &[&Plaintext]) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.dot_plain_into(a, b, out, scratch))
    }

    /// Slot-wise product with a signed word. Scale and level stay.
    ///
    /// # Errors
    /// [`EvalError::MessageTooLarge`].
    pub fn mul_integer(&self, a: &Ciphertext, w: i64) -> Result<Ciphertext, EvalError> {
        let ring = &self.level(a.level()).ring;
        let residues: Vec<u64> = ring.moduli().iter().map(|q| q.reduce_signed(i128::from(w))).collect();
        let bounds = a.bounds.scaled(w.unsigned_abs() as f64);
        self.scaled_by(a, &residues, a.scale, bounds)
    }

    /// `Σ w_i·a_i` for signed words, with one reduction at the end. Scale and level stay. Time does not depend on the weights,
    /// zero or not.
    ///
    /// # Errors
    /// [`EvalError::OperandCount`] for no operands or lists of different length, those of [`Ckks::sum`] otherwise.
    pub fn linear_combination(&self, terms: &[&Ciphertext], weights: &[i64]) -> Result<Ciphertext, EvalError> {
        self.written(|out, scratch| self.linear_combination_into(terms, weights, out, scratch))
    }

    /// Slot-wise product with one real number, rounded at `scale`. Scales multiply. No transform, and half a unit of error
    /// in place of a plaintext's `n/2`. The bounds of the result tell the
    /// factor's size, and so may time: a factor to be hidden is encoded under a stated bound instead.
    ///
    /// # Errors
    /// [`EvalError::NotFinite`], [`EvalError::ScaleOutOfRange`], [`EvalError::MessageTooLarge`].
    pub fn mul_scalar(&self, a: &Ciphertext, factor: f64, scale: Scale) -> Result<Ciphertext, EvalError> {
        let encoding = Encoding { level: a.level(), scale, bound: libm::fabs(factor) };
        let message = self.check_encoding(&encoding)?.message;
        let bounds = a.bounds.times(self.rules(a.level()).scalar(message));
        self.scaled_by(a, &self.round_scalar(factor, &encoding), a.scale.times(scale)?, bounds)
    }

    /// Slot-wise product with the imaginary unit, exact and without a key: `X^(n/2)` is `i` in every slot. Cost: one
    /// product with a constant per limb.
    #[must_use]
    pub fn mul_i(&self, a: &Ciphertext) -> Ciphertext {
        let (mut out, half) = (a.clone(), self.slot_count());
        let moduli = self.level(a.level()).ring.moduli();
        for part in &mut out.parts {
            for ((limb, q), &unit) in part.limbs_mut().zip(moduli).zip(&self.imaginary) {
                // Values at the powers 1 and 3 modulo 4 of the root are in different halves.
                let (low, high) = limb.split_at_mut(half);
                self.params.kernels().mul_scalar(q, low, q.shoup(unit));
                self.params.kernels().mul_scalar(q, high, q.shoup(q.neg(unit)));
            }
        }
        out
    }

    fn scaled_by(
        &self,
        a: &Ciphertext,
        residues: &[u64],
        scale: Scale,
        bounds: Bounds,
    ) -> Result<Ciphertext, EvalError> {
        let mut out = Ciphertext { scale, bounds, ..a.clone() };
        let ring = &self.level(a.level()).ring;
        out.parts.iter_mut().for_each(|part| ring.mul_residues_assign(part, residues));
        self.checked(out)
    }

    fn checked(&self, a: Ciphertext) -> Result<Ciphertext, EvalError> {
        self.rules(a.level()).check(a.bounds).map(|bounds| Ciphertext { bounds, ..a })
    }

    pub(super) fn check_alike(a: &Ciphertext, b: &Ciphertext) -> Result<(), EvalError> {
        check_levels(a.level(), b.level())?;
        check_size(b, a.size())
    }
}

/// The bounds of an operand that is added at the scale `left`.
pub(super) fn matched(left: Scale, right: Scale, bounds: Bounds) -> Result<Bounds, EvalError> {
    if !left.matches(right) {
        return Err(EvalError::ScaleMismatch { left, right });
    }
    Ok(if left == right { bounds } else { bounds.with_forgiven_scale() })
}

pub(super) fn check_levels(left: usize, right: usize) -> Result<(), EvalError> {
    if left == right { Ok(()) } else { Err(EvalError::LevelMismatch { left, right }) }
}

pub(super) fn check_size(a: &Ciphertext, needed: usize) -> Result<(), EvalError> {
    if a.size() == needed { Ok(()) } else { Err(EvalError::SizeMismatch { found: a.size(), needed }) }
}
