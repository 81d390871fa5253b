//! Bytes from an enemy, at real parameters: every kind is refused with the right error, or is a value that encodes to the
//! same bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/party.rs"]
mod party;

use std::sync::LazyLock;

use party::{Party, request};
use proptest::collection::vec;
use proptest::prelude::*;
use tacit_core::ckks::{self, Ckks, Encoding, Scale};
use tacit_core::params::Params;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, PublicKey, rotation_element};
use tacit_core::sample::Seed;
use tacit_core::wire::{HEADER_BYTES, Kind, Wire, WireError};

const MAGIC: usize = 0;
const VERSION: usize = 4;
const TAG: usize = 6;
const RESERVED: usize = 7;
const FINGERPRINT: usize = 8;

/// Primes of different sizes, so that a limb read at the wrong width shows; two plaintext moduli.
fn params(last: u32) -> Params {
    let builder = Params::builder(4096).ciphertext_bits(&[35, 36]).special_bits(&[last]).plain_bits(&[17, 17]);
    builder.build().unwrap()
}

static PARTY: LazyLock<Party> = LazyLock::new(|| {
    let params = params(34);
    Party::new(&params, &request(&params, &[1, 5], 1), 30)
});

/// One value of some kind as bytes, with everything the attacks need to know about it.
struct Sample {
    kind: Kind,
    bytes: Vec<u8>,
    /// Where packed polynomials begin and modulo which primes their limbs are; empty for the secret key.
    polys: Vec<(usize, Vec<u64>)>,
    /// Decodes, and encodes again.
    recode: fn(&Params, &[u8]) -> Result<Vec<u8>, WireError>,
}

impl Sample {
    fn new<T: Wire>(params: &Params, value: &T, skip: usize, polys: &[Vec<u64>]) -> Self {
        let mut start = HEADER_BYTES + skip;
        let mut placed = Vec::new();
        for primes in polys {
            placed.push((start, primes.clone()));
            start += primes.iter().map(|q| limb_bytes(params, *q)).sum::<usize>();
        }
        let recode = |params: &Params, bytes: &[u8]| {
            let value = T::from_bytes(params, bytes)?;
            Ok(value.to_bytes(params).to_vec())
        };
        let bytes = value.to_bytes(params).to_vec();
        assert!(polys.is_empty() || start == bytes.len(), "{}: layout ends at {start} of {}", T::KIND, bytes.len());
        Self { kind: T::KIND, bytes, polys: placed, recode }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, WireError> {
        (self.recode)(PARTY.params(), bytes)
    }

    /// The error of these bytes with some of them changed.
    fn error_with(&self, change: impl FnOnce(&mut Vec<u8>)) -> WireError {
        let mut bytes = self.bytes.clone();
        change(&mut bytes);
        self.decode(&bytes).unwrap_err()
    }
}

fn bits(q: u64) -> usize {
    (u64::BITS - q.leading_zeros()) as usize
}

fn limb_bytes(params: &Params, q: u64) -> usize {
    params.degree() * bits(q) / 8
}

/// A value of each kind; ciphertexts of both levels and of both sizes.
static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let (bfv, secret, keys, params) = (&PARTY.bfv, &PARTY.secret, &PARTY.keys, PARTY.params());
    let mut rng = party::rng(31);
    let (q, p) = (params.ciphertext_primes(), params.special_primes());
    let public = PublicKey::generate(secret, &mut rng);
    let seeded = bfv.encrypt(secret, &bfv.encode(&[1, 2, 3]).unwrap(), &mut rng).unwrap();
    let fresh = bfv.expand(&seeded);
    let low = bfv.switch_to(&fresh, 1).unwrap();
    let square = bfv.square(&fresh).unwrap();
    let ckks = Ckks::new(params);
    let approximate = |level: usize, rng: &mut _| -> ckks::SeededCiphertext {
        let encoding = Encoding { level, scale: Scale::from_bits(22).unwrap(), bound: 3.0 };
        ckks.encrypt(secret, &ckks.encode(&[1.5, -2.5], &encoding).unwrap(), rng).unwrap()
    };
    let (approximate, approximate_low) = (approximate(2, &mut rng), approximate(1, &mut rng));
    let approximate_square = ckks.square(&ckks.expand(&approximate)).unwrap();
    // The relinearisation key has two digits at level 2, each of the three Galois keys one at level 1.
    let key_polys =
        [vec![q[0], q[1], p[0]], vec![q[0], q[1], p[0]], vec![q[0], p[0]], vec![q[0], p[0]], vec![q[0], p[0]]];
    let key_table = Seed::BYTES + 1 + 4 + 3 * 5;
    vec![
        Sample::new(params, secret, 0, &[]),
        Sample::new(params, &public, Seed::BYTES, &[q.to_vec()]),
        Sample::new(params, keys, key_table, &key_polys),
        Sample::new(params, &seeded, Seed::BYTES, &[q.to_vec(), q.to_vec()]),
        Sample::new(params, &fresh, 6, &vec![q.to_vec(); 4]),
        Sample::new(params, &low, 6, &vec![q[..1].to_vec(); 4]),
        Sample::new(params, &square, 6, &vec![q.to_vec(); 6]),
        Sample::new(params, &approximate, Seed::BYTES + 13, &[q.to_vec()]),
        Sample::new(params, &ckks.expand(&approximate_low), 18, &vec![q[..1].to_vec(); 2]),
        Sample::new(params, &approximate_square, 18, &vec![q.to_vec(); 3]),
        // Of the longest period, whose first parts are whole.
        Sample::new(params, &bfv.trace(&low, 2048).unwrap(), 6, &vec![q[..1].to_vec(); 4]),
        Sample::new(params, &ckks.trace(&ckks.expand(&approximate), 2048).unwrap(), 18, &vec![q.to_vec(); 2]),
    ]
});

#[test]
fn every_kind_is_sampled_and_recodes() {
    for kind in Kind::ALL {
        assert!(SAMPLES.iter().any(|sample| sample.kind == kind), "{kind}");
    }
    for sample in SAMPLES.iter() {
        assert!(sample.decode(&sample.bytes).unwrap() == sample.bytes, "{}", sample.kind);
    }
}

#[test]
fn truncation_is_named() {
    for sample in SAMPLES.iter() {
        let len = sample.bytes.len();
        let boundaries = sample.polys.iter().flat_map(|(start, _)| [start - 1, *start, start + 1]);
        let sampled = (0..200).map(|i| HEADER_BYTES + i * (len - HEADER_BYTES) / 200);
        for cut in (0..=HEADER_BYTES + 64).chain(boundaries).chain(sampled).chain([len - 1]) {
            let error = sample.decode(&sample.bytes[..cut]).unwrap_err();
            let named = matches!(error, WireError::Length { expected, found } if found == cut && expected > cut && expected <= len);
            assert!(named, "{} cut at {cut} of {len}: {error:?}", sample.kind);
        }
    }
}

#[test]
fn trailing_bytes_are_named() {
    for sample in SAMPLES.iter() {
        let len = sample.bytes.len();
        for extra in [1, 2, 24, len] {
            let error = sample.error_with(|bytes| bytes.resize(len + extra, 0));
            assert_eq!(error, WireError::Length { expected: len, found: len + extra }, "{}", sample.kind);
        }
    }
}

#[test]
fn each_header_bit_counts() {
    for sample in SAMPLES.iter() {
        for bit in 0..8 * HEADER_BYTES {
            let error = sample.error_with(|bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let named = match bit / 8 {
                MAGIC..VERSION => error == WireError::Magic,
                VERSION..TAG => matches!(error, WireError::Version { supported: 3, .. }),
                TAG => matches!(error, WireError::Kind { expected, .. } if expected == sample.kind),
                RESERVED => matches!(error, WireError::Field { name: "reserved", max: 0, .. }),
                FINGERPRINT.. => error == WireError::Parameters,
            };
            assert!(named, "{}, bit {bit}: {error:?}", sample.kind);
        }
    }
}

#[test]
fn another_kind_is_named() {
    for sample in SAMPLES.iter() {
        for other in SAMPLES.iter().filter(|other| other.kind != sample.kind) {
            let error = sample.decode(&other.bytes).unwrap_err();
            assert_eq!(error, WireError::Kind { expected: sample.kind, found: other.kind as u8 });
            // The bytes of one kind under the tag of another are no value of it, whatever their meaning there.
            let mut relabelled = other.bytes.clone();
            relabelled[TAG] = sample.kind as u8;
            assert!(sample.decode(&relabelled).is_err(), "{} as {}", other.kind, sample.kind);
        }
    }
}

/// Equal in everything but one special prime: same degree, same lengths of public keys and ciphertexts.
#[test]
fn other_parameters_are_named() {
    let other = params(33);
    for sample in SAMPLES.iter() {
        assert_eq!((sample.recode)(&other, &sample.bytes), Err(WireError::Parameters), "{}", sample.kind);
    }
}

/// Overwrites the packed word at `index` of a limb that starts at byte `start`.
fn poke(bytes: &mut [u8], start: usize, index: usize, width: usize, word: u64) {
    for i in 0..width {
        let bit = index * width + i;
        let byte = &mut bytes[start + bit / 8];
        *byte = *byte & !(1 << (bit % 8)) | (((word >> i) & 1) as u8) << (bit % 8);
    }
}

/// The modulus itself, one more, and all ones, at the first and last places of the first and last limb of every
/// polynomial; one less is a residue and passes.
#[test]
fn residues_stay_below_their_modulus() {
    let params = PARTY.params();
    for sample in SAMPLES.iter() {
        for (start, primes) in &sample.polys {
            let limb_start = |limb: usize| start + primes[..limb].iter().map(|q| limb_bytes(params, *q)).sum::<usize>();
            for (limb, index) in
                [0, primes.len() - 1].into_iter().flat_map(|limb| [(limb, 0), (limb, params.degree() - 1)])
            {
                let (q, at) = (primes[limb], limb_start(limb));
                for word in [q, q + 1, (1 << bits(q)) - 1] {
                    let error = sample.error_with(|bytes| poke(bytes, at, index, bits(q), word));
                    assert_eq!(error, WireError::NotCanonical, "{}, limb {limb}, index {index}", sample.kind);
                }
                let mut bytes = sample.bytes.clone();
                poke(&mut bytes, at, index, bits(q), q - 1);
                assert!(sample.decode(&bytes).unwrap() == bytes);
            }
        }
    }
}

#[test]
fn secret_coefficients_are_ternary() {
    let sample = &SAMPLES[0];
    for index in [0, 1, 4094, 4095] {
        let error = sample.error_with(|bytes| poke(bytes, HEADER_BYTES, index, 2, 3));
        assert_eq!(error, WireError::NotCanonical, "{index}");
    }
}

fn sample(kind: Kind) -> &'static Sample {
    SAMPLES.iter().find(|sample| sample.kind == kind).unwrap()
}

#[test]
fn absurd_ciphertext_fields_are_refused() {
    let sample = sample(Kind::Ciphertext);
    let (level, size, noise) = (HEADER_BYTES, HEADER_BYTES + 1, HEADER_BYTES + 2);
    for value in [0, 3, 64, 255] {
        let error = sample.error_with(|bytes| bytes[level] = value);
        assert!(matches!(error, WireError::Field { .. }), "level {value}: {error:?}");
    }
    for value in [0, 1, 4, 255] {
        let error = sample.error_with(|bytes| bytes[size] = value);
        assert!(matches!(error, WireError::Field { .. }), "size {value}: {error:?}");
    }
    for steps in [72 << 10, 1 << 31, u32::MAX] {
        let error = sample.error_with(|bytes| bytes[noise..noise + 4].copy_from_slice(&steps.to_le_bytes()));
        assert!(matches!(error, WireError::Field { name: "noise bound", .. }), "noise {steps}: {error:?}");
    }
    // Fields within their range, but not those of this body.
    assert!(matches!(sample.error_with(|bytes| bytes[level] = 1), WireError::Length { .. } | WireError::NotCanonical));
    assert!(matches!(sample.error_with(|bytes| bytes[size] = 3), WireError::Length { .. }));
}

#[test]
fn absurd_approximate_fields_are_refused() {
    let sample = sample(Kind::CkksCiphertext);
    let scale = HEADER_BYTES + 2;
    let put = |at: usize, word: &[u8]| sample.error_with(|bytes| bytes[at..at + word.len()].copy_from_slice(word));
    for bits in [0, 1, 1 << 63, f64::NAN.to_bits(), f64::INFINITY.to_bits(), 0.99f64.to_bits(), 1e302f64.to_bits(), !0]
    {
        let error = put(scale, &bits.to_le_bytes());
        assert!(matches!(error, WireError::Field { name: "scale", found, .. } if found == bits), "{bits:x}: {error:?}");
    }
    for (at, name) in [(scale + 8, "message bound"), (scale + 12, "noise bound")] {
        // More than the one prime of its level.
        for steps in [36u32 << 10, 1 << 31, u32::MAX] {
            let error = put(at, &steps.to_le_bytes());
            assert!(
                matches!(error, WireError::Field { name: found, .. } if found == name),
                "{name} {steps}: {error:?}"
            );
        }
    }
    for level in [0, 3, 255] {
        assert!(matches!(put(HEADER_BYTES, &[level]), WireError::Field { name: "level", .. }), "{level}");
    }
    for size in [0, 1, 4, 255] {
        assert!(matches!(put(HEADER_BYTES + 1, &[size]), WireError::Field { name: "size", .. }), "{size}");
    }
    assert!(matches!(put(HEADER_BYTES, &[2]), WireError::Length { .. }));
}

#[test]
fn absurd_key_tables_are_refused() {
    let sample = sample(Kind::EvaluationKeys);
    let relin = HEADER_BYTES + Seed::BYTES;
    let (count, table) = (relin + 1, relin + 5);
    let put = |at: usize, word: u32| sample.error_with(|bytes| bytes[at..at + 4].copy_from_slice(&word.to_le_bytes()));
    for level in [3, 64, 255] {
        assert!(matches!(sample.error_with(|bytes| bytes[relin] = level), WireError::Field { .. }), "{level}");
        assert!(matches!(sample.error_with(|bytes| bytes[table + 4] = level), WireError::Field { .. }), "{level}");
    }
    assert!(matches!(sample.error_with(|bytes| bytes[table + 4] = 0), WireError::Field { .. }));
    for keys in [4097, 1 << 16, u32::MAX] {
        assert!(matches!(put(count, keys), WireError::Field { name: "Galois key count", max: 4096, .. }), "{keys}");
    }
    // As many keys as there are elements, with no bytes behind them.
    assert!(matches!(put(count, 4096), WireError::Field { .. } | WireError::Length { .. }));
    let first = u32::from_le_bytes(sample.bytes[table..table + 4].try_into().unwrap());
    // Even, one, beyond 2n, and twice the same.
    for (at, element) in [(table, 0), (table, 1), (table, 6), (table, 8193), (table, u32::MAX), (table + 5, first)] {
        assert!(matches!(put(at, element), WireError::Field { name: "Galois element", .. }), "{element}");
    }
}

proptest! {
    /// Any few bytes of a valid value changed: refused, or another canonical value.
    #[test]
    fn changed_bytes(which in 0usize..10, changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let sample = &SAMPLES[which];
        let mut bytes = sample.bytes.clone();
        for (index, byte) in changes {
            *index.get_mut(&mut bytes) = byte;
        }
        if let Ok(again) = sample.decode(&bytes) {
            prop_assert!(again == bytes);
        }
    }
}

/// The public lengths are those of the bytes.
#[test]
fn rotation_keys_of_every_level_recode() {
    let params = PARTY.params();
    let mut request = KeyRequest::default();
    request.need_galois(rotation_element(4096, 7), 2);
    let keys = EvaluationKeys::generate(&PARTY.secret, &request, &mut party::rng(34)).unwrap();
    let bytes = keys.to_bytes(params);
    assert_eq!(bytes.len(), tacit_core::wire::evaluation_keys_len(params, &request));
    assert_eq!(EvaluationKeys::from_bytes(params, &bytes).unwrap().request(), request);
}
