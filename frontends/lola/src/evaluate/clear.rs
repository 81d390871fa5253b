//! The oracle: a plan on integers.

use core::convert::Infallible;

use super::Evaluator;
use crate::lower::centre;
use crate::plan::{AddendId, FactorId, Plan};

/// Runs a plan on vectors of complex integers modulo an odd `T`, each part in `[-T/2, T/2)`, as encrypted messages behave
/// apart from errors.
#[derive(Clone, Debug)]
pub struct Clear<'a> {
    plan: &'a Plan,
    modulus: i128,
}

/// A complex integer.
pub(super) type Complex = (i128, i128);

impl<'a> Clear<'a> {
    /// The evaluator of a plan, modulo `T < 2^62`: products of two values fit a word.
    ///
    /// # Panics
    /// If `T` is larger.
    #[must_use]
    pub fn new(plan: &'a Plan, modulus: u64) -> Self {
        assert!(modulus >> 62 == 0);
        Self { plan, modulus: i128::from(modulus) }
    }

    /// A message with these values in its first slots.
    #[must_use]
    pub fn message(&self, values: &[(i64, i64)]) -> Vec<Complex> {
        let mut slots = vec![(0, 0); self.plan.shape().slots()];
        for (slot, &(re, im)) in slots.iter_mut().zip(values) {
            *slot = self.centred((re.into(), im.into()));
        }
        slots
    }

    fn slots(&self, value: impl Fn(usize) -> Complex) -> Result<Vec<Complex>, Infallible> {
        Ok((0..self.plan.shape().slots()).map(|i| self.centred(value(i))).collect())
    }

    fn centred(&self, (re, im): Complex) -> Complex {
        (centre(re, self.modulus), centre(im, self.modulus))
    }

    fn product(&self, a: Complex, b: Complex) -> Complex {
        let (a, b) = (self.centred(a), self.centred(b));
        self.centred((a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0))
    }
}

fn plus(a: Complex, b: Complex) -> Complex {
    (a.0 + b.0, a.1 + b.1)
}

impl Evaluator for Clear<'_> {
    type Value = Vec<Complex>;
    type Error = Infallible;

    fn linear_combination(&self, terms: &[&Vec<Complex>], weights: &[i64]) -> Result<Vec<Complex>, Infallible> {
        self.slots(|i| {
            let products = terms.iter().zip(weights).map(|(term, &weight)| self.product(term[i], (weight.into(), 0)));
            products.fold((0, 0), plus)
        })
    }

    fn sum(&self, terms: &[&Vec<Complex>]) -> Result<Vec<Complex>, Infallible> {
        self.slots(|i| terms.iter().map(|term| term[i]).fold((0, 0), plus))
    }

    fn add_plain(&self, a: &Vec<Complex>, plain: AddendId) -> Result<Vec<Complex>, Infallible> {
        let plain = &self.plan.plains().addends()[plain.0];
        self.slots(|i| plus(a[i], self.centred(plain.get(i))))
    }

    fn inner_product(&self, terms: &[&Vec<Complex>], plains: &[FactorId]) -> Result<Vec<Complex>, Infallible> {
        let plains: Vec<_> = plains.iter().map(|plain| &self.plan.plains().factors()[plain.0]).collect();
        self.slots(|i| {
            let factor = |slots: &crate::plan::Slots<i64>| (slots.get(i).0.into(), slots.get(i).1.into());
            terms.iter().zip(&plains).map(|(a, plain)| self.product(a[i], factor(plain))).fold((0, 0), plus)
        })
    }

    fn rotate(&self, a: &Vec<Complex>, steps: isize) -> Result<Vec<Complex>, Infallible> {
        self.slots(|i| a[self.plan.shape().rotated(i, steps)])
    }

    fn sum_rotations(&self, terms: &[(&Vec<Complex>, &[isize])]) -> Result<Vec<Complex>, Infallible> {
        let shape = self.plan.shape();
        let images = |i: usize| {
            terms.iter().flat_map(move |(a, steps)| steps.iter().map(move |&steps| a[shape.rotated(i, steps)]))
        };
        self.slots(|i| images(i).fold((0, 0), plus))
    }

    fn conjugate(&self, a: &Vec<Complex>) -> Result<Vec<Complex>, Infallible> {
        let shape = self.plan.shape();
        self.slots(|i| if shape.rows == 2 { a[shape.swapped(i)] } else { (a[i].0, -a[i].1) })
    }

    fn square(&self, a: &Vec<Complex>) -> Result<Vec<Complex>, Infallible> {
        self.multiply(a, a)
    }

    fn multiply(&self, a: &Vec<Complex>, b: &Vec<Complex>) -> Result<Vec<Complex>, Infallible> {
        self.slots(|i| self.product(a[i], b[i]))
    }

    fn switch_to(&self, a: &Vec<Complex>, _level: usize) -> Result<Vec<Complex>, Infallible> {
        Ok(a.clone())
    }

    fn rescale(&self, a: &Vec<Complex>, _level: usize) -> Result<Vec<Complex>, Infallible> {
        Ok(a.clone())
    }
}
