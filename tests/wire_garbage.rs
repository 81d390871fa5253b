//! Values that decode must not break anything behind the decoder: random bodies under valid headers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::sync::LazyLock;

use chacha20::ChaCha20Rng;
use proptest::collection::vec;
use proptest::prelude::*;
use rand_core::SeedableRng;
use tacit_core::bfv::{Bfv, Ciphertext, SeededCiphertext, TracedCiphertext};
use tacit_core::params::Params;
use tacit_core::rlwe::{EvaluationKeys, PublicKey, SecretKey};
use tacit_core::wire::{HEADER_BYTES, Kind, Wire};

/// A degree-2048 set with one prime of each list, and a secret key.
static SMALL: LazyLock<(Bfv, SecretKey)> = LazyLock::new(|| {
    let builder = Params::builder(2048).ciphertext_bits(&[27]).special_bits(&[26]).plain_bits(&[14]);
    let params = builder.build().unwrap();
    let secret = SecretKey::generate(&params, &mut ChaCha20Rng::from_seed([6; 32]));
    (Bfv::new(&params).unwrap(), secret)
});

/// Decodes, and checks that what decodes encodes to the same bytes.
fn recodes<T: Wire>(params: &Params, header: &[u8], body: &[u8]) -> Option<T> {
    let bytes = [header, body].concat();
    let value = T::from_bytes(params, &bytes).ok()?;
    assert!(*value.to_bytes(params) == bytes, "{} decodes to something else", T::KIND);
    Some(value)
}

/// That of a value there is, but for the kind.
fn header(bfv: &Bfv, kind: Kind) -> Vec<u8> {
    let mut header = bfv.zero(1).to_bytes(bfv.params())[..HEADER_BYTES].to_vec();
    header[6] = kind as u8;
    header
}

fn garbage(bfv: &Bfv, secret: &SecretKey, body: &[u8]) {
    let params = bfv.params();
    let header = |kind| header(bfv, kind);
    let other: Option<SecretKey> = recodes(params, &header(Kind::SecretKey), body);
    let secret = other.as_ref().unwrap_or(secret);
    let public: Option<PublicKey> = recodes(params, &header(Kind::PublicKey), body);
    let keys: Option<EvaluationKeys> = recodes(params, &header(Kind::EvaluationKeys), body);
    let seeded: Option<SeededCiphertext> = recodes(params, &header(Kind::SeededCiphertext), body);
    let ciphertext: Option<Ciphertext> = recodes(params, &header(Kind::Ciphertext), body);
    let traced: Option<TracedCiphertext> = recodes(params, &header(Kind::TracedCiphertext), body);
    if let Some(traced) = traced {
        let _ = bfv.decrypt_traced(secret, &traced).map(|plaintext| bfv.decode(&plaintext.release()));
    }
    let expanded = seeded.map(|seeded| bfv.expand(&seeded));
    for x in ciphertext.iter().chain(&expanded) {
        let _ = bfv.add(x, x);
        let _ = bfv.square(x);
        if let Some(keys) = &keys {
            let _ = bfv.relinearise(x, keys);
            let _ = bfv.rotate_rows(x, 1, keys);
        }
        let _ = bfv.decrypt(secret, x).map(|plaintext| bfv.decode(&plaintext.release()));
    }
    drop(public);
}

/// Body lengths of secret keys, public keys and seeded ciphertexts, ciphertexts of two and of three polynomials, and traced
/// ones of period 16.
const LENS: [usize; 5] =
    [2048 / 4, 32 + 2048 * 27 / 8, 6 + 2 * 2048 * 27 / 8, 6 + 3 * 2048 * 27 / 8, 6 + (32 + 2048) * 27 / 8];

/// Bodies of the exact lengths of each kind, filled with bytes whose top bits are mostly clear so that many residues pass.
fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        (proptest::sample::select(&LENS[..]), any::<[u8; 48]>(), any::<u8>()).prop_map(|(len, seed, mask)| {
            (0..len).map(|i| seed[i % 48].rotate_left((i / 48) as u32) & if i < 48 { 255 } else { mask }).collect()
        }),
        (proptest::sample::select(&LENS[2..4]), 1u8..2, 2u8..4, 0u32..30 << 10).prop_map(
            |(len, level, size, noise)| { [&[level, size][..], &noise.to_le_bytes(), &vec![level; len - 6]].concat() }
        ),
        (2u8..11, 0u32..30 << 10).prop_map(|(period, noise)| {
            [&[1, period][..], &noise.to_le_bytes(), &vec![1; ((2 << period) + 2048) * 27 / 8]].concat()
        }),
    ]
}

proptest! {
    #[test]
    fn garbage_behind_a_valid_header(body in body()) {
        let (bfv, secret) = &*SMALL;
        garbage(bfv, secret, &body);
    }
}
