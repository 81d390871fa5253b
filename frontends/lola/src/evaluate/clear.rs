//! The oracle: a plan on integers.

use core::convert::Infallible;

use super::Evaluator;
use crate::lower::centre;
use crate::plan::{PlainId, Plan};

/// Runs a plan on vectors of integers modulo an odd `T`, in `[-T/2, T/2)`, as encrypted messages behave.
#[derive(Clone, Debug)]
pub struct Clear<'a> {
    plan: &'a Plan,
    modulus: i128,
}

impl<'a> Clear<'a> {
    /// The evaluator of a plan, modulo `T < 2^63`: products of two values fit a word.
    ///
    /// # Panics
    /// If `T` is larger.
    #[must_use]
    pub fn new(plan: &'a Plan, modulus: u64) -> Self {
        assert!(modulus >> 63 == 0);
        Self { plan, modulus: i128::from(modulus) }
    }

    /// A message with these values in its first slots.
    #[must_use]
    pub fn message(&self, values: &[i64]) -> Vec<i128> {
        let mut slots = vec![0; self.plan.slots()];
        for (slot, &value) in slots.iter_mut().zip(values) {
            *slot = centre(i128::from(value), self.modulus);
        }
        slots
    }

    fn slots(&self, value: impl Fn(usize) -> i128) -> Result<Vec<i128>, Infallible> {
        Ok((0..self.plan.slots()).map(|i| centre(value(i), self.modulus)).collect())
    }

    fn plain(&self, plain: PlainId, slot: usize) -> i128 {
        centre(self.plan.plains()[plain.0].get(slot).copied().unwrap_or(0), self.modulus)
    }
}

impl Evaluator for Clear<'_> {
    type Value = Vec<i128>;
    type Error = Infallible;

    fn linear_combination(&self, terms: &[&Vec<i128>], weights: &[i64]) -> Result<Vec<i128>, Infallible> {
        self.slots(|i| {
            let products = terms.iter().zip(weights).map(|(term, &weight)| term[i] * i128::from(weight));
            products.fold(0, |sum, product| centre(sum + product, self.modulus))
        })
    }

    fn sum(&self, terms: &[&Vec<i128>]) -> Result<Vec<i128>, Infallible> {
        self.slots(|i| terms.iter().fold(0, |sum, term| centre(sum + term[i], self.modulus)))
    }

    fn add_plain(&self, a: &Vec<i128>, plain: PlainId) -> Result<Vec<i128>, Infallible> {
        self.slots(|i| a[i] + self.plain(plain, i))
    }

    fn mul_plain(&self, a: &Vec<i128>, plain: PlainId) -> Result<Vec<i128>, Infallible> {
        self.slots(|i| a[i] * self.plain(plain, i))
    }

    fn inner_product(&self, terms: &[&Vec<i128>], plains: &[PlainId]) -> Result<Vec<i128>, Infallible> {
        let term = |(a, plain): (&&Vec<i128>, &PlainId), i: usize| centre(a[i] * self.plain(*plain, i), self.modulus);
        self.slots(|i| terms.iter().zip(plains).map(|pair| term(pair, i)).sum())
    }

    fn rotate(&self, a: &Vec<i128>, steps: isize) -> Result<Vec<i128>, Infallible> {
        let slots = a.len() as isize;
        self.slots(|i| a[(i as isize + steps).rem_euclid(slots) as usize])
    }

    fn square(&self, a: &Vec<i128>) -> Result<Vec<i128>, Infallible> {
        self.slots(|i| a[i] * a[i])
    }

    fn switch_to(&self, a: &Vec<i128>, _level: usize) -> Result<Vec<i128>, Infallible> {
        Ok(a.clone())
    }
}
