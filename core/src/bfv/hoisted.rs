//! Many rotations of one ciphertext, and sums of them that are divided by `P` once.
//!
//! A rotation is digits, a product with a key, and a division by `P`. The digits are the same for all rotations of a
//! ciphertext ([`Bfv::hoist`]); the division is the same for all terms of a sum ([`Bfv::lower`]). A matrix–vector product
//! by diagonals, with baby steps `i` and giant steps `j`, is then: hoist, [`Hoisted::rotate_raised`] once per `i`; for each
//! `j` a sum of [`Bfv::mul_raised`] and [`Bfv::mul_add_raised`], lowered once and rotated.

use alloc::boxed::Box;

use super::evaluate::{check_levels, check_size};
use super::{Bfv, Ciphertext, Plaintext};
use crate::backend::Backend;
use crate::error::EvalError;
use crate::poly::{Coeff, Eval, Poly, Scratch};
use crate::rlwe::keyswitch::{Decomposed, Gadget, GaloisKey, Raised};
use crate::rlwe::{EvaluationKeys, NoiseBound, rotation_element};

/// A ciphertext of two polynomials and the digits of its second, for keys made at one level.
#[derive(Debug)]
pub struct Hoisted<'a> {
    bfv: &'a Bfv,
    ciphertext: &'a Ciphertext,
    gadget: Gadget,
    key_level: usize,
    /// For each stream.
    digits: Box<[Decomposed]>,
}

/// `P` times a ciphertext, modulo `Q·P` for the special primes of keys made at one level.
#[derive(Debug)]
pub struct RaisedCiphertext {
    level: usize,
    gadget: Gadget,
    key_level: usize,
    /// In units of `P`.
    noise: NoiseBound,
    streams: Box<[Raised]>,
}

/// A plaintext ready to be multiplied with raised ciphertexts.
#[derive(Clone, Debug)]
pub struct RaisedMultiplicand {
    level: usize,
    key_level: usize,
    gadget: Gadget,
    streams: Box<[Poly<Eval>]>,
    norm: f64,
}

impl Bfv {
    /// Finds the digits of a ciphertext, for rotations by keys that were made at `key_level`, or at a level with the same
    /// digits. Cost per stream at `l` limbs, `α` special primes and `d` digits: `d·(l + α)` of the
    /// `d·(l + α) + 2·(l + α)` transforms of a rotation.
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
        let gadget = Gadget::serving(&self.params, a.level, key_level)?;
        let switcher = &self.level(a.level).switcher;
        let digits = a.streams.iter().map(|parts| switcher.decompose(&parts[1], gadget, scratch)).collect();
        Ok(Hoisted { bfv: self, ciphertext: a, gadget, key_level, digits })
    }

    /// The form in which a plaintext is multiplied with ciphertexts of `level` that were raised for keys of `key_level`.
    /// Cost: one transform per limb, special ones included, and stream.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`], [`EvalError::LevelMismatch`]: see [`Bfv::hoist`].
    pub fn raised_multiplicand(
        &self,
        plaintext: &Plaintext,
        level: usize,
        key_level: usize,
    ) -> Result<RaisedMultiplicand, EvalError> {
        self.check_level(level)?;
        let gadget = Gadget::serving(&self.params, level, key_level)?;
        let ring = self.level(level).switcher.raised_ring(gadget);
        let lift = |(plain, poly): (&crate::poly::Ring, &Poly<Coeff>)| {
            let mut lifted: Poly<Coeff> = ring.zero();
            for (limb, q) in lifted.limbs_mut().zip(ring.moduli()) {
                ring.kernels().lift_centred(q, limb, poly.limb(0), &plain.moduli()[0]);
            }
            ring.forward(lifted)
        };
        let streams = self.plain_rings.iter().zip(&plaintext.streams).map(lift).collect();
        Ok(RaisedMultiplicand { level, key_level, gadget, streams, norm: self.norm(plaintext) })
    }

    /// Slot-wise product with a plaintext.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::KeyLevelMismatch`], [`EvalError::NoiseExhausted`].
    pub fn mul_raised(
        &self,
        a: &RaisedCiphertext,
        b: &RaisedMultiplicand,
        scratch: &mut Scratch,
    ) -> Result<RaisedCiphertext, EvalError> {
        let noise = self.product_noise(a, b)?;
        let ring = self.level(a.level).switcher.raised_ring(b.gadget);
        let streams = a.streams.iter().zip(&b.streams).map(|(part, factor)| part.times(ring, factor, scratch));
        Ok(RaisedCiphertext { noise, streams: streams.collect(), ..*a })
    }

    /// `sum += a·b`, slot by slot.
    ///
    /// # Errors
    /// See [`Bfv::mul_raised`].
    pub fn mul_add_raised(
        &self,
        sum: &mut RaisedCiphertext,
        a: &RaisedCiphertext,
        b: &RaisedMultiplicand,
    ) -> Result<(), EvalError> {
        check_raised(sum, a)?;
        let noise = sum.noise.plus(self.product_noise(a, b)?);
        sum.noise = self.rules(a.level).check(noise)?;
        let ring = self.level(a.level).switcher.raised_ring(b.gadget);
        for ((sum, part), factor) in sum.streams.iter_mut().zip(&a.streams).zip(&b.streams) {
            sum.mul_add_assign(ring, factor, part);
        }
        Ok(())
    }

    /// `sum += a`.
    ///
    /// # Errors
    /// [`EvalError::LevelMismatch`], [`EvalError::KeyLevelMismatch`], [`EvalError::NoiseExhausted`].
    pub fn add_raised(&self, sum: &mut RaisedCiphertext, a: &RaisedCiphertext) -> Result<(), EvalError> {
        check_raised(sum, a)?;
        sum.noise = self.rules(a.level).check(sum.noise.plus(a.noise))?;
        let ring = self.level(a.level).switcher.raised_ring(a.gadget);
        sum.streams.iter_mut().zip(&a.streams).for_each(|(sum, part)| sum.add_assign(ring, part));
        Ok(())
    }

    /// The ciphertext that was raised: one division by `P`. Cost: `2·(l + α)` transforms per stream.
    ///
    /// # Errors
    /// [`EvalError::NoiseExhausted`].
    pub fn lower(&self, a: RaisedCiphertext, scratch: &mut Scratch) -> Result<Ciphertext, EvalError> {
        let level = self.level(a.level);
        let mut out = self.zero(a.level);
        self.reshape(&mut out, a.level, 2, level.rules.lower(a.noise), scratch)?;
        for (out, stream) in out.streams.iter_mut().zip(a.streams) {
            level.switcher.lower(stream, out, scratch);
        }
        Ok(out)
    }

    fn product_noise(&self, a: &RaisedCiphertext, b: &RaisedMultiplicand) -> Result<NoiseBound, EvalError> {
        check_levels(a.level, b.level)?;
        if a.gadget != b.gadget {
            return Err(EvalError::KeyLevelMismatch { left: a.key_level, right: b.key_level });
        }
        let rules = self.rules(a.level);
        rules.check(rules.mul_plain(a.noise, b.norm))
    }
}

impl Hoisted<'_> {
    /// Rotates to the left by `steps`, as [`Bfv::rotate_rows`] does. Cost: `2·(l + α)` transforms per stream.
    ///
    /// # Errors
    /// [`EvalError::MissingGaloisKey`], [`EvalError::NoiseExhausted`]; [`EvalError::KeyLevelMismatch`] for a key of a
    /// level with other digits.
    pub fn rotate(&self, steps: isize, keys: &EvaluationKeys, scratch: &mut Scratch) -> Result<Ciphertext, EvalError> {
        let mut out = self.bfv.zero(self.ciphertext.level);
        self.apply_galois_into(self.element(steps), keys, &mut out, scratch).map(|()| out)
    }

    /// As [`Bfv::apply_galois_into`].
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
        let a = self.ciphertext;
        let Some(key) = self.key(element, keys)? else { return self.bfv.copy_into(a, out, scratch) };
        let level = self.bfv.level(a.level);
        self.bfv.reshape(out, a.level, 2, level.rules.key_switch(a.noise), scratch)?;
        for ((out, parts), digits) in out.streams.iter_mut().zip(&a.streams).zip(&self.digits) {
            level.switcher.rotate_hoisted(parts, digits, key, out, scratch);
        }
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
        let (a, key) = (self.ciphertext, self.key(self.element(steps), keys)?);
        let level = self.bfv.level(a.level);
        let noise = level.rules.check(key.map_or(a.noise, |_| level.rules.rotate_raised(a.noise)))?;
        let streams = a.streams.iter().zip(&self.digits);
        let streams =
            streams.map(|(parts, digits)| level.switcher.rotate_raised(parts, digits, key, scratch)).collect();
        Ok(RaisedCiphertext { level: a.level, gadget: self.gadget, key_level: self.key_level, noise, streams })
    }

    /// Gives the digits' buffers back.
    pub fn recycle(self, scratch: &mut Scratch) {
        self.digits.into_iter().for_each(|digits| digits.give(scratch));
    }

    fn element(&self, steps: isize) -> usize {
        rotation_element(self.bfv.params().degree(), steps)
    }

    fn key<'k>(&self, element: usize, keys: &'k EvaluationKeys) -> Result<Option<&'k GaloisKey>, EvalError> {
        keys.hoisting(element, self.ciphertext.level, (self.gadget, self.key_level))
    }
}

impl RaisedCiphertext {
    /// The public bound on the noise, in units of `P`.
    #[must_use]
    pub const fn noise(&self) -> NoiseBound {
        self.noise
    }

    /// Gives the buffers back.
    pub fn recycle(self, scratch: &mut Scratch) {
        self.streams.into_iter().for_each(|stream| stream.give(scratch));
    }
}

fn check_raised(a: &RaisedCiphertext, b: &RaisedCiphertext) -> Result<(), EvalError> {
    check_levels(a.level, b.level)?;
    if a.gadget == b.gadget {
        return Ok(());
    }
    Err(EvalError::KeyLevelMismatch { left: a.key_level, right: b.key_level })
}
