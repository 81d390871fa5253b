//! A plan: a private inference as a flat list of operations on numbered registers.
//!
//! A plan is data. It can be printed and counted, [lowered](crate::lower) to a parameter set, and run against any
//! [evaluator](crate::evaluate). Register `i` is input `i` for the first registers; each operation defines the next one.

mod builder;
mod linear;

pub use builder::{Affine, Builder, Packed};
pub use linear::{Linear, MAX_SLOTS, Target};

use core::fmt;
use core::ops::{AddAssign, Range};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A value of the plan: one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(pub(crate) usize);

/// A plaintext that messages are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactorId(pub(crate) usize);

/// A plaintext that is added to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddendId(pub(crate) usize);

/// Slot values that the server knows: integers, or complex integers. Slots beyond the end of a list are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots<T> {
    /// Real parts.
    pub re: Vec<T>,
    /// Imaginary parts.
    pub im: Vec<T>,
}

impl<T: Copy + Default> Slots<T> {
    /// Real values.
    #[must_use]
    pub const fn real(re: Vec<T>) -> Self {
        Self { re, im: Vec::new() }
    }

    /// The value of the first slot in all of `slots`.
    fn repeated(&self, slots: usize) -> Self {
        let all = |part: &[T]| part.first().map_or_else(Vec::new, |&value| vec![value; slots]);
        Self { re: all(&self.re), im: all(&self.im) }
    }

    /// The value in a slot.
    #[must_use]
    pub fn get(&self, slot: usize) -> (T, T) {
        let of = |part: &[T]| part.get(slot).copied().unwrap_or_default();
        (of(&self.re), of(&self.im))
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `Σ weights[i]·terms[i]`.
    LinearCombination {
        /// The operands.
        terms: Vec<Register>,
        /// One per operand.
        weights: Vec<i64>,
    },
    /// `Σ terms[i]`.
    Sum {
        /// The operands.
        terms: Vec<Register>,
    },
    /// Slot-wise sum with a plaintext.
    AddPlain {
        /// The operand.
        input: Register,
        /// The plaintext.
        plain: AddendId,
    },
    /// `Σ terms[i]·plains[i]`, slot by slot, with one reduction at the end.
    InnerProduct {
        /// The operands.
        terms: Vec<Register>,
        /// One per operand.
        plains: Vec<FactorId>,
    },
    /// Rotation to the left: slot `i` gets the value of slot `i + steps`.
    Rotate {
        /// The operand.
        input: Register,
        /// Steps; negative ones go to the right.
        steps: isize,
    },
    /// `Σ_i Σ_s` of `terms[i]` rotated to the left by each `s` of `steps[i]`; 0 steps are the operand itself. Rotations share
    /// the digits of their operand, and all of them one division.
    SumRotations {
        /// The operands.
        terms: Vec<Register>,
        /// A list per operand.
        steps: Vec<Vec<isize>>,
    },
    /// The automorphism `X → X^-1`: complex conjugates on complex slots; on plans of two rows the rows change places.
    Conjugate {
        /// The operand.
        input: Register,
    },
    /// Slot-wise square, relinearised.
    Square {
        /// The operand.
        input: Register,
    },
    /// Slot-wise product, relinearised.
    Multiply {
        /// The operands.
        factors: [Register; 2],
    },
    /// Modulus switching to a lower level: the same values, fewer primes. Lowering puts these in.
    SwitchTo {
        /// The operand.
        input: Register,
        /// The level.
        level: usize,
    },
    /// Modulus switching of approximate values that divides their scale by the primes that go. Lowering puts these in.
    Rescale {
        /// The operand.
        input: Register,
        /// The level.
        level: usize,
    },
    /// A product that is relinearised and rescaled by one prime in one division. Lowering puts these in.
    Rescaled {
        /// A square or a product of two messages.
        op: Box<Self>,
        /// The level.
        level: usize,
    },
}

impl Op {
    /// The registers that it reads.
    #[must_use]
    pub fn inputs(&self) -> &[Register] {
        match self {
            Self::LinearCombination { terms, .. }
            | Self::Sum { terms }
            | Self::InnerProduct { terms, .. }
            | Self::SumRotations { terms, .. } => terms,
            Self::Multiply { factors } => factors,
            Self::AddPlain { input, .. }
            | Self::Rotate { input, .. }
            | Self::Conjugate { input }
            | Self::Square { input }
            | Self::SwitchTo { input, .. }
            | Self::Rescale { input, .. } => core::slice::from_ref(input),
            Self::Rescaled { op, .. } => op.inputs(),
        }
    }

    /// The operation without a rescaling that is part of it.
    #[must_use]
    pub fn unscaled(&self) -> &Self {
        match self {
            Self::Rescaled { op, .. } => op,
            other => other,
        }
    }

    /// The steps of its rotations, with what they rotate.
    pub fn rotations(&self) -> impl Iterator<Item = (Register, isize)> {
        let one = match self.unscaled() {
            Self::Rotate { input, steps } => Some((*input, *steps)),
            _ => None,
        };
        one.into_iter().chain(self.images().filter(|(_, steps)| *steps != 0))
    }

    /// What a sum of rotations adds up: operands and steps.
    pub(crate) fn images(&self) -> impl Iterator<Item = (Register, isize)> {
        let (terms, steps) = match self.unscaled() {
            Self::SumRotations { terms, steps } => (&terms[..], &steps[..]),
            _ => (&[][..], &[][..]),
        };
        let of_term = |(term, steps): (&Register, &Vec<isize>)| {
            let term = *term;
            steps.clone().into_iter().map(move |steps| (term, steps))
        };
        terms.iter().zip(steps).flat_map(of_term)
    }

    /// Whether it ends with a relinearisation, whose division rescaling can be part of.
    pub(crate) const fn relinearises(&self) -> bool {
        matches!(self, Self::Square { .. } | Self::Multiply { .. })
    }

    pub(crate) fn inputs_mut(&mut self) -> &mut [Register] {
        match self {
            Self::LinearCombination { terms, .. }
            | Self::Sum { terms }
            | Self::InnerProduct { terms, .. }
            | Self::SumRotations { terms, .. } => terms,
            Self::Multiply { factors } => factors,
            Self::AddPlain { input, .. }
            | Self::Rotate { input, .. }
            | Self::Conjugate { input }
            | Self::Square { input }
            | Self::SwitchTo { input, .. }
            | Self::Rescale { input, .. } => core::slice::from_mut(input),
            Self::Rescaled { op, .. } => op.inputs_mut(),
        }
    }

    fn cost(&self) -> Cost {
        let mut cost = Cost::default();
        match self {
            Self::LinearCombination { terms, .. } => {
                cost.scalar_products = terms.len();
                cost.additions = terms.len().saturating_sub(1);
            }
            Self::Sum { terms } => cost.additions = terms.len().saturating_sub(1),
            Self::AddPlain { .. } => cost.plain_additions = 1,
            Self::InnerProduct { terms, .. } => {
                cost.plain_products = terms.len();
                cost.additions = terms.len().saturating_sub(1);
            }
            Self::Rotate { .. } | Self::Conjugate { .. } => {
                cost.rotations = 1;
                cost.rotation_switches = 1;
            }
            Self::Square { .. } | Self::Multiply { .. } => cost.squares = 1,
            Self::SumRotations { .. } => {
                cost.rotations = self.rotations().count();
                let rotated: BTreeSet<Register> = self.rotations().map(|(term, _)| term).collect();
                cost.rotation_switches = rotated.len();
                cost.additions = self.images().count().saturating_sub(1);
            }
            Self::SwitchTo { .. } | Self::Rescale { .. } => cost.modulus_switches = 1,
            Self::Rescaled { op, .. } => {
                cost = op.cost();
                cost.modulus_switches += 1;
            }
        }
        cost
    }
}

/// How many operations of each kind, per plaintext modulus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Rotations and conjugates, each a product with a key.
    pub rotations: usize,
    /// Key switches that these take: one each, but one for all rotations of a message that are summed, whose digits are
    /// found once and whose products are divided once.
    pub rotation_switches: usize,
    /// Squares and products of two messages, each with one relinearisation, which is a key switch.
    pub squares: usize,
    /// Products with a plaintext in slots.
    pub plain_products: usize,
    /// Products with a scalar, zero or not.
    pub scalar_products: usize,
    /// Sums of two ciphertexts.
    pub additions: usize,
    /// Sums with a plaintext.
    pub plain_additions: usize,
    /// Modulus switches.
    pub modulus_switches: usize,
}

impl Cost {
    /// Key switches: those of rotations, and relinearisations.
    #[must_use]
    pub const fn key_switches(&self) -> usize {
        self.rotation_switches + self.squares
    }

    /// Products with keys: one for each rotation, and relinearisations.
    #[must_use]
    pub const fn key_products(&self) -> usize {
        self.rotations + self.squares
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.rotations += other.rotations;
        self.rotation_switches += other.rotation_switches;
        self.squares += other.squares;
        self.plain_products += other.plain_products;
        self.scalar_products += other.scalar_products;
        self.additions += other.additions;
        self.plain_additions += other.plain_additions;
        self.modulus_switches += other.modulus_switches;
    }
}

/// Some consecutive operations with one purpose: a row of the printed plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The network's layer.
    pub layer: String,
    /// What is done, in the paper's words.
    pub method: String,
    /// The representation before, as "messages × values kind".
    pub from: String,
    /// The representation after.
    pub to: String,
    /// The operations.
    pub ops: Range<usize>,
}

/// A private inference on messages of a fixed number of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(crate) name: String,
    pub(crate) shape: MessageShape,
    pub(crate) inputs: usize,
    pub(crate) ops: Vec<Op>,
    pub(crate) plains: Arc<Plains>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) outputs: Vec<Register>,
    pub(crate) answer: Answer,
}

/// The slots of a message. A plan of one slot computes the same in every slot, of another input in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageShape {
    /// 1, or 2 rows one after the other, each of which rotates by itself.
    pub rows: usize,
    /// Slots of a row.
    pub row: usize,
}

impl MessageShape {
    /// One slot that stands for all.
    pub const BATCHED: Self = Self { rows: 1, row: 1 };

    /// Whether slots are about inputs of their own.
    #[must_use]
    pub const fn is_batched(self) -> bool {
        self.slots() == 1
    }

    /// Slots in all.
    #[must_use]
    pub const fn slots(self) -> usize {
        self.rows * self.row
    }

    /// The slot that a rotation by `steps` brings to `slot`.
    #[must_use]
    pub const fn rotated(self, slot: usize, steps: isize) -> usize {
        let (row, column) = (slot / self.row, slot % self.row);
        row * self.row + (column as isize + steps).rem_euclid(self.row as isize) as usize
    }

    /// The slot that exchanging the rows brings to `slot`.
    #[must_use]
    pub const fn swapped(self, slot: usize) -> usize {
        (slot + self.row) % self.slots()
    }
}

/// The plaintexts of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plains {
    pub(crate) factors: Vec<Slots<i64>>,
    pub(crate) addends: Vec<Slots<i128>>,
}

impl Plains {
    /// The plaintexts of products.
    #[must_use]
    pub fn factors(&self) -> &[Slots<i64>] {
        &self.factors
    }

    /// The plaintexts of sums.
    #[must_use]
    pub fn addends(&self) -> &[Slots<i128>] {
        &self.addends
    }
}

/// Where the network's outputs are in the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// For each output value, the message of the answer and the slot that hold it, in its real part.
    pub places: Vec<(usize, usize)>,
    /// If the client sums: each value is that of all slots of its row that are congruent to its own modulo this period.
    pub period: Option<usize>,
    /// Every value is there times this factor.
    pub factor: i128,
}

impl Answer {
    /// How many slots make a value.
    #[must_use]
    pub fn terms(&self, shape: MessageShape) -> usize {
        self.period.map_or(1, |period| shape.row / period)
    }

    /// The slots that make the value in a slot.
    pub fn slots_of(&self, shape: MessageShape, slot: usize) -> impl Iterator<Item = usize> {
        let period = self.period.unwrap_or(shape.row);
        let start = slot - slot % shape.row;
        (start + slot % shape.row % period..start + shape.row).step_by(period)
    }
}

impl Plan {
    /// The plan's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The slots of a message.
    #[must_use]
    pub const fn shape(&self) -> MessageShape {
        self.shape
    }

    /// Messages that the client sends.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// The operations, in an order in which they can be done.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The plaintexts.
    #[must_use]
    pub fn plains(&self) -> &Plains {
        &self.plains
    }

    /// The stages, in order; together they cover all operations.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// A plaintext of sums in messages of this many slots: where every slot is about another input, the same in each.
    pub(crate) fn addend(&self, id: AddendId, slots: usize) -> Cow<'_, Slots<i128>> {
        let addend = &self.plains.addends[id.0];
        if self.shape.is_batched() { Cow::Owned(addend.repeated(slots)) } else { Cow::Borrowed(addend) }
    }

    /// The messages that the server answers with.
    #[must_use]
    pub fn outputs(&self) -> &[Register] {
        &self.outputs
    }

    /// Where the network's outputs are in the answer.
    #[must_use]
    pub const fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The register that an operation defines.
    #[must_use]
    pub const fn defined_by(&self, op: usize) -> Register {
        Register(self.inputs + op)
    }

    /// The operations counted.
    #[must_use]
    pub fn cost(&self) -> Cost {
        cost_of(&self.ops)
    }

    /// The operations of one stage counted.
    #[must_use]
    pub fn stage_cost(&self, stage: &Stage) -> Cost {
        cost_of(&self.ops[stage.ops.clone()])
    }
}

fn cost_of(ops: &[Op]) -> Cost {
    ops.iter().fold(Cost::default(), |mut sum, op| {
        sum += op.cost();
        sum
    })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, op) in self.ops.iter().enumerate() {
            if let Some(stage) = self.stages.iter().find(|stage| stage.ops.start == i) {
                writeln!(f, "; {}: {} → {}, {}", stage.layer, stage.from, stage.to, stage.method)?;
            }
            writeln!(f, "r{} = {op}", self.inputs + i)?;
        }
        write!(f, "; outputs")?;
        self.outputs.iter().try_for_each(|register| write!(f, " r{}", register.0))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinearCombination { terms, weights } => {
                for (i, (term, weight)) in terms.iter().zip(weights).enumerate() {
                    write!(f, "{}{weight}·r{}", if i > 0 { " + " } else { "" }, term.0)?;
                }
                Ok(())
            }
            Self::Sum { terms } => {
                for (i, term) in terms.iter().enumerate() {
                    write!(f, "{}r{}", if i > 0 { " + " } else { "" }, term.0)?;
                }
                Ok(())
            }
            Self::AddPlain { input, plain } => write!(f, "r{} + c{}", input.0, plain.0),
            Self::InnerProduct { terms, plains } => {
                for (i, (term, plain)) in terms.iter().zip(plains).enumerate() {
                    write!(f, "{}r{} · p{}", if i > 0 { " + " } else { "" }, term.0, plain.0)?;
                }
                Ok(())
            }
            Self::Rotate { input, steps } => write!(f, "rotate r{} by {steps}", input.0),
            Self::SumRotations { .. } => {
                for (i, (term, steps)) in self.images().enumerate() {
                    let plus = if i > 0 { " + " } else { "" };
                    match steps {
                        0 => write!(f, "{plus}r{}", term.0)?,
                        _ => write!(f, "{plus}rotate r{} by {steps}", term.0)?,
                    }
                }
                Ok(())
            }
            Self::Conjugate { input } => write!(f, "conjugate r{}", input.0),
            Self::Square { input } => write!(f, "r{0} · r{0}, relinearised", input.0),
            Self::Multiply { factors: [a, b] } => write!(f, "r{} · r{}, relinearised", a.0, b.0),
            Self::SwitchTo { input, level } => write!(f, "r{} at level {level}", input.0),
            Self::Rescale { input, level } => write!(f, "r{} rescaled to level {level}", input.0),
            Self::Rescaled { op, level } => write!(f, "{op}, rescaled to level {level}"),
        }
    }
}
