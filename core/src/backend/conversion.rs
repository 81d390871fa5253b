//! What base conversion reads, and the conversion by the other kernels, for backends that have none in one pass.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{Backend, MAX_TERMS};
use crate::modulus::{Modulus, Reciprocal, Shoup};

/// The constants of `out_p = Σ w_{p,i}·y_i + w_{p,k}·v mod p` for `y_i = f_i·x_i mod q_i` and `v = round(Σ y_i/q_i)`.
#[derive(Clone, Debug)]
pub struct Conversion {
    sources: Box<[Source]>,
    targets: Box<[Target]>,
    reciprocals: Box<[Reciprocal]>,
    /// Bits of the largest modulus on either side, which bound residues and weights.
    bits: u32,
}

/// One modulus `q` that is read.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// `q`.
    pub modulus: Modulus,
    /// `f`.
    pub factor: Shoup,
}

/// One modulus `p` that is written.
#[derive(Clone, Debug)]
pub struct Target {
    /// `p`.
    pub modulus: Modulus,
    /// The weights of `y_1, …, y_k`, and last that of `v`; in `[0, p)`.
    pub weights: Box<[u64]>,
}

impl Conversion {
    /// The conversion with these factors, one in `[0, q)` per source, and weights, one more in `[0, p)` per target.
    ///
    /// # Panics
    /// If there are not as many weights as that, or more than [`MAX_TERMS`].
    pub(crate) fn new(sources: impl Iterator<Item = (Modulus, u64)>, targets: Vec<(Modulus, Box<[u64]>)>) -> Self {
        let source = |(modulus, factor): (Modulus, u64)| Source { factor: modulus.shoup(factor), modulus };
        let sources: Box<[Source]> = sources.map(source).collect();
        let target = |(modulus, weights)| Target { modulus, weights };
        let targets: Box<[Target]> = targets.into_iter().map(target).collect();
        assert!(sources.len() < MAX_TERMS && targets.iter().all(|t| t.weights.len() == sources.len() + 1));
        let moduli = sources.iter().map(|s| &s.modulus).chain(targets.iter().map(|t| &t.modulus));
        let bits = moduli.map(Modulus::bits).max().unwrap_or(0);
        Self { bits, reciprocals: sources.iter().map(|source| source.modulus.reciprocal()).collect(), sources, targets }
    }

    /// The moduli that are read.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The moduli that are written.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// `1/q` for each modulus that is read.
    #[must_use]
    pub fn reciprocals(&self) -> &[Reciprocal] {
        &self.reciprocals
    }

    /// Bits of the largest modulus on either side.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// The number of columns of buffers with one row per source and one per target.
    ///
    /// # Panics
    /// If the buffers have no such form.
    #[must_use]
    #[allow(clippy::integer_division_remainder_used, reason = "public sizes")]
    pub(super) fn columns(&self, input: &[u64], out: &[u64]) -> usize {
        assert!(!self.targets.is_empty() && out.len().is_multiple_of(self.targets.len()));
        let columns = out.len() / self.targets.len();
        assert_eq!(input.len(), columns * self.sources.len());
        columns
    }

    /// The conversion by [`Backend::mul_scalar`], [`Backend::round_quotients`] and [`Backend::combine`], some columns at a
    /// time, so that what is in between stays in the first cache.
    pub(super) fn run<B: Backend>(&self, backend: B, input: &[u64], out: &mut [u64]) {
        const COLUMNS: usize = 256;
        let columns = self.columns(input, out);
        let width = columns.clamp(1, COLUMNS);
        let mut buffer = Zeroizing::new(vec![0; (self.sources.len() + 1) * width]);
        for start in (0..columns).step_by(width) {
            let width = width.min(columns - start);
            let (scaled, overflow) = buffer.split_at_mut(self.sources.len() * width);
            let rows = scaled.chunks_exact_mut(width).zip(input.chunks_exact(columns));
            for ((row, xs), source) in rows.zip(&self.sources) {
                row.copy_from_slice(&xs[start..start + width]);
                backend.mul_scalar(&source.modulus, row, source.factor);
            }
            let mut terms: Vec<&[u64]> = scaled.chunks_exact(width).collect();
            backend.round_quotients(&mut overflow[..width], &terms, &self.reciprocals);
            terms.push(&overflow[..width]);
            for (row, target) in out.chunks_exact_mut(columns).zip(&self.targets) {
                backend.combine(&target.modulus, &mut row[start..start + width], &terms, &target.weights, self.bits);
            }
        }
    }
}
