//! A plan on BFV ciphertexts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tacit_core::bfv::{Bfv, Ciphertext, PackedCiphertext, PlainAddend, PlainMultiplicand};
use tacit_core::error::EvalError;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::{EvaluationKeys, rotation_element, row_swap_element};

use super::Evaluator;
use super::pool::Pool;
use super::query::Unpack;
use crate::error::PlanError;
use crate::lower::Lowered;
use crate::lower::exact::{encode, encode_factor};
use crate::plan::{AddendId, FactorId, Op};

/// The plaintexts of a plan, each in the forms and at the levels at which it is used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    multiplicands: BTreeMap<(FactorId, usize), PlainMultiplicand>,
    addends: BTreeMap<(AddendId, usize), PlainAddend>,
}

impl Prepared {
    /// Encodes every plaintext once. Cost: a few transforms per plaintext and level.
    pub(crate) fn new(bfv: &Bfv, lowered: &Lowered) -> Result<Self, PlanError> {
        let mut prepared = Self::default();
        for (step, op) in lowered.plan().ops().iter().enumerate() {
            prepared.add(bfv, lowered, op).map_err(|error| PlanError::Step { step, error })?;
        }
        Ok(prepared)
    }

    /// Encodes the plaintexts of an operation that no earlier operation used so.
    fn add(&mut self, bfv: &Bfv, lowered: &Lowered, op: &Op) -> Result<(), EvalError> {
        let plains = lowered.plan().plains();
        match op {
            Op::AddPlain { input, plain } => {
                let level = lowered.level(*input);
                if let Entry::Vacant(entry) = self.addends.entry((*plain, level)) {
                    let addend = lowered.plan().addend(*plain, bfv.slot_count());
                    entry.insert(bfv.addend(&encode(bfv, &addend.re)?, level)?);
                }
            }
            Op::InnerProduct { terms, plains: factors } => {
                for (term, plain) in terms.iter().zip(factors) {
                    let level = lowered.level(*term);
                    if let Entry::Vacant(entry) = self.multiplicands.entry((*plain, level)) {
                        let plaintext = encode_factor(bfv, &plains.factors()[plain.0])?;
                        entry.insert(bfv.multiplicand(&plaintext, level)?);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Runs a lowered plan on BFV ciphertexts with a client's evaluation keys.
#[derive(Debug)]
pub(crate) struct Exact<'a> {
    bfv: &'a Bfv,
    prepared: &'a Prepared,
    keys: &'a EvaluationKeys,
    pool: &'a Memory,
}

/// Ciphertexts of two polynomials, and of three: products before relinearisation.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    two: Pool<Ciphertext>,
    three: Pool<Ciphertext>,
}

impl<'a> Exact<'a> {
    pub(crate) const fn new(bfv: &'a Bfv, prepared: &'a Prepared, keys: &'a EvaluationKeys, pool: &'a Memory) -> Self {
        Self { bfv, prepared, keys, pool }
    }

    fn factor(&self, plain: FactorId, level: usize) -> Result<&PlainMultiplicand, EvalError> {
        self.prepared.multiplicands.get(&(plain, level)).ok_or_else(|| self.unprepared(level))
    }

    fn unprepared(&self, level: usize) -> EvalError {
        EvalError::NoSuchLevel { asked: level, max: self.bfv.params().max_level() }
    }

    fn galois(&self, a: &Ciphertext, element: usize) -> Result<Ciphertext, EvalError> {
        self.write(a.level(), |out, scratch| self.bfv.apply_galois_into(a, element, self.keys, out, scratch))
    }

    /// `product` writes three polynomials, which become two.
    fn relinearised(
        &self,
        level: usize,
        product: impl FnOnce(&mut Ciphertext, &mut Scratch) -> Result<(), EvalError>,
    ) -> Result<Ciphertext, EvalError> {
        let three = self.pool.three.write(level, || self.bfv.zero(level), product)?;
        let result = self.write(level, |out, scratch| self.bfv.relinearise_into(&three, self.keys, out, scratch));
        self.pool.three.recycle(level, three);
        result
    }

    /// The ciphertext of a level that an operation writes.
    fn write(
        &self,
        level: usize,
        operation: impl FnOnce(&mut Ciphertext, &mut Scratch) -> Result<(), EvalError>,
    ) -> Result<Ciphertext, EvalError> {
        self.pool.two.write(level, || self.bfv.zero(level), operation)
    }
}

impl Evaluator for Exact<'_> {
    type Value = Ciphertext;
    type Error = EvalError;

    fn linear_combination(&self, terms: &[&Ciphertext], weights: &[i64]) -> Result<Ciphertext, EvalError> {
        let level = terms.first().map_or(1, |term| term.level());
        self.write(level, |out, scratch| self.bfv.linear_combination_into(terms, weights, out, scratch))
    }

    fn sum(&self, terms: &[&Ciphertext]) -> Result<Ciphertext, EvalError> {
        let level = terms.first().map_or(1, |term| term.level());
        self.write(level, |out, scratch| self.bfv.sum_into(terms, out, scratch))
    }

    fn add_plain(&self, a: &Ciphertext, plain: AddendId) -> Result<Ciphertext, EvalError> {
        let addend = self.prepared.addends.get(&(plain, a.level())).ok_or_else(|| self.unprepared(a.level()))?;
        self.write(a.level(), |out, scratch| self.bfv.add_plain_into(a, addend, out, scratch))
    }

    fn inner_product(&self, terms: &[&Ciphertext], plains: &[FactorId]) -> Result<Ciphertext, EvalError> {
        let factors = terms.iter().zip(plains).map(|(term, &plain)| self.factor(plain, term.level()));
        let factors = factors.collect::<Result<Vec<_>, _>>()?;
        match (terms, &factors[..]) {
            ([a], [factor]) => self.write(a.level(), |out, scratch| self.bfv.mul_plain_into(a, factor, out, scratch)),
            _ => {
                let level = terms.first().map_or(1, |term| term.level());
                self.write(level, |out, scratch| self.bfv.inner_product_into(terms, &factors, out, scratch))
            }
        }
    }

    fn rotate(&self, a: &Ciphertext, steps: isize) -> Result<Ciphertext, EvalError> {
        self.galois(a, rotation_element(self.bfv.params().degree(), steps))
    }

    fn sum_rotations(&self, terms: &[(&Ciphertext, &[isize])]) -> Result<Ciphertext, EvalError> {
        let level = terms.first().map_or(1, |(term, _)| term.level());
        self.write(level, |out, scratch| self.bfv.sum_rotated_into(terms, self.keys, out, scratch))
    }

    fn conjugate(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.galois(a, row_swap_element(self.bfv.params().degree()))
    }

    fn rotate_many(&self, a: &Ciphertext, steps: &[isize]) -> Result<Vec<Ciphertext>, EvalError> {
        let new = |_: &isize| self.pool.two.take(a.level(), || self.bfv.zero(a.level()));
        let mut out: Vec<_> = steps.iter().map(new).collect();
        let rotate = |scratch: &mut Scratch| self.bfv.rotate_many_into(a, steps, self.keys, &mut out, scratch);
        self.pool.two.with(rotate).map(|()| out)
    }

    fn square(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.relinearised(a.level(), |product, scratch| self.bfv.square_into(a, product, scratch))
    }

    fn multiply(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.relinearised(a.level(), |product, scratch| self.bfv.multiply_into(a, b, product, scratch))
    }

    fn switch_to(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        if !(1..=a.level()).contains(&level) {
            return Err(EvalError::NoSuchLevel { asked: level, max: a.level() });
        }
        self.write(level, |out, scratch| self.bfv.switch_to_into(a, level, out, scratch))
    }

    /// Exact values have no scale.
    fn rescale(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        self.switch_to(a, level)
    }

    fn recycle(&self, value: Ciphertext) {
        self.pool.two.recycle(value.level(), value);
    }
}

impl<'a> Unpack for Exact<'a> {
    type Packed = PackedCiphertext<'a>;

    fn expand(&self, packed: &PackedCiphertext<'a>) -> Ciphertext {
        let level = self.bfv.params().max_level();
        let mut out = self.pool.two.take(level, || self.bfv.zero(level));
        self.pool.two.with(|scratch| self.bfv.expand_into(packed, &mut out, scratch));
        out
    }

    fn inner_product_packed(
        &self,
        terms: &[&PackedCiphertext<'a>],
        plains: &[FactorId],
    ) -> Result<Ciphertext, EvalError> {
        let level = self.bfv.params().max_level();
        let factors = plains.iter().map(|&plain| self.factor(plain, level)).collect::<Result<Vec<_>, _>>()?;
        self.write(level, |out, scratch| self.bfv.inner_product_packed_into(terms, &factors, out, scratch))
    }
}
