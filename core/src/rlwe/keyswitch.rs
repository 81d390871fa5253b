//! Hybrid key switching (Han and Ki, "Better bootstrapping for approximate homomorphic encryption", 2020, section 3).
//!
//! A ciphertext part that belongs to another secret `s'` is cut into digits of `α` primes each, where `α` is the number of
//! special primes. Digit `j` of the key encrypts `P·s'` modulo the primes of that digit and 0 modulo the others, so the
//! sum of digits times keys encrypts `P` times the part under `s`; dividing by `P` brings the noise back down.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use num_bigint::BigUint;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::SecretKey;
use crate::backend::Backend;
use crate::error::EvalError;
use crate::params::Params;
use crate::poly::{Eval, Poly, Ring, galois_permutation};
use crate::rns::{BaseConverter, Scaler};
use crate::sample::{Label, Seed, uniform_vartime};

/// The key-ring limbs of a level: its ciphertext primes and all special primes.
pub(crate) fn key_limbs(params: &Params, level: usize) -> impl ExactSizeIterator<Item = usize> + Clone {
    let (max, special) = (params.max_level(), params.special_primes().len());
    (0..level + special).map(move |i| if i < level { i } else { max + i - level })
}

/// The ranges of ciphertext primes that the digits of a level span, each as wide as there are special primes.
pub(crate) fn digit_ranges(level: usize, width: usize) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
    (0..level.div_ceil(width)).map(move |j| j * width..((j + 1) * width).min(level))
}

/// An encryption of `P·s'` under `s`, digit by digit, for ciphertexts of its level and below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySwitchKey {
    level: usize,
    /// For each digit: `e - a·s + P·s'` on the digit's limbs, and `a`. Modulo the level's key limbs.
    digits: Box<[[Poly<Eval>; 2]]>,
}

impl KeySwitchKey {
    /// The key from `source` (modulo the whole key ring) to the secret. `element` labels its uniform halves.
    fn generate(
        secret: &SecretKey,
        source: &Poly<Eval>,
        element: usize,
        level: usize,
        seed: &Seed,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let params = secret.params();
        let ring = params.key_ring();
        let special: BigUint = params.special_primes().iter().map(|&p| BigUint::from(p)).product();
        let factors = ring.basis().decompose_vartime(&special);
        let bodies = digit_ranges(level, params.special_primes().len()).enumerate().map(|(j, digit)| {
            let mut body = secret.encrypt_zero(key_limbs(params, level), seed, label(element, j), rng);
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
        let ring = params.key_ring().select(key_limbs(params, level));
        let digits = bodies.into_iter().enumerate();
        let digits = digits.map(|(j, body)| [body, uniform_vartime(&ring, seed, label(element, j))]);
        Self { level, digits: digits.collect() }
    }

    /// The highest level of ciphertexts it serves.
    #[must_use]
    pub const fn level(&self) -> usize {
        self.level
    }

    pub(crate) fn bodies(&self) -> impl ExactSizeIterator<Item = &Poly<Eval>> {
        self.digits.iter().map(|[body, _]| body)
    }
}

fn label(element: usize, digit: usize) -> Label {
    Label::KeySwitch { element: element as u32, digit: digit as u8 }
}

/// Which evaluation keys to make, each at the highest level at which it will be used: lower levels make smaller keys.
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

/// The key of one automorphism `X → X^g` and how it permutes values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GaloisKey {
    pub(crate) key: KeySwitchKey,
    pub(crate) permutation: Box<[u32]>,
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
            KeySwitchKey::generate(secret, &square, 0, level, &seed, rng)
        });
        let galois = request.galois.iter().map(|(&element, &level)| {
            let permutation = galois_permutation(degree, element);
            let source = Zeroizing::new(ring.automorphism(values, &permutation));
            let key = KeySwitchKey::generate(secret, &source, element, level, &seed, rng);
            (element, GaloisKey { key, permutation })
        });
        Ok(Self { galois: galois.collect(), params: params.clone(), seed, relin })
    }

    pub(crate) fn from_parts(
        params: &Params,
        seed: Seed,
        relin: Option<KeySwitchKey>,
        galois: impl Iterator<Item = (usize, KeySwitchKey)>,
    ) -> Self {
        let galois = galois.map(|(element, key)| {
            (element, GaloisKey { key, permutation: galois_permutation(params.degree(), element) })
        });
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
}

/// Key switching at one level: the digit extensions and the division by `P`.
#[derive(Clone, Debug)]
pub(crate) struct Switcher {
    level: usize,
    ring: Ring,
    key_ring: Ring,
    digits: Box<[Digit]>,
    down: ScaleDown,
}

/// One digit: its own limbs, and the conversion to all other key limbs.
#[derive(Clone, Debug)]
struct Digit {
    own: Range<usize>,
    others: Ring,
    converter: BaseConverter,
}

impl Switcher {
    pub(crate) fn new(params: &Params, level: usize) -> Self {
        let ring = params.key_ring().select(0..level);
        let key_ring = params.key_ring().select(key_limbs(params, level));
        let digits = digit_ranges(level, params.special_primes().len()).map(|own| {
            let others = key_ring.select((0..key_ring.basis().len()).filter(|i| !own.contains(i)));
            let converter = BaseConverter::new(key_ring.select(own.clone()).basis(), others.moduli());
            Digit { own, others, converter }
        });
        Self { level, down: ScaleDown::new(&key_ring, level), digits: digits.collect(), ring, key_ring }
    }

    /// `(b, a)` with `b + a·s ≈ part·s'`. Cost at `l` limbs, `α` special primes and `d = ceil(l/α)` digits:
    /// `l + d·(l + α) - l + 2·(l + α)` transforms.
    pub(crate) fn switch(&self, part: &Poly<Eval>, key: &KeySwitchKey) -> [Poly<Eval>; 2] {
        let extensions = self.decompose(part);
        [0, 1].map(|half| self.down.apply(&self.inner_product(part, &extensions, key, half)))
    }

    /// Each digit of a part modulo the key limbs that are not its own.
    fn decompose(&self, part: &Poly<Eval>) -> Vec<Poly<Eval>> {
        let degree = self.ring.degree();
        let coefficients = self.ring.inverse(part.clone());
        let extend = |digit: &Digit| {
            let own = &coefficients.residues()[digit.own.start * degree..digit.own.end * degree];
            let mut extension = digit.others.zero();
            digit.converter.convert(self.ring.kernels(), own, extension.residues_mut());
            digit.others.forward(extension)
        };
        self.digits.iter().map(extend).collect()
    }

    /// `Σ_j digit_j·key_j`, for one half of the key. A key of a higher level is read at this level's limbs.
    fn inner_product(
        &self,
        part: &Poly<Eval>,
        extensions: &[Poly<Eval>],
        key: &KeySwitchKey,
        half: usize,
    ) -> Poly<Eval> {
        let mut out: Poly<Eval> = self.key_ring.zero();
        for (i, (limb, q)) in out.limbs_mut().zip(self.key_ring.moduli()).enumerate() {
            let in_key = if i < self.level { i } else { i + key.level - self.level };
            let digits = self.digits.iter().zip(extensions).map(|(digit, extension)| match digit.limb(i) {
                Some(other) => extension.limb(other),
                None => part.limb(i),
            });
            let terms = digits.zip(&key.digits).map(|(digit, key)| (digit, key[half].limb(in_key)));
            self.ring.kernels().dot(q, limb, &terms.collect::<Vec<_>>());
        }
        out
    }
}

impl Digit {
    /// Where a key limb stands among the others; `None` for the digit's own.
    fn limb(&self, i: usize) -> Option<usize> {
        if i < self.own.start { Some(i) } else { i.checked_sub(self.own.end).map(|after| self.own.start + after) }
    }
}

/// Exact division of a polynomial by the product of its last primes, in the evaluation domain.
#[derive(Clone, Debug)]
pub(crate) struct ScaleDown {
    kept: Ring,
    dropped: Ring,
    scaler: Scaler,
}

impl ScaleDown {
    /// Keeps the first `level` limbs of `ring` and divides by the product of the others.
    pub(crate) fn new(ring: &Ring, level: usize) -> Self {
        let (kept, dropped) = (ring.select(0..level), ring.select(level..ring.basis().len()));
        let scaler = Scaler::new(&BigUint::from(1u32), dropped.basis(), kept.moduli());
        Self { kept, dropped, scaler }
    }

    /// `round(poly / D)`. Cost: one transform per limb.
    pub(crate) fn apply(&self, poly: &Poly<Eval>) -> Poly<Eval> {
        let level = self.kept.basis().len();
        let kernels = self.kept.kernels();
        let mut out = poly.select(0..level);
        let mut low = self.dropped.inverse(poly.select(level..poly.limb_count()));
        let mut remainder = self.kept.zero();
        self.scaler.remainder(kernels, low.residues_mut(), remainder.residues_mut());
        let mut remainder = self.kept.forward(remainder);
        self.scaler.divide(kernels, out.residues_mut(), remainder.residues_mut());
        out
    }
}
