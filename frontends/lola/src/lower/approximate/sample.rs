//! A typical run of a plan.

use crate::plan::{MessageShape, Op, Plan, Register, Slots};
use crate::representation::{Cell, Layout};

/// A complex number.
pub(super) type Complex = (f64, f64);

/// The values of every register for one input: what sizes are typical.
#[derive(Clone, Debug)]
pub struct Sample {
    values: Vec<Vec<Complex>>,
}

impl Sample {
    /// Runs a plan on real numbers, for an input that is laid out as the client would.
    #[must_use]
    pub fn new(plan: &Plan, layout: &Layout, input: &[i64]) -> Self {
        let part = |value: Option<usize>| value.map_or(0.0, |value| input[value] as f64);
        let slot = |cell: &Cell| (part(cell.re()), part(cell.im()));
        let mut sample = Self { values: layout.cells().iter().map(|cells| cells.iter().map(slot).collect()).collect() };
        for op in plan.ops() {
            let value = sample.apply(plan, op);
            sample.values.push(value);
        }
        sample
    }

    /// The slots of a register.
    pub(super) fn of(&self, register: Register) -> &[Complex] {
        &self.values[register.0]
    }

    /// The largest absolute value of a register's slots.
    pub(super) fn largest(&self, register: Register) -> f64 {
        self.of(register).iter().map(norm).fold(0.0, f64::max).sqrt()
    }

    fn apply(&self, plan: &Plan, op: &Op) -> Vec<Complex> {
        let shape = plan.shape();
        let of = |register: &Register| self.of(*register);
        match op {
            Op::LinearCombination { terms, weights } => weighted(shape, terms.iter().map(of).zip(weights)),
            Op::Sum { terms } => weighted(shape, terms.iter().map(of).zip(core::iter::repeat(&1))),
            Op::AddPlain { input, plain } => {
                let plain = &plan.plains().addends()[plain.0];
                let sum = |(i, &a): (usize, &Complex)| (a.0 + plain.get(i).0 as f64, a.1 + plain.get(i).1 as f64);
                of(input).iter().enumerate().map(sum).collect()
            }
            Op::InnerProduct { terms, plains } => {
                let mut out = vec![(0.0, 0.0); shape.slots()];
                for (term, plain) in terms.iter().zip(plains) {
                    let plain = &plan.plains().factors()[plain.0];
                    for (i, (out, &value)) in out.iter_mut().zip(of(term)).enumerate() {
                        let product = times(value, real(plain, i));
                        *out = (out.0 + product.0, out.1 + product.1);
                    }
                }
                out
            }
            Op::Rotate { input, steps } => permuted(of(input), |slot| shape.rotated(slot, *steps)),
            Op::SumRotations { .. } => {
                let images = op.images().map(|(term, steps)| permuted(of(&term), |slot| shape.rotated(slot, steps)));
                let images: Vec<_> = images.collect();
                weighted(shape, images.iter().map(Vec::as_slice).zip(core::iter::repeat(&1)))
            }
            Op::Conjugate { input } => of(input).iter().map(|a| (a.0, -a.1)).collect(),
            Op::Square { input } => of(input).iter().map(|&a| times(a, a)).collect(),
            Op::Multiply { factors: [a, b] } => of(a).iter().zip(of(b)).map(|(&a, &b)| times(a, b)).collect(),
            Op::SwitchTo { input, .. } | Op::Rescale { input, .. } => of(input).to_vec(),
            Op::Rescaled { op, .. } => self.apply(plan, op),
        }
    }
}

pub(super) const fn norm(a: &Complex) -> f64 {
    a.0 * a.0 + a.1 * a.1
}

/// A slot of a factor.
pub(super) fn real(plain: &Slots<i64>, slot: usize) -> Complex {
    let (re, im) = plain.get(slot);
    (re as f64, im as f64)
}

/// Values whose slot `i` was slot `from(i)`.
pub(super) fn permuted<T: Copy>(values: &[T], from: impl Fn(usize) -> usize) -> Vec<T> {
    (0..values.len()).map(|slot| values[from(slot)]).collect()
}

fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn weighted<'a>(shape: MessageShape, terms: impl Iterator<Item = (&'a [Complex], &'a i64)>) -> Vec<Complex> {
    let mut out = vec![(0.0, 0.0); shape.slots()];
    for (term, &weight) in terms {
        let weight = weight as f64;
        out.iter_mut().zip(term).for_each(|(out, a)| *out = (out.0 + weight * a.0, out.1 + weight * a.1));
    }
    out
}
