//! Bytes: the only decoder.
//!
//! Every value has a 24-byte header (magic, version, type tag, a zero byte, the parameters' fingerprint) and a body whose
//! size follows from the parameters, never from the bytes. Residues are packed at the size of their modulus. Decoding
//! accepts canonical residues only and refuses trailing bytes, so a value that decodes encodes to the same bytes.
//!
//! | kind | body |
//! |---|---|
//! | secret key | 2 bits per coefficient: 0, 1, 2 for -1, 0, 1 |
//! | public key | seed, body |
//! | evaluation keys | seed, relin level, count, (element, level) per Galois key, bodies of as many limbs as each level needs |
//! | ciphertext | level, size, noise bound, parts |
//! | seeded ciphertext | seed, bodies |
//! | CKKS ciphertext | level, size, scale, message bound, noise bound, parts |
//! | seeded CKKS ciphertext | seed, level, scale, message bound, body |
//! | traced ciphertext | level, log2 of the period, noise bound, for each stream the first part's coefficients that count, the second part |
//! | traced CKKS ciphertext | level, log2 of the period, scale, message bound, noise bound, parts as of a traced ciphertext |

#[cfg(feature = "ckks")]
mod ckks;
#[cfg(any(feature = "bfv", feature = "ckks"))]
mod traced;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use zeroize::Zeroizing;

#[cfg(feature = "ckks")]
pub use self::ckks::{ckks_ciphertext_len, seeded_ckks_ciphertext_len};
#[cfg(feature = "bfv")]
pub use self::traced::traced_ciphertext_len;
#[cfg(feature = "ckks")]
pub use self::traced::traced_ckks_ciphertext_len;

use crate::backend::{Backend, Kernels, packed_len};
#[cfg(feature = "bfv")]
use crate::bfv::{Bfv, Ciphertext, PackedCiphertext, SeededCiphertext};
pub use crate::error::{Kind, WireError};
use crate::modulus::Modulus;
use crate::params::{MAX_PRIMES, Params};
use crate::poly::{Eval, PackedPoly, Poly, Ring};
#[cfg(feature = "bfv")]
use crate::rlwe::NoiseBound;
use crate::rlwe::keyswitch::Gadget;
use crate::rlwe::{EvaluationKeys, KeyRequest, KeySwitchKey, PublicKey, SecretKey};
use crate::sample::Seed;

const MAGIC: [u8; 4] = *b"TCIT";
/// Version 3: seeds are expanded with ChaCha8, limb by limb. Version 2: evaluation keys lead to the image of the secret,
/// modulo as many special primes as their level needs.
const VERSION: u16 = 3;

/// Length of every value's header.
pub const HEADER_BYTES: usize = MAGIC.len() + 4 + Params::FINGERPRINT_BYTES;

/// A value with a byte format, relative to parameters.
pub trait Wire: Sized {
    /// The type tag.
    const KIND: Kind;

    /// Writes the body.
    fn write(&self, params: &Params, out: &mut Writer<'_>);

    /// Reads a body that [`Wire::write`] wrote, or says why it is none.
    ///
    /// # Errors
    /// [`WireError`] for anything that is not a canonical body.
    fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError>;

    /// The body's length.
    fn body_len(&self, params: &Params) -> usize;

    /// Header and body. The buffer is allocated once and wiped on drop.
    fn to_bytes(&self, params: &Params) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::new());
        self.append_to(params, &mut out);
        out
    }

    /// Appends header and body to other bytes, which grow at most once. Who appends a secret key wipes them, and sees to it
    /// that there is room: bytes that move leave a copy behind.
    fn append_to(&self, params: &Params, out: &mut Vec<u8>) {
        let len = HEADER_BYTES + self.body_len(params);
        out.reserve(len);
        let end = out.len() + len;
        let mut out = Writer(out);
        out.bytes(&MAGIC);
        out.bytes(&VERSION.to_le_bytes());
        out.bytes(&[Self::KIND as u8, 0]);
        out.bytes(params.fingerprint());
        self.write(params, &mut out);
        debug_assert_eq!(out.0.len(), end);
    }

    /// The value that these bytes are, and nothing but these bytes.
    ///
    /// # Errors
    /// [`WireError`] names what is wrong: the kind, the parameters, the length, a field or a residue.
    fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, WireError> {
        decode(Self::KIND, params, bytes, |reader| Self::read(params, reader))
    }
}

/// What `read` makes of the body of a value of some kind, which is all that there is.
fn decode<'a, T>(
    kind: Kind,
    params: &Params,
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let mut reader = Reader::of(bytes);
    reader.header(kind, params)?;
    let value = read(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Collects the bytes of a value.
#[derive(Debug)]
pub struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn poly(&mut self, ring: &Ring, poly: &Poly<Eval>) {
        for (limb, q) in poly.limbs().zip(ring.moduli()) {
            self.words(ring.kernels(), q.bits(), limb);
        }
    }

    fn words(&mut self, kernels: Kernels, bits: u32, words: &[u64]) {
        let start = self.0.len();
        self.0.resize(start + packed_len(words.len(), bits), 0);
        kernels.pack(bits, &mut self.0[start..], words);
    }
}

/// Takes a value's bytes from the front.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    const fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, len: bytes.len() }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let consumed = self.len - self.bytes.len();
        let (head, tail) = self
            .bytes
            .split_at_checked(count)
            .ok_or(WireError::Length { expected: consumed.saturating_add(count), found: self.len })?;
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn header(&mut self, kind: Kind, params: &Params) -> Result<(), WireError> {
        if self.array()? != MAGIC {
            return Err(WireError::Magic);
        }
        let found = u16::from_le_bytes(self.array()?);
        if found != VERSION {
            return Err(WireError::Version { found, supported: VERSION });
        }
        let [tag, zero] = self.array()?;
        if tag != kind as u8 {
            return Err(WireError::Kind { expected: kind, found: tag });
        }
        check_field("reserved", u64::from(zero), 0, 0)?;
        if self.array()? == *params.fingerprint() { Ok(()) } else { Err(WireError::Parameters) }
    }

    fn end(&self) -> Result<(), WireError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        Err(WireError::Length { expected: self.len - self.bytes.len(), found: self.len })
    }

    fn seed(&mut self) -> Result<Seed, WireError> {
        self.array().map(Seed)
    }

    fn packed(&mut self, ring: &Ring) -> Result<PackedPoly<'a>, WireError> {
        PackedPoly::new(ring, self.take(poly_len(ring))?).ok_or(WireError::NotCanonical)
    }

    fn poly(&mut self, ring: &Ring) -> Result<Poly<Eval>, WireError> {
        let packed = self.packed(ring)?;
        let mut poly: Poly<Eval> = ring.zero();
        packed.unpack(ring, &mut poly);
        Ok(poly)
    }

    /// Residues of one modulus.
    fn residues(&mut self, kernels: Kernels, q: &Modulus, out: &mut [u64]) -> Result<(), WireError> {
        let packed = self.take(packed_len(out.len(), q.bits()))?;
        if !kernels.are_packed_residues(q, packed) {
            return Err(WireError::NotCanonical);
        }
        kernels.unpack(q.bits(), out, packed);
        Ok(())
    }
}

fn check_field(name: &'static str, found: u64, min: u64, max: u64) -> Result<(), WireError> {
    if (min..=max).contains(&found) { Ok(()) } else { Err(WireError::Field { name, found, min, max }) }
}

fn check_level(params: &Params, level: u8) -> Result<usize, WireError> {
    check_field("level", u64::from(level), 1, params.max_level() as u64)?;
    Ok(usize::from(level))
}

/// A set without plaintext moduli has no BFV ciphertexts.
fn check_streams(params: &Params) -> Result<(), WireError> {
    let count = params.plain_moduli().len() as u64;
    check_field("plaintext modulus count", count, 1, MAX_PRIMES as u64)
}

fn poly_len(ring: &Ring) -> usize {
    PackedPoly::len(ring)
}

fn level_ring(params: &Params, level: usize) -> Ring {
    params.key_ring().select(0..level)
}

impl Wire for SecretKey {
    const KIND: Kind = Kind::SecretKey;

    fn write(&self, params: &Params, out: &mut Writer<'_>) {
        let codes: Zeroizing<Vec<u64>> = Zeroizing::new(self.coefficients().iter().map(|&x| (x + 1) as u64).collect());
        out.words(params.kernels(), 2, &codes);
    }

    fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut codes = Zeroizing::new(vec![0; params.degree()]);
        params.kernels().unpack(2, &mut codes, bytes.take(packed_len(params.degree(), 2))?);
        // A code of 3 has both bits set; the coefficients themselves decide nothing.
        if codes.iter().fold(0, |any, code| any | (code & (code >> 1))) != 0 {
            return Err(WireError::NotCanonical);
        }
        let coefficients: Box<[i8]> = codes.iter().map(|&code| code as i8 - 1).collect();
        Ok(Self::from_coefficients(params, Zeroizing::new(coefficients)))
    }

    fn body_len(&self, params: &Params) -> usize {
        packed_len(params.degree(), 2)
    }
}

impl Wire for PublicKey {
    const KIND: Kind = Kind::PublicKey;

    fn write(&self, params: &Params, out: &mut Writer<'_>) {
        let (seed, body) = self.parts();
        out.bytes(&seed.0);
        out.poly(&level_ring(params, params.max_level()), body);
    }

    fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
        let seed = bytes.seed()?;
        let body = bytes.poly(&level_ring(params, params.max_level()))?;
        Ok(Self::from_parts(params, seed, body))
    }

    fn body_len(&self, params: &Params) -> usize {
        Seed::BYTES + poly_len(&level_ring(params, params.max_level()))
    }
}

/// The ring of a key-switching key of this level: its ciphertext primes and the special primes that it needs.
fn key_ring(params: &Params, level: usize) -> Ring {
    params.key_ring().select(Gadget::at(params, level).key_limbs(params, level))
}

/// Bytes of the bodies of a key-switching key of this level.
fn switch_key_len(params: &Params, level: usize) -> usize {
    let gadget = Gadget::at(params, level);
    gadget.digits(level).len() * poly_len(&key_ring(params, level))
}

/// The length of the evaluation keys that a request makes, header included.
#[must_use]
pub fn evaluation_keys_len(params: &Params, request: &KeyRequest) -> usize {
    let levels = request.relin.iter().chain(request.galois.values());
    let bodies: usize = levels.map(|&level| switch_key_len(params, level)).sum();
    HEADER_BYTES + Seed::BYTES + 1 + 4 + 5 * request.galois.len() + bodies
}

impl Wire for EvaluationKeys {
    const KIND: Kind = Kind::EvaluationKeys;

    fn write(&self, params: &Params, out: &mut Writer<'_>) {
        out.bytes(&self.seed().0);
        out.bytes(&[self.relin_key().map_or(0, |key| key.level() as u8)]);
        out.bytes(&(self.galois_keys().len() as u32).to_le_bytes());
        for (element, key) in self.galois_keys() {
            out.bytes(&(element as u32).to_le_bytes());
            out.bytes(&[key.level() as u8]);
        }
        for key in self.relin_key().into_iter().chain(self.galois_keys().map(|(_, key)| key)) {
            let ring = key_ring(params, key.level());
            key.bodies(params).for_each(|body| out.poly(&ring, &body));
        }
    }

    fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
        let seed = bytes.seed()?;
        let [relin_level] = bytes.array()?;
        let relin_level = if relin_level == 0 { None } else { Some(check_level(params, relin_level)?) };
        let table = read_galois_table(params, bytes)?;
        let mut key = |element, level| {
            let (ring, digits) = (key_ring(params, level), Gadget::at(params, level).digits(level));
            let bodies = digits.map(|_| bytes.poly(&ring)).collect::<Result<_, _>>()?;
            Ok(KeySwitchKey::from_bodies(params, element, level, &seed, bodies))
        };
        let relin = relin_level.map(|level| key(0, level)).transpose()?;
        let galois: Result<Vec<_>, _> =
            table.into_iter().map(|(element, level)| Ok((element, key(element, level)?))).collect();
        Ok(Self::from_parts(params, seed, relin, galois?.into_iter()))
    }

    fn body_len(&self, params: &Params) -> usize {
        evaluation_keys_len(params, &self.request()) - HEADER_BYTES
    }
}

/// Galois elements, odd, below `2n`, not 1, in ascending order, with their levels.
fn read_galois_table(params: &Params, bytes: &mut Reader<'_>) -> Result<Vec<(usize, usize)>, WireError> {
    let count = u32::from_le_bytes(bytes.array()?);
    check_field("Galois key count", u64::from(count), 0, params.degree() as u64)?;
    let mut table: Vec<(usize, usize)> = Vec::new();
    for _ in 0..count {
        let element = u32::from_le_bytes(bytes.array()?);
        let previous = table.last().map_or(1, |&(element, _)| element);
        let (min, max) = (previous as u64 + 2, 2 * params.degree() as u64 - 1);
        // An even element is as far out of range as one that is too small.
        check_field("Galois element", u64::from(element) * u64::from(element & 1), min, max)?;
        let [level] = bytes.array()?;
        table.push((element as usize, check_level(params, level)?));
    }
    Ok(table)
}

/// The length of a ciphertext of this level and size, header included.
#[must_use]
#[cfg(feature = "bfv")]
pub fn ciphertext_len(params: &Params, level: usize, size: usize) -> usize {
    let streams = params.plain_moduli().len();
    HEADER_BYTES + 6 + streams * size * poly_len(&level_ring(params, level))
}

#[cfg(feature = "bfv")]
impl Wire for Ciphertext {
    const KIND: Kind = Kind::Ciphertext;

    fn write(&self, params: &Params, out: &mut Writer<'_>) {
        out.bytes(&[self.level() as u8, self.size() as u8]);
        out.bytes(&self.noise().steps().to_le_bytes());
        let ring = level_ring(params, self.level());
        self.streams.iter().flatten().for_each(|part| out.poly(&ring, part));
    }

    fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
        check_streams(params)?;
        let [level, size] = bytes.array()?;
        let level = check_level(params, level)?;
        check_field("size", u64::from(size), 2, 3)?;
        let steps = u32::from_le_bytes(bytes.array()?);
        let largest = NoiseBound::from_log2(params.log2_q(level));
        check_field("noise bound", u64::from(steps), 0, u64::from(largest.steps()))?;
        let ring = level_ring(params, level);
        let mut stream = || (0..size).map(|_| bytes.poly(&ring)).collect::<Result<Box<[_]>, _>>();
        let streams = params.plain_moduli().iter().map(|_| stream()).collect::<Result<_, _>>()?;
        Ok(Self { level, noise: NoiseBound::from_steps(steps), streams })
    }

    fn body_len(&self, params: &Params) -> usize {
        ciphertext_len(params, self.level(), self.size()) - HEADER_BYTES
    }
}

/// The length of a seeded ciphertext, header included.
#[must_use]
#[cfg(feature = "bfv")]
pub fn seeded_ciphertext_len(params: &Params) -> usize {
    let ring = level_ring(params, params.max_level());
    HEADER_BYTES + Seed::BYTES + params.plain_moduli().len() * poly_len(&ring)
}

#[cfg(feature = "bfv")]
impl Wire for SeededCiphertext {
    const KIND: Kind = Kind::SeededCiphertext;

    fn write(&self, params: &Params, out: &mut Writer<'_>) {
        out.bytes(&self.seed.0);
        let ring = level_ring(params, params.max_level());
        self.bodies.iter().for_each(|body| out.poly(&ring, body));
    }

    fn read(params: &Params, bytes: &mut Reader<'_>) -> Result<Self, WireError> {
        check_streams(params)?;
        let seed = bytes.seed()?;
        let ring = level_ring(params, params.max_level());
        let bodies = params.plain_moduli().iter().map(|_| bytes.poly(&ring)).collect::<Result<_, _>>()?;
        Ok(Self { seed, bodies })
    }

    fn body_len(&self, params: &Params) -> usize {
        seeded_ciphertext_len(params) - HEADER_BYTES
    }
}

#[cfg(feature = "bfv")]
impl<'a> PackedCiphertext<'a> {
    /// Checks the bytes of a [`SeededCiphertext`], as [`Wire::from_bytes`] does.
    ///
    /// # Errors
    /// [`WireError`] for anything that [`Wire::from_bytes`] refuses.
    pub fn from_bytes(bfv: &Bfv, bytes: &'a [u8]) -> Result<Self, WireError> {
        let params = bfv.params();
        decode(SeededCiphertext::KIND, params, bytes, |reader| {
            check_streams(params)?;
            let seed = reader.seed()?;
            let ring = bfv.ring(params.max_level());
            let bodies = params.plain_moduli().iter().map(|_| reader.packed(ring)).collect::<Result<_, _>>()?;
            Ok(Self { seed, bodies })
        })
    }
}

#[cfg(all(test, feature = "bfv"))]
mod tests {
    use super::*;
    use crate::params::Security;
    use crate::rlwe::rotation_element;
    use chacha20::ChaCha20Rng;
    use core::fmt::Debug;
    use rand_core::SeedableRng;

    pub(super) fn params(plain_bits: &[u32]) -> Params {
        let builder = Params::builder(16).ciphertext_bits(&[30, 31]).special_bits(&[31]).plain_bits(plain_bits);
        builder.security(Security::InsecureForTests).build().unwrap()
    }

    pub(super) fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([5; 32])
    }

    /// The identity, then: every truncation, trailing bytes, every header bit, every single-bit change of the body (which
    /// must be refused or be another canonical value), other parameters, every other kind.
    pub(super) fn assault<T: Wire + Debug>(value: &T, same: impl Fn(&T, &T) -> bool) {
        let params = params(&[10, 12]);
        let bytes = value.to_bytes(&params);
        assert!(same(value, &T::from_bytes(&params, &bytes).unwrap()));
        for len in 0..bytes.len() {
            let error = T::from_bytes(&params, &bytes[..len]).unwrap_err();
            assert!(matches!(error, WireError::Length { found, .. } if found == len), "{len}: {error:?}");
        }
        let longer = [&bytes[..], &[0]].concat();
        let trailing = WireError::Length { expected: bytes.len(), found: bytes.len() + 1 };
        assert_eq!(T::from_bytes(&params, &longer).unwrap_err(), trailing);
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match T::from_bytes(&params, &flipped) {
                Err(_) => {}
                Ok(other) => {
                    assert!(bit >= 8 * HEADER_BYTES, "header bit {bit} ignored");
                    assert_eq!(*other.to_bytes(&params), flipped, "bit {bit} decodes to something else");
                }
            }
        }
        assert_eq!(T::from_bytes(&self::params(&[11, 12]), &bytes).unwrap_err(), WireError::Parameters);
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != T::KIND) {
            let mut other = bytes.to_vec();
            other[6] = kind as u8;
            let expected = WireError::Kind { expected: T::KIND, found: kind as u8 };
            assert_eq!(T::from_bytes(&params, &other).unwrap_err(), expected);
        }
    }

    #[test]
    fn secret_keys() {
        let secret = SecretKey::generate(&params(&[10, 12]), &mut rng());
        assault(&secret, |a, b| a.coefficients() == b.coefficients() && a.values() == b.values());
    }

    #[test]
    fn public_keys() {
        let secret = SecretKey::generate(&params(&[10, 12]), &mut rng());
        assault(&PublicKey::generate(&secret, &mut rng()), PartialEq::eq);
    }

    #[test]
    fn evaluation_keys() {
        let params = params(&[10, 12]);
        let secret = SecretKey::generate(&params, &mut rng());
        let mut request = KeyRequest::default();
        request.need_galois(rotation_element(16, 1), 2);
        request.need_galois(rotation_element(16, 3), 1);
        let only_galois = EvaluationKeys::generate(&secret, &request, &mut rng()).unwrap();
        assault(&only_galois, PartialEq::eq);
        request.need_relin(1);
        let keys = EvaluationKeys::generate(&secret, &request, &mut rng()).unwrap();
        assert_eq!(keys.to_bytes(&params).len(), evaluation_keys_len(&params, &request));
        assault(&keys, PartialEq::eq);
    }

    #[test]
    fn ciphertexts() {
        let params = params(&[10, 12]);
        let bfv = Bfv::new(&params).unwrap();
        let secret = SecretKey::generate(&params, &mut rng());
        let plaintext = bfv.encode(&[1, 2, 3]).unwrap();
        let seeded = bfv.encrypt(&secret, &plaintext, &mut rng()).unwrap();
        assert_eq!(seeded.to_bytes(&params).len(), seeded_ciphertext_len(&params));
        assault(&seeded, PartialEq::eq);
        let ciphertext = bfv.expand(&seeded);
        assert_eq!(ciphertext.to_bytes(&params).len(), ciphertext_len(&params, 2, 2));
        assault(&ciphertext, PartialEq::eq);
        assault(&bfv.switch_to(&ciphertext, 1).unwrap(), PartialEq::eq);
        let traced = bfv.trace(&ciphertext, 4).unwrap();
        assert_eq!(traced.to_bytes(&params).len(), traced_ciphertext_len(&params, 2, 4));
        assault(&traced, PartialEq::eq);
    }

    #[test]
    fn a_residue_equal_to_its_modulus_is_refused() {
        let params = params(&[10, 12]);
        let bfv = Bfv::new(&params).unwrap();
        let secret = SecretKey::generate(&params, &mut rng());
        let mut seeded = bfv.encrypt(&secret, &bfv.encode(&[7]).unwrap(), &mut rng()).unwrap();
        for limb in 0..2 {
            let q = params.ciphertext_primes()[limb];
            let kept = core::mem::replace(&mut seeded.bodies[1].limb_mut(limb)[5], q);
            let bytes = seeded.to_bytes(&params);
            assert_eq!(SeededCiphertext::from_bytes(&params, &bytes), Err(WireError::NotCanonical));
            seeded.bodies[1].limb_mut(limb)[5] = kept;
        }
    }
}
