//! Residue number systems: one large modulus `Q = q_1 ⋯ q_k` as `k` small ones.
//!
//! Everything that leaves a basis goes through one primitive, [`BaseConverter`]: the centred value modulo `Q`, read off
//! modulo other primes. An exact rounded division is a conversion and one multiplication ([`Scaler`]). Both are constant
//! time. Values are *limb-major*: all `n` residues modulo `q_1`, then all modulo `q_2`, …
//!
//! ```
//! use num_bigint::BigUint;
//! use tacit_core::backend::Kernels;
//! use tacit_core::modulus::Modulus;
//! use tacit_core::rns::{BaseConverter, RnsBasis, Scaler};
//!
//! # fn main() -> Result<(), tacit_core::error::ParamError> {
//! let basis = RnsBasis::new(&[Modulus::new(97)?, Modulus::new(193)?])?;
//! let target = [Modulus::new(65537)?];
//! let kernels = Kernels::detect();
//!
//! // 10000 modulo 97·193 = 18721 is -8721 when centred.
//! let residues = basis.decompose_vartime(&BigUint::from(10_000u32));
//! let mut out = [0];
//! BaseConverter::new(&basis, &target).convert(kernels, &residues, &mut out);
//! assert_eq!(out, [65537 - 8721]);
//!
//! // round(5·1000000/18721) = 267, from the residues of 1000000 on both sides.
//! let scaler = Scaler::try_new(&BigUint::from(5u32), &basis, &target)?;
//! let mut low = basis.decompose_vartime(&BigUint::from(1_000_000u32));
//! let mut high = [1_000_000 % 65537];
//! let mut remainder = [0];
//! scaler.remainder(kernels, &mut low, &mut remainder);
//! scaler.divide(kernels, &mut high, &mut remainder);
//! assert_eq!(high, [267]);
//! # Ok(())
//! # }
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use num_bigint::BigUint;
use num_traits::{ToPrimitive, Zero};

use crate::backend::{Backend, Conversion, Kernels, MAX_TERMS};
use crate::ct::mask_negative;
use crate::error::{ModulusList, ParamError};
use crate::modulus::{Modulus, Shoup};
use crate::prime::is_prime_vartime;

/// The most primes a list of a parameter set may have, so that every sum of residue products fits its accumulator.
pub const MAX_PRIMES: usize = 64;

/// Distinct prime moduli, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RnsBasis {
    moduli: Box<[Modulus]>,
}

impl RnsBasis {
    /// The most moduli: base conversion sums one product for each and one for the overflow.
    pub const MAX_MODULI: usize = MAX_TERMS - 1;

    /// A basis of the given primes. Cost: a primality test each.
    ///
    /// # Errors
    /// [`ParamError::NotPrime`], [`ParamError::RepeatedModulus`] if two are equal, [`ParamError::ModulusCount`] if there are
    /// more than [`Self::MAX_MODULI`].
    pub fn new(moduli: &[Modulus]) -> Result<Self, ParamError> {
        match moduli.iter().find(|q| !is_prime_vartime(q.value())) {
            Some(q) => Err(ParamError::NotPrime { value: q.value() }),
            None => Self::of_primes(moduli),
        }
    }

    /// A basis of moduli that are known to be prime.
    pub(crate) fn of_primes(moduli: &[Modulus]) -> Result<Self, ParamError> {
        let (given, max) = (moduli.len(), Self::MAX_MODULI);
        if given > max {
            return Err(ParamError::ModulusCount { list: ModulusList::Basis, given, min: 0, max });
        }
        match moduli.iter().enumerate().find(|(i, q)| moduli[..*i].contains(q)) {
            Some((_, q)) => Err(ParamError::RepeatedModulus { value: q.value() }),
            None => Ok(Self { moduli: moduli.into() }),
        }
    }

    /// The moduli.
    #[must_use]
    pub fn moduli(&self) -> &[Modulus] {
        &self.moduli
    }

    /// The number of moduli.
    #[must_use]
    pub fn len(&self) -> usize {
        self.moduli.len()
    }

    /// Whether the basis is empty, with product 1.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moduli.is_empty()
    }

    /// `Q`.
    #[must_use]
    pub fn product(&self) -> BigUint {
        self.moduli.iter().map(|q| BigUint::from(q.value())).product()
    }

    /// The value in `[0, Q)` with these residues. For public values.
    ///
    /// # Panics
    /// If there is not one residue per modulus.
    #[must_use]
    #[allow(clippy::integer_division_remainder_used, reason = "public values")]
    pub fn compose_vartime(&self, residues: &[u64]) -> BigUint {
        assert_eq!(residues.len(), self.len());
        let product = self.product();
        let sum: BigUint = self
            .moduli
            .iter()
            .zip(residues)
            .map(|(q, &x)| {
                let cofactor = &product / q.value();
                cofactor.clone() * q.mul(x, crt_inverse(q, &cofactor))
            })
            .sum();
        sum % product
    }

    /// `(Q/q_i)^-1 mod q_i`.
    #[allow(clippy::integer_division_remainder_used, reason = "public moduli")]
    pub(crate) fn punctured_inverses(&self) -> impl Iterator<Item = u64> {
        let product = self.product();
        self.moduli.iter().map(move |q| crt_inverse(q, &(&product / q.value())))
    }

    /// The residues of a value. For public values.
    #[must_use]
    pub fn decompose_vartime(&self, value: &BigUint) -> Vec<u64> {
        self.moduli.iter().map(|q| residue_vartime(value, q)).collect()
    }
}

/// `value mod q`. For public values.
#[allow(clippy::integer_division_remainder_used, reason = "public values")]
pub(crate) fn residue_vartime(value: &BigUint, q: &Modulus) -> u64 {
    (value % q.value()).to_u64().unwrap_or_default()
}

/// `x^-1 mod q` for an `x` prime to `q`, as products of other primes are.
pub(crate) fn crt_inverse(q: &Modulus, x: &BigUint) -> u64 {
    let inverse = q.inverse(residue_vartime(x, q));
    debug_assert!(inverse.is_some());
    inverse.unwrap_or_default()
}

/// Reads the centred representative of a value modulo `Q` off modulo other primes.
///
/// With `y_i = x_i·(Q/q_i)^-1 mod q_i`, the value is `Σ y_i·Q/q_i - v·Q`, and `v = round(Σ y_i/q_i)` makes it the one in
/// `[-Q/2, Q/2)` (Halevi, Polyakov, Shoup, "An improved RNS variant of the BFV scheme", 2018, section 2.2, with a 64-bit
/// binary fraction in place of a floating-point sum). Where `|x|/Q` is within `3k·2^-64` of one half, the representative
/// may be the other of the two nearest zero.
///
/// Factors cost nothing: one of the argument is part of `(Q/q_i)^-1`, one of the result part of `Q/q_i` and `Q`.
#[derive(Clone, Debug)]
pub struct BaseConverter {
    tables: Conversion,
}

impl BaseConverter {
    /// The conversion from one basis to other moduli, which need not be prime.
    #[must_use]
    pub fn new(from: &RnsBasis, to: &[Modulus]) -> Self {
        Self::with_factors(from, to, &BigUint::from(1u32), |_| 1)
    }

    /// `w_p·[m·x]_Q`: the centred representative of a multiple, times a factor in `[0, p)` for each target.
    #[must_use]
    pub(crate) fn with_factors(from: &RnsBasis, to: &[Modulus], m: &BigUint, w: impl Fn(&Modulus) -> u64) -> Self {
        let scale = |(q, inverse): (&Modulus, u64)| q.mul(residue_vartime(m, q), inverse);
        let factors = from.moduli.iter().zip(from.punctured_inverses()).map(scale).collect();
        Self::derive(from, to, factors, w)
    }

    /// The same from residues `y_i`, which hold `x_i·(Q/q_i)^-1` already.
    #[must_use]
    pub(crate) fn from_scaled(from: &RnsBasis, to: &[Modulus], w: impl Fn(&Modulus) -> u64) -> Self {
        Self::derive(from, to, alloc::vec![1; from.len()], w)
    }

    #[allow(clippy::integer_division_remainder_used, reason = "public moduli")]
    fn derive(from: &RnsBasis, to: &[Modulus], factors: Vec<u64>, w: impl Fn(&Modulus) -> u64) -> Self {
        let product = from.product();
        let cofactors: Vec<BigUint> = from.moduli.iter().map(|q| &product / q.value()).collect();
        let targets = to.iter().map(|p| {
            let overflow = p.neg(residue_vartime(&product, p));
            let weights = cofactors.iter().map(|c| residue_vartime(c, p)).chain([overflow]);
            (*p, weights.map(|x| p.mul(x, w(p))).collect())
        });
        Self { tables: Conversion::new(from.moduli.iter().copied().zip(factors), targets.collect()) }
    }

    /// Converts `n` values: `input` has `k·n` residues, `out` one row of `n` per target. Cost: `n·(k+1)` products per
    /// target and one reduction.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub fn convert(&self, kernels: Kernels, input: &[u64], out: &mut [u64]) {
        kernels.convert(&self.tables, input, out);
    }
}

/// A conversion in steps, target by target, in buffers of the caller: what key switching does with values that it needs
/// one limb at a time.
impl BaseConverter {
    /// The size of the buffer that [`BaseConverter::prepare`] takes for `degree` values, in words.
    pub(crate) fn prepared_len(&self, degree: usize) -> usize {
        if self.is_lift() { 0 } else { (self.tables.sources().len() + 1) * degree }
    }

    /// What the conversions to all targets share, from `k·n` residues; `buffer` has [`BaseConverter::prepared_len`] words.
    /// One prime needs nothing: its residues are what they are.
    pub(crate) fn prepare<'a>(&self, kernels: Kernels, input: &'a [u64], buffer: &'a mut [u64]) -> &'a [u64] {
        if self.is_lift() {
            return input;
        }
        let sources = self.tables.sources();
        let degree = rows(input.len(), sources.len());
        let (terms, overflow) = buffer.split_at_mut(input.len());
        let rows = terms.chunks_exact_mut(degree).zip(input.chunks_exact(degree));
        for ((term, x), source) in rows.zip(sources) {
            kernels.scale_into(&source.modulus, term, x, source.factor);
        }
        let slices = row_slices(terms, degree);
        kernels.round_quotients(overflow, &slices[..sources.len()], self.tables.reciprocals());
        buffer
    }

    /// The converted values modulo the `i`-th target, from what [`BaseConverter::prepare`] gave.
    pub(crate) fn convert_row(&self, kernels: Kernels, i: usize, prepared: &[u64], out: &mut [u64]) {
        let (sources, target) = (self.tables.sources(), &self.tables.targets()[i]);
        if self.is_lift() {
            return kernels.lift_centred(&target.modulus, out, prepared, &sources[0].modulus);
        }
        let slices = row_slices(prepared, out.len());
        kernels.combine(&target.modulus, out, &slices[..=sources.len()], &target.weights, self.tables.bits());
    }

    /// The prime whose residues are lifted as they are, if that is all that there is to do.
    pub(crate) fn lifted(&self) -> Option<&Modulus> {
        self.is_lift().then(|| &self.tables.sources()[0].modulus)
    }

    /// Whether this is the centred value of a residue of one prime, without factors.
    fn is_lift(&self) -> bool {
        let one_prime = matches!(self.tables.sources(), [source] if source.factor.value == 1);
        one_prime && self.tables.targets().iter().all(|target| target.weights[0] == 1)
    }
}

/// The rows of a limb-major buffer, without allocation: at most all primes of a list and one more.
fn row_slices(words: &[u64], degree: usize) -> [&[u64]; MAX_PRIMES + 1] {
    let mut slices = [&[][..]; MAX_PRIMES + 1];
    slices.iter_mut().zip(words.chunks_exact(degree)).for_each(|(slice, row)| *slice = row);
    slices
}

/// Row length of a limb-major buffer.
#[allow(clippy::integer_division_remainder_used, reason = "public sizes")]
fn rows(len: usize, count: usize) -> usize {
    assert!(count > 0 && len.is_multiple_of(count));
    len / count
}

/// `round(m·x / D)` modulo other primes, exactly, for a fixed public `m`.
///
/// The centred remainder of `m·x` modulo `D` is converted to the targets; subtracting it leaves a multiple of `D`. Key
/// switching divides by `P` this way, modulus switching by one prime.
#[derive(Clone, Debug)]
pub struct Scaler {
    converter: BaseConverter,
    /// For each target `p`: `p`, and `m·D^-1` and `-D^-1` modulo `p`.
    factors: Box<[(Modulus, Shoup, Shoup)]>,
}

impl Scaler {
    /// The division by the product `D` of `divisor`, after multiplication by `multiplier`, for targets that are known to be
    /// primes outside of `divisor`.
    ///
    /// # Panics
    /// If a target is not; [`Self::try_new`] says so instead.
    #[must_use]
    #[allow(clippy::panic, reason = "documented; `try_new` is for targets that are not known")]
    pub fn new(multiplier: &BigUint, divisor: &RnsBasis, to: &[Modulus]) -> Self {
        match Self::try_new(multiplier, divisor, to) {
            Ok(scaler) => scaler,
            Err(error) => panic!("{error}"),
        }
    }

    /// The division by the product `D` of `divisor`, after multiplication by `multiplier`.
    ///
    /// # Errors
    /// [`ParamError::NoInverse`] unless `D` has an inverse modulo each target.
    pub fn try_new(multiplier: &BigUint, divisor: &RnsBasis, to: &[Modulus]) -> Result<Self, ParamError> {
        let product = divisor.product();
        let factors = to.iter().map(|p| {
            let no_inverse = ParamError::NoInverse { modulus: p.value() };
            let inverse = p.inverse(residue_vartime(&product, p)).ok_or(no_inverse)?;
            Ok((*p, p.shoup(p.mul(residue_vartime(multiplier, p), inverse)), p.shoup(p.neg(inverse))))
        });
        Ok(Self {
            factors: factors.collect::<Result<_, _>>()?,
            converter: BaseConverter::with_factors(divisor, to, multiplier, |_| 1),
        })
    }

    /// First half: the centred remainder of `m·x` modulo `D`, modulo each target. `x` holds the residues modulo `D`.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub fn remainder(&self, kernels: Kernels, x: &[u64], out: &mut [u64]) {
        self.converter.convert(kernels, x, out);
    }

    /// Second half: `(m·x - remainder)/D` from `x` modulo each target, in either domain. `remainder` is overwritten.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub fn divide(&self, kernels: Kernels, x: &mut [u64], remainder: &mut [u64]) {
        assert_eq!(x.len(), remainder.len());
        let degree = rows(x.len(), self.factors.len());
        let rows = x.chunks_exact_mut(degree).zip(remainder.chunks_exact_mut(degree));
        for ((x, r), (p, scale, minus)) in rows.zip(&self.factors) {
            kernels.mul_scalar(p, x, *scale);
            kernels.mul_scalar(p, r, *minus);
            kernels.add(p, x, r);
        }
    }
}

/// Composition of residues modulo a basis of at most 126 bits into a signed number, in constant time.
#[derive(Clone, Debug)]
pub struct CrtComposer {
    basis: RnsBasis,
    product: u128,
    /// For each modulus `t_j`: the product of those before it, and that product's inverse modulo `t_j`.
    steps: Box<[(u128, Shoup)]>,
}

impl CrtComposer {
    /// Largest product of the moduli, in bits.
    pub const MAX_BITS: u64 = 126;

    /// Derives the constants.
    ///
    /// # Errors
    /// [`ParamError::PlainTooWide`] if the product exceeds 126 bits.
    pub fn new(basis: &RnsBasis) -> Result<Self, ParamError> {
        let product = basis.product();
        let (true, Some(value)) = (product.bits() <= Self::MAX_BITS, product.to_u128()) else {
            return Err(ParamError::PlainTooWide { bits: product.bits() });
        };
        let mut before = BigUint::from(1u32);
        let steps = basis.moduli.iter().map(|t| {
            let step = (before.to_u128().unwrap_or_default(), t.shoup(crt_inverse(t, &before)));
            before *= t.value();
            step
        });
        Ok(Self { product: value, steps: steps.collect(), basis: basis.clone() })
    }

    /// The product `T`.
    #[must_use]
    pub const fn product(&self) -> u128 {
        self.product
    }

    /// The number in `[-T/2, T/2)` with these residues (Garner's mixed radix).
    ///
    /// # Panics
    /// If there is not one residue per modulus.
    #[must_use]
    pub fn compose(&self, residues: &[u64]) -> i128 {
        assert_eq!(residues.len(), self.basis.len());
        let mut value = 0u128;
        for ((t, &x), (before, inverse)) in self.basis.moduli.iter().zip(residues).zip(&self.steps) {
            let digit = inverse.mul(t.sub(x, t.reduce_wide(value)), t.value());
            value += before * u128::from(digit);
        }
        // T is odd, so the upper half begins at (T + 1)/2. Both are below 2^126: the sign of the difference is the borrow.
        let below = ((value.wrapping_sub(self.product.div_ceil(2)) as i128) >> 127) as u128;
        value.wrapping_sub(self.product & !below) as i128
    }
}

/// `x mod q` for each modulus of a basis, from a signed word.
pub(crate) fn lift_small(q: &Modulus, x: i8) -> u64 {
    let wide = i64::from(x) as u64;
    wide.wrapping_add(q.value() & mask_negative(wide))
}

/// `ceil(log2 Q)` of a product of odd moduli, exactly.
#[must_use]
pub fn bits_of_product(values: impl IntoIterator<Item = u64>) -> u64 {
    let product: BigUint = values.into_iter().map(BigUint::from).product();
    if product.is_zero() { 0 } else { product.bits() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modulus::tests::residue;
    use alloc::vec;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn basis(bits: &[u32]) -> RnsBasis {
        let mut taken = Vec::new();
        for &b in bits {
            taken.extend(crate::prime::ntt_primes_vartime(b, 1024, 1, &taken).unwrap());
        }
        RnsBasis::new(&taken.iter().map(|&q| Modulus::new(q).unwrap()).collect::<Vec<_>>()).unwrap()
    }

    fn bases() -> impl Strategy<Value = (RnsBasis, RnsBasis)> {
        prop_oneof![
            Just((basis(&[60, 60, 60]), basis(&[59, 17]))),
            Just((basis(&[30]), basis(&[60]))),
            Just((basis(&[20, 46, 58, 60, 31]), basis(&[45, 44]))),
        ]
    }

    fn value_of(from: &RnsBasis, raw: &[u8], edge: u8) -> BigUint {
        let q = from.product();
        match edge {
            0 => BigUint::zero(),
            1 => &q - 1u32,
            2 => &q >> 1,
            3 => (&q >> 1) + 1u32,
            _ => BigUint::from_bytes_le(raw) % q,
        }
    }

    fn centred(value: &BigUint, q: &BigUint) -> BigInt {
        let value = BigInt::from(value.clone());
        if &value * 2 > BigInt::from(q.clone()) { value - BigInt::from(q.clone()) } else { value }
    }

    fn modulo(value: &BigInt, p: &Modulus) -> u64 {
        let p = BigInt::from(p.value());
        (((value % &p) + &p) % &p).to_u64().unwrap()
    }

    proptest! {
        #[test]
        fn compose_inverts_decompose((from, _) in bases(), raw in any::<[u8; 40]>(), edge in 0u8..8) {
            let value = value_of(&from, &raw, edge);
            prop_assert_eq!(from.compose_vartime(&from.decompose_vartime(&value)), value);
        }

        /// The two middle values are a distance of 1/(2Q) from one half; the rounding may go either way there.
        #[test]
        fn conversion_matches_bigint((from, to) in bases(), raw in any::<[u8; 40]>(), edge in 0u8..8) {
            let (value, q) = (value_of(&from, &raw, edge), from.product());
            let input = from.decompose_vartime(&value);
            let mut out = vec![0; to.len()];
            BaseConverter::new(&from, to.moduli()).convert(Kernels::detect(), &input, &mut out);
            let expect = |v: &BigInt| to.moduli().iter().map(|p| modulo(v, p)).collect::<Vec<_>>();
            let centre = centred(&value, &q);
            if edge == 2 || edge == 3 {
                let other = if edge == 2 { &centre - BigInt::from(q) } else { &centre + BigInt::from(q) };
                prop_assert!(out == expect(&centre) || out == expect(&other));
            } else {
                prop_assert_eq!(out, expect(&centre));
            }
        }

        #[test]
        fn scaling_is_exact_rounding(
            (from, to) in bases(),
            raw in any::<[u8; 40]>(),
            multiplier in prop_oneof![Just(1u64), Just(65537), 1u64..1 << 59],
        ) {
            let all = RnsBasis::new(&[from.moduli(), to.moduli()].concat()).unwrap();
            let value = value_of(&all, &raw, 9);
            let residues = all.decompose_vartime(&value);
            let (x, mut e) = (residues[..from.len()].to_vec(), residues[from.len()..].to_vec());
            let scaler = Scaler::new(&BigUint::from(multiplier), &from, to.moduli());
            let mut remainder = vec![0; to.len()];
            scaler.remainder(Kernels::detect(), &x, &mut remainder);
            scaler.divide(Kernels::detect(), &mut e, &mut remainder);
            let d = from.product();
            let rounded = (BigInt::from(value) * multiplier * 2u32 + BigInt::from(d.clone())) / BigInt::from(d * 2u32);
            prop_assert_eq!(e, to.moduli().iter().map(|p| modulo(&rounded, p)).collect::<Vec<_>>());
        }

        #[test]
        fn signed_composition_matches_bigint(
            residues in (residue((1 << 30) - 35), residue((1 << 46) - 21), residue((1 << 50) - 27)),
        ) {
            let moduli = [(1 << 30) - 35, (1 << 46) - 21, (1 << 50) - 27].map(|q| Modulus::new(q).unwrap());
            let basis = RnsBasis::new(&moduli).unwrap();
            let composer = CrtComposer::new(&basis).unwrap();
            let residues = [residues.0, residues.1, residues.2];
            let expected = centred(&basis.compose_vartime(&residues), &basis.product());
            prop_assert_eq!(BigInt::from(composer.compose(&residues)), expected);
        }
    }

    #[test]
    fn limits_are_named() {
        let q = Modulus::new(65537).unwrap();
        assert_eq!(RnsBasis::new(&[q, q]), Err(ParamError::RepeatedModulus { value: 65537 }));
        assert_eq!(CrtComposer::new(&basis(&[60, 60, 17])).err(), Some(ParamError::PlainTooWide { bits: 137 }));
        assert!(CrtComposer::new(&basis(&[60, 60])).is_ok());
        let composite = Modulus::new(65537 * 3).unwrap();
        assert_eq!(RnsBasis::new(&[q, composite]), Err(ParamError::NotPrime { value: 65537 * 3 }));
        let odd_primes = (3..).step_by(2).filter(|&p| is_prime_vartime(p)).map(|p| Modulus::new(p).unwrap());
        let many: Vec<_> = odd_primes.take(RnsBasis::MAX_MODULI + 1).collect();
        let too_many = ParamError::ModulusCount { list: ModulusList::Basis, given: 255, min: 0, max: 254 };
        assert_eq!(RnsBasis::new(&many), Err(too_many));
        let full = RnsBasis::new(&many[1..]).unwrap();
        let mut out = [0; 3];
        BaseConverter::new(&full, &[q]).convert(Kernels::detect(), &[1; 3 * RnsBasis::MAX_MODULI], &mut out);
        assert_eq!(out, [1; 3]);
    }

    #[test]
    fn targets_of_a_division_are_primes_outside_of_it() {
        let one = BigUint::from(1u32);
        let divisor = basis(&[30, 17]);
        let inside = divisor.moduli()[1];
        let multiple = Modulus::new(3 * inside.value()).unwrap();
        for target in [inside, multiple] {
            let error = Scaler::try_new(&one, &divisor, &[target]).err();
            assert_eq!(error, Some(ParamError::NoInverse { modulus: target.value() }));
        }
        assert!(Scaler::try_new(&one, &divisor, basis(&[31]).moduli()).is_ok());
    }

    #[test]
    fn small_lifts() {
        let q = Modulus::new(65537).unwrap();
        assert_eq!([-21, -1, 0, 1, 21].map(|x| lift_small(&q, x)), [65516, 65536, 0, 1, 21]);
        assert_eq!(bits_of_product([65537, 3]), 18);
    }
}
