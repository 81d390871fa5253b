//! The secret paths of CKKS.

use tacit_core::backend::Kernels;
use tacit_core::ckks::{Ciphertext, Ckks, Decrypted, Encoding, Plaintext, Scale};
use tacit_core::params::Params;
use tacit_core::rlwe::{PublicKey, SecretKey};

use crate::cases::{params, secret_key};
use crate::memcheck::{hide, reveal, secrets};
use crate::secret::{SecretRng, publish};

const BOUND: f64 = 2.0;

fn values(ckks: &Ckks) -> Vec<f64> {
    let count = ckks.slot_count() as f64;
    (0..ckks.slot_count()).map(|i| BOUND * (2.0 * i as f64 / (count - 1.0) - 1.0)).collect()
}

/// Secret numbers; one word per coefficient, or two.
fn encoded(ckks: &Ckks, level: usize, bits: u32) -> Plaintext {
    let mut values = values(ckks);
    hide(&mut values);
    let scale = Scale::from_bits(bits).expect("in range");
    ckks.encode(&values, &Encoding { level, scale, bound: BOUND }).expect("in range")
}

fn query(ckks: &Ckks, secret: &SecretKey, level: usize, bits: u32) -> Ciphertext {
    let plaintext = encoded(ckks, level, bits);
    let seeded = ckks.encrypt(secret, &plaintext, &mut SecretRng::after_public_seed(2)).expect("it fits");
    ckks.expand(&publish(ckks.params(), &seeded))
}

fn scheme(kernels: Kernels) -> (Ckks, Params, SecretKey) {
    let params = params(kernels);
    (Ckks::new(&params), params.clone(), secret_key(&params))
}

pub fn encrypt(kernels: Kernels) {
    let (ckks, _, secret) = scheme(kernels);
    query(&ckks, &secret, 1, 30);
    query(&ckks, &secret, 3, 60);
}

pub fn encrypt_public(kernels: Kernels) {
    let (ckks, params, secret) = scheme(kernels);
    let public = publish(&params, &PublicKey::generate(&secret, &mut SecretRng::after_public_seed(2)));
    let plaintext = encoded(&ckks, 2, 40);
    let ciphertext = ckks.encrypt_public(&public, &plaintext, &mut SecretRng::new(3)).expect("it fits");
    publish(&params, &ciphertext);
}

/// Phases of one prime and of two, and ciphertexts of three polynomials.
pub fn decrypt(kernels: Kernels) {
    let (ckks, _, secret) = scheme(kernels);
    let fresh = query(&ckks, &secret, 3, 30);
    let square = ckks.square(&fresh).expect("it fits");
    for (ciphertext, power) in [(fresh, 1), (square, 2)] {
        let mut slots = ckks.decrypt(&secret, &ciphertext).expect("it fits").release(4).expect("a low precision");
        assert_eq!(secrets(&slots), slots.len());
        reveal(&mut slots);
        assert!(slots.iter().zip(values(&ckks)).all(|(z, x)| (z.re - x.powi(power)).abs() < 0.2), "wrong values");
    }
}

/// Sums over slots, and which of them is largest.
pub fn decrypt_traced(kernels: Kernels) {
    const PERIOD: usize = 8;
    let (ckks, _, secret) = scheme(kernels);
    let traced = ckks.trace(&query(&ckks, &secret, 2, 40), PERIOD).expect("a period");
    let decrypted = ckks.decrypt_traced(&secret, &traced).expect("it fits");
    let largest = Decrypted::release_largest((0..PERIOD).map(|sum| (&decrypted, sum)));
    let mut largest = [largest.expect("there are sums")];
    assert_eq!(secrets(&largest), 1);
    reveal(&mut largest);
    assert_eq!(largest, [PERIOD - 1], "values grow with the slot");
    let mut sums = decrypted.release(4).expect("a low precision");
    assert_eq!(secrets(&sums), PERIOD);
    reveal(&mut sums);
    let values = values(&ckks);
    let sum = |slot: usize| values.iter().skip(slot).step_by(PERIOD).sum::<f64>();
    assert!(sums.iter().enumerate().all(|(slot, z)| (z.re - sum(slot)).abs() < 0.2), "wrong sums");
}

/// A secret factor whose bound is public: an encoding of one value, because [`Ckks::mul_scalar`] tells its size.
pub fn scalar(kernels: Kernels) {
    let (ckks, _, secret) = scheme(kernels);
    let x = query(&ckks, &secret, 3, 30);
    let mut w = [1.5];
    hide(&mut w);
    let encoding = Encoding { level: 3, scale: Scale::from_bits(20).expect("in range"), bound: BOUND };
    let product = ckks.mul_plain(&x, &ckks.encode(&w, &encoding).expect("in range")).expect("it fits");
    assert!(secrets(product.bounds().noise.steps().to_le_bytes().as_slice()) == 0, "the bounds are public");
}
