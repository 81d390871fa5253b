//! How much of each rounding's error arrives at the outputs.

use std::collections::BTreeMap;

use tacit_core::ckks::Deviations;

use super::Sample;
use super::errors::{Added, of_values, spread};
use crate::plan::{Op, Plan, Register};

/// A set of operations that make a scale grow, alike: those of one kind in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Growth {
    Plain(usize),
    Product(usize),
}

/// Where errors come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Encryption, and key switching, of the input.
    Input,
    /// Rounding the plaintexts of a growth.
    Factor(Growth),
    /// Rounding at the scale after a growth: rescaling, and key switching from there on.
    After(Growth),
}

/// What a design needs to know of a plan.
#[derive(Clone, Debug)]
pub(super) struct Gains {
    /// For each source, the variance at the outputs in units of the plan's integers, if its scale were 1.
    gains: BTreeMap<Source, f64>,
    /// For each growth by plaintexts, `log2` of its largest weight, rounded up.
    exponents: BTreeMap<Growth, i32>,
}

impl Growth {
    /// The kind of an operation, if it makes a scale grow.
    pub(super) const fn of(op: &Op, stage: usize) -> Option<Self> {
        match op {
            Op::InnerProduct { .. } => Some(Self::Plain(stage)),
            Op::Square { .. } | Op::Multiply { .. } => Some(Self::Product(stage)),
            _ => None,
        }
    }
}

impl Gains {
    pub(super) fn new(plan: &Plan, degree: usize, sample: &Sample) -> Self {
        // By sizes: a special prime about as large as each digit.
        let typical = Deviations::new(degree, &[1 << 30], &[1 << 31], 1);
        let sources = classes(plan);
        let mut gains = BTreeMap::new();
        for source in core::iter::once(Source::Input).chain(
            each(plan)
                .filter_map(|(growth, _)| growth)
                .flat_map(|growth| [Source::Factor(growth), Source::After(growth)]),
        ) {
            gains.entry(source).or_insert_with(|| gain(plan, sample, &typical, &sources, source));
        }
        Self { gains, exponents: exponents(plan) }
    }

    /// `log2` of the largest weight of a growth, rounded up.
    pub(super) fn exponent(&self, growth: Growth) -> i32 {
        self.exponents.get(&growth).copied().unwrap_or(0)
    }

    /// Where errors come from.
    pub(super) fn sources(&self) -> impl Iterator<Item = Source> {
        self.gains.keys().copied()
    }

    /// `log2` of the scale at which the variance at the outputs from a source is this.
    pub(super) fn scale(&self, source: Source, variance: f64) -> f64 {
        let gain = self.gains.get(&source).copied().unwrap_or(0.0);
        (gain / variance).max(1.0).log2() / 2.0
    }
}

/// The operations with the growth that they belong to.
pub(super) fn each(plan: &Plan) -> impl Iterator<Item = (Option<Growth>, &Op)> {
    let stages = plan.stages().iter().enumerate();
    stages.flat_map(|(number, stage)| plan.ops()[stage.ops.clone()].iter().map(move |op| (Growth::of(op, number), op)))
}

/// Looks at every weight, which takes a while: once, not for each design.
fn exponents(plan: &Plan) -> BTreeMap<Growth, i32> {
    let mut largest: BTreeMap<Growth, u64> = BTreeMap::new();
    for (growth, op) in each(plan) {
        let (Some(growth), Op::InnerProduct { plains, .. }) = (growth, op) else { continue };
        let slots = plains.iter().map(|plain| &plan.plains().factors()[plain.0]);
        let weights = slots.flat_map(|slots| slots.re.iter().chain(&slots.im));
        let size = weights.map(|weight| weight.unsigned_abs()).max().unwrap_or(0);
        let most = largest.entry(growth).or_insert(1);
        *most = size.max(*most);
    }
    largest.into_iter().map(|(growth, largest)| (growth, (largest as f64).log2().ceil() as i32)).collect()
}

/// For each register, what decides its scale.
fn classes(plan: &Plan) -> Vec<Source> {
    let mut classes = vec![Source::Input; plan.inputs()];
    for (growth, op) in each(plan) {
        let of = |register: &Register| classes[register.0];
        let inherited = op.inputs().first().map_or(Source::Input, of);
        classes.push(growth.map_or(inherited, Source::After));
    }
    classes
}

/// The largest variance of an output if only this source makes errors, at scale 1.
fn gain(plan: &Plan, sample: &Sample, typical: &Deviations, classes: &[Source], source: Source) -> f64 {
    let fresh = if source == Source::Input { typical.fresh.powi(2) + typical.encoding.powi(2) } else { 0.0 };
    let mut variances: Vec<Vec<f64>> = vec![vec![fresh; plan.shape().slots()]; plan.inputs()];
    for (step, (growth, op)) in each(plan).enumerate() {
        let register = plan.defined_by(step);
        let here = classes[register.0] == source;
        let slot = match op {
            Op::Rotate { .. } | Op::Conjugate { .. } if here => typical.key_switch.powi(2),
            Op::SumRotations { .. } if here => op.rotations().count() as f64 * typical.key_switch.powi(2),
            Op::InnerProduct { .. } | Op::Square { .. } | Op::Multiply { .. } if here => typical.rescale.powi(2),
            _ => 0.0,
        };
        let rounds = growth.is_some_and(|growth| source == Source::Factor(growth));
        let factor = if rounds { typical.encoding.powi(2) } else { 0.0 };
        let operands: Vec<_> = op.inputs().iter().map(|&r| (sample.of(r), variances[r.0].as_slice())).collect();
        // Second orders of one source alone would be those of an absurdly small scale.
        let first_order = |op: &Op| matches!(op, Op::Square { .. } | Op::Multiply { .. });
        let result = spread(plan, op, &operands, Added { slot, factor });
        let result = if first_order(op) { without_second_order(op, &operands, result) } else { result };
        variances.push(result);
    }
    plan.outputs().iter().map(|output| of_values(plan, &variances[output.0])).fold(0.0, f64::max)
}

/// Takes the product of the variances out again.
fn without_second_order(op: &Op, operands: &[(&[super::sample::Complex], &[f64])], mut result: Vec<f64>) -> Vec<f64> {
    for (i, out) in result.iter_mut().enumerate() {
        *out -= match op {
            Op::Square { .. } => 2.0 * operands[0].1[i].powi(2),
            _ => operands[0].1[i] * operands[1].1[i],
        };
    }
    result
}
