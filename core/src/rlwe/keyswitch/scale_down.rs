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
            inverses: kept.moduli().iter().zip(&residues).map(inverse).collect(),
            converter: BaseConverter::new(dropped.basis(), kept.moduli()),
            kept,
            dropped,
        }
    }

    /// `round(poly / D)`. Cost: one transform per limb.
    pub(crate) fn apply_into(&self, poly: &Poly<Eval>, out: &mut Poly<Eval>, scratch: &mut Scratch) {
        let degree = self.kept.degree();
        let (high, low) = poly.residues().split_at(self.kept.basis().len() * degree);
        let (mut copy, mut buffer) = (scratch.words(low.len()), scratch.words(self.buffer_len()));
        copy.copy_from_slice(low);
        let prepared = self.prepare(&mut copy, &mut buffer);
        for (i, (limb, x)) in out.limbs_mut().zip(high.chunks_exact(degree)).enumerate() {
            self.remainder(i, prepared, limb, &[]);
            self.kept.kernels().divide(&self.kept.moduli()[i], limb, x, self.inverses[i]);
        }
        scratch.give(buffer);
        scratch.give(copy);
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

    /// The centred remainder modulo the `i`-th kept prime. Cost: one transform.
    pub(super) fn remainder(&self, i: usize, prepared: &[u64], out: &mut [u64], ahead: &[u64]) {
        self.kept.forward_converted(i, (&self.converter, i), prepared, out, ahead);
    }
}
