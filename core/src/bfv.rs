//! BFV: exact arithmetic on vectors of integers modulo `T = t_1 ⋯ t_r`.
//!
//! Each plaintext modulus `t_j` has its own *stream* of ciphertext polynomials; all streams share `Q`, the keys, the level
//! and the noise bound, so that a [`Ciphertext`] is one object whatever `r` is. A plaintext has `n` slots in two rows of
//! `n/2`; addition and multiplication are slot by slot, rotations are within rows.
//!
//! The phase of a ciphertext is `round(Q·m/t) + e` (the exact scaling of Kim, Polyakov and Zucca, "Revisiting homomorphic
//! encryption schemes for finite fields", 2021); products follow Halevi, Polyakov and Shoup (2018). All four scalings, by
//! `Q/t`, `t/Q`, `1/P` and `1/q`, are one routine: [`Scaler`].
//!
//! ```
//! use rand_core::SeedableRng;
//! use tacit_core::bfv::Bfv;
//! use tacit_core::params::Params;
//! use tacit_core::rlwe::SecretKey;
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let params = Params::builder(4096).ciphertext_bits(&[36, 36]).special_bits(&[34]).plain_bits(&[17]).build()?;
//! let bfv = Bfv::new(&params)?;
//! let mut rng = chacha20::ChaCha20Rng::from_seed([7; 32]);
//! let secret = SecretKey::generate(&params, &mut rng);
//!
//! let [a, b] = [[20, -3], [22, 5]].map(|values| bfv.encode(&values));
//! let [a, b] = [bfv.encrypt(&secret, &a?, &mut rng)?, bfv.encrypt(&secret, &b?, &mut rng)?];
//! let sum = bfv.add(&bfv.expand(&a), &bfv.expand(&b))?;
//!
//! assert_eq!(bfv.decode(&bfv.decrypt(&secret, &sum)?.release())[..2], [42, 2]);
//! # Ok(())
//! # }
//! ```

mod cipher;
mod encode;
mod evaluate;
mod hoisted;
mod in_place;
mod rotate;
mod rules;

pub use cipher::{Ciphertext, Private, SeededCiphertext};
pub use encode::{PlainAddend, PlainMultiplicand, Plaintext};
pub use hoisted::{Hoisted, RaisedCiphertext, RaisedMultiplicand};
pub use rules::NoiseRules;

use alloc::boxed::Box;
use alloc::vec::Vec;

use num_bigint::BigUint;

use crate::error::{ModulusList, ParamError};
use crate::params::{Params, check_count};
use crate::poly::Ring;
use crate::prime::ntt_primes_vartime;
use crate::rlwe::keyswitch::{ScaleDown, Switcher};
use crate::rns::{BaseConverter, Scaler};

/// The scheme for one parameter set: encoder, encryptor and evaluator. Immutable; share it by reference.
#[derive(Clone, Debug)]
pub struct Bfv {
    params: Params,
    /// `Z_t[X]/(X^n + 1)` for each plaintext modulus.
    plain_rings: Box<[Ring]>,
    /// The evaluation index of each slot.
    slots: Box<[u32]>,
    /// Entry `l - 1` belongs to level `l`.
    levels: Box<[Level]>,
}

/// Everything derived for one level.
#[derive(Clone, Debug)]
struct Level {
    ring: Ring,
    rules: NoiseRules,
    switcher: Switcher,
    /// Division by the last prime; the lowest level has none to drop.
    drop: Option<ScaleDown>,
    tensor: Tensor,
    streams: Box<[StreamLevel]>,
}

/// The way to the larger basis `Q·B` that holds products of polynomials, and back.
#[derive(Clone, Debug)]
struct Tensor {
    auxiliary: Ring,
    extend: BaseConverter,
    back: BaseConverter,
}

/// What depends on both a level and a plaintext modulus.
#[derive(Clone, Debug)]
struct StreamLevel {
    /// `round(Q·m/t)`, from residues modulo `t`.
    scale_up: Scaler,
    /// `round(t·x/Q)` modulo `t`.
    scale_down: Scaler,
    /// `round(t·x/Q)` modulo the auxiliary basis.
    scale_product: Scaler,
    /// The centred value of a residue modulo `t`.
    lift: BaseConverter,
}

impl Bfv {
    /// Derives the tables of every level.
    ///
    /// # Errors
    /// [`ParamError::ModulusCount`] for a set without plaintext moduli, [`ParamError::NotEnoughPrimes`] if the degree is so
    /// large that auxiliary primes run out.
    pub fn new(params: &Params) -> Result<Self, ParamError> {
        check_count(ModulusList::Plain, params.plain_moduli().len(), 1)?;
        let degree = params.degree();
        let plain_rings: Box<[Ring]> = params
            .plain_moduli()
            .iter()
            .map(|&t| Ring::new(degree, &[t], params.kernels()))
            .collect::<Result<_, _>>()?;
        let auxiliary = auxiliary_ring(params)?;
        let levels =
            (1..=params.max_level()).map(|level| Level::new(params, level, &plain_rings, &auxiliary)).collect();
        Ok(Self { params: params.clone(), slots: encode::slot_indices(degree), plain_rings, levels })
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The number of slots, `n`, in two rows.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.params.degree()
    }

    /// The noise rules of a level.
    ///
    /// # Panics
    /// If there is no such level.
    #[must_use]
    pub fn rules(&self, level: usize) -> &NoiseRules {
        &self.level(level).rules
    }

    fn level(&self, level: usize) -> &Level {
        &self.levels[level - 1]
    }
}

impl Level {
    fn new(params: &Params, level: usize, plain_rings: &[Ring], auxiliary: &Ring) -> Self {
        let ring = params.key_ring().select(0..level);
        let tensor = Tensor::new(params, &ring, auxiliary);
        Self {
            rules: NoiseRules::new(
                params.degree(),
                params.plain_moduli(),
                params.ciphertext_primes(),
                params.special_primes(),
                level,
            ),
            switcher: Switcher::new(params, level),
            drop: (level > 1).then(|| ScaleDown::new(&ring, level - 1)),
            streams: plain_rings.iter().map(|plain| StreamLevel::new(&ring, plain, &tensor.auxiliary)).collect(),
            tensor,
            ring,
        }
    }
}

impl Tensor {
    /// Takes as many auxiliary primes as the level needs: products of centred polynomials are below `n·Q²/2`, and the
    /// scaled ones below `t·n·Q/2`, in absolute value.
    fn new(params: &Params, ring: &Ring, auxiliary: &Ring) -> Self {
        let needed = product_bits(params, ring);
        let enough = |count: &usize| auxiliary.select(0..*count).basis().product().bits() > needed;
        let count = (1..auxiliary.basis().len()).find(enough).unwrap_or(auxiliary.basis().len());
        let auxiliary = auxiliary.select(0..count);
        Self {
            extend: BaseConverter::new(ring.basis(), auxiliary.moduli()),
            back: BaseConverter::new(auxiliary.basis(), ring.moduli()),
            auxiliary,
        }
    }
}

impl StreamLevel {
    fn new(ring: &Ring, plain: &Ring, auxiliary: &Ring) -> Self {
        let t = BigUint::from(plain.moduli()[0].value());
        Self {
            scale_up: Scaler::new(&ring.basis().product(), plain.basis(), ring.moduli()),
            scale_down: Scaler::new(&t, ring.basis(), plain.moduli()),
            scale_product: Scaler::new(&t, ring.basis(), auxiliary.moduli()),
            lift: BaseConverter::new(plain.basis(), ring.moduli()),
        }
    }
}

/// Bits that the auxiliary basis of a level must exceed: those of `2·t·n·Q`.
fn product_bits(params: &Params, ring: &Ring) -> u64 {
    let plain = params.plain_moduli().iter().map(|t| u64::from(u64::BITS - t.leading_zeros())).max().unwrap_or(0);
    ring.basis().product().bits() + plain + u64::from(params.degree().trailing_zeros()) + 1
}

/// Auxiliary primes for the highest level, of the largest size that the kernels with 52-bit words take. They hold
/// intermediate products only, so that security does not see them.
fn auxiliary_ring(params: &Params) -> Result<Ring, ParamError> {
    const BITS: u32 = 50;
    let full = params.key_ring().select(0..params.max_level());
    let count = product_bits(params, &full).div_ceil(u64::from(BITS) - 1) as usize;
    let taken: Vec<u64> = [params.ciphertext_primes(), params.plain_moduli()].concat();
    let primes = ntt_primes_vartime(BITS, params.degree(), count, &taken)?;
    Ring::new(params.degree(), &primes, params.kernels())
}

#[cfg(test)]
mod tests;
