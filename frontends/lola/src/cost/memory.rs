//! What a server holds.

use std::collections::BTreeSet;

use super::Sizes;
use crate::evaluate::{last_use, waves};
use crate::lower::Lowered;
use crate::plan::{Op, Register};

/// Bytes of a residue in memory.
const WORD: usize = 8;

/// Bytes that the server half holds, computed from the plan: polynomials alone, without tables and work space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Encoded plaintexts: the network, once for all clients.
    pub weights: usize,
    /// A client's evaluation keys, expanded.
    pub keys: usize,
    /// Ciphertexts of a query, when they are most.
    pub ciphertexts: usize,
}

impl Memory {
    /// The memory of a plan.
    #[must_use]
    pub fn of(lowered: &Lowered, sizes: &Sizes) -> Self {
        let limb = sizes.degree() * WORD;
        Self {
            weights: plain_limbs(lowered) * sizes.streams() * limb,
            keys: key_limbs(lowered, sizes) * limb,
            ciphertexts: 2 * most_live(lowered) * sizes.streams() * limb,
        }
    }

    /// All of it.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.weights + self.keys + self.ciphertexts
    }
}

/// Limbs of all plaintexts, each once for every level at which it is used.
fn plain_limbs(lowered: &Lowered) -> usize {
    let (mut factors, mut addends) = (BTreeSet::new(), BTreeSet::new());
    for op in lowered.plan().ops() {
        match op {
            Op::InnerProduct { terms, plains } => {
                factors.extend(plains.iter().zip(terms).map(|(&plain, &term)| (plain, lowered.level(term))));
            }
            Op::AddPlain { input, plain } => drop(addends.insert((*plain, lowered.level(*input)))),
            _ => {}
        }
    }
    factors.iter().map(|(_, level)| level).sum::<usize>() + addends.iter().map(|(_, level)| level).sum::<usize>()
}

fn key_limbs(lowered: &Lowered, sizes: &Sizes) -> usize {
    let request = lowered.key_request(sizes.degree());
    request.galois.values().chain(&request.relin).map(|&level| sizes.key_limbs(level)).sum()
}

/// The most limbs, of one polynomial each, of registers that are there at once.
fn most_live(lowered: &Lowered) -> usize {
    let plan = lowered.plan();
    let waves = waves(plan);
    let last_use = last_use(plan, &waves);
    let mut live: usize = (0..plan.inputs()).map(|input| lowered.level(Register(input))).sum();
    let mut most = live;
    for (number, wave) in waves.iter().enumerate() {
        live += wave.iter().map(|&op| lowered.level(plan.defined_by(op))).sum::<usize>();
        most = most.max(live);
        let dead = last_use.iter().enumerate().filter(|(_, last)| **last == number);
        live -= dead.map(|(register, _)| lowered.level(Register(register))).sum::<usize>();
    }
    most
}
