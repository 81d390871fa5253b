//! Hybrid key switching (Han and Ki, "Better bootstrapping for approximate homomorphic encryption", 2020, section 3).
//!
//! A ciphertext part that belongs to another secret `s'` is cut into digits of at most `α` primes each, where `α` is the
//! number of special primes. Digit `j` of the key encrypts `P·s'` modulo the primes of that digit and 0 modulo the others,
//! so the sum of digits times keys encrypts `P` times the part under `s`; dividing by `P` brings the noise back down. `P`
//! is the product of as many special primes as the digits of the key's level need: low levels need few.
//!
//! The key of an automorphism `φ` leads from `s` to `φ^-1(s)`, and `φ` is applied last: the digits of a part do not depend
//! on `φ`, and serve any number of rotations (*hoisting*; Halevi and Shoup, "Faster homomorphic linear transformations
//! in HElib", 2018, section 5). Sums of rotations can stay modulo `Q·P` and be divided once (*double hoisting*; Bossuat,
//! Mouchet, Troncoso-Pastoriza and Hubaux, "Efficient bootstrapping for approximate homomorphic encryption with
//! non-sparse keys", 2021, section 4).

mod division;
mod gadget;
mod raised;
mod scale_down;
mod sum;
mod switcher;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use num_bigint::BigUint;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::SecretKey;
use crate::backend::{AlignedWords, Backend, KeyRows, TILE};
use crate::error::EvalError;
use crate::modulus::Modulus;
use crate::params::Params;
use crate::poly::{Eval, Poly, galois_permutation};
use crate::rns::{crt_inverse, residue_vartime};
use crate::sample::{Label, Seed, uniform_vartime};
pub(crate) use gadget::Gadget;
pub(crate) use raised::Raised;
pub(crate) use scale_down::ScaleDown;
pub(crate) use sum::images;
pub(crate) use switcher::{Decomposed, Switcher};

/// An encryption of `P·s'` under `s`, digit by digit, for ciphertexts of its level and below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySwitchKey {
    level: usize,
    gadget: Gadget,
    digits: usize,
    /// For each of the level's key limbs, in the order of [`KeyRows`]: of each digit `e - a·s + P·s'` on the digit's limbs,
    /// and `a`. On the limbs of `Q` times `P^-1`, so that the division by `P` only has its remainder left to subtract.
    limbs: Box<[AlignedWords]>,
}

impl KeySwitchKey {
    /// The key from `source` to `target`, an image of the secret, both modulo the whole key ring. `element` labels its
    /// uniform halves.
    fn generate(
        secret: &SecretKey,
        [source, target]: [&Poly<Eval>; 2],
        element: usize,
        level: usize,
        seed: &Seed,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let params = secret.params();
        let (ring, gadget) = (params.key_ring(), Gadget::at(params, level));
        let special: BigUint = params.special_primes()[..gadget.special()].iter().map(|&p| BigUint::from(p)).product();
        let factors = ring.basis().decompose_vartime(&special);
        let bodies = gadget.digits(level).enumerate().map(|(j, digit)| {
            let limbs = gadget.key_limbs(params, level);
            let mut body = secret.encrypt_zero_under(target, limbs, seed, label(element, j), rng);
            for i in digit {
                let mut scaled = Zeroizing::new(source.select([i].into_iter()));
                ring.select([i]).mul_residues_assign(&mut scaled, &factors[i..=i]);
                ring.kernels().add(&ring.moduli()[i], body.limb_mut(i), scaled.limb(0));
            }
            body
        });
        let bodies = bodies.collect();
        Self::from_bodies(params, element, level, seed, bodies)
    }

    /// The key with these bodies, one per digit; the uniform halves come from the seed.
    pub(crate) fn from_bodies(
        params: &Params,
        element: usize,
        level: usize,
        seed: &Seed,
        bodies: Vec<Poly<Eval>>,
    ) -> Self {
        let gadget = Gadget::at(params, level);
        let ring = params.key_ring().select(gadget.key_limbs(params, level));
        let special = ring.select(level..ring.basis().len()).basis().product();
        let factor = |(i, q): (usize, &Modulus)| if i < level { crt_inverse(q, &special) } else { 1 };
        let factors: Box<[u64]> = ring.moduli().iter().enumerate().map(factor).collect();
        let (digits, degree) = (bodies.len(), ring.degree());
        let mut limbs: Box<[AlignedWords]> = factors.iter().map(|_| AlignedWords::zeros(2 * digits * degree)).collect();
        for (j, body) in bodies.into_iter().enumerate() {
            let halves = [body, uniform_vartime(&ring, seed, label(element, j))];
            for (half, mut part) in halves.into_iter().enumerate() {
                ring.mul_residues_assign(&mut part, &factors);
                for (words, limb) in limbs.iter_mut().zip(part.limbs()) {
                    limb.chunks(TILE).zip((0..).step_by(TILE)).for_each(|(tile, start)| {
                        words[KeyRows::place(digits, degree, j, half, start)].copy_from_slice(tile);
                    });
                }
            }
        }
        Self { level, gadget, digits, limbs }
    }

    /// The key modulo one of its limbs.
    fn rows(&self, limb: usize) -> KeyRows<'_> {
        KeyRows::new(&self.limbs[limb], self.digits)
    }

    /// The highest level of ciphertexts it serves.
    #[must_use]
    pub const fn level(&self) -> usize {
        self.level
    }

    /// The bodies that [`KeySwitchKey::from_bodies`] takes.
    pub(crate) fn bodies(&self, params: &Params) -> impl ExactSizeIterator<Item = Poly<Eval>> {
        let ring = params.key_ring().select(self.gadget.key_limbs(params, self.level));
        let special = ring.select(self.level..ring.basis().len()).basis().product();
        let factor = |(i, q): (usize, &Modulus)| if i < self.level { residue_vartime(&special, q) } else { 1 };
        let factors: Box<[u64]> = ring.moduli().iter().enumerate().map(factor).collect();
        (0..self.digits).map(move |j| {
            let mut body: Poly<Eval> = ring.zero();
            for (limb, words) in body.limbs_mut().zip(&self.limbs) {
                let len = limb.len();
                limb.chunks_mut(TILE).zip((0..).step_by(TILE)).for_each(|(tile, start)| {
                    tile.copy_from_slice(&words[KeyRows::place(self.digits, len, j, 0, start)]);
                });
            }
            ring.mul_residues_assign(&mut body, &factors);
            body
        })
    }
}

fn label(element: usize, digit: usize) -> Label {
    Label::KeySwitch { element: element as u32, digit: digit as u8 }
}

/// The permutation that undoes another.
fn inverse_permutation(permutation: &[u32]) -> Box<[u32]> {
    let mut inverse: Box<[u32]> = permutation.into();
    permutation.iter().enumerate().for_each(|(i, &image)| inverse[image as usize] = i as u32);
    inverse
}

/// Which evaluation keys to make, each at the highest level at which it will be used: lower levels make
/// smaller keys, of fewer special primes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRequest {
    /// The level of the relinearisation key, if one is needed.
    pub relin: Option<usize>,
    /// The level of the key of each Galois element.
    pub galois: BTreeMap<usize, usize>,
}

impl KeyRequest {
    /// Asks for a relinearisation key at `level` or above.
    pub fn need_relin(&mut self, level: usize) {
        self.relin = self.relin.max(Some(level));
    }

    /// Asks for the key of a Galois element at `level` or above.
    pub fn need_galois(&mut self, element: usize, level: usize) {
        let entry = self.galois.entry(element).or_insert(level);
        *entry = level.max(*entry);
    }
}

/// What a server needs to compute: relinearisation and Galois keys. Public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationKeys {
    params: Params,
    seed: Seed,
    relin: Option<KeySwitchKey>,
    galois: BTreeMap<usize, GaloisKey>,
}

/// The key of one automorphism `φ: X → X^g`, from `s` to `φ^-1(s)`, and how `φ` permutes values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GaloisKey {
    key: KeySwitchKey,
    permutation: Box<[u32]>,
    /// Where the permutation takes each eight values.
    places: Box<[u32]>,
}

impl GaloisKey {
    fn new(key: KeySwitchKey, permutation: Box<[u32]>) -> Self {
        let mut places: Box<[u32]> = (0..permutation.len() as u32 >> 3).collect();
        let sources = permutation.as_chunks::<8>().0.iter().zip(0..);
        sources.for_each(|(block, place)| places[(block[0] >> 3) as usize] = place);
        Self { key, permutation, places }
    }

    pub(crate) const fn gadget(&self) -> Gadget {
        self.key.gadget
    }

    const fn key(&self) -> &KeySwitchKey {
        &self.key
    }
}

impl EvaluationKeys {
    /// Makes the requested keys. Cost: per key, one transform and one uniform polynomial per digit and limb.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`] if a level is 0 or above the parameters' highest, [`EvalError::BadGaloisElement`].
    pub fn generate(secret: &SecretKey, request: &KeyRequest, rng: &mut impl CryptoRng) -> Result<Self, EvalError> {
        let params = secret.params();
        let max = params.max_level();
        let mut levels = request.relin.iter().chain(request.galois.values());
        if let Some(&asked) = levels.find(|&&level| level == 0 || level > max) {
            return Err(EvalError::NoSuchLevel { asked, max });
        }
        let (ring, values) = (params.key_ring(), secret.values());
        let degree = ring.degree();
        let mut elements = request.galois.keys();
        if let Some(&element) = elements.find(|&&element| element & 1 == 0 || element <= 1 || element >= 2 * degree) {
            return Err(EvalError::BadGaloisElement { element, degree });
        }
        let seed = Seed::generate(rng);
        let relin = request.relin.map(|level| {
            let mut square = Zeroizing::new(values.clone());
            ring.mul_assign(&mut square, values);
            KeySwitchKey::generate(secret, [&square, values], 0, level, &seed, rng)
        });
        let galois = request.galois.iter().map(|(&element, &level)| {
            let permutation = galois_permutation(degree, element);
            let target = Zeroizing::new(ring.automorphism(values, &inverse_permutation(&permutation)));
            let key = KeySwitchKey::generate(secret, [values, &target], element, level, &seed, rng);
            (element, GaloisKey::new(key, permutation))
        });
        Ok(Self { galois: galois.collect(), params: params.clone(), seed, relin })
    }

    pub(crate) fn from_parts(
        params: &Params,
        seed: Seed,
        relin: Option<KeySwitchKey>,
        galois: impl Iterator<Item = (usize, KeySwitchKey)>,
    ) -> Self {
        let permuted = |element| galois_permutation(params.degree(), element);
        let galois = galois.map(|(element, key)| (element, GaloisKey::new(key, permuted(element))));
        Self { params: params.clone(), seed, relin, galois: galois.collect() }
    }

    /// The parameters they were made for.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// What was asked for when these were made.
    #[must_use]
    pub fn request(&self) -> KeyRequest {
        KeyRequest {
            relin: self.relin.as_ref().map(KeySwitchKey::level),
            galois: self.galois.iter().map(|(&element, key)| (element, key.key.level())).collect(),
        }
    }

    pub(crate) const fn seed(&self) -> &Seed {
        &self.seed
    }

    pub(crate) fn relin_key(&self) -> Option<&KeySwitchKey> {
        self.relin.as_ref()
    }

    pub(crate) fn galois_keys(&self) -> impl ExactSizeIterator<Item = (usize, &KeySwitchKey)> {
        self.galois.iter().map(|(&element, key)| (element, &key.key))
    }

    pub(crate) fn relin(&self, level: usize) -> Result<&KeySwitchKey, EvalError> {
        self.relin.as_ref().filter(|key| key.level >= level).ok_or(EvalError::MissingRelinKey { level })
    }

    pub(crate) fn galois(&self, element: usize, level: usize) -> Result<&GaloisKey, EvalError> {
        let key = self.galois.get(&element).filter(|key| key.key.level >= level);
        key.ok_or(EvalError::MissingGaloisKey { element, level })
    }

    /// The key of an automorphism; none for the identity, which switches no keys.
    pub(crate) fn switching(&self, element: usize, level: usize) -> Result<Option<&GaloisKey>, EvalError> {
        if element == 1 { Ok(None) } else { self.galois(element, level).map(Some) }
    }

    /// As [`EvaluationKeys::switching`], for digits that were found for keys of `key_level`, which have this gadget.
    pub(crate) fn hoisting(
        &self,
        element: usize,
        level: usize,
        (gadget, key_level): (Gadget, usize),
    ) -> Result<Option<&GaloisKey>, EvalError> {
        let key = self.switching(element, level)?;
        match key.filter(|key| key.gadget() != gadget) {
            Some(other) => Err(EvalError::KeyLevelMismatch { left: key_level, right: other.key.level }),
            None => Ok(key),
        }
    }
}
