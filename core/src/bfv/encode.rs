//! Plaintexts: integers in slots, and their forms in which servers use them.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use zeroize::{Zeroize, Zeroizing};

use super::{Bfv, Level, StreamLevel};
use crate::backend::bit_reverse;
use crate::error::EvalError;
use crate::poly::{Coeff, Eval, Poly};
use crate::rlwe::GALOIS_GENERATOR;

/// A plaintext polynomial: its coefficients modulo each plaintext modulus. Wiped on drop.
#[derive(Clone)]
pub struct Plaintext {
    pub(super) streams: Box<[Poly<Coeff>]>,
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.streams.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl core::fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Plaintext").field("streams", &self.streams.len()).finish_non_exhaustive()
    }
}

/// A plaintext ready to be multiplied with ciphertexts of one level: centred, in the evaluation domain.
#[derive(Clone, Debug)]
pub struct PlainMultiplicand {
    pub(super) level: usize,
    pub(super) streams: Box<[Poly<Eval>]>,
    /// See [`Bfv::norm`].
    pub(super) norm: f64,
}

impl PlainMultiplicand {
    /// The level it serves.
    #[must_use]
    pub const fn level(&self) -> usize {
        self.level
    }

    /// The factor by which it multiplies a noise bound.
    #[must_use]
    pub const fn norm(&self) -> f64 {
        self.norm
    }
}

/// A plaintext ready to be added to ciphertexts of one level: scaled by `Q/t`, in the evaluation domain.
#[derive(Clone, Debug)]
pub struct PlainAddend {
    pub(super) level: usize,
    pub(super) streams: Box<[Poly<Eval>]>,
}

impl PlainAddend {
    /// The level it serves.
    #[must_use]
    pub const fn level(&self) -> usize {
        self.level
    }
}

impl Drop for PlainAddend {
    fn drop(&mut self) {
        self.streams.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl Bfv {
    /// Puts `values` into the slots, row after row; the remaining slots are 0. Constant time in the values.
    ///
    /// # Errors
    /// [`EvalError::TooManyValues`] for more than `n` values; [`EvalError::OutOfRange`] for one outside
    /// `[-T/2, T/2)`.
    pub fn encode(&self, values: &[i128]) -> Result<Plaintext, EvalError> {
        let slots = self.slot_count();
        if values.len() > slots {
            return Err(EvalError::TooManyValues { given: values.len(), slots });
        }
        self.check_range(values)?;
        let stream = |ring: &crate::poly::Ring| {
            let modulus = &ring.moduli()[0];
            let mut evaluations: Poly<Eval> = ring.zero();
            for (&value, &index) in values.iter().zip(&self.slots) {
                evaluations.limb_mut(0)[index as usize] = modulus.reduce_signed(value);
            }
            ring.inverse(evaluations)
        };
        Ok(Plaintext { streams: self.plain_rings.iter().map(stream).collect() })
    }

    /// The values of all slots, in `[-T/2, T/2)`. Constant time.
    #[must_use]
    pub fn decode(&self, plaintext: &Plaintext) -> Zeroizing<Vec<i128>> {
        let rings = self.plain_rings.iter().zip(&plaintext.streams);
        let streams: Vec<_> = rings.map(|(ring, poly)| Zeroizing::new(ring.forward(poly.clone()))).collect();
        let mut residues = Zeroizing::new(vec![0; streams.len()]);
        let value = |&index: &u32| {
            for (residue, stream) in residues.iter_mut().zip(&streams) {
                *residue = stream.limb(0)[index as usize];
            }
            self.params.composer().compose(&residues)
        };
        Zeroizing::new(self.slots.iter().map(value).collect())
    }

    /// The factor by which multiplication with a plaintext of the server multiplies a noise bound: the largest Euclidean
    /// norm of the streams' coefficient vectors.
    #[must_use]
    pub fn norm(&self, plaintext: &Plaintext) -> f64 {
        let norms = plaintext.streams.iter().zip(&self.plain_rings).map(|(poly, ring)| {
            let t = &ring.moduli()[0];
            libm::sqrt(poly.residues().iter().map(|&x| t.center(x) as f64).map(|x| x * x).sum())
        });
        norms.fold(0.0, f64::max)
    }

    /// The form in which a plaintext is multiplied with ciphertexts of a level. Cost: one transform per limb and stream.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`] if there is no such level.
    pub fn multiplicand(&self, plaintext: &Plaintext, level: usize) -> Result<PlainMultiplicand, EvalError> {
        self.check_level(level)?;
        let at = self.level(level);
        let lift = |(stream, poly): (&StreamLevel, &Poly<Coeff>)| {
            let mut lifted: Poly<Coeff> = at.ring.zero();
            stream.lift.convert(at.ring.kernels(), poly.residues(), lifted.residues_mut());
            at.ring.forward(lifted)
        };
        Ok(PlainMultiplicand {
            level,
            norm: self.norm(plaintext),
            streams: at.streams.iter().zip(&plaintext.streams).map(lift).collect(),
        })
    }

    /// The form in which a plaintext is added to ciphertexts of a level. Cost: one transform per limb and stream.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`] if there is no such level.
    pub fn addend(&self, plaintext: &Plaintext, level: usize) -> Result<PlainAddend, EvalError> {
        self.check_level(level)?;
        let at = self.level(level);
        let scale = |(stream, poly)| at.ring.forward(at.scale_up(stream, poly));
        Ok(PlainAddend { level, streams: at.streams.iter().zip(&plaintext.streams).map(scale).collect() })
    }

    pub(super) fn check_level(&self, asked: usize) -> Result<(), EvalError> {
        let max = self.params.max_level();
        if (1..=max).contains(&asked) { Ok(()) } else { Err(EvalError::NoSuchLevel { asked, max }) }
    }

    /// One decision for all values: that all are in range is public, and so is where one is not. A function of its own in
    /// the binary too, where that decision can be told from others.
    #[inline(never)]
    fn check_range(&self, values: &[i128]) -> Result<(), EvalError> {
        let half = (self.params.composer().product() >> 1) as i128;
        // Negative if the value is outside: one of the two differences is.
        let outside = |value: i128| half.wrapping_sub(value) | value.wrapping_add(half);
        if values.iter().fold(0, |any, &value| any | outside(value)) >= 0 {
            return Ok(());
        }
        let bits = 128 - self.params.composer().product().leading_zeros();
        let index = values.iter().rposition(|&value| outside(value) < 0).unwrap_or_default();
        Err(EvalError::OutOfRange { index, bits })
    }
}

impl Level {
    /// `round(Q·m/t)`.
    pub(super) fn scale_up(&self, stream: &StreamLevel, message: &Poly<Coeff>) -> Poly<Coeff> {
        let mut scaled: Poly<Coeff> = self.ring.zero();
        stream.scale_up.convert(self.ring.kernels(), message.residues(), scaled.residues_mut());
        scaled
    }
}

/// The evaluation index of each slot: slot `i` of the first row is the value at `ψ^(5^i)`, of the second at `ψ^(-5^i)`.
pub(super) fn slot_indices(degree: usize) -> Box<[u32]> {
    let (row, mask) = (degree >> 1, 2 * degree - 1);
    let index = |exponent: usize| bit_reverse(exponent >> 1, degree) as u32;
    let exponents = (0..row).scan(1usize, |power, _| {
        let current = *power;
        *power = (current * GALOIS_GENERATOR) & mask;
        Some(current)
    });
    let exponents: Vec<usize> = exponents.collect();
    let second = exponents.iter().map(|e| 2 * degree - e);
    exponents.iter().copied().chain(second).map(index).collect()
}
