//! What a plan costs: counts of the kernels that take the time, and their time on a machine.
//!
//! Counts are derived from the plan and the sizes of its parameters ([`Work`]); a [`Calibration`] of a machine makes
//! milliseconds of them. To rank plans before anything is measured, ratios that hold on one machine are good enough
//! ([`Work::in_transforms`]).

mod calibration;
mod memory;
mod sizes;

pub use calibration::{Calibration, Clock};
pub use memory::Memory;
pub use sizes::Sizes;

use core::ops::AddAssign;
use std::collections::BTreeMap;

use tacit_core::rlwe::{KeyRequest, rotation_element, row_swap_element};

use crate::lower::Lowered;
use crate::plan::{Op, Register, Stage};

/// The time of a product whose plaintext comes from memory, against that of a transform of 8192 coefficients.
const PRODUCT: f64 = 0.36;

/// The time of a pass over a limb, against that of a transform.
const PASS: f64 = 0.19;

/// The time of reading one limb of a message, and making the other from its seed, against that of a transform.
const READ: f64 = 1.0;

/// Kernel calls, each on one limb.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calls {
    /// Number-theoretic transforms, forward or inverse.
    pub transforms: f64,
    /// Products of residues with a sum, one factor from memory: plaintexts and keys, each of which is used once. Sums and
    /// copies of whole ciphertexts too: those take the same memory, which takes the time.
    pub products: f64,
    /// Sums and products in the cache, within an operation.
    pub passes: f64,
}

impl Calls {
    fn passes(passes: f64) -> Self {
        Self { passes, ..Self::default() }
    }

    fn products(products: f64) -> Self {
        Self { products, ..Self::default() }
    }

    fn times(self, factor: f64) -> Self {
        let Self { transforms, products, passes } = self;
        Self { transforms: transforms * factor, products: products * factor, passes: passes * factor }
    }
}

impl AddAssign for Calls {
    fn add_assign(&mut self, other: Self) {
        self.transforms += other.transforms;
        self.products += other.products;
        self.passes += other.passes;
    }
}

/// Kernel calls by what they are for: each kind has an overhead of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Limbs of the query.
    pub reads: f64,
    /// Sums, products with plaintexts, modulus switching.
    pub linear: Calls,
    /// Rotations that find the digits of their operand.
    pub rotations: Calls,
    /// Further rotations of the same message, which have the digits.
    pub hoisted: Calls,
    /// Products of two messages, relinearised.
    pub multiplications: Calls,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.reads += other.reads;
        self.linear += other.linear;
        self.rotations += other.rotations;
        self.hoisted += other.hoisted;
        self.multiplications += other.multiplications;
    }
}

impl Work {
    /// The work of a query: [`Work::reading`] and all stages.
    #[must_use]
    pub fn of(lowered: &Lowered, sizes: &Sizes) -> Self {
        let (model, mut sum) = (Model::new(lowered, sizes), Self::reading(lowered, sizes));
        (0..lowered.plan().ops().len()).for_each(|step| sum += model.op(step));
        sum
    }

    /// The work of reading the query.
    #[must_use]
    pub fn reading(lowered: &Lowered, sizes: &Sizes) -> Self {
        let limbs: usize = (0..lowered.plan().inputs()).map(|input| lowered.level(Register(input))).sum();
        Self { reads: (limbs * sizes.streams()) as f64, ..Self::default() }
    }

    /// The work of one stage.
    #[must_use]
    pub fn of_stage(lowered: &Lowered, sizes: &Sizes, stage: &Stage) -> Self {
        let (model, mut sum) = (Model::new(lowered, sizes), Self::default());
        stage.ops.clone().for_each(|step| sum += model.op(step));
        sum
    }

    /// All calls of kernels, whatever they are for.
    #[must_use]
    pub fn calls(&self) -> Calls {
        let mut sum = self.linear;
        [self.rotations, self.hoisted, self.multiplications].into_iter().for_each(|calls| sum += calls);
        sum
    }

    /// All of it as a number of transforms, by the ratios of one machine.
    #[must_use]
    pub fn in_transforms(&self) -> f64 {
        let Calls { transforms, products, passes } = self.calls();
        transforms + PRODUCT * products + PASS * passes + READ * self.reads
    }
}

/// The work of single operations of a plan.
struct Model<'a> {
    lowered: &'a Lowered,
    sizes: &'a Sizes,
    keys: KeyRequest,
    /// Rotations of a register that another operation has rotated before: they have its digits.
    hoisted: Vec<bool>,
}

impl<'a> Model<'a> {
    fn new(lowered: &'a Lowered, sizes: &'a Sizes) -> Self {
        let mut first = BTreeMap::new();
        let ops = lowered.plan().ops().iter().enumerate();
        let hoisted = ops.map(|(step, op)| match op {
            Op::Rotate { input, .. } => *first.entry(*input).or_insert(step) != step,
            _ => false,
        });
        Self { hoisted: hoisted.collect(), keys: lowered.key_request(sizes.degree()), lowered, sizes }
    }

    fn op(&self, step: usize) -> Work {
        let (op, sizes) = (&self.lowered.plan().ops()[step], self.sizes);
        let level = op.inputs().first().map_or(1, |&input| self.lowered.level(input));
        let galois = |element| self.keys.galois.get(&element).copied().unwrap_or(level);
        let mut work = Work::default();
        let drop = usize::from(matches!(op, Op::Rescaled { .. }));
        match op.unscaled() {
            Op::Rotate { steps, .. } => {
                let key_level = galois(rotation_element(sizes.degree(), *steps));
                let calls = if self.hoisted[step] { &mut work.hoisted } else { &mut work.rotations };
                *calls = sizes.rotation(level, key_level, self.hoisted[step]);
            }
            Op::Conjugate { .. } => {
                work.rotations = sizes.rotation(level, galois(row_swap_element(sizes.degree())), false);
            }
            Op::SumRotations { terms, steps } => {
                let key_level = |&steps: &isize| (steps != 0).then(|| galois(rotation_element(sizes.degree(), steps)));
                let images: Vec<Vec<_>> = steps.iter().map(|steps| steps.iter().map(key_level).collect()).collect();
                debug_assert_eq!(terms.len(), images.len());
                work.rotations = sizes.sum_rotations(level, &images);
            }
            Op::Square { .. } | Op::Multiply { .. } => {
                let square = matches!(op, Op::Square { .. });
                work.multiplications = sizes.multiplication(level, self.keys.relin.unwrap_or(level), square, drop);
            }
            _ => work.linear = self.linear(op, level),
        }
        work
    }

    /// An operation that needs no key.
    fn linear(&self, op: &Op, level: usize) -> Calls {
        let limbs = (2 * level * self.sizes.streams()) as f64;
        match op {
            Op::LinearCombination { terms, .. } | Op::Sum { terms } | Op::InnerProduct { terms, .. } => {
                Calls::products(limbs * terms.len() as f64)
            }
            Op::SwitchTo { level: to, .. } if !self.sizes.is_exact() => {
                Calls::products((2 * to * self.sizes.streams()) as f64)
            }
            Op::SwitchTo { level: to, .. } | Op::Rescale { level: to, .. } => self.sizes.switch(level, *to),
            _ => Calls::products(limbs),
        }
    }
}

#[cfg(test)]
mod tests;
