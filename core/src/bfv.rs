//! BFV: exact arithmetic on vectors of integers modulo `T = t_1 ⋯ t_r`.
//!
//! Each plaintext modulus `t_j` has its own *stream* of ciphertext polynomials; all streams share `Q`, the keys, the level
//! and the noise bound, so that a [`Ciphertext`] is one object whatever `r` is. A plaintext has `n` slots in two rows of
//! `n/2`; addition and multiplication are slot by slot, rotations are within rows.
//!
//! The phase of a ciphertext is `round(Q·m/t) + e` (the exact scaling of Kim, Polyakov and Zucca, "Revisiting homomorphic
//! encryption schemes for finite fields", 2021), and products are theirs too (`bfv/product.rs`). All scalings are base
//! conversions with their factors folded in ([`crate::rns::BaseConverter`]).
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
#[cfg(feature = "wire")]
mod packed;
mod product;
mod rotate;
mod rules;
mod sum_rotated;
mod trace;

pub use cipher::{Ciphertext, Private, SeededCiphertext};
pub use encode::{PlainAddend, PlainMultiplicand, Plaintext};
pub use hoisted::{Hoisted, RaisedCiphertext, RaisedMultiplicand};
#[cfg(feature = "wire")]
pub use packed::PackedCiphertext;
pub use rules::NoiseRules;
pub use trace::TracedCiphertext;

use alloc::boxed::Box;

use num_bigint::BigUint;

use crate::error::{ModulusList, ParamError};
use crate::params::{Params, check_count};
use crate::poly::Ring;
use crate::rlwe::keyswitch::{ScaleDown, Switcher};
use crate::rns::{BaseConverter, crt_inverse};
use product::{Tensor, TensorLifts};

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

/// What depends on both a level and a plaintext modulus.
#[derive(Clone, Debug)]
struct StreamLevel {
    /// `round(Q·m/t)`, from residues modulo `t`.
    scale_up: BaseConverter,
    /// `round(t·x/Q)` modulo `t`, from the first primes alone: entry `l - 1` reads `l` of them.
    scale_down: Box<[BaseConverter]>,
    /// The products of ciphertexts.
    tensor: TensorLifts,
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
        let auxiliary = product::auxiliary_ring(params)?;
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

    /// The ring of a level.
    #[cfg(feature = "wire")]
    pub(crate) fn ring(&self, level: usize) -> &Ring {
        &self.level(level).ring
    }

    fn level(&self, level: usize) -> &Level {
        &self.levels[level - 1]
    }
}

impl Level {
    fn new(params: &Params, level: usize, plain_rings: &[Ring], auxiliary: &Ring) -> Self {
        let ring = params.key_ring().select(0..level);
        let tensor = Tensor::new(&ring, params.log2_q(level), auxiliary);
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
            streams: plain_rings.iter().map(|plain| StreamLevel::new(&ring, plain, &tensor)).collect(),
            tensor,
            ring,
        }
    }
}

impl StreamLevel {
    fn new(ring: &Ring, plain: &Ring, tensor: &Tensor) -> Self {
        let (q, modulus) = (ring.basis().product(), &plain.moduli()[0]);
        let t = BigUint::from(modulus.value());
        // Q·m is 0 modulo every prime of Q, and t·x is 0 modulo t: of (Q·m - [Q·m]_t)/t and (t·x - [t·x]_Q)/Q only the
        // remainders are left to divide.
        let down = |level: usize| {
            let minus = modulus.neg(crt_inverse(modulus, &q));
            BaseConverter::with_factors(ring.select(0..level).basis(), plain.moduli(), &t, |_| minus)
        };
        Self {
            scale_up: BaseConverter::with_factors(plain.basis(), ring.moduli(), &q, |p| p.neg(crt_inverse(p, &t))),
            scale_down: (1..=ring.basis().len()).map(down).collect(),
            tensor: TensorLifts::new(ring, tensor, &t),
            lift: BaseConverter::new(plain.basis(), ring.moduli()),
        }
    }
}

#[cfg(test)]
mod tests;
