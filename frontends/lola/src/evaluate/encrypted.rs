//! A plan on ciphertexts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tacit_core::bfv::{Bfv, Ciphertext, PlainAddend, PlainMultiplicand, Plaintext};
use tacit_core::error::EvalError;
use tacit_core::rlwe::EvaluationKeys;

use super::Evaluator;
use crate::error::PlanError;
use crate::lower::{Lowered, encode};
use crate::plan::{Op, PlainId};

/// The plaintexts of a plan, each in the forms and at the levels at which it is used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    multiplicands: BTreeMap<(PlainId, usize), PlainMultiplicand>,
    addends: BTreeMap<(PlainId, usize), PlainAddend>,
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

    /// Encodes the plaintext of an operation, if it has one and no earlier operation used it so.
    fn add(&mut self, bfv: &Bfv, lowered: &Lowered, op: &Op) -> Result<(), EvalError> {
        let plaintext = |plain: PlainId| encode(bfv, &lowered.plan().plains()[plain.0]);
        match op {
            Op::AddPlain { input, plain } => {
                let level = lowered.level(*input);
                if let Entry::Vacant(entry) = self.addends.entry((*plain, level)) {
                    entry.insert(bfv.addend(&plaintext(*plain)?, level)?);
                }
            }
            Op::MulPlain { input, plain } => self.add_factor(bfv, *plain, lowered.level(*input), plaintext)?,
            Op::InnerProduct { terms, plains } => {
                for (term, plain) in terms.iter().zip(plains) {
                    self.add_factor(bfv, *plain, lowered.level(*term), plaintext)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_factor(
        &mut self,
        bfv: &Bfv,
        plain: PlainId,
        level: usize,
        plaintext: impl Fn(PlainId) -> Result<Plaintext, EvalError>,
    ) -> Result<(), EvalError> {
        if let Entry::Vacant(entry) = self.multiplicands.entry((plain, level)) {
            entry.insert(bfv.multiplicand(&plaintext(plain)?, level)?);
        }
        Ok(())
    }
}

/// Runs a lowered plan on BFV ciphertexts with a client's evaluation keys.
#[derive(Clone, Copy, Debug)]
pub struct Encrypted<'a> {
    pub(crate) bfv: &'a Bfv,
    pub(crate) prepared: &'a Prepared,
    pub(crate) keys: &'a EvaluationKeys,
}

impl Encrypted<'_> {
    fn factor(&self, plain: PlainId, level: usize) -> Result<&PlainMultiplicand, EvalError> {
        self.prepared.multiplicands.get(&(plain, level)).ok_or_else(|| self.unprepared(level))
    }

    fn unprepared(&self, level: usize) -> EvalError {
        EvalError::NoSuchLevel { asked: level, max: self.bfv.params().max_level() }
    }
}

impl Evaluator for Encrypted<'_> {
    type Value = Ciphertext;
    type Error = EvalError;

    fn linear_combination(&self, terms: &[&Ciphertext], weights: &[i64]) -> Result<Ciphertext, EvalError> {
        self.bfv.linear_combination(terms, weights)
    }

    fn sum(&self, terms: &[&Ciphertext]) -> Result<Ciphertext, EvalError> {
        self.bfv.sum(terms)
    }

    fn add_plain(&self, a: &Ciphertext, plain: PlainId) -> Result<Ciphertext, EvalError> {
        let addend = self.prepared.addends.get(&(plain, a.level())).ok_or_else(|| self.unprepared(a.level()))?;
        self.bfv.add_plain(a, addend)
    }

    fn mul_plain(&self, a: &Ciphertext, plain: PlainId) -> Result<Ciphertext, EvalError> {
        self.bfv.mul_plain(a, self.factor(plain, a.level())?)
    }

    fn inner_product(&self, terms: &[&Ciphertext], plains: &[PlainId]) -> Result<Ciphertext, EvalError> {
        let factors = terms.iter().zip(plains).map(|(term, &plain)| self.factor(plain, term.level()));
        self.bfv.inner_product(terms, &factors.collect::<Result<Vec<_>, _>>()?)
    }

    fn rotate(&self, a: &Ciphertext, steps: isize) -> Result<Ciphertext, EvalError> {
        self.bfv.rotate_rows(a, steps, self.keys)
    }

    fn square(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.bfv.relinearise(&self.bfv.square(a)?, self.keys)
    }

    fn switch_to(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        self.bfv.switch_to(a, level)
    }
}
