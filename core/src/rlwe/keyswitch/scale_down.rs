//! Exact division by the last primes of a basis.

use alloc::boxed::Box;

use crate::backend::Backend;
use crate::modulus::Shoup;
use crate::poly::{Eval, Poly, Ring, Scratch};
use crate::rns::BaseConverter;

/// Exact division of a polynomial by the product `D` of its last primes, in the evaluation domain.
#[derive(Clone, Debug)]
pub(crate) struct ScaleDown {
    kept: Ring,
    dropped: Ring,
    converter: BaseConverter,
    /// `D^-1` modulo each prime that is kept.
    inverses: Box<[Shoup]>,
}

impl ScaleDown {
    /// Keeps the first `level` limbs of `ring` and divides by the product of the others.
    pub(crate) fn new(ring: &Ring, level: usize) -> Self {
        let (kept, dropped) = (ring.select(0..level), ring.select(level..ring.basis().len()));
        let residues = kept.basis().decompose_vartime(&dropped.basis().product());
        // Other primes than the divisor's: each has the inverse.
        let inverse = |(q, &d): (&crate::modulus::Modulus, &u64)| q.shoup(q.inverse(d).unwrap_or_default());
        Self {
            converter: BaseConverter::new(dropped.basis(), kept.moduli()),
            inverses: kept.moduli().iter().zip(&residues).map(inverse).collect(),
            kept,
            dropped,
        }
    }

    /// `round(poly / D)`. Cost: one transform per limb.
    pub(crate) fn apply_into(&self, poly: &Poly<Eval>, out: &mut Poly<Eval>, scratch: &mut Scratch) {
        let (high, low) = poly.residues().split_at(self.kept.basis().len() * self.kept.degree());
        let mut copy = scratch.words(low.len());
        copy.copy_from_slice(low);
        self.divide(high, &mut copy, out, scratch);
        scratch.give(copy);
    }

    /// `round(x / D)` from the residues of `x` that are kept and dropped; the latter are overwritten.
    pub(super) fn divide(&self, high: &[u64], low: &mut [u64], out: &mut Poly<Eval>, scratch: &mut Scratch) {
        let degree = self.kept.degree();
        let mut buffer = scratch.words(self.buffer_len());
        let prepared = self.prepare(low, &mut buffer);
        for (i, (limb, x)) in out.limbs_mut().zip(high.chunks_exact(degree)).enumerate() {
            self.divide_limb(i, x, prepared, limb);
        }
        scratch.give(buffer);
    }

    /// The size of the buffer that [`ScaleDown::prepare`] takes, in words.
    pub(super) fn buffer_len(&self) -> usize {
        self.converter.prepared_len(self.kept.degree())
    }

    /// What all limbs need of the residues that are dropped, which are overwritten. Cost: one transform per such limb.
    pub(super) fn prepare<'a>(&self, low: &'a mut [u64], buffer: &'a mut [u64]) -> &'a [u64] {
        let limbs = low.chunks_exact_mut(self.kept.degree()).enumerate();
        limbs.for_each(|(i, limb)| self.dropped.inverse_row(i, limb));
        self.converter.prepare(self.kept.kernels(), low, buffer)
    }

    /// The `i`-th limb of the quotient, from that limb of `x`. Cost: one transform.
    pub(super) fn divide_limb(&self, i: usize, x: &[u64], prepared: &[u64], out: &mut [u64]) {
        let kernels = self.kept.kernels();
        self.converter.convert_row(kernels, i, prepared, out);
        self.kept.forward_row(i, out);
        kernels.divide(&self.kept.moduli()[i], out, x, self.inverses[i]);
    }
}
