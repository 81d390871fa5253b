//! Plaintexts: numbers in slots, scaled and rounded to a polynomial modulo the primes of one level.
//!
//! Floating-point additions, multiplications and conversions are taken for data-independent in time, which holds on current
//! x86-64 and AArch64 processors for normal numbers and zero. **Denormal** values are the exception, and a slower path on
//! many processors: values other than 0 that are below `2^-511` after scaling, so that their squares are denormal, may be told
//! from others by time. There is no division and no branch on values; rounding adds and subtracts `1.5·2^52`.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use zeroize::{Zeroize, Zeroizing};

use super::rules::Bounds;
use super::{Ckks, Complex, Scale};
use crate::backend::Backend;
use crate::ct::barrier;
use crate::error::EvalError;
use crate::modulus::Modulus;
use crate::poly::{Coeff, Eval, Poly};
use crate::rlwe::NoiseBound;

/// How values become a plaintext. All three are public.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Encoding {
    /// The level of the ciphertexts that the plaintext will meet: only so many limbs are made.
    pub level: usize,
    /// The factor before rounding.
    pub scale: Scale,
    /// No value has a larger absolute value. The bound travels with ciphertexts and keeps them from wrapping around.
    pub bound: f64,
}

/// A polynomial whose values at the slots are `scale` times the numbers that were encoded, in the evaluation domain modulo
/// the primes of one level. Wiped on drop.
#[derive(Clone)]
pub struct Plaintext {
    pub(super) scale: Scale,
    pub(super) bounds: Bounds,
    pub(super) poly: Poly<Eval>,
}

impl Plaintext {
    /// The level it serves.
    #[must_use]
    pub fn level(&self) -> usize {
        self.poly.limb_count()
    }

    /// The scale.
    #[must_use]
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// The bounds on the message and on the error of encoding it.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.poly.zeroize();
    }
}

impl core::fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Plaintext").field("level", &self.level()).field("scale", &self.scale).finish_non_exhaustive()
    }
}

impl Ckks {
    /// Puts real numbers into the slots; the remaining slots are 0. Constant time in the values, denormals apart.
    ///
    /// Each slot of the plaintext differs from `scale` times its value by at most the noise bound of
    /// [`Plaintext::bounds`]: `n/2` for rounding, and `4·log2(n)·√n·2^-52` of the message for the transform. Cost: one
    /// transform of doubles, one number-theoretic transform per limb.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`], [`EvalError::TooManyValues`] for more than `n/2` values, [`EvalError::NotFinite`],
    /// [`EvalError::AboveBound`], and [`EvalError::MessageTooLarge`] if `bound·scale` exceeds the level's modulus or
    /// `2^88`.
    pub fn encode(&self, values: &[f64], encoding: &Encoding) -> Result<Plaintext, EvalError> {
        self.encode_parts(values.len(), |i| Complex::from(values[i]), encoding)
    }

    /// Puts complex numbers into the slots, otherwise like [`Ckks::encode`].
    ///
    /// # Errors
    /// Those of [`Ckks::encode`].
    pub fn encode_complex(&self, values: &[Complex], encoding: &Encoding) -> Result<Plaintext, EvalError> {
        self.encode_parts(values.len(), |i| values[i], encoding)
    }

    fn encode_parts(
        &self,
        given: usize,
        value: impl Fn(usize) -> Complex,
        encoding: &Encoding,
    ) -> Result<Plaintext, EvalError> {
        let bounds = self.check_encoding(encoding)?;
        let (slots, scale) = (self.slot_count(), encoding.scale.value());
        if given > slots {
            return Err(EvalError::TooManyValues { given, slots });
        }
        let mut parts = Zeroizing::new(vec![0.0; 2 * slots]);
        let (re, im) = parts.split_at_mut(slots);
        let limit = (encoding.bound * scale) * (encoding.bound * scale);
        let scaled = |i: usize| value(i).times(scale);
        // False for NaN too.
        let fits = |z: Complex| z.re * z.re + z.im * z.im <= limit;
        let mut all_fit = 1;
        for (i, &place) in (0..given).zip(self.transform.places()) {
            let z = scaled(i);
            (re[place as usize], im[place as usize]) = (z.re, z.im);
            all_fit &= barrier(u64::from(fits(z)));
        }
        check_values(all_fit, (0..given).map(scaled), fits)?;
        self.transform.to_coefficients(re, im);
        let poly = self.round(&mut parts, encoding.level, bounds.message);
        Ok(Plaintext { scale: encoding.scale, bounds, poly })
    }

    /// The bounds of a plaintext of this encoding, if it fits the level.
    pub(super) fn check_encoding(&self, encoding: &Encoding) -> Result<Bounds, EvalError> {
        self.check_level(encoding.level)?;
        let message = encoding.bound * encoding.scale.value();
        if !message.is_finite() || encoding.bound < 0.0 {
            return Err(EvalError::NotFinite { index: 0 });
        }
        let rules = self.rules(encoding.level);
        let bounds = rules.encoded(NoiseBound::new(message));
        if bounds.message.log2() > f64::from(Words::MAX_BITS) {
            let message_bits = libm::ceil(bounds.message.log2()) as u32;
            return Err(EvalError::MessageTooLarge { message_bits, limit_bits: Words::MAX_BITS });
        }
        rules.check(bounds)
    }

    /// The polynomial with these coefficients over `n/2`, rounded. `message` bounds them.
    fn round(&self, coefficients: &mut [f64], level: usize, message: NoiseBound) -> Poly<Eval> {
        let (ring, kernels) = (&self.level(level).ring, self.params.kernels());
        let normalise = 2.0 / coefficients.len() as f64;
        coefficients.iter_mut().for_each(|x| *x *= normalise);
        let words = Words::new(coefficients, message);
        let terms = words.terms();
        let mut out: Poly<Coeff> = ring.zero();
        for (limb, q) in out.limbs_mut().zip(ring.moduli()) {
            let weights = words.weights(q);
            kernels.combine(q, limb, &terms, &weights, q.bits().max(Words::BITS));
        }
        ring.forward(out)
    }

    /// `value·scale`, rounded, modulo each prime of a level.
    pub(super) fn round_scalar(&self, value: f64, encoding: &Encoding) -> Vec<u64> {
        let scaled = [value * encoding.scale.value()];
        let words = Words::new(&scaled, NoiseBound::new(libm::exp2(f64::from(Words::MAX_BITS))));
        let residue = |q: &Modulus| {
            let products =
                words.terms().into_iter().zip(words.weights(q)).map(|(x, w)| u128::from(x[0]) * u128::from(w));
            q.reduce_wide(products.sum())
        };
        self.level(encoding.level).ring.moduli().iter().map(residue).collect()
    }
}

/// One decision for all values: that all are within the bound is public, and so is where one is not. A function of its own
/// in the binary too, where that decision can be told from others.
#[inline(never)]
fn check_values(
    all_fit: u64,
    mut values: impl Iterator<Item = Complex> + Clone,
    fits: impl Fn(Complex) -> bool,
) -> Result<(), EvalError> {
    if all_fit == 1 {
        return Ok(());
    }
    let finite = |z: Complex| z.re.is_finite() && z.im.is_finite();
    if let Some(index) = values.clone().position(|z| !finite(z)) {
        return Err(EvalError::NotFinite { index });
    }
    Err(EvalError::AboveBound { index: values.position(|z| !fits(z)).unwrap_or_default() })
}

/// Rounded coefficients as unsigned words: `Σ words·weights` is the coefficient modulo any prime.
///
/// A coefficient below `2^49` in absolute value is one word; a larger one is `low + 2^40·high`. `2^49` is added to each word
/// to make it unsigned, and a row of ones takes it off again.
struct Words {
    rows: Zeroizing<Vec<u64>>,
    len: usize,
}

impl Words {
    /// Bits of a word.
    const BITS: u32 = 50;
    /// Bits of a low word where there are two.
    const LOW_BITS: u32 = 40;
    /// `log2` of the largest coefficient.
    const MAX_BITS: u32 = Self::BITS - 2 + Self::LOW_BITS;
    const OFFSET: u64 = 1 << (Self::BITS - 1);

    fn new(coefficients: &[f64], message: NoiseBound) -> Self {
        let len = coefficients.len();
        let wide = message.log2() > f64::from(Self::BITS - 2);
        let mut rows = Zeroizing::new(vec![1; if wide { 3 * len } else { 2 * len }]);
        let (low, rest) = rows.split_at_mut(len);
        if wide {
            let shift = libm::exp2(f64::from(Self::LOW_BITS));
            for ((low, high), &x) in low.iter_mut().zip(rest).zip(coefficients) {
                let upper = round(x * (1.0 / shift));
                *high = unsigned(upper);
                *low = unsigned(x - upper * shift);
            }
        } else {
            low.iter_mut().zip(coefficients).for_each(|(low, &x)| *low = unsigned(x));
        }
        Self { rows, len }
    }

    /// One row, or two, and the ones.
    fn terms(&self) -> Vec<&[u64]> {
        self.rows.chunks_exact(self.len).collect()
    }

    fn weights(&self, q: &Modulus) -> Box<[u64]> {
        let offset = q.reduce(Self::OFFSET);
        if self.rows.len() == 2 * self.len {
            return [1, q.neg(offset)].into();
        }
        let high = q.reduce(1 << Self::LOW_BITS);
        [1, high, q.neg(q.mul_add(offset, high, offset))].into()
    }
}

/// `1.5·2^52`: added to `x`, it leaves no bits for the fraction of `x`, for `|x| ≤ 2^51`.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// The nearest integer, ties to even, for `|x| ≤ 2^51`.
#[inline(always)]
pub(super) fn round(x: f64) -> f64 {
    (x + ROUNDER) - ROUNDER
}

/// The nearest integer plus [`Words::OFFSET`], for `|x| < 2^49`.
#[inline(always)]
fn unsigned(x: f64) -> u64 {
    (x + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits() - Words::OFFSET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn modulo(x: f64, q: &Modulus) -> u64 {
        q.reduce_signed(libm::rint(x) as i128)
    }

    #[test]
    fn rounding_is_to_the_nearest_even() {
        let top = 2f64.powi(48);
        for (x, expected) in
            [(0.5, 0.0), (1.5, 2.0), (-0.5, 0.0), (-2.5, -2.0), (2.5000001, 3.0), (-0.49, 0.0), (top, top)]
        {
            assert_eq!(round(x), expected);
            assert_eq!(unsigned(x) as i64 - Words::OFFSET as i64, expected as i64);
        }
    }

    proptest! {
        #[test]
        fn words_are_residues(mantissa in -1.0f64..1.0, exponent in 0i32..=88, bits in prop_oneof![Just(17u32), Just(46), Just(50), Just(60)]) {
            let q = Modulus::new(crate::prime::ntt_primes_vartime(bits, 64, 1, &[]).unwrap()[0]).unwrap();
            let xs = [mantissa * 2f64.powi(exponent); 8];
            for message in [f64::from(exponent), 88.0] {
                let words = Words::new(&xs, NoiseBound::from_log2(message));
                let mut out = [0; 8];
                for kernels in crate::backend::Kernels::available() {
                    kernels.combine(&q, &mut out, &words.terms(), &words.weights(&q), q.bits().max(Words::BITS));
                    prop_assert_eq!(out, [modulo(xs[0], &q); 8], "{}", kernels.name());
                }
            }
        }
    }
}
