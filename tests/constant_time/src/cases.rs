//! The secret paths of the scheme.

use tacit_core::backend::Kernels;
use tacit_core::bfv::{Bfv, Ciphertext};
use tacit_core::params::{Params, Security};
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, PublicKey, SecretKey, rotation_element, row_swap_element};
use tacit_core::sample;
use tacit_core::wire::Wire;

use crate::memcheck::{hide, reveal, secrets};
use crate::secret::{SecretRng, publish};

/// Small, so that memcheck is quick, with every class of prime, two digits per key and two plaintext moduli.
pub fn params(kernels: Kernels) -> Params {
    Params::builder(256)
        .ciphertext_bits(&[36, 50, 60])
        .special_bits(&[50, 60])
        .plain_bits(&[17, 18])
        .security(Security::InsecureForTests)
        .kernels(kernels)
        .build()
        .expect("parameters")
}

pub fn scheme(kernels: Kernels) -> Bfv {
    Bfv::new(&params(kernels)).expect("enough primes")
}

/// A secret key whose coefficients are secret from the first: everything that is computed from it is tracked.
pub fn secret_key(params: &Params) -> SecretKey {
    SecretKey::generate(params, &mut SecretRng::new(1))
}

/// As many values as there are slots, from one end of the range of slots to the other.
fn slots(bfv: &Bfv) -> Vec<i128> {
    let (count, modulus) = (bfv.slot_count() as i128, bfv.params().composer().product() as i128);
    (0..count).map(|i| i * (modulus - 1) / (count - 1) - modulus / 2).collect()
}

fn hidden(values: &[i128]) -> Vec<i128> {
    let mut values = values.to_vec();
    hide(&mut values);
    values
}

/// A ciphertext as a server has it.
pub fn query(bfv: &Bfv, secret: &SecretKey, values: &[i128]) -> Ciphertext {
    let plaintext = bfv.encode(&hidden(values)).expect("in range");
    let seeded = bfv.encrypt(secret, &plaintext, &mut SecretRng::after_public_seed(2)).expect("little noise");
    bfv.expand(&publish(bfv.params(), &seeded))
}

pub fn ternary() {
    assert_eq!(secrets(&sample::ternary(Kernels::PORTABLE, 1000, &mut SecretRng::new(1))), 1000);
}

pub fn noise() {
    assert_eq!(secrets(&sample::noise(Kernels::PORTABLE, 1000, &mut SecretRng::new(1))), 1000);
}

pub fn public_key(kernels: Kernels) {
    let params = params(kernels);
    let public = PublicKey::generate(&secret_key(&params), &mut SecretRng::after_public_seed(2));
    publish(&params, &public);
}

pub fn evaluation_keys(kernels: Kernels) {
    let params = params(kernels);
    let mut request = KeyRequest::default();
    request.need_relin(3);
    request.need_galois(rotation_element(params.degree(), 1), 2);
    request.need_galois(row_swap_element(params.degree()), 1);
    let keys = EvaluationKeys::generate(&secret_key(&params), &request, &mut SecretRng::after_public_seed(2));
    publish(&params, &keys.expect("levels that exist"));
}

/// Out as bytes that are secret, and back in.
pub fn secret_key_bytes(kernels: Kernels) {
    let params = params(kernels);
    let mut bytes = secret_key(&params).to_bytes(&params);
    let body = params.degree() / 4;
    assert_eq!(secrets(&bytes), body);
    let secret = SecretKey::from_bytes(&params, &bytes).expect("canonical bytes");
    let mut again = secret.to_bytes(&params);
    assert_eq!(secrets(&again), body);
    reveal(&mut bytes);
    reveal(&mut again);
    assert!(bytes == again, "the key changed on the way");
}

pub fn encode(kernels: Kernels) {
    let bfv = scheme(kernels);
    let values = slots(&bfv);
    let plaintext = bfv.encode(&hidden(&values)).expect("in range");
    let mut decoded = bfv.decode(&plaintext);
    assert_eq!(secrets(&decoded), values.len());
    reveal(&mut decoded);
    assert!(*decoded == values, "decoding does not invert encoding");
}

pub fn encrypt(kernels: Kernels) {
    let bfv = scheme(kernels);
    query(&bfv, &secret_key(bfv.params()), &slots(&bfv));
}

pub fn encrypt_public(kernels: Kernels) {
    let bfv = scheme(kernels);
    let secret = secret_key(bfv.params());
    let public = publish(bfv.params(), &PublicKey::generate(&secret, &mut SecretRng::after_public_seed(2)));
    let plaintext = bfv.encode(&hidden(&slots(&bfv))).expect("in range");
    let ciphertext = bfv.encrypt_public(&public, &plaintext, &mut SecretRng::new(3)).expect("little noise");
    publish(bfv.params(), &ciphertext);
}

/// Fresh, of three polynomials, and at the lowest level.
pub fn decrypt(kernels: Kernels) {
    let bfv = scheme(kernels);
    let secret = secret_key(bfv.params());
    let values: Vec<i128> = (0..bfv.slot_count() as i128).map(|i| 3 * i - 300).collect();
    let squares: Vec<i128> = values.iter().map(|x| x * x).collect();
    let fresh = query(&bfv, &secret, &values);
    let square = bfv.square(&fresh).expect("little noise");
    let low = bfv.switch_to(&fresh, 1).expect("little noise");
    for (ciphertext, expected) in [(&fresh, &values), (&square, &squares), (&low, &values)] {
        let plaintext = bfv.decrypt(&secret, ciphertext).expect("little noise").release();
        let mut decoded = bfv.decode(&plaintext);
        assert_eq!(secrets(&decoded), expected.len());
        reveal(&mut decoded);
        assert!(*decoded == *expected, "wrong values");
    }
}

/// Sums over slots.
pub fn decrypt_traced(kernels: Kernels) {
    const PERIOD: usize = 8;
    let bfv = scheme(kernels);
    let secret = secret_key(bfv.params());
    let row = bfv.slot_count() / 2;
    let values: Vec<i128> = (0..2 * row as i128).map(|i| i % 11 - 5).collect();
    let traced = bfv.trace(&query(&bfv, &secret, &values), PERIOD).expect("a period");
    let mut sums = bfv.decode(&bfv.decrypt_traced(&secret, &traced).expect("little noise").release());
    assert_eq!(secrets(&sums), 2 * row);
    reveal(&mut sums);
    let sum = |slot: usize| values[slot / row * row..][..row].iter().skip(slot % PERIOD).step_by(PERIOD).sum::<i128>();
    assert!((0..2 * row).all(|slot| sums[slot] == sum(slot)), "wrong sums");
}
