//! A plan: a private inference as a flat list of operations on numbered registers.
//!
//! A plan is data. It can be printed and counted, [lowered](crate::lower) to a parameter set, and run against any
//! [evaluator](crate::evaluate). Register `i` is input `i` for the first registers; each operation defines the next one.

mod builder;
mod segmented;

pub use builder::{Affine, Builder, Packed};

use core::fmt;
use core::ops::{AddAssign, Range};

/// A value of the plan: one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(pub(crate) usize);

/// A plaintext of the plan: slot values that the server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlainId(pub(crate) usize);

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
        plain: PlainId,
    },
    /// Slot-wise product with a plaintext.
    MulPlain {
        /// The operand.
        input: Register,
        /// The plaintext.
        plain: PlainId,
    },
    /// `Σ terms[i]·plains[i]`, slot by slot, with one reduction at the end.
    InnerProduct {
        /// The operands.
        terms: Vec<Register>,
        /// One per operand.
        plains: Vec<PlainId>,
    },
    /// Rotation to the left: slot `i` gets the value of slot `i + steps`.
    Rotate {
        /// The operand.
        input: Register,
        /// Steps; negative ones go to the right.
        steps: isize,
    },
    /// Slot-wise square, relinearised.
    Square {
        /// The operand.
        input: Register,
    },
    /// Modulus switching to a lower level: the same values, fewer primes. Lowering puts these in.
    SwitchTo {
        /// The operand.
        input: Register,
        /// The level.
        level: usize,
    },
}

impl Op {
    /// The registers that it reads.
    #[must_use]
    pub fn inputs(&self) -> &[Register] {
        match self {
            Self::LinearCombination { terms, .. } | Self::Sum { terms } | Self::InnerProduct { terms, .. } => terms,
            Self::AddPlain { input, .. }
            | Self::MulPlain { input, .. }
            | Self::Rotate { input, .. }
            | Self::Square { input }
            | Self::SwitchTo { input, .. } => core::slice::from_ref(input),
        }
    }

    pub(crate) fn inputs_mut(&mut self) -> &mut [Register] {
        match self {
            Self::LinearCombination { terms, .. } | Self::Sum { terms } | Self::InnerProduct { terms, .. } => terms,
            Self::AddPlain { input, .. }
            | Self::MulPlain { input, .. }
            | Self::Rotate { input, .. }
            | Self::Square { input }
            | Self::SwitchTo { input, .. } => core::slice::from_mut(input),
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
            Self::MulPlain { .. } => cost.plain_products = 1,
            Self::Rotate { .. } => cost.rotations = 1,
            Self::Square { .. } => cost.squares = 1,
            Self::SwitchTo { .. } => cost.modulus_switches = 1,
        }
        cost
    }
}

/// How many operations of each kind, per plaintext modulus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Rotations, each one key switch.
    pub rotations: usize,
    /// Squares, each with one relinearisation, which is a key switch.
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
    /// Key switches: rotations and relinearisations.
    #[must_use]
    pub const fn key_switches(&self) -> usize {
        self.rotations + self.squares
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.rotations += other.rotations;
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
    pub(crate) slots: usize,
    pub(crate) inputs: usize,
    pub(crate) ops: Vec<Op>,
    pub(crate) plains: Vec<Vec<i128>>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) outputs: Vec<Register>,
    pub(crate) answer: Vec<(usize, usize)>,
}

impl Plan {
    /// The plan's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Slots of a message.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots
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

    /// The plaintexts, each of at most [`Plan::slots`] values.
    #[must_use]
    pub fn plains(&self) -> &[Vec<i128>] {
        &self.plains
    }

    /// The stages, in order; together they cover all operations.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The messages that the server answers with.
    #[must_use]
    pub fn outputs(&self) -> &[Register] {
        &self.outputs
    }

    /// For each output value of the network, the message of the answer and the slot that hold it.
    #[must_use]
    pub fn answer(&self) -> &[(usize, usize)] {
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
            Self::AddPlain { input, plain } => write!(f, "r{} + p{}", input.0, plain.0),
            Self::MulPlain { input, plain } => write!(f, "r{} · p{}", input.0, plain.0),
            Self::InnerProduct { terms, plains } => {
                for (i, (term, plain)) in terms.iter().zip(plains).enumerate() {
                    write!(f, "{}r{} · p{}", if i > 0 { " + " } else { "" }, term.0, plain.0)?;
                }
                Ok(())
            }
            Self::Rotate { input, steps } => write!(f, "rotate r{} by {steps}", input.0),
            Self::Square { input } => write!(f, "r{0} · r{0}, relinearised", input.0),
            Self::SwitchTo { input, level } => write!(f, "r{} at level {level}", input.0),
        }
    }
}
