//! Ciphertexts modulo `Q·P`: sums of rotations before their one division by `P`.

use super::Gadget;
use crate::poly::{Eval, Poly, Ring, Scratch};

/// `P` times a ciphertext, and what key switching adds to it, modulo `Q·P` for the `P` of one gadget. The limbs of `Q` hold
/// it times `P^-1`, as they do in keys.
#[derive(Clone, Debug)]
pub(crate) struct Raised {
    gadget: Gadget,
    parts: [Poly<Eval>; 2],
}

impl Raised {
    /// One of unspecified content, for the ring of its gadget.
    pub(super) fn new(ring: &Ring, gadget: Gadget, scratch: &mut Scratch) -> Self {
        Self { gadget, parts: [scratch.poly(ring), scratch.poly(ring)] }
    }

    pub(crate) const fn gadget(&self) -> Gadget {
        self.gadget
    }

    pub(super) const fn parts_mut(&mut self) -> &mut [Poly<Eval>; 2] {
        &mut self.parts
    }

    /// `self += other`, of the same gadget.
    pub(crate) fn add_assign(&mut self, ring: &Ring, other: &Self) {
        debug_assert_eq!(self.gadget, other.gadget);
        for (sum, part) in self.parts.iter_mut().zip(&other.parts) {
            ring.add_assign(sum, part);
        }
    }

    /// `self += factor·other`, of the same gadget.
    pub(crate) fn mul_add_assign(&mut self, ring: &Ring, factor: &Poly<Eval>, other: &Self) {
        debug_assert_eq!(self.gadget, other.gadget);
        for (sum, part) in self.parts.iter_mut().zip(&other.parts) {
            ring.mul_add_assign(sum, factor, part);
        }
    }

    /// `factor·self`.
    pub(crate) fn times(&self, ring: &Ring, factor: &Poly<Eval>, scratch: &mut Scratch) -> Self {
        let mut out = Self::new(ring, self.gadget, scratch);
        for (product, part) in out.parts.iter_mut().zip(&self.parts) {
            ring.mul_into(product, factor, part);
        }
        out
    }

    /// Gives the buffers back.
    pub(crate) fn give(self, scratch: &mut Scratch) {
        self.parts.into_iter().for_each(|part| scratch.give_poly(part));
    }
}
