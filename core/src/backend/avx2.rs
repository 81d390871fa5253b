//! Kernels for AVX2 with fused multiply-add, four residues at a time, for primes below `2^50`.
//!
//! AVX2 multiplies integers of 32 bits only, but doubles of 53: a fused operation gives the low half of a product that a
//! plain one has rounded. Larger primes and operands go to the portable code, compiled for this instruction set.
//!
//! # Constant time
//! There is no conditional on data. Additions and multiplications of doubles are known to depend on their operands in time
//! where these are subnormal (Andrysco et al., "On subnormal floating point and abnormal timing", 2015), which none is
//! here. The one division is by the modulus.
//!
//! # Safety
//! Every `unsafe` call into this module's functions rests on the token: an [`Avx2`] exists only where the processor and
//! the operating system support the instructions.

mod field;
mod ntt;
mod roots;
mod slices;

use super::{Backend, NttTables, Portable, sealed};
use crate::modulus::{Modulus, Reciprocal, Shoup};
pub(super) use roots::DoubleRoots;

cpufeatures::new!(features, "avx2", "fma");

/// Proof that this machine has the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// The backend, if the processor has the instructions and the operating system saves their registers.
    #[must_use]
    pub fn detect() -> Option<Self> {
        features::get().then_some(Self(()))
    }
}

impl sealed::Sealed for Avx2 {}

/// The portable kernels, compiled for this instruction set.
struct Compiled(Avx2);

macro_rules! compiled {
    ($($(#[$attribute:meta])* $name:ident($($arg:ident: $ty:ty),*);)*) => {
        impl Compiled {
            $($(#[$attribute])* fn $name(self, $($arg: $ty),*) {
                #[target_feature(enable = "avx2,fma")]
                fn compiled($($arg: $ty),*) {
                    Portable.$name($($arg),*);
                }
                // SAFETY: the token proves the features.
                unsafe { compiled($($arg),*) }
            })*
        }
    };
}

compiled! {
    ntt_forward(tables: &NttTables, xs: &mut [u64]);
    ntt_inverse(tables: &NttTables, xs: &mut [u64]);
    add(q: &Modulus, a: &mut [u64], b: &[u64]);
    sub(q: &Modulus, a: &mut [u64], b: &[u64]);
    neg(q: &Modulus, a: &mut [u64]);
    mul(q: &Modulus, a: &mut [u64], b: &[u64]);
    mul_add(q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]);
    mul_scalar(q: &Modulus, a: &mut [u64], w: Shoup);
    dot(q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]);
    combine(q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64], bits: u32);
    round_quotients(out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]);
    permute(out: &mut [u64], xs: &[u64], indices: &[u32]);
    #[cfg(feature = "rlwe")]
    binomial(out: &mut [i8], words: &[u64]);
    #[cfg(feature = "rlwe")]
    add_small(q: &Modulus, a: &mut [u64], b: &[i8]);
}

impl Backend for Avx2 {
    fn name(self) -> &'static str {
        "avx2"
    }

    fn add(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        Compiled(self).add(q, a, b);
    }

    fn sub(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        Compiled(self).sub(q, a, b);
    }

    fn neg(self, q: &Modulus, a: &mut [u64]) {
        Compiled(self).neg(q, a);
    }

    #[cfg(feature = "rlwe")]
    fn binomial(self, out: &mut [i8], words: &[u64]) {
        Compiled(self).binomial(out, words);
    }

    #[cfg(feature = "rlwe")]
    fn add_small(self, q: &Modulus, a: &mut [u64], b: &[i8]) {
        Compiled(self).add_small(q, a, b);
    }

    fn ntt_forward(self, tables: &NttTables, xs: &mut [u64]) {
        let Some([roots, _]) = tables.double_roots() else { return Compiled(self).ntt_forward(tables, xs) };
        debug_assert!(xs.iter().all(|&x| x < tables.modulus().value()));
        // SAFETY: the token proves the features.
        unsafe { ntt::forward(tables, roots, xs) }
    }

    fn ntt_inverse(self, tables: &NttTables, xs: &mut [u64]) {
        let Some([_, roots]) = tables.double_roots() else { return Compiled(self).ntt_inverse(tables, xs) };
        debug_assert!(xs.iter().all(|&x| x < tables.modulus().value()));
        // SAFETY: the token proves the features.
        unsafe { ntt::inverse(tables, roots, xs) }
    }

    fn mul(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        if !field::serves(q) {
            return Compiled(self).mul(q, a, b);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::mul(q, a, b) }
    }

    fn mul_add(self, q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]) {
        if !field::serves(q) {
            return Compiled(self).mul_add(q, acc, a, b);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::mul_add(q, acc, a, b) }
    }

    fn mul_scalar(self, q: &Modulus, a: &mut [u64], w: Shoup) {
        if !field::serves(q) {
            return Compiled(self).mul_scalar(q, a, w);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::mul_scalar(q, a, w) }
    }

    fn dot(self, q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]) {
        if !field::serves(q) {
            return Compiled(self).dot(q, out, terms);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::dot(q, out, terms) }
    }

    fn combine(self, q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64], bits: u32) {
        if !field::serves(q) || bits > slices::WORD_BITS {
            return Compiled(self).combine(q, out, terms, weights, bits);
        }
        // SAFETY: the token proves the features.
        unsafe { slices::combine(q, out, terms, weights) }
    }

    fn round_quotients(self, out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]) {
        Compiled(self).round_quotients(out, terms, reciprocals);
    }

    fn permute(self, out: &mut [u64], xs: &[u64], indices: &[u32]) {
        Compiled(self).permute(out, xs, indices);
    }
}
