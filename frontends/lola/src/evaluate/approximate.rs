//! A plan on CKKS ciphertexts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tacit_core::ckks::{Ciphertext, Ckks, Complex, Encoding, PackedCiphertext, Plaintext};
use tacit_core::error::EvalError;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::{EvaluationKeys, rotation_element, row_swap_element};

use super::Evaluator;
use super::pool::Pool;
use super::query::Unpack;
use crate::error::PlanError;
use crate::lower::{Encoded, Lowered};
use crate::plan::{AddendId, FactorId, Op, Register, Slots};

/// The plaintexts of a plan, each at the level and scale at which it is used.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    factors: BTreeMap<(FactorId, usize), Plaintext>,
    addends: BTreeMap<(AddendId, usize), Plaintext>,
}

impl Prepared {
    /// Encodes every plaintext once. Cost: one transform of doubles and one per limb for each plaintext and level.
    pub(crate) fn new(ckks: &Ckks, lowered: &Lowered) -> Result<Self, PlanError> {
        let mut prepared = Self::default();
        for (step, op) in lowered.plan().ops().iter().enumerate() {
            prepared.add(ckks, lowered, op).map_err(|error| PlanError::Step { step, error })?;
        }
        Ok(prepared)
    }

    fn add(&mut self, ckks: &Ckks, lowered: &Lowered, op: &Op) -> Result<(), EvalError> {
        let plains = lowered.plan().plains();
        match op {
            Op::AddPlain { input, plain } => {
                let state = lowered.state(*input);
                let values = numbers(&lowered.plan().addend(*plain, ckks.slot_count()), |value| value as f64);
                let plaintext = encode(ckks, &values, state.level, state.encoded)?;
                self.addends.insert((*plain, state.level), plaintext);
            }
            Op::InnerProduct { terms, plains: factors } => {
                for (term, plain) in terms.iter().zip(factors) {
                    let level = lowered.level(*term);
                    if let Entry::Vacant(entry) = self.factors.entry((*plain, level)) {
                        let values = numbers(&plains.factors()[plain.0], |value| value as f64);
                        entry.insert(encode(ckks, &values, level, lowered.factors()[plain.0])?);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn numbers<T: Copy + Default>(slots: &Slots<T>, number: impl Fn(T) -> f64) -> Vec<Complex> {
    let len = slots.re.len().max(slots.im.len());
    (0..len).map(|i| slots.get(i)).map(|(re, im)| Complex::new(number(re), number(im))).collect()
}

/// Integers as a plaintext; the bound is that of the largest.
pub(crate) fn encode(
    ckks: &Ckks,
    integers: &[Complex],
    level: usize,
    encoded: Encoded,
) -> Result<Plaintext, EvalError> {
    let unit = f64::from(-encoded.exponent).exp2();
    let values: Vec<_> = integers.iter().map(|value| value.times(unit)).collect();
    // Above the rounding of absolute values.
    let bound = values.iter().map(|value| value.abs()).fold(f64::MIN_POSITIVE, f64::max) * (1.0 + 1e-9);
    ckks.encode_complex(&values, &Encoding { level, scale: encoded.scale, bound })
}

/// Runs a lowered plan on CKKS ciphertexts with a client's evaluation keys.
#[derive(Debug)]
pub(crate) struct Approximate<'a> {
    ckks: &'a Ckks,
    lowered: &'a Lowered,
    prepared: &'a Prepared,
    keys: &'a EvaluationKeys,
    pool: &'a Pool<Ciphertext>,
}

impl<'a> Approximate<'a> {
    pub(crate) const fn new(
        ckks: &'a Ckks,
        lowered: &'a Lowered,
        prepared: &'a Prepared,
        keys: &'a EvaluationKeys,
        pool: &'a Pool<Ciphertext>,
    ) -> Self {
        Self { ckks, lowered, prepared, keys, pool }
    }

    /// The ciphertext of a level that an operation writes.
    fn write(
        &self,
        level: usize,
        operation: impl FnOnce(&mut Ciphertext, &mut Scratch) -> Result<(), EvalError>,
    ) -> Result<Ciphertext, EvalError> {
        self.pool.write(level, || self.ckks.zero(level), operation)
    }

    fn galois(&self, a: &Ciphertext, element: usize) -> Result<Ciphertext, EvalError> {
        self.write(a.level(), |out, scratch| self.ckks.apply_galois_into(a, element, self.keys, out, scratch))
    }

    /// The factors of terms of some levels.
    fn factors(
        &self,
        levels: impl Iterator<Item = usize>,
        plains: &[FactorId],
    ) -> Result<Vec<&'a Plaintext>, EvalError> {
        let factor = |(level, &plain)| self.prepared.factors.get(&(plain, level)).ok_or_else(|| self.unprepared(level));
        levels.zip(plains).map(factor).collect()
    }

    fn unprepared(&self, level: usize) -> EvalError {
        EvalError::NoSuchLevel { asked: level, max: self.ckks.params().max_level() }
    }
}

impl Evaluator for Approximate<'_> {
    type Value = Ciphertext;
    type Error = EvalError;

    fn linear_combination(&self, terms: &[&Ciphertext], weights: &[i64]) -> Result<Ciphertext, EvalError> {
        let level = terms.first().map_or(1, |term| term.level());
        self.write(level, |out, scratch| self.ckks.linear_combination_into(terms, weights, out, scratch))
    }

    fn sum(&self, terms: &[&Ciphertext]) -> Result<Ciphertext, EvalError> {
        let level = terms.first().map_or(1, |term| term.level());
        self.write(level, |out, scratch| self.ckks.sum_into(terms, out, scratch))
    }

    fn add_plain(&self, a: &Ciphertext, plain: AddendId) -> Result<Ciphertext, EvalError> {
        let addend = self.prepared.addends.get(&(plain, a.level())).ok_or_else(|| self.unprepared(a.level()))?;
        self.write(a.level(), |out, scratch| self.ckks.add_plain_into(a, addend, out, scratch))
    }

    fn inner_product(&self, terms: &[&Ciphertext], plains: &[FactorId]) -> Result<Ciphertext, EvalError> {
        let factors = self.factors(terms.iter().map(|term| term.level()), plains)?;
        let level = terms.first().map_or(1, |term| term.level());
        self.write(level, |out, scratch| self.ckks.dot_plain_into(terms, &factors, out, scratch))
    }

    fn rotate(&self, a: &Ciphertext, steps: isize) -> Result<Ciphertext, EvalError> {
        self.galois(a, rotation_element(self.ckks.params().degree(), steps))
    }

    fn rotate_many(&self, a: &Ciphertext, steps: &[isize]) -> Result<Vec<Ciphertext>, EvalError> {
        let new = |_: &isize| self.pool.take(a.level(), || self.ckks.zero(a.level()));
        let mut out: Vec<_> = steps.iter().map(new).collect();
        let rotate = |scratch: &mut Scratch| self.ckks.rotate_many_into(a, steps, self.keys, &mut out, scratch);
        self.pool.with(rotate).map(|()| out)
    }

    fn sum_rotations(&self, terms: &[(&Ciphertext, &[isize])]) -> Result<Ciphertext, EvalError> {
        let level = terms.first().map_or(1, |(term, _)| term.level());
        self.write(level, |out, scratch| self.ckks.sum_rotated_into(terms, self.keys, out, scratch))
    }

    fn conjugate(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.galois(a, row_swap_element(self.ckks.params().degree()))
    }

    fn square(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.multiply(a, a)
    }

    fn multiply(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.write(a.level(), |out, scratch| self.ckks.multiply_relinearise_into(a, b, self.keys, out, scratch))
    }

    fn multiply_rescaled(&self, a: &Ciphertext, b: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        let (ckks, keys) = (self.ckks, self.keys);
        self.write(level, |out, scratch| ckks.multiply_relinearise_rescale_into(a, b, keys, out, scratch))
    }

    fn switch_to(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        self.write(level, |out, scratch| self.ckks.drop_to_into(a, level, out, scratch))
    }

    fn rescale(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        let mut out = self.write(a.level() - 1, |out, scratch| self.ckks.rescale_into(a, out, scratch))?;
        while out.level() > level {
            let next = self.write(out.level() - 1, |next, scratch| self.ckks.rescale_into(&out, next, scratch))?;
            self.recycle(core::mem::replace(&mut out, next));
        }
        Ok(out)
    }

    fn recycle(&self, value: Ciphertext) {
        self.pool.recycle(value.level(), value);
    }

    /// With the plan's bounds: see [`crate::lower::approximate`].
    fn finish(&self, register: Register, value: Ciphertext) -> Ciphertext {
        value.with_bounds(self.lowered.state(register).bounds)
    }
}

impl<'a> Unpack for Approximate<'a> {
    type Packed = PackedCiphertext<'a>;

    fn finish_packed(&self, register: Register, packed: PackedCiphertext<'a>) -> PackedCiphertext<'a> {
        packed.with_bounds(self.lowered.state(register).bounds)
    }

    fn expand(&self, packed: &PackedCiphertext<'a>) -> Ciphertext {
        let mut out = self.pool.take(packed.level(), || self.ckks.zero(packed.level()));
        self.pool.with(|scratch| self.ckks.expand_into(packed, &mut out, scratch));
        out
    }

    fn inner_product_packed(
        &self,
        terms: &[&PackedCiphertext<'a>],
        plains: &[FactorId],
    ) -> Result<Ciphertext, EvalError> {
        let factors = self.factors(terms.iter().map(|term| term.level()), plains)?;
        let level = terms.first().map_or(1, |term| term.level());
        self.write(level, |out, scratch| self.ckks.dot_packed_into(terms, &factors, out, scratch))
    }
}
