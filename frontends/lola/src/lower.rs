//! Lowering: a plan, the noise it makes, the levels it runs at, and parameters that hold it.
//!
//! The plan says what is computed; lowering says modulo what, and for approximate values at which scales. Nothing is
//! encrypted to find parameters: the noise is followed through the plan by rule, [`exact`] values by bounds that hold
//! for every input, [`approximate`] ones by variances.

pub mod approximate;
pub mod exact;

use tacit_core::ckks::{Bounds, Scale};
use tacit_core::rlwe::{KeyRequest, NoiseBound, rotation_element, row_swap_element};

use crate::plan::{Op, Plan, Register};

/// Size of the largest ciphertext primes, one bit below the special primes': the kernels with 52-bit words take primes
/// below `2^50`, and are worth more than fewer, longer primes.
const MAX_PRIME_BITS: u32 = 49;

/// Polynomials of a ciphertext: products are relinearised at once.
const SIZE: usize = 2;

/// A plan with modulus switches, for parameters that hold its noise.
#[derive(Clone, Debug)]
pub struct Lowered {
    plan: Plan,
    states: Vec<State>,
    /// The scale of each factor, for approximate values.
    factors: Vec<Encoded>,
}

/// What is known of a register before anything is encrypted.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Primes left.
    pub level: usize,
    /// Bound on the noise.
    pub noise: NoiseBound,
    /// `log2` of the noise that would spoil the values: all of the room for exact values, the size of the message for
    /// approximate ones.
    pub limit: f64,
    /// How an approximate value is there.
    pub(crate) encoded: Encoded,
    /// Its bounds.
    pub(crate) bounds: Bounds,
}

/// Integers as approximate numbers: `v` is there as `v·2^-exponent`, at a scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Encoded {
    pub(crate) scale: Scale,
    pub(crate) exponent: i32,
}

impl Encoded {
    /// Values that are not approximate.
    const EXACT: Self = Self { scale: Scale::MIN, exponent: 0 };

    /// `log2` of what the integer 1 is in the phase.
    fn unit(self) -> f64 {
        self.scale.log2() - f64::from(self.exponent)
    }
}

impl Lowered {
    /// The plan, switches included.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What is known of a register.
    #[must_use]
    pub fn state(&self, register: Register) -> &State {
        &self.states[register.0]
    }

    /// The level of a register.
    #[must_use]
    pub fn level(&self, register: Register) -> usize {
        self.state(register).level
    }

    /// The level of the answer.
    #[must_use]
    pub fn answer_level(&self) -> usize {
        self.plan.outputs().first().map_or(1, |&register| self.level(register))
    }

    /// How the factors of the plan are encoded, if values are approximate.
    pub(crate) fn factors(&self) -> &[Encoded] {
        &self.factors
    }

    /// The keys that the plan needs, each at the highest level of its use.
    #[must_use]
    pub fn key_request(&self, degree: usize) -> KeyRequest {
        let mut request = KeyRequest::default();
        for op in self.plan.ops() {
            for (input, steps) in op.rotations() {
                request.need_galois(rotation_element(degree, steps), self.level(input));
            }
            match op.unscaled() {
                Op::Conjugate { input } => request.need_galois(row_swap_element(degree), self.level(*input)),
                Op::Square { input } | Op::Multiply { factors: [input, _] } => request.need_relin(self.level(*input)),
                _ => {}
            }
        }
        request
    }
}

/// The representative in `[-t/2, t/2)` of a public value, for odd `t`.
pub(crate) fn centre(value: i128, t: i128) -> i128 {
    let residue = value.rem_euclid(t);
    if residue > t / 2 { residue - t } else { residue }
}
