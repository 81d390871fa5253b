//! Running a plan: one interpreter, any evaluator, any number of threads.

pub(crate) mod approximate;
mod clear;
pub(crate) mod exact;
mod pool;
pub(crate) mod query;

pub use clear::Clear;
pub(crate) use pool::Pool;

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::plan::{AddendId, FactorId, Op, Plan, Register};

/// What a plan can be run on.
pub trait Evaluator: Sync {
    /// A message.
    type Value: Send + Sync;
    /// Why an operation failed.
    type Error: Send;

    /// `Σ w_i·a_i`.
    ///
    /// # Errors
    /// The evaluator's own, here and below.
    fn linear_combination(&self, terms: &[&Self::Value], weights: &[i64]) -> Result<Self::Value, Self::Error>;

    /// `Σ a_i`.
    ///
    /// # Errors
    /// See above.
    fn sum(&self, terms: &[&Self::Value]) -> Result<Self::Value, Self::Error>;

    /// Slot-wise sum with a plaintext of the plan.
    ///
    /// # Errors
    /// See above.
    fn add_plain(&self, a: &Self::Value, plain: AddendId) -> Result<Self::Value, Self::Error>;

    /// `Σ a_i·p_i` with plaintexts of the plan.
    ///
    /// # Errors
    /// See above.
    fn inner_product(&self, terms: &[&Self::Value], plains: &[FactorId]) -> Result<Self::Value, Self::Error>;

    /// Rotation to the left.
    ///
    /// # Errors
    /// See above.
    fn rotate(&self, a: &Self::Value, steps: isize) -> Result<Self::Value, Self::Error>;

    /// Rotations of one message by each of `steps`, which may share work.
    ///
    /// # Errors
    /// See above.
    fn rotate_many(&self, a: &Self::Value, steps: &[isize]) -> Result<Vec<Self::Value>, Self::Error> {
        steps.iter().map(|&steps| self.rotate(a, steps)).collect()
    }

    /// `Σ_i Σ_s` of each message rotated by each `s` of its steps, of which 0 is none.
    ///
    /// # Errors
    /// See above.
    fn sum_rotations(&self, terms: &[(&Self::Value, &[isize])]) -> Result<Self::Value, Self::Error>;

    /// Complex conjugates, or rows exchanged.
    ///
    /// # Errors
    /// See above.
    fn conjugate(&self, a: &Self::Value) -> Result<Self::Value, Self::Error>;

    /// Slot-wise square.
    ///
    /// # Errors
    /// See above.
    fn square(&self, a: &Self::Value) -> Result<Self::Value, Self::Error>;

    /// Slot-wise product.
    ///
    /// # Errors
    /// See above.
    fn multiply(&self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value, Self::Error>;

    /// [`Evaluator::multiply`] and [`Evaluator::rescale`] by one prime.
    ///
    /// # Errors
    /// See above.
    fn multiply_rescaled(&self, a: &Self::Value, b: &Self::Value, level: usize) -> Result<Self::Value, Self::Error> {
        self.rescale(&self.multiply(a, b)?, level)
    }

    /// Modulus switching.
    ///
    /// # Errors
    /// See above.
    fn switch_to(&self, a: &Self::Value, level: usize) -> Result<Self::Value, Self::Error>;

    /// Modulus switching that divides by the primes that go.
    ///
    /// # Errors
    /// See above.
    fn rescale(&self, a: &Self::Value, level: usize) -> Result<Self::Value, Self::Error>;

    /// The value as that of a register: an evaluator that knows more of registers than operands tell may add it.
    fn finish(&self, register: Register, value: Self::Value) -> Self::Value {
        let _ = register;
        value
    }

    /// Takes a value back that no operation will read, to write another into it.
    fn recycle(&self, value: Self::Value) {
        drop(value);
    }
}

/// Does independent tasks, in any order and on any threads.
pub trait Executor {
    /// Calls `task` once with each number below `count`, and returns when all calls have.
    fn for_each(&self, count: usize, task: &(dyn Fn(usize) + Sync));
}

/// One task after the other, on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Executor for Sequential {
    fn for_each(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(task);
    }
}

/// Hears how many of the plan's operations are done.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Runs a plan. Operations whose operands are ready form a wave and are done together; the result does not depend on the
/// executor. Registers are dropped after their last use.
///
/// # Errors
/// The error of the first operation, in the plan's order, that failed in its wave.
///
/// # Panics
/// If `inputs` are not as many as the plan's.
pub fn run<E: Evaluator>(
    plan: &Plan,
    evaluator: &E,
    inputs: Vec<E::Value>,
    executor: &dyn Executor,
    progress: Progress<'_>,
) -> Result<Vec<E::Value>, E::Error> {
    assert_eq!(inputs.len(), plan.inputs());
    let waves = waves(plan);
    let last_use = last_use(plan, &waves);
    let inputs = inputs.into_iter().enumerate().map(|(i, value)| evaluator.finish(Register(i), value));
    let mut registers: Vec<OnceLock<E::Value>> = inputs.map(OnceLock::from).collect();
    registers.resize_with(plan.inputs() + plan.ops().len(), OnceLock::new);
    let mut done = 0;
    for (number, wave) in waves.iter().enumerate() {
        let failures = Mutex::new(BTreeMap::new());
        let tasks = tasks(plan, wave);
        executor.for_each(tasks.len(), &|i| match apply(evaluator, plan, &tasks[i], &registers) {
            Ok(values) => tasks[i].iter().zip(values).for_each(|(&op, value)| {
                let register = plan.defined_by(op);
                drop(registers[register.0].set(evaluator.finish(register, value)));
            }),
            Err(error) => drop(failures.lock().unwrap_or_else(PoisonError::into_inner).insert(tasks[i][0], error)),
        });
        if let Some((_, error)) = failures.into_inner().unwrap_or_else(PoisonError::into_inner).pop_first() {
            return Err(error);
        }
        for (register, _) in registers.iter_mut().zip(&last_use).filter(|(_, last)| **last == number) {
            register.take().into_iter().for_each(|value| evaluator.recycle(value));
        }
        done += wave.len();
        progress(done, plan.ops().len());
    }
    Ok(plan.outputs().iter().filter_map(|register| registers[register.0].take()).collect())
}

/// Does the operations of a task: one, or rotations of the same message.
#[allow(clippy::expect_used, reason = "waves define operands before they are read")]
fn apply<E: Evaluator>(
    evaluator: &E,
    plan: &Plan,
    task: &[usize],
    registers: &[OnceLock<E::Value>],
) -> Result<Vec<E::Value>, E::Error> {
    let value = |register: &Register| registers[register.0].get().expect("an earlier wave defines every operand");
    let rotation = |&op: &usize| match &plan.ops()[op] {
        Op::Rotate { input, steps } => Some((input, *steps)),
        _ => None,
    };
    match (&task.iter().map(rotation).collect::<Option<Vec<_>>>(), task) {
        (Some(rotations), [_, _, ..]) => {
            let steps: Vec<_> = rotations.iter().map(|(_, steps)| *steps).collect();
            evaluator.rotate_many(value(rotations[0].0), &steps)
        }
        _ => task.iter().map(|&op| apply_one(evaluator, &plan.ops()[op], &value)).collect(),
    }
}

fn apply_one<'a, E: Evaluator>(
    evaluator: &E,
    op: &'a Op,
    value: &dyn Fn(&Register) -> &'a E::Value,
) -> Result<E::Value, E::Error>
where
    E::Value: 'a,
{
    match op {
        Op::LinearCombination { terms, weights } => {
            evaluator.linear_combination(&terms.iter().map(value).collect::<Vec<_>>(), weights)
        }
        Op::Sum { terms } => evaluator.sum(&terms.iter().map(value).collect::<Vec<_>>()),
        Op::AddPlain { input, plain } => evaluator.add_plain(value(input), *plain),
        Op::InnerProduct { terms, plains } => {
            evaluator.inner_product(&terms.iter().map(value).collect::<Vec<_>>(), plains)
        }
        Op::Rotate { input, steps } => evaluator.rotate(value(input), *steps),
        Op::SumRotations { terms, steps } => {
            let terms: Vec<_> = terms.iter().map(value).zip(steps.iter().map(Vec::as_slice)).collect();
            evaluator.sum_rotations(&terms)
        }
        Op::Conjugate { input } => evaluator.conjugate(value(input)),
        Op::Square { input } => evaluator.square(value(input)),
        Op::Multiply { factors: [a, b] } => evaluator.multiply(value(a), value(b)),
        Op::SwitchTo { input, level } => evaluator.switch_to(value(input), *level),
        Op::Rescale { input, level } => evaluator.rescale(value(input), *level),
        Op::Rescaled { op, level } => match &**op {
            Op::Square { input } => evaluator.multiply_rescaled(value(input), value(input), *level),
            Op::Multiply { factors: [a, b] } => evaluator.multiply_rescaled(value(a), value(b), *level),
            other => evaluator.rescale(&apply_one(evaluator, other, value)?, *level),
        },
    }
}

/// The operations of a wave in tasks: rotations of the same message together, everything else alone.
fn tasks(plan: &Plan, wave: &[usize]) -> Vec<Vec<usize>> {
    let mut tasks: Vec<Vec<usize>> = Vec::new();
    let mut rotated: BTreeMap<Register, usize> = BTreeMap::new();
    for &op in wave {
        let task = match &plan.ops()[op] {
            Op::Rotate { input, .. } => *rotated.entry(*input).or_insert(tasks.len()),
            _ => tasks.len(),
        };
        if task == tasks.len() {
            tasks.push(Vec::new());
        }
        tasks[task].push(op);
    }
    tasks
}

/// The operations by wave: each needs only what earlier waves define.
pub(crate) fn waves(plan: &Plan) -> Vec<Vec<usize>> {
    let mut wave_of = vec![0; plan.inputs()];
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for (i, op) in plan.ops().iter().enumerate() {
        let wave = op.inputs().iter().map(|register| wave_of[register.0]).max().unwrap_or(0);
        if waves.len() <= wave {
            waves.push(Vec::new());
        }
        waves[wave].push(i);
        wave_of.push(wave + 1);
    }
    waves
}

/// The last wave that reads each register; never for outputs.
pub(crate) fn last_use(plan: &Plan, waves: &[Vec<usize>]) -> Vec<usize> {
    let mut last = vec![usize::MAX; plan.inputs() + plan.ops().len()];
    for (number, wave) in waves.iter().enumerate() {
        for register in wave.iter().flat_map(|&op| plan.ops()[op].inputs()) {
            last[register.0] = number;
        }
    }
    for output in plan.outputs() {
        last[output.0] = usize::MAX;
    }
    last
}
