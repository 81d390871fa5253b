//! A plan on ciphertexts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tacit_core::bfv::{Bfv, Ciphertext, PlainAddend, PlainMultiplicand, Plaintext};
use tacit_core::error::EvalError;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::{EvaluationKeys, rotation_element};

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

/// The most dead ciphertexts to keep: about as many as operations that become ready together.
const MAX_SPARE: usize = 32;

/// Runs a lowered plan on BFV ciphertexts with a client's evaluation keys. What one operation needed, the next one finds.
#[derive(Debug)]
pub struct Encrypted<'a> {
    bfv: &'a Bfv,
    prepared: &'a Prepared,
    keys: &'a EvaluationKeys,
    /// As many as operations were ever under way at once.
    scratches: Mutex<Vec<Scratch>>,
    /// Ciphertexts that no operation will read.
    spare: Mutex<Vec<Ciphertext>>,
    /// As many as squares were ever under way at once.
    products: Mutex<Vec<Ciphertext>>,
}

impl<'a> Encrypted<'a> {
    pub(crate) const fn new(bfv: &'a Bfv, prepared: &'a Prepared, keys: &'a EvaluationKeys) -> Self {
        Self {
            bfv,
            prepared,
            keys,
            scratches: Mutex::new(Vec::new()),
            spare: Mutex::new(Vec::new()),
            products: Mutex::new(Vec::new()),
        }
    }

    fn factor(&self, plain: PlainId, level: usize) -> Result<&PlainMultiplicand, EvalError> {
        self.prepared.multiplicands.get(&(plain, level)).ok_or_else(|| self.unprepared(level))
    }

    fn unprepared(&self, level: usize) -> EvalError {
        EvalError::NoSuchLevel { asked: level, max: self.bfv.params().max_level() }
    }

    /// A ciphertext of a level to write into, one that is no longer needed if there is such.
    fn take(&self, level: usize) -> Ciphertext {
        let mut spare = lock(&self.spare);
        let found = spare.iter().rposition(|old| old.level() == level && old.size() == 2);
        found.map_or_else(|| self.bfv.zero(level), |found| spare.swap_remove(found))
    }

    /// The ciphertext of a level that an operation writes, in place of one that is no longer needed if there is such.
    fn write(
        &self,
        level: usize,
        operation: impl FnOnce(&mut Ciphertext, &mut Scratch) -> Result<(), EvalError>,
    ) -> Result<Ciphertext, EvalError> {
        let mut scratch = lock(&self.scratches).pop().unwrap_or_default();
        let mut out = self.take(level);
        let result = operation(&mut out, &mut scratch);
        lock(&self.scratches).push(scratch);
        result.map(|()| out)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Evaluator for Encrypted<'_> {
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

    fn add_plain(&self, a: &Ciphertext, plain: PlainId) -> Result<Ciphertext, EvalError> {
        let addend = self.prepared.addends.get(&(plain, a.level())).ok_or_else(|| self.unprepared(a.level()))?;
        self.write(a.level(), |out, scratch| self.bfv.add_plain_into(a, addend, out, scratch))
    }

    fn mul_plain(&self, a: &Ciphertext, plain: PlainId) -> Result<Ciphertext, EvalError> {
        let factor = self.factor(plain, a.level())?;
        self.write(a.level(), |out, scratch| self.bfv.mul_plain_into(a, factor, out, scratch))
    }

    fn inner_product(&self, terms: &[&Ciphertext], plains: &[PlainId]) -> Result<Ciphertext, EvalError> {
        let factors = terms.iter().zip(plains).map(|(term, &plain)| self.factor(plain, term.level()));
        self.bfv.inner_product(terms, &factors.collect::<Result<Vec<_>, _>>()?)
    }

    fn rotate(&self, a: &Ciphertext, steps: isize) -> Result<Ciphertext, EvalError> {
        let element = rotation_element(self.bfv.params().degree(), steps);
        self.write(a.level(), |out, scratch| self.bfv.apply_galois_into(a, element, self.keys, out, scratch))
    }

    fn rotate_many(&self, a: &Ciphertext, steps: &[isize]) -> Result<Vec<Ciphertext>, EvalError> {
        let mut out: Vec<_> = steps.iter().map(|_| self.take(a.level())).collect();
        let mut scratch = lock(&self.scratches).pop().unwrap_or_default();
        let result = self.bfv.rotate_many_into(a, steps, self.keys, &mut out, &mut scratch);
        lock(&self.scratches).push(scratch);
        result.map(|()| out)
    }

    fn square(&self, a: &Ciphertext) -> Result<Ciphertext, EvalError> {
        self.write(a.level(), |out, scratch| {
            let mut product = lock(&self.products).pop().unwrap_or_else(|| self.bfv.zero(a.level()));
            self.bfv.square_into(a, &mut product, scratch)?;
            self.bfv.relinearise_into(&product, self.keys, out, scratch)?;
            lock(&self.products).push(product);
            Ok(())
        })
    }

    fn switch_to(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext, EvalError> {
        if !(1..=a.level()).contains(&level) {
            return Err(EvalError::NoSuchLevel { asked: level, max: a.level() });
        }
        self.write(level, |out, scratch| self.bfv.switch_to_into(a, level, out, scratch))
    }

    fn recycle(&self, value: Ciphertext) {
        let mut spare = lock(&self.spare);
        if spare.len() >= MAX_SPARE {
            // The oldest is of the highest level, which comes to its end first.
            spare.remove(0);
        }
        spare.push(value);
    }
}
