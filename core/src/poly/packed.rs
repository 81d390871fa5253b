//! Polynomials that are not in memory as a whole: in their bytes, or made when they are needed.

use super::{Eval, Poly, Ring, Scratch};
use crate::backend::{Backend, packed_len};

/// The residues of a polynomial in their bytes, limb-major, packed at the size of their moduli.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedPoly<'a>(&'a [u8]);

impl<'a> PackedPoly<'a> {
    /// Bytes of a polynomial of a ring.
    pub(crate) fn len(ring: &Ring) -> usize {
        ring.moduli().iter().map(|q| packed_len(ring.degree(), q.bits())).sum()
    }

    /// As many bytes as a polynomial of the ring has; `None` unless each word in them is below its modulus.
    pub(crate) fn new(ring: &Ring, bytes: &'a [u8]) -> Option<Self> {
        let poly = Self(bytes);
        let limbs = poly.limbs(ring).zip(ring.moduli());
        limbs.into_iter().all(|(limb, q)| ring.kernels().are_packed_residues(q, limb)).then_some(poly)
    }

    /// One limb.
    pub(crate) fn unpack_limb(self, ring: &Ring, number: usize, out: &mut [u64]) {
        for (limb, q) in self.limbs(ring).zip(ring.moduli()).skip(number).take(1) {
            ring.kernels().unpack(q.bits(), out, limb);
        }
    }

    /// All limbs.
    pub(crate) fn unpack(self, ring: &Ring, out: &mut Poly<Eval>) {
        for ((out, limb), q) in out.limbs_mut().zip(self.limbs(ring)).zip(ring.moduli()) {
            ring.kernels().unpack(q.bits(), out, limb);
        }
    }

    fn limbs(self, ring: &Ring) -> impl Iterator<Item = &'a [u8]> {
        ring.moduli().iter().scan(self.0, |rest, q| {
            let (limb, behind) = rest.split_at(packed_len(ring.degree(), q.bits()));
            *rest = behind;
            Some(limb)
        })
    }
}

/// Words of limbs that are made before they are multiplied: 512 KB, so that they stay in the cache next to the core.
const MADE_WORDS: usize = 1 << 16;

/// The most limbs that are made before they are multiplied.
const MAX_MADE: usize = 16;

impl Ring {
    /// `out = Σ a_i·b_i` for `count` polynomials `a_i` that are made limb by limb: `make(i, number, limb)` writes one. A few
    /// terms are made at a time, and none of `a_i` is ever in memory as a whole.
    pub(crate) fn dot_made_into<'a>(
        &self,
        out: &mut Poly<Eval>,
        count: usize,
        make: impl Fn(usize, usize, &mut [u64]),
        factor: impl Fn(usize) -> &'a Poly<Eval>,
        scratch: &mut Scratch,
    ) {
        self.check(out);
        (0..count).for_each(|i| self.check(factor(i)));
        let degree = self.degree;
        let together = (MADE_WORDS >> degree.trailing_zeros()).clamp(1, MAX_MADE);
        let (mut made, mut partial) = (scratch.words(together * degree), scratch.words(degree));
        for (number, (limb, q)) in out.limbs_mut().zip(self.moduli()).enumerate() {
            for start in (0..count).step_by(together) {
                let terms = start..count.min(start + together);
                made.chunks_exact_mut(degree).zip(terms.clone()).for_each(|(row, i)| make(i, number, row));
                let mut pairs: [(&[u64], &[u64]); MAX_MADE] = [(&[], &[]); MAX_MADE];
                let rows = made.chunks_exact(degree).zip(terms.clone());
                pairs.iter_mut().zip(rows).for_each(|(pair, (row, i))| *pair = (row, factor(i).limb(number)));
                let target = if start == 0 { &mut *limb } else { &mut *partial };
                self.kernels.dot(q, target, &pairs[..terms.len()]);
                if start > 0 {
                    self.kernels.add(q, limb, &partial);
                }
            }
        }
        scratch.give(made);
        scratch.give(partial);
    }
}
