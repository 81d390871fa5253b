//! Parameter sets. A [`Params`] cannot be invalid, and cannot be insecure except through a door that only tests have.

pub mod security;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};

use crate::backend::Kernels;
use crate::error::{ModulusList, ParamError};
use crate::ntt::check_degree;
use crate::poly::Ring;
use crate::prime::ntt_primes_vartime;
use crate::rns::{CrtComposer, bits_of_product};
pub use security::Security;

pub use crate::rns::MAX_PRIMES;

/// A validated parameter set of RLWE with hybrid key switching. Cheap to clone.
#[derive(Clone)]
pub struct Params(Arc<Inner>);

struct Inner {
    ciphertext: Box<[u64]>,
    special: Box<[u64]>,
    plain: Box<[u64]>,
    security: Security,
    log2_qp: u64,
    /// Modulo every ciphertext prime, then every special prime.
    key_ring: Ring,
    composer: CrtComposer,
    fingerprint: [u8; Params::FINGERPRINT_BYTES],
}

impl Params {
    /// Length of a fingerprint.
    pub const FINGERPRINT_BYTES: usize = 16;

    /// Starts a parameter set of ring degree `n`.
    #[must_use]
    pub fn builder(degree: usize) -> Builder {
        Builder {
            degree,
            ciphertext: Primes::Bits(Vec::new()),
            special: Primes::Bits(Vec::new()),
            plain: Primes::Bits(Vec::new()),
            security: Security::Classical128,
            kernels: Kernels::detect(),
        }
    }

    /// The ring degree `n`.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.0.key_ring.degree()
    }

    /// The ciphertext primes `q_1, …, q_k`; level `l` uses the first `l`.
    #[must_use]
    pub fn ciphertext_primes(&self) -> &[u64] {
        &self.0.ciphertext
    }

    /// The special primes `p_1, …, p_α`. A key-switching digit spans `α` ciphertext primes.
    #[must_use]
    pub fn special_primes(&self) -> &[u64] {
        &self.0.special
    }

    /// The plaintext moduli `t_1, …, t_r` of BFV; values live modulo their product `T`. Empty in a set for CKKS.
    #[must_use]
    pub fn plain_moduli(&self) -> &[u64] {
        &self.0.plain
    }

    /// The highest level: the number of ciphertext primes.
    #[must_use]
    pub fn max_level(&self) -> usize {
        self.0.ciphertext.len()
    }

    /// The security level that was checked.
    #[must_use]
    pub fn security(&self) -> Security {
        self.0.security
    }

    /// `ceil(log2(Q·P))`, exactly.
    #[must_use]
    pub fn log2_qp(&self) -> u64 {
        self.0.log2_qp
    }

    /// `log2` of the product of the first `level` ciphertext primes.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn log2_q(&self, level: usize) -> f64 {
        log2_product(&self.0.ciphertext[..level])
    }

    /// The backend in use.
    #[must_use]
    pub fn kernels(&self) -> Kernels {
        self.0.key_ring.kernels()
    }

    /// The ring modulo every ciphertext prime, then every special prime.
    #[must_use]
    pub fn key_ring(&self) -> &Ring {
        &self.0.key_ring
    }

    /// Composition of residues modulo the plaintext moduli.
    #[must_use]
    pub fn composer(&self) -> &CrtComposer {
        &self.0.composer
    }

    /// A digest of everything that two parties must agree on: degree, primes, plaintext moduli, in that order.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; Self::FINGERPRINT_BYTES] {
        &self.0.fingerprint
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for Params {}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params")
            .field("degree", &self.degree())
            .field("ciphertext_primes", &self.0.ciphertext)
            .field("special_primes", &self.0.special)
            .field("plain_moduli", &self.0.plain)
            .field("log2_qp", &self.0.log2_qp)
            .field("security", &self.0.security)
            .finish()
    }
}

#[derive(Clone, Debug)]
enum Primes {
    Bits(Vec<u32>),
    Values(Vec<u64>),
}

impl Primes {
    fn count(&self) -> usize {
        match self {
            Self::Bits(bits) => bits.len(),
            Self::Values(values) => values.len(),
        }
    }
}

/// Collects the choices of a parameter set; [`Builder::build`] checks them together.
#[derive(Clone, Debug)]
pub struct Builder {
    degree: usize,
    ciphertext: Primes,
    special: Primes,
    plain: Primes,
    security: Security,
    kernels: Kernels,
}

impl Builder {
    /// Ciphertext primes by size: for each entry the largest free NTT prime of that many bits.
    #[must_use]
    pub fn ciphertext_bits(self, bits: &[u32]) -> Self {
        Self { ciphertext: Primes::Bits(bits.to_vec()), ..self }
    }

    /// Ciphertext primes by value.
    #[must_use]
    pub fn ciphertext_primes(self, primes: &[u64]) -> Self {
        Self { ciphertext: Primes::Values(primes.to_vec()), ..self }
    }

    /// Special primes by size.
    #[must_use]
    pub fn special_bits(self, bits: &[u32]) -> Self {
        Self { special: Primes::Bits(bits.to_vec()), ..self }
    }

    /// Special primes by value.
    #[must_use]
    pub fn special_primes(self, primes: &[u64]) -> Self {
        Self { special: Primes::Values(primes.to_vec()), ..self }
    }

    /// Plaintext moduli by size. BFV needs at least one; a set for CKKS has none.
    #[must_use]
    pub fn plain_bits(self, bits: &[u32]) -> Self {
        Self { plain: Primes::Bits(bits.to_vec()), ..self }
    }

    /// Plaintext moduli by value.
    #[must_use]
    pub fn plain_moduli(self, moduli: &[u64]) -> Self {
        Self { plain: Primes::Values(moduli.to_vec()), ..self }
    }

    /// The security level; 128 bits, classical, if not said.
    #[must_use]
    pub fn security(self, security: Security) -> Self {
        Self { security, ..self }
    }

    /// The backend; the fastest of the machine if not said.
    #[must_use]
    pub fn kernels(self, kernels: Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// Finds the primes, checks everything and derives the tables.
    ///
    /// # Errors
    /// [`ParamError`] names what was asked, the limit, and what to do.
    pub fn build(self) -> Result<Params, ParamError> {
        check_degree(self.degree)?;
        let lists = [
            (&self.plain, ModulusList::Plain),
            (&self.ciphertext, ModulusList::Ciphertext),
            (&self.special, ModulusList::Special),
        ];
        for (primes, list) in lists {
            // Approximate arithmetic has no plaintext modulus.
            check_count(list, primes.count(), usize::from(list != ModulusList::Plain))?;
        }
        let mut taken = Vec::new();
        for (primes, _) in lists {
            if let Primes::Values(values) = primes {
                taken.extend_from_slice(values);
            }
        }
        let plain = self.resolve(&self.plain, &mut taken)?;
        let ciphertext = self.resolve(&self.ciphertext, &mut taken)?;
        let special = self.resolve(&self.special, &mut taken)?;
        let log2_qp = bits_of_product(ciphertext.iter().chain(&special).copied());
        self.security.check(self.degree, log2_qp)?;
        check_plain(&plain, &ciphertext)?;
        let key_ring = Ring::new(self.degree, &[&ciphertext[..], &special].concat(), self.kernels)?;
        let plain_ring = Ring::new(self.degree, &plain, self.kernels)?;
        Ok(Params(Arc::new(Inner {
            fingerprint: fingerprint(self.degree, [&ciphertext, &special, &plain]),
            composer: CrtComposer::new(plain_ring.basis())?,
            ciphertext: ciphertext.into(),
            special: special.into(),
            plain: plain.into(),
            security: self.security,
            log2_qp,
            key_ring,
        })))
    }

    /// The primes of one list; those found by size are added to `taken`.
    fn resolve(&self, primes: &Primes, taken: &mut Vec<u64>) -> Result<Vec<u64>, ParamError> {
        match primes {
            Primes::Values(values) => Ok(values.clone()),
            Primes::Bits(bits) => bits
                .iter()
                .map(|&bits| {
                    let prime = ntt_primes_vartime(bits, self.degree, 1, taken)?[0];
                    taken.push(prime);
                    Ok(prime)
                })
                .collect(),
        }
    }
}

/// `log2` of a product, as a sum.
pub(crate) fn log2_product(values: &[u64]) -> f64 {
    values.iter().map(|&q| libm::log2(q as f64)).sum()
}

pub(crate) fn check_count(list: ModulusList, given: usize, min: usize) -> Result<(), ParamError> {
    if (min..=MAX_PRIMES).contains(&given) {
        Ok(())
    } else {
        Err(ParamError::ModulusCount { list, given, min, max: MAX_PRIMES })
    }
}

/// Each plaintext modulus must be smaller than each ciphertext prime, so that centred lifts are residues.
fn check_plain(plain: &[u64], ciphertext: &[u64]) -> Result<(), ParamError> {
    let pairs = plain.iter().flat_map(|&t| ciphertext.iter().map(move |&q| (t, q)));
    match pairs.into_iter().find(|(t, q)| t >= q) {
        Some((plain, prime)) => Err(ParamError::PlainNotSmaller { plain, prime }),
        None => Ok(()),
    }
}

fn fingerprint(degree: usize, lists: [&[u64]; 3]) -> [u8; Params::FINGERPRINT_BYTES] {
    let mut hash = Sha256::new();
    hash.update(b"tacit parameters 1");
    hash.update((degree as u64).to_le_bytes());
    for list in lists {
        hash.update((list.len() as u64).to_le_bytes());
        for value in list {
            hash.update(value.to_le_bytes());
        }
    }
    let digest = hash.finalize();
    core::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> Builder {
        Params::builder(4096).ciphertext_bits(&[36, 36]).special_bits(&[34]).plain_bits(&[20])
    }

    #[test]
    fn a_set_is_what_was_asked_for() {
        let params = builder().build().unwrap();
        let bits = |list: &[u64]| list.iter().map(|q| u64::BITS - q.leading_zeros()).collect::<Vec<_>>();
        assert_eq!(bits(params.ciphertext_primes()), [36, 36]);
        assert_eq!(bits(params.special_primes()), [34]);
        assert_eq!(params.log2_qp(), 106);
        assert_eq!(params.max_level(), 2);
        assert!((params.log2_q(2) - 72.0).abs() < 0.01);
    }

    #[test]
    fn fingerprints_tell_sets_apart() {
        let params = builder().build().unwrap();
        assert_eq!(params, builder().build().unwrap());
        assert_ne!(params, builder().plain_bits(&[21]).build().unwrap());
        assert_ne!(params, builder().special_bits(&[33]).build().unwrap());
    }

    #[test]
    fn plaintext_moduli_are_for_bfv_alone() {
        let params = builder().plain_bits(&[]).build().unwrap();
        assert_eq!((params.plain_moduli(), params.composer().product()), (&[][..], 1));
        let missing = ParamError::ModulusCount { list: ModulusList::Plain, given: 0, min: 1, max: MAX_PRIMES };
        assert_eq!(crate::bfv::Bfv::new(&params).err(), Some(missing));
        assert_ne!(params, builder().build().unwrap());
    }

    #[test]
    fn each_fault_has_its_error() {
        use ParamError::*;
        let error = |b: Builder| b.build().unwrap_err();
        assert!(matches!(error(Params::builder(1000)), BadDegree { degree: 1000, .. }));
        assert!(matches!(
            error(builder().plain_bits(&[30; 65])),
            ModulusCount { list: ModulusList::Plain, given: 65, .. }
        ));
        assert!(matches!(error(builder().special_bits(&[])), ModulusCount { list: ModulusList::Special, .. }));
        assert!(matches!(error(builder().ciphertext_bits(&[30; 65])), ModulusCount { given: 65, .. }));
        assert!(matches!(error(builder().special_bits(&[35])), Insecure { bits: 107, limit: 106, .. }));
        assert!(matches!(error(builder().plain_bits(&[40])), PlainNotSmaller { .. }));
        assert!(matches!(error(builder().plain_bits(&[13])), NotEnoughPrimes { bits: 13, .. }));
        assert!(matches!(error(builder().plain_moduli(&[40960])), BadModulus { value: 40960 }));
        assert!(matches!(error(builder().plain_moduli(&[81921])), NotPrime { value: 81921 }));
        assert!(matches!(error(builder().plain_moduli(&[65539])), NoRoot { modulus: 65539, .. }));
        assert!(matches!(error(builder().plain_moduli(&[40961, 40961])), RepeatedModulus { value: 40961 }));
        let wide = Params::builder(8192).ciphertext_bits(&[50]).special_bits(&[50]).plain_bits(&[45, 45, 45]);
        assert!(matches!(error(wide), PlainTooWide { bits: 135 }));
    }
}
