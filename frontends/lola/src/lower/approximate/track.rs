//! The plan under a design and its primes: levels, scales, and the error of every slot.

use std::sync::Arc;

use tacit_core::ckks::{Bounds, Deviations, NoiseRules, Scale};
use tacit_core::error::EvalError;
use tacit_core::rlwe::NoiseBound;

use super::design::Design;
use super::errors::{Added, of_values, spread};
use super::gains::Growth;
use super::{DEVIATIONS, Lowered, Sample};
use crate::error::PlanError;
use crate::lower::{Encoded, State};
use crate::plan::{Op, Plan, Register, Stage};

/// The plan lowered to primes of about these sizes, without its errors.
pub(super) fn levels(
    plan: &Plan,
    degree: usize,
    sample: &Sample,
    design: &Design,
    primes: [&[u64]; 2],
) -> Result<Lowered, PlanError> {
    Ok(Track::new(plan, degree, sample, design, primes, false).run()?.out)
}

/// The lowered plan, and `log2` of the largest error of an output relative to the bound on outputs; `None` if the outputs do
/// not fit their modulus. `primes` are the ciphertext and the special primes.
pub(super) fn track(
    plan: &Plan,
    degree: usize,
    sample: &Sample,
    bound: u128,
    design: &Design,
    primes: [&[u64]; 2],
) -> Result<Option<(Lowered, f64)>, PlanError> {
    Ok(Track::new(plan, degree, sample, design, primes, true).run()?.finish(bound))
}

struct Track<'a> {
    plan: &'a Plan,
    sample: &'a Sample,
    design: &'a Design,
    /// Level 1 first.
    rules: Vec<NoiseRules>,
    deviations: Vec<Deviations>,
    primes: &'a [u64],
    /// Whether errors are followed, which takes most of the time.
    follow: bool,
    out: Lowered,
    /// The variance of the error in each slot of each register in units of the plan's integers, and the original register
    /// with the same values.
    registers: Vec<(Vec<f64>, Register)>,
    /// For each register of the original plan, the lowered one.
    renamed: Vec<Register>,
}

impl<'a> Track<'a> {
    fn new(
        plan: &'a Plan,
        degree: usize,
        sample: &'a Sample,
        design: &'a Design,
        [primes, special]: [&'a [u64]; 2],
        follow: bool,
    ) -> Self {
        let levels = 1..=primes.len();
        let factor = |&(bits, exponent): &(f64, i32)| Encoded { scale: power(bits + f64::from(exponent)), exponent };
        let out = Lowered {
            plan: Plan {
                ops: Vec::new(),
                stages: Vec::new(),
                outputs: Vec::new(),
                plains: Arc::clone(&plan.plains),
                ..plan.clone()
            },
            states: Vec::new(),
            factors: design.factors.iter().map(factor).collect(),
        };
        let mut track = Self {
            plan,
            sample,
            design,
            rules: levels.clone().map(|level| NoiseRules::new(degree, primes, special, level)).collect(),
            deviations: levels.map(|level| Deviations::new(degree, primes, special, level)).collect(),
            primes,
            follow,
            out,
            registers: Vec::new(),
            renamed: Vec::new(),
        };
        let largest = (0..plan.inputs()).map(|input| sample.largest(Register(input))).fold(1.0, f64::max);
        let exponent = largest.log2().ceil() as i32;
        let encoded = Encoded { scale: power(design.input_bits + f64::from(exponent)), exponent };
        let fresh = track.deviations.last().map_or(0.0, |d| d.fresh.powi(2) + d.encoding.powi(2));
        for input in (0..plan.inputs()).map(Register) {
            let slots = if follow { plan.shape().slots() } else { 0 };
            let variances = vec![fresh * (-2.0 * encoded.unit()).exp2(); slots];
            let state = track.state(track.primes.len(), encoded, &variances, input);
            track.out.states.push(state);
            track.registers.push((variances, input));
            track.renamed.push(input);
        }
        track
    }

    fn run(mut self) -> Result<Self, PlanError> {
        for (number, stage) in self.plan.stages().iter().enumerate() {
            let start = self.out.plan.ops.len();
            for step in stage.ops.clone() {
                self.op(number, step).map_err(|error| PlanError::Step { step, error })?;
            }
            let ops = start..self.out.plan.ops.len();
            self.out.plan.stages.push(Stage { ops, ..stage.clone() });
        }
        Ok(self)
    }

    fn op(&mut self, stage: usize, step: usize) -> Result<(), EvalError> {
        let op = &self.plan.ops()[step];
        let origin = self.plan.defined_by(step);
        let level = op.inputs().iter().map(|input| self.out.level(self.renamed[input.0])).min().unwrap_or(1);
        for input in op.inputs() {
            let renamed = self.renamed[input.0];
            if self.out.level(renamed) > level {
                let of = self.registers[renamed.0].1;
                let encoded = self.out.state(renamed).encoded;
                self.renamed[input.0] = self.push(Op::SwitchTo { input: renamed, level }, level, encoded, of);
            }
        }
        let mut lowered = op.clone();
        lowered.inputs_mut().iter_mut().for_each(|input| *input = self.renamed[input.0]);
        let encoded = self.encoded(&lowered)?;
        let drop = Growth::of(op, stage).and_then(|growth| *self.design.drops.get(&growth)?);
        let register = match drop {
            None => self.push(lowered, level, encoded, origin),
            Some(_) => self.push_rescaled(lowered, level, encoded, origin)?,
        };
        self.renamed.push(register);
        Ok(())
    }

    /// An operation whose result loses a prime: in the division of a relinearisation if there is one.
    fn push_rescaled(
        &mut self,
        op: Op,
        level: usize,
        encoded: Encoded,
        origin: Register,
    ) -> Result<Register, EvalError> {
        let to = level - 1;
        let rescaled = Encoded { scale: encoded.scale.over(self.primes[to])?, ..encoded };
        let op = if op.relinearises() {
            Op::Rescaled { op: Box::new(op), level: to }
        } else {
            Op::Rescale { input: self.push(op, level, encoded, origin), level: to }
        };
        Ok(self.push(op, to, rescaled, origin))
    }

    /// Exponent and scale of a result.
    fn encoded(&self, op: &Op) -> Result<Encoded, EvalError> {
        let of = |register: &Register| self.out.state(*register).encoded;
        let product =
            |a: Encoded, b: Encoded| Ok(Encoded { scale: a.scale.times(b.scale)?, exponent: a.exponent + b.exponent });
        match op {
            Op::InnerProduct { terms, plains } => product(of(&terms[0]), self.out.factors[plains[0].0]),
            Op::Square { input } => product(of(input), of(input)),
            Op::Multiply { factors: [a, b] } => product(of(a), of(b)),
            other => Ok(other.inputs().first().map_or(Encoded::EXACT, of)),
        }
    }

    fn push(&mut self, op: Op, level: usize, encoded: Encoded, origin: Register) -> Register {
        let variances = self.variances(&op, level, encoded);
        let state = self.state(level, encoded, &variances, origin);
        self.out.states.push(state);
        self.registers.push((variances, origin));
        self.out.plan.ops.push(op);
        self.out.plan.defined_by(self.out.plan.ops.len() - 1)
    }

    fn variances(&self, op: &Op, level: usize, encoded: Encoded) -> Vec<f64> {
        if !self.follow {
            return Vec::new();
        }
        if let Op::Rescaled { op, .. } = op {
            let from = op.inputs().first().map_or(level, |&input| self.out.level(input));
            let before = self.encoded(op).unwrap_or(encoded);
            let rounding = (self.deviations[level - 1].rescale / encoded.unit().exp2()).powi(2);
            return self.variances(op, from, before).into_iter().map(|variance| variance + rounding).collect();
        }
        let at = &self.deviations[level - 1];
        let square = |deviation: f64| (deviation / encoded.unit().exp2()).powi(2);
        let slot = match op {
            Op::Rotate { .. } | Op::Conjugate { .. } | Op::Square { .. } | Op::Multiply { .. } => square(at.key_switch),
            Op::SumRotations { .. } => op.rotations().count() as f64 * square(at.key_switch),
            Op::AddPlain { .. } => square(at.encoding),
            Op::Rescale { .. } => square(at.rescale),
            _ => 0.0,
        };
        let factor = match op {
            Op::InnerProduct { plains, .. } => (at.encoding / self.out.factors[plains[0].0].unit().exp2()).powi(2),
            _ => 0.0,
        };
        let operand = |register: &Register| {
            let (variances, origin) = &self.registers[register.0];
            (self.sample.of(*origin), variances.as_slice())
        };
        let operands: Vec<_> = op.inputs().iter().map(operand).collect();
        spread(self.plan, op, &operands, Added { slot, factor })
    }

    fn state(&self, level: usize, encoded: Encoded, variances: &[f64], origin: Register) -> State {
        let unit = encoded.unit().exp2();
        let noise = NoiseBound::new(DEVIATIONS * unit * variances.iter().copied().fold(0.0, f64::max).sqrt());
        let typical = if self.follow { self.sample.largest(origin) * unit } else { 1.0 };
        // Whether what is between fits its modulus does not matter: see [`super`].
        let bounds = Bounds { message: NoiseBound::new(1.0), noise: NoiseBound::new(1.0) };
        State { level, noise, limit: typical.max(1.0).log2(), encoded, bounds }
    }

    /// The outputs, which are alike, carry the bound on outputs, or on the means whose sums they are.
    fn finish(mut self, bound: u128) -> Option<(Lowered, f64)> {
        let terms = self.plan.answer().terms(self.plan.shape()) as f64;
        let largest = bound as f64 * self.plan.answer().factor as f64 / terms;
        let outputs: Vec<_> = self.plan.outputs().iter().map(|output| self.renamed[output.0]).collect();
        let variances = outputs.iter().map(|output| of_values(self.plan, &self.registers[output.0].0));
        let deviation = variances.fold(0.0, f64::max).sqrt() / terms;
        let mut error = f64::NEG_INFINITY;
        for register in &outputs {
            let state = &mut self.out.states[register.0];
            let unit = state.encoded.unit().exp2();
            let (message, noise) = (NoiseBound::new(largest * unit), NoiseBound::new(DEVIATIONS * unit * deviation));
            (state.bounds, state.noise, state.limit) = (Bounds { message, noise }, noise, message.log2());
            self.rules[state.level - 1].check(state.bounds).ok()?;
            error = error.max(noise.log2() - message.log2());
        }
        self.out.plan.outputs = outputs;
        Some((self.out, error))
    }
}

/// `2^bits`, or as much as there is.
fn power(bits: f64) -> Scale {
    Scale::new(bits.exp2()).unwrap_or(Scale::MIN)
}
