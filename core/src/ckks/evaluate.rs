//! Products of ciphertexts, key switching, and the way down the levels.

use alloc::boxed::Box;

use super::linear::check_size;
use super::{Ciphertext, Ckks};
use crate::error::EvalError;
use crate::poly::{Eval, Poly, Scratch};
use crate::rlwe::{EvaluationKeys, rotation_element, row_swap_element};

impl Ckks {
    /// Slot-wise product, of three polynomials; [`Ckks::relinearise`] makes it two again. Scales multiply. Sums of products
    /// can be relinearised and rescaled once. Cost: four products per limb and no transform.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::SizeMismatch`], [`EvalError::ScaleOutOfRange`],
    /// [`EvalError::MessageTooLarge`].
    pub fn multiply(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvalError> {
        Self::check_alike(a, b)?;
        check_size(a, 2)?;
        let ([a0, a1], [b0, b1]) = (pair(a), pair(b));
        let terms: [&[_]; 3] = [&[(a0, b0)], &[(a0, b1), (a1, b0)], &[(a1, b1)]];
        let parts = terms.into_iter().map(|terms| self.dot(a.level(), terms)).collect();
        self.checked(Ciphertext { scale: a.scale.times(b.scale)?, bounds: a.bounds.times(b.bounds), parts })
    }

    /// Slot-wise square, of three polynomials.
    ///
    /// # Errors
    /// Those of [`Ckks::multiply`].
    pub fn square(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.multiply(a, a)
    }

    /// Three polynomials → two, by one key switch.
    ///
    /// # Errors
    /// [`EvalError::SizeMismatch`] unless there are three, [`EvalError::MissingRelinKey`],
    /// [`EvalError::MessageTooLarge`].
    pub fn relinearise(&self, a: &Ciphertext, keys: &EvaluationKeys) -> Result<Ciphertext, EvalError> {
        check_size(a, 3)?;
        let (level, key) = (self.level(a.level()), keys.relin(a.level())?);
        let mut parts = [level.ring.zero(), level.ring.zero()];
        let mut scratch = Scratch::new();
        level.switcher.switch_add(&a.parts[2], key, [&a.parts[0], &a.parts[1]], &mut parts, &mut scratch);
        self.checked(Ciphertext { scale: a.scale, bounds: level.rules.key_switch(a.bounds), parts: parts.into() })
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
        check_size(a, 2)?;
        if element == 1 {
            return Ok(a.clone());
        }
        let (level, key) = (self.level(a.level()), keys.galois(element, a.level())?);
        let mut parts = [level.ring.zero(), level.ring.zero()];
        level.switcher.rotate(&a.parts, key, &mut parts, &mut Scratch::new());
        self.checked(Ciphertext { scale: a.scale, bounds: level.rules.key_switch(a.bounds), parts: parts.into() })
    }

    /// Divides by the last prime and drops it: scale, message and noise shrink by that prime, and rounding adds a little
    /// noise. A plaintext factor at [`Ckks::prime_scale`] makes the scale come back to what it was. Cost: one transform per
    /// limb and polynomial.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`] at level 1, [`EvalError::ScaleOutOfRange`] if the scale is smaller than the prime.
    pub fn rescale(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        let level = self.level(a.level());
        let Some((drop, prime)) = level.drop.as_ref().zip(level.ring.moduli().last()) else {
            return Err(EvalError::NoSuchLevel { asked: a.level() - 1, max: a.level() });
        };
        let scale = a.scale.over(prime.value())?;
        let lower = &self.level(a.level() - 1).ring;
        let mut scratch = Scratch::new();
        let divided = |part: &Poly<Eval>| {
            let mut out = lower.zero();
            drop.apply_into(part, &mut out, &mut scratch);
            out
        };
        let parts: Box<[_]> = a.parts.iter().map(divided).collect();
        self.checked(Ciphertext { scale, bounds: level.rules.rescale(a.bounds, a.size()), parts })
    }

    /// Forgets primes: scale, message and noise stay. Costs a copy.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`] for level 0 or a level above the operand's; [`EvalError::MessageTooLarge`] if the message
    /// does not fit the lower level.
    pub fn drop_to(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        if level == 0 || level > a.level() {
            return Err(EvalError::NoSuchLevel { asked: level, max: a.level() });
        }
        self.rules(level).check(a.bounds)?;
        let parts = a.parts.iter().map(|part| part.select(0..level)).collect();
        Ok(Ciphertext { parts, ..*a })
    }
}

fn pair(a: &Ciphertext) -> [&Poly<Eval>; 2] {
    [&a.parts[0], &a.parts[1]]
}
