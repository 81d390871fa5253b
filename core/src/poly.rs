//! Polynomials of `Z_Q[X]/(X^n + 1)` in residue form. The domain is a type.
//!
//! A product modulo a `Q` of 150 bits, limb by limb:
//!
//! ```
//! use tacit_core::backend::Kernels;
//! use tacit_core::poly::{Coeff, Poly, Ring};
//! use tacit_core::prime::ntt_primes_vartime;
//!
//! # fn main() -> Result<(), tacit_core::error::ParamError> {
//! let primes = ntt_primes_vartime(50, 8, 3, &[])?;
//! let ring = Ring::new(8, &primes, Kernels::detect())?;
//!
//! // 2^40·X and 2^45·X^2, with the same residues in every limb.
//! let [mut a, mut b] = [[0; 8]; 2];
//! (a[1], b[2]) = (1 << 40, 1 << 45);
//! let a: Poly<Coeff> = ring.poly(&a.repeat(3))?;
//! let b: Poly<Coeff> = ring.poly(&b.repeat(3))?;
//!
//! let mut product = ring.forward(a);
//! ring.mul_assign(&mut product, &ring.forward(b));
//! let product = ring.inverse(product);
//!
//! // 2^85 does not fit a word, but Q holds it.
//! let third: Vec<u64> = product.limbs().map(|limb| limb[3]).collect();
//! assert_eq!(ring.basis().compose_vartime(&third), (1u128 << 85).into());
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "wire")]
mod packed;
mod scratch;

#[cfg(feature = "wire")]
pub(crate) use packed::PackedPoly;
pub use scratch::Scratch;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::marker::PhantomData;

use zeroize::Zeroize;

use crate::backend::{AlignedWords, Backend, Kernels, MAX_TERMS, bit_reverse};
use crate::error::ParamError;
use crate::modulus::Modulus;
use crate::ntt::{NttPlan, check_degree};
use crate::rns::{BaseConverter, RnsBasis, lift_small};

/// The coefficient domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coeff;

/// The evaluation domain, in the order of [`crate::ntt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eval;

/// One polynomial: `n` residues in `[0, q_i)` for each modulus of its ring, limb-major, in one aligned allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poly<D> {
    residues: AlignedWords,
    degree: usize,
    domain: PhantomData<D>,
}

impl<D> Poly<D> {
    fn from_residues(residues: AlignedWords, degree: usize) -> Self {
        Self { residues, degree, domain: PhantomData }
    }

    /// The number of limbs.
    #[must_use]
    pub fn limb_count(&self) -> usize {
        self.residues.len() >> self.degree.trailing_zeros()
    }

    /// All residues, limb-major.
    #[must_use]
    pub fn residues(&self) -> &[u64] {
        &self.residues
    }

    /// All residues, limb-major. Whoever writes keeps each below its modulus.
    #[must_use]
    pub fn residues_mut(&mut self) -> &mut [u64] {
        &mut self.residues
    }

    /// The residues modulo the `i`-th modulus.
    ///
    /// # Panics
    /// If there is no such limb.
    #[must_use]
    pub fn limb(&self, i: usize) -> &[u64] {
        &self.residues[i * self.degree..(i + 1) * self.degree]
    }

    /// The residues modulo the `i`-th modulus.
    ///
    /// # Panics
    /// If there is no such limb.
    #[must_use]
    pub fn limb_mut(&mut self, i: usize) -> &mut [u64] {
        &mut self.residues[i * self.degree..(i + 1) * self.degree]
    }

    /// A copy of some limbs, in the given order.
    ///
    /// # Panics
    /// If there is no such limb.
    #[must_use]
    pub fn select(&self, limbs: impl ExactSizeIterator<Item = usize>) -> Self {
        let count = limbs.len() * self.degree;
        let stretches = limbs.map(|i| i * self.degree..(i + 1) * self.degree);
        Self::from_residues(self.residues.gather(count, stretches), self.degree)
    }

    /// The first limbs of another, as many as there are.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        let count = self.residues.len();
        self.residues.copy_from_slice(&other.residues[..count]);
    }

    /// The limbs in order.
    pub fn limbs(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.residues.chunks_exact(self.degree)
    }

    /// The limbs in order.
    pub fn limbs_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [u64]> {
        self.residues.chunks_exact_mut(self.degree)
    }
}

impl<D> Zeroize for Poly<D> {
    fn zeroize(&mut self) {
        self.residues.zeroize();
    }
}

/// `Z_Q[X]/(X^n + 1)` for a basis of NTT primes: the degree, the moduli, their transforms and the kernels.
#[derive(Clone, Debug)]
pub struct Ring {
    degree: usize,
    kernels: Kernels,
    basis: RnsBasis,
    plans: Vec<Arc<NttPlan>>,
}

impl Ring {
    /// The ring of degree `n` modulo the product of `primes`. Cost: the tables of one transform per prime.
    ///
    /// # Errors
    /// [`ParamError`] if the degree is out of range, a modulus is not an NTT prime or repeated, or there are more than
    /// [`RnsBasis::MAX_MODULI`].
    pub fn new(degree: usize, primes: &[u64], kernels: Kernels) -> Result<Self, ParamError> {
        check_degree(degree)?;
        let moduli = primes.iter().map(|&q| Modulus::new(q)).collect::<Result<Vec<_>, _>>()?;
        let basis = RnsBasis::of_primes(&moduli)?;
        let plans = moduli.iter().map(|q| NttPlan::new(*q, degree).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Self { degree, kernels, basis, plans })
    }

    /// The ring modulo some of this ring's primes, in the given order. Tables are shared.
    ///
    /// # Panics
    /// If an index is out of range or repeated.
    #[must_use]
    pub fn select(&self, limbs: impl IntoIterator<Item = usize>) -> Self {
        let plans: Vec<_> = limbs.into_iter().map(|i| Arc::clone(&self.plans[i])).collect();
        let moduli: Vec<_> = plans.iter().map(|plan| *plan.modulus()).collect();
        let basis = RnsBasis::of_primes(&moduli);
        assert!(basis.is_ok(), "a limb was selected twice");
        Self { basis: basis.unwrap_or_else(|_| self.basis.clone()), plans, ..*self }
    }

    /// The degree `n`.
    #[must_use]
    pub const fn degree(&self) -> usize {
        self.degree
    }

    /// The kernels in use.
    #[must_use]
    pub const fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The basis.
    #[must_use]
    pub const fn basis(&self) -> &RnsBasis {
        &self.basis
    }

    /// The moduli.
    #[must_use]
    pub fn moduli(&self) -> &[Modulus] {
        self.basis.moduli()
    }

    /// Zero.
    #[must_use]
    pub fn zero<D>(&self) -> Poly<D> {
        Poly::from_residues(AlignedWords::zeros(self.degree * self.basis.len()), self.degree)
    }

    /// The polynomial with these residues, limb-major, from outside. Constant time but for errors.
    ///
    /// # Errors
    /// [`ParamError::LengthMismatch`] unless there are `n` for each modulus, [`ParamError::NotReduced`] if one is not below
    /// its modulus.
    pub fn poly<D>(&self, residues: &[u64]) -> Result<Poly<D>, ParamError> {
        let mut poly = self.zero();
        let (given, needed) = (residues.len(), poly.residues.len());
        if given != needed {
            return Err(ParamError::LengthMismatch { given, needed });
        }
        for (limb, plan) in residues.chunks_exact(self.degree).zip(&self.plans) {
            plan.check(limb)?;
        }
        poly.residues.copy_from_slice(residues);
        Ok(poly)
    }

    /// The polynomial with these small coefficients. Constant time.
    ///
    /// # Panics
    /// If there are not `n` of them.
    #[must_use]
    pub fn lift(&self, coefficients: &[i8]) -> Poly<Coeff> {
        assert_eq!(coefficients.len(), self.degree);
        let mut poly = self.zero();
        for (limb, q) in poly.limbs_mut().zip(self.moduli()) {
            for (residue, &x) in limb.iter_mut().zip(coefficients) {
                *residue = lift_small(q, x);
            }
        }
        poly
    }

    /// Coefficients → values. Cost: one transform per limb.
    ///
    /// # Panics
    /// If `poly` is of another ring.
    #[must_use]
    pub fn forward(&self, mut poly: Poly<Coeff>) -> Poly<Eval> {
        self.check(&poly);
        for (limb, plan) in poly.limbs_mut().zip(&self.plans) {
            plan.forward(self.kernels, limb);
        }
        Poly::from_residues(poly.residues, self.degree)
    }

    /// Values → coefficients. Cost: one transform per limb.
    ///
    /// # Panics
    /// If `poly` is of another ring.
    #[must_use]
    pub fn inverse(&self, mut poly: Poly<Eval>) -> Poly<Coeff> {
        self.check(&poly);
        for (limb, plan) in poly.limbs_mut().zip(&self.plans) {
            plan.inverse(self.kernels, limb);
        }
        Poly::from_residues(poly.residues, self.degree)
    }

    /// Coefficients → values of one limb, where no [`Poly`] holds it.
    pub(crate) fn forward_row<'a>(&self, limb: usize, row: &'a mut [u64]) -> &'a [u64] {
        self.plans[limb].forward(self.kernels, row);
        row
    }

    /// The values of one limb of what [`BaseConverter::prepare`] prepared; the limb is the converter's `target`.
    pub(crate) fn forward_converted(
        &self,
        limb: usize,
        (converter, target): (&BaseConverter, usize),
        prepared: &[u64],
        out: &mut [u64],
        ahead: &[u64],
    ) {
        if let Some(from) = converter.lifted() {
            return self.kernels.ntt_forward_lifted(self.plans[limb].tables(), out, prepared, from, ahead);
        }
        converter.convert_row(self.kernels, target, prepared, out);
        self.plans[limb].forward(self.kernels, out);
    }

    /// Values → coefficients of one limb.
    pub(crate) fn inverse_row(&self, limb: usize, row: &mut [u64]) {
        self.plans[limb].inverse(self.kernels, row);
    }

    /// Coefficients → values of polynomials that lie one behind the other, limb-major.
    pub(crate) fn forward_rows(&self, rows: &mut [u64]) {
        for (row, plan) in rows.chunks_exact_mut(self.degree).zip(self.plans.iter().cycle()) {
            plan.forward(self.kernels, row);
        }
    }

    /// Values → coefficients, of the same.
    pub(crate) fn inverse_rows(&self, rows: &mut [u64]) {
        for (row, plan) in rows.chunks_exact_mut(self.degree).zip(self.plans.iter().cycle()) {
            plan.inverse(self.kernels, row);
        }
    }

    /// `a += b`.
    ///
    /// # Panics
    /// If an operand is of another ring.
    pub fn add_assign<D>(&self, a: &mut Poly<D>, b: &Poly<D>) {
        self.each_limb(a, b, Backend::add);
    }

    /// `a -= b`.
    ///
    /// # Panics
    /// If an operand is of another ring.
    pub fn sub_assign<D>(&self, a: &mut Poly<D>, b: &Poly<D>) {
        self.each_limb(a, b, Backend::sub);
    }

    /// `a = -a`.
    ///
    /// # Panics
    /// If the operand is of another ring.
    pub fn neg_assign<D>(&self, a: &mut Poly<D>) {
        self.check(a);
        for (limb, q) in a.limbs_mut().zip(self.moduli()) {
            self.kernels.neg(q, limb);
        }
    }

    /// `a *= b`: pointwise, so the product of polynomials.
    ///
    /// # Panics
    /// If an operand is of another ring.
    pub fn mul_assign(&self, a: &mut Poly<Eval>, b: &Poly<Eval>) {
        self.each_limb(a, b, Backend::mul);
    }

    /// `Σ a_i·b_i` with one reduction per value.
    ///
    /// # Panics
    /// If an operand is of another ring, or there are more than [`MAX_TERMS`] terms.
    #[must_use]
    pub fn dot(&self, terms: &[(&Poly<Eval>, &Poly<Eval>)]) -> Poly<Eval> {
        assert!(terms.len() <= MAX_TERMS);
        let mut out = self.zero();
        self.dot_into(&mut out, terms.len(), |i| terms[i], &mut Scratch::new());
        out
    }

    /// [`Ring::dot`] of any number of terms in place, without allocation: one reduction per value and [`MAX_TERMS`] terms.
    pub(crate) fn dot_into<'a>(
        &self,
        out: &mut Poly<Eval>,
        count: usize,
        term: impl Fn(usize) -> (&'a Poly<Eval>, &'a Poly<Eval>),
        scratch: &mut Scratch,
    ) {
        self.check(out);
        (0..count).map(&term).for_each(|(a, b)| [a, b].into_iter().for_each(|poly| self.check(poly)));
        let mut partial = (count > MAX_TERMS).then(|| scratch.words(self.degree));
        for (i, (limb, q)) in out.limbs_mut().zip(self.moduli()).enumerate() {
            let mut slices: [(&[u64], &[u64]); MAX_TERMS] = [(&[], &[]); MAX_TERMS];
            for start in (0..count.max(1)).step_by(MAX_TERMS) {
                let terms = (start..count.min(start + MAX_TERMS)).map(&term);
                let len = slices.iter_mut().zip(terms).map(|(slice, (a, b))| *slice = (a.limb(i), b.limb(i))).count();
                match &mut partial {
                    Some(partial) if start > 0 => {
                        self.kernels.dot(q, partial, &slices[..len]);
                        self.kernels.add(q, limb, partial);
                    }
                    _ => self.kernels.dot(q, limb, &slices[..len]),
                }
            }
        }
        partial.into_iter().for_each(|words| scratch.give(words));
    }

    /// `Σ a_i`, of at least one term, in place.
    pub(crate) fn sum_into<'a, D: 'a>(&self, out: &mut Poly<D>, count: usize, term: impl Fn(usize) -> &'a Poly<D>) {
        if count == 1 {
            return out.copy_from(term(0));
        }
        self.add_into(out, term(0), term(1));
        (2..count).for_each(|i| self.add_assign(out, term(i)));
    }

    /// `Σ w_i·a_i` for signed words `w_i`, with one reduction per value and [`MAX_TERMS`] terms.
    ///
    /// # Panics
    /// If an operand is of another ring or the lists differ in length.
    #[must_use]
    pub fn combine<D>(&self, terms: &[&Poly<D>], weights: &[i64]) -> Poly<D> {
        assert_eq!(terms.len(), weights.len());
        let mut out = self.zero();
        self.combine_into(&mut out, terms.len(), |i| terms[i], weights, &mut Scratch::new());
        out
    }

    /// [`Ring::combine`] of `count` terms in place, without allocation.
    pub(crate) fn combine_into<'a, D: 'a>(
        &self,
        out: &mut Poly<D>,
        count: usize,
        term: impl Fn(usize) -> &'a Poly<D>,
        weights: &[i64],
        scratch: &mut Scratch,
    ) {
        assert_eq!(count, weights.len());
        self.check(out);
        (0..count).for_each(|i| self.check(term(i)));
        let mut partial = scratch.words(self.degree);
        for (i, (limb, q)) in out.limbs_mut().zip(self.moduli()).enumerate() {
            let (mut slices, mut words) = ([&[][..]; MAX_TERMS], [0; MAX_TERMS]);
            for (start, weights) in (0..).step_by(MAX_TERMS).zip(weights.chunks(MAX_TERMS)) {
                let terms = slices.iter_mut().zip(&mut words).zip(weights).enumerate();
                terms.for_each(|(j, ((slice, word), &w))| {
                    (*slice, *word) = (term(start + j).limb(i), q.reduce_signed(i128::from(w)));
                });
                let target = if start == 0 { &mut *limb } else { &mut *partial };
                self.kernels.combine(q, target, &slices[..weights.len()], &words[..weights.len()], q.bits());
                if start > 0 {
                    self.kernels.add(q, limb, &partial);
                }
            }
        }
        scratch.give(partial);
    }

    /// `out = a + b`.
    pub(crate) fn add_into<D>(&self, out: &mut Poly<D>, a: &Poly<D>, b: &Poly<D>) {
        [&*out, a, b].into_iter().for_each(|poly| self.check(poly));
        for (((out, a), b), q) in out.limbs_mut().zip(a.limbs()).zip(b.limbs()).zip(self.moduli()) {
            self.kernels.add_into(q, out, a, b);
        }
    }

    /// `out = a·b`, pointwise.
    pub(crate) fn mul_into(&self, out: &mut Poly<Eval>, a: &Poly<Eval>, b: &Poly<Eval>) {
        [&*out, a, b].into_iter().for_each(|poly| self.check(poly));
        for (((out, a), b), q) in out.limbs_mut().zip(a.limbs()).zip(b.limbs()).zip(self.moduli()) {
            self.kernels.mul_into(q, out, a, b);
        }
    }

    /// `acc += a·b`, pointwise.
    pub(crate) fn mul_add_assign(&self, acc: &mut Poly<Eval>, a: &Poly<Eval>, b: &Poly<Eval>) {
        [&*acc, a, b].into_iter().for_each(|poly| self.check(poly));
        for (((acc, a), b), q) in acc.limbs_mut().zip(a.limbs()).zip(b.limbs()).zip(self.moduli()) {
            self.kernels.mul_add(q, acc, a, b);
        }
    }

    /// `a *= w_i` modulo the `i`-th modulus.
    ///
    /// # Panics
    /// If the operand is of another ring or there is not one factor in `[0, q_i)` per limb.
    pub fn mul_residues_assign<D>(&self, a: &mut Poly<D>, w: &[u64]) {
        self.check(a);
        assert_eq!(w.len(), self.basis.len());
        for ((limb, q), &w) in a.limbs_mut().zip(self.moduli()).zip(w) {
            self.kernels.mul_scalar(q, limb, q.shoup(w));
        }
    }

    /// `a(X) → a(X^g)`, by the permutation of [`galois_permutation`].
    ///
    /// # Panics
    /// If the operand or the permutation is of another ring.
    #[must_use]
    pub fn automorphism(&self, a: &Poly<Eval>, permutation: &[u32]) -> Poly<Eval> {
        self.check(a);
        let mut out: Poly<Eval> = self.zero();
        for (out, limb) in out.limbs_mut().zip(a.limbs()) {
            self.kernels.permute_blocks(out, limb, permutation);
        }
        out
    }

    fn each_limb<D>(&self, a: &mut Poly<D>, b: &Poly<D>, f: impl Fn(Kernels, &Modulus, &mut [u64], &[u64])) {
        self.check(a);
        self.check(b);
        for ((a, b), q) in a.limbs_mut().zip(b.limbs()).zip(self.moduli()) {
            f(self.kernels, q, a, b);
        }
    }

    fn check<D>(&self, poly: &Poly<D>) {
        assert!(
            poly.degree == self.degree && poly.limb_count() == self.basis.len(),
            "polynomial of degree {} with {} limbs in a ring of degree {} with {}",
            poly.degree,
            poly.limb_count(),
            self.degree,
            self.basis.len()
        );
    }
}

/// How `X → X^g` permutes values: the value at index `i` of the image is the one at `permutation[i]` of the argument.
///
/// The value at `ψ^e` of `a(X^g)` is the value at `ψ^(e·g)` of `a`. Eight neighbours share all but the highest three bits of
/// their exponents, and so do their images: aligned eights go to aligned eights.
///
/// # Panics
/// Unless `g` is odd and below `2n`, and `n` is the degree of a ring.
#[must_use]
pub fn galois_permutation(degree: usize, element: usize) -> Box<[u32]> {
    assert!(check_degree(degree).is_ok() && element & 1 == 1 && element < 2 * degree, "{element} at degree {degree}");
    let mask = 2 * degree - 1;
    let source = |i: usize| bit_reverse((((2 * bit_reverse(i, degree) + 1) * element) & mask) >> 1, degree);
    (0..degree).map(|i| source(i) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn ring() -> Ring {
        Ring::new(64, &crate::prime::ntt_primes_vartime(50, 64, 3, &[]).unwrap(), Kernels::detect()).unwrap()
    }

    fn sample(ring: &Ring, seed: i64) -> Poly<Coeff> {
        let small: Vec<i8> = (0..64).map(|i| ((i * i * seed + 3 * i) % 100) as i8).collect();
        ring.lift(&small)
    }

    #[test]
    fn automorphism_matches_substitution() {
        let ring = ring();
        let a = sample(&ring, 7);
        for g in [1usize, 3, 5, 25, 127] {
            let mut expected: Poly<Coeff> = ring.zero();
            for ((out, limb), q) in expected.limbs_mut().zip(a.limbs()).zip(ring.moduli()) {
                for (i, &x) in limb.iter().enumerate() {
                    let e = (i * g) % 128;
                    out[e % 64] = if e < 64 { x } else { q.neg(x) };
                }
            }
            let image = ring.automorphism(&ring.forward(a.clone()), &galois_permutation(64, g));
            assert_eq!(ring.inverse(image), expected, "g = {g}");
        }
    }

    #[test]
    fn sums_and_products_agree() {
        let ring = ring();
        let [a, b, c] = [3, 5, 11].map(|s| ring.forward(sample(&ring, s)));
        let mut expected = a.clone();
        ring.mul_assign(&mut expected, &b);
        let mut other = b.clone();
        ring.mul_assign(&mut other, &c);
        ring.add_assign(&mut expected, &other);
        assert_eq!(ring.dot(&[(&a, &b), (&b, &c)]), expected);

        let mut difference = a.clone();
        ring.sub_assign(&mut difference, &b);
        assert_eq!(ring.combine(&[&a, &b], &[1, -1]), difference);
        ring.neg_assign(&mut difference);
        assert_eq!(ring.combine(&[&a, &b], &[-1, 1]), difference);
        let many = MAX_TERMS + 2;
        assert_eq!(ring.combine(&vec![&a; many], &vec![3; many]), ring.combine(&[&a], &[3 * many as i64]));
        let mut tripled = c.clone();
        ring.mul_residues_assign(&mut tripled, &[3; 3]);
        assert_eq!(ring.combine(&[&c], &[3]), tripled);
    }

    #[test]
    fn residues_from_outside_are_checked() {
        let ring = ring();
        let whole = sample(&ring, 3);
        assert_eq!(ring.poly(whole.residues()), Ok(whole.clone()));
        let short = ring.poly::<Coeff>(&whole.residues()[1..]);
        assert_eq!(short, Err(ParamError::LengthMismatch { given: 191, needed: 192 }));
        let mut residues = whole.residues().to_vec();
        let modulus = ring.moduli()[2].value();
        residues[130] = modulus;
        assert_eq!(ring.poly::<Eval>(&residues), Err(ParamError::NotReduced { modulus }));
    }

    #[test]
    fn rings_without_transforms_are_refused() {
        let ring = |degree, primes: &[u64]| Ring::new(degree, primes, Kernels::PORTABLE).unwrap_err();
        assert_eq!(ring(64, &[257, 256]), ParamError::BadModulus { value: 256 });
        assert_eq!(ring(64, &[257, 257]), ParamError::RepeatedModulus { value: 257 });
        assert_eq!(ring(64, &[257, 641 * 3]), ParamError::NotPrime { value: 641 * 3 });
        assert_eq!(ring(64, &[641, 31]), ParamError::NoRoot { modulus: 31, degree: 64 });
        assert!(matches!(ring(96, &[193]), ParamError::BadDegree { degree: 96, .. }));
    }

    #[test]
    #[should_panic(expected = "128 at degree 64")]
    fn permutations_of_no_automorphism_are_refused() {
        let _ = galois_permutation(64, 128);
    }

    #[test]
    fn subrings_share_limbs() {
        let ring = ring();
        let a = ring.forward(sample(&ring, 9));
        let sub = ring.select([2, 0]);
        let b = sub.forward(sample(&ring, 9).select([2, 0].into_iter()));
        assert_eq!((b.limb(0), b.limb(1)), (a.limb(2), a.limb(0)));
    }

    #[test]
    #[should_panic(expected = "polynomial of degree 64 with 3 limbs in a ring of degree 64 with 1")]
    fn foreign_operands_are_refused() {
        let ring = ring();
        let _ = ring.select([0]).forward(sample(&ring, 1));
    }
}
