//! What the transforms read: powers of a root of unity, in the order in which they are read.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

#[cfg(target_arch = "x86_64")]
use once_cell::race::OnceBox;

#[cfg(target_arch = "x86_64")]
use super::avx2::DoubleRoots;
#[cfg(target_arch = "x86_64")]
use super::avx512::LaneTables;
#[cfg(target_arch = "x86_64")]
use super::avx512ifma::IfmaRoots;
use crate::error::ParamError;
use crate::modulus::{Modulus, Shoup};
use crate::prime::primitive_root_vartime;

/// The powers of `ψ` that the kernels read, with their Shoup quotients.
#[derive(Clone, Debug)]
pub struct NttTables {
    modulus: Modulus,
    /// `roots[i] = ψ^rev(i)`; level `l` reads `roots[2^l .. 2^(l+1)]`.
    roots: Box<[Shoup]>,
    /// `inverse_roots[i] = ψ^-rev(i)`.
    inverse_roots: Box<[Shoup]>,
    /// `n^-1` and `n^-1·inverse_roots[1]`.
    last_inverse_level: (Shoup, Shoup),
    /// What a backend reads besides, forward and inverse, from the first time on that it does.
    #[cfg(target_arch = "x86_64")]
    double_roots: OnceBox<[DoubleRoots; 2]>,
    #[cfg(target_arch = "x86_64")]
    ifma_roots: OnceBox<[IfmaRoots; 2]>,
    #[cfg(target_arch = "x86_64")]
    lane_tables: OnceBox<LaneTables>,
}

impl NttTables {
    /// Derives the tables of a degree that is a power of two. Cost: about `3n` multiplications.
    ///
    /// # Errors
    /// [`ParamError::NotPrime`] or [`ParamError::NoRoot`] if the modulus has no primitive `2n`-th root.
    pub(crate) fn new(modulus: Modulus, degree: usize) -> Result<Self, ParamError> {
        let root = primitive_root_vartime(&modulus, degree)?;
        let inverse = |x| modulus.inverse(x).ok_or(ParamError::NotPrime { value: modulus.value() });
        let scale = inverse(degree as u64)?;
        let inverse_roots = powers_bit_reversed(&modulus, inverse(root)?, degree);
        let scaled_root = modulus.mul(scale, inverse_roots[1].value);
        let roots = powers_bit_reversed(&modulus, root, degree);
        Ok(Self {
            modulus,
            #[cfg(target_arch = "x86_64")]
            double_roots: OnceBox::new(),
            #[cfg(target_arch = "x86_64")]
            ifma_roots: OnceBox::new(),
            #[cfg(target_arch = "x86_64")]
            lane_tables: OnceBox::new(),
            roots,
            inverse_roots,
            last_inverse_level: (modulus.shoup(scale), modulus.shoup(scaled_root)),
        })
    }

    /// The transform by definition, in `n²` multiplications: what the conformance suite compares with.
    #[must_use]
    pub fn evaluate_schoolbook(&self, coefficients: &[u64]) -> Vec<u64> {
        let (q, n) = (&self.modulus, self.roots.len());
        let root = self.roots[n >> 1].value;
        let at = |x: u64| coefficients.iter().rev().fold(0, |sum, &c| q.mul_add(sum, x, c));
        (0..n).map(|i| at(q.pow_vartime(root, 2 * bit_reverse(i, n) as u64 + 1))).collect()
    }

    /// The modulus `q`.
    #[must_use]
    pub const fn modulus(&self) -> &Modulus {
        &self.modulus
    }

    /// The degree `n`.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.roots.len()
    }

    /// `ψ^rev(i)` for `i` in `[0, n)`.
    #[must_use]
    pub fn roots(&self) -> &[Shoup] {
        &self.roots
    }

    /// `ψ^-rev(i)` for `i` in `[0, n)`.
    #[must_use]
    pub fn inverse_roots(&self) -> &[Shoup] {
        &self.inverse_roots
    }

    /// The roots as doubles, forward and inverse, if the degree and the modulus are of their class. The first call makes
    /// them: two conversions for each root, and `32n` bytes.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn double_roots(&self) -> Option<[&DoubleRoots; 2]> {
        let make = || Box::new([&self.roots, &self.inverse_roots].map(|roots| DoubleRoots::new(&self.modulus, roots)));
        let served = DoubleRoots::serve(&self.modulus, self.roots.len());
        served.then(|| self.double_roots.get_or_init(make).each_ref())
    }

    /// The roots in the order of 52-bit lanes, forward and inverse, if the degree and the modulus are of their class. The
    /// first call makes them: `32n` bytes.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn ifma_roots(&self) -> Option<[&IfmaRoots; 2]> {
        let make = || Box::new([&self.roots, &self.inverse_roots].map(|roots| IfmaRoots::new(roots)));
        let served = IfmaRoots::serve(&self.modulus, self.roots.len());
        served.then(|| self.ifma_roots.get_or_init(make).each_ref())
    }

    /// What 64-bit lanes read beside the roots, if the degree is of their class. The first call makes them: `28n` bytes.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn lane_tables(&self) -> Option<&LaneTables> {
        let scale = self.last_inverse_level.0.value;
        let make = || Box::new(LaneTables::new(&self.modulus, &self.roots, &self.inverse_roots, scale));
        LaneTables::serve(self.roots.len()).then(|| self.lane_tables.get_or_init(make))
    }

    /// The factors of the last inverse level, which carry the scaling: `n^-1` and `n^-1·ψ^-rev(1)`.
    #[must_use]
    pub const fn last_inverse_level(&self) -> (Shoup, Shoup) {
        self.last_inverse_level
    }
}

/// Reverses the lowest `log2 n` bits of `i`.
#[must_use]
pub(crate) const fn bit_reverse(i: usize, n: usize) -> usize {
    i.reverse_bits() >> (usize::BITS - n.trailing_zeros())
}

fn powers_bit_reversed(modulus: &Modulus, base: u64, n: usize) -> Box<[Shoup]> {
    let mut powers = vec![modulus.shoup(1); n].into_boxed_slice();
    let mut power = 1;
    for i in 0..n {
        powers[bit_reverse(i, n)] = modulus.shoup(power);
        power = modulus.mul(power, base);
    }
    powers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_table_ends_with_the_root() {
        // evaluate_schoolbook relies on roots[n/2] = ψ^rev(n/2) = ψ^1.
        let tables = NttTables::new(Modulus::new(17).unwrap(), 8).unwrap();
        assert_eq!(tables.roots[4].value, 3);
    }
}
