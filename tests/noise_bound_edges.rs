//! The noise bound where nothing averages out: plaintexts with structure, products that are not relinearised yet, and
//! bounds that a sender made up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/party.rs"]
mod party;
#[path = "support/tracked.rs"]
mod tracked;

use party::{Party, request};
use tacit_core::bfv::{Ciphertext, PlainMultiplicand};
use tacit_core::modulus::Modulus;
use tacit_core::params::{Params, Security};
use tacit_core::prime::primitive_root_vartime;
use tacit_core::rlwe::{KeyRequest, rotation_element};
use tacit_core::wire::{HEADER_BYTES, Wire};
use tracked::Tracked;

/// These bounds only have to hold.
const ANY_SLACK: f64 = f64::INFINITY;

fn party(degree: usize) -> Party {
    let builder = Params::builder(degree).ciphertext_bits(&[36, 36]).special_bits(&[34]).plain_bits(&[20]);
    let params = builder.build().unwrap();
    Party::new(&params, &request(&params, &[], 1), 60)
}

/// The polynomial `1 + X + … + X^(n-1)` as slots and as multiplicand: all its coefficients are equal.
fn ones(p: &Party) -> (Vec<i128>, PlainMultiplicand) {
    let slots = slots_of_equal_coefficients(p, 1);
    let multiplicand = p.bfv.multiplicand(&p.bfv.encode(&slots).unwrap(), 2).unwrap();
    (slots, multiplicand)
}

/// The slots of `c·(1 + X + … + X^(n-1))`, which is `-2c/(X - 1)` where `X^n = -1`.
fn slots_of_equal_coefficients(p: &Party, c: u64) -> Vec<i128> {
    let (degree, t) = (p.params().degree(), Modulus::new(p.params().plain_moduli()[0]).unwrap());
    let root = primitive_root_vartime(&t, degree).unwrap();
    let row = |sign: usize| (0..degree as isize / 2).map(move |i| rotation_element(degree, i) * sign % (2 * degree));
    let exponents = row(1).chain(row(2 * degree - 1));
    let slot = |e: usize| {
        let divisor = t.inverse(t.sub(t.pow_vartime(root, e as u64), 1)).unwrap();
        i128::from(t.center(t.mul(t.mul(t.neg(t.reduce(2)), t.reduce(c)), divisor)))
    };
    exponents.map(slot).collect()
}

fn times(p: &Party, x: &Tracked, (slots, multiplicand): &(Vec<i128>, PlainMultiplicand)) -> Tracked {
    let ciphertext = p.bfv.mul_plain(&x.ciphertext, multiplicand).unwrap();
    Tracked { ciphertext, values: x.values.iter().zip(slots).map(|(x, y)| p.centre(x * y)).collect() }
}

/// A message whose scaled coefficients all round by the same half, times a plaintext with equal coefficients: the
/// roundings add up. The bound must hold for every message, not for random ones only.
#[test]
fn roundings_that_add_up() {
    for degree in [4096, 8192, 16384] {
        let mut p = party(degree);
        let t = Modulus::new(p.params().plain_moduli()[0]).unwrap();
        let q = p.params().ciphertext_primes().iter().fold(1, |q, &prime| t.mul(q, t.reduce(prime)));
        let half = t.mul(t.value() >> 1, t.inverse(q).unwrap());
        let values = slots_of_equal_coefficients(&p, half);
        let x = Tracked { ciphertext: p.encrypt(&values), values };
        p.check("equal roundings", &times(&p, &x, &ones(&p)), ANY_SLACK);
    }
}

/// The norm of the product of two like plaintexts can exceed the product of their norms, which is why such plaintexts are
/// multiplied with each other first: then the bound knows.
#[test]
fn plaintexts_that_agree_are_multiplied_first() {
    let mut p = party(4096);
    let (slots, one) = ones(&p);
    let squares: Vec<i128> = slots.iter().map(|x| p.centre(x * x)).collect();
    let both = p.bfv.multiplicand(&p.bfv.encode(&squares).unwrap(), 2).unwrap();
    assert!(both.norm() > 8.0 * one.norm() * one.norm());
    let x = p.fresh(15);
    p.check("two like plaintexts", &times(&p, &x, &(squares, both)), ANY_SLACK);
}

/// Three polynomials round three times when the modulus is switched, and the third rounding meets the square of the secret.
#[test]
fn a_switch_before_relinearisation() {
    let builder = Params::builder(8192).ciphertext_bits(&[34, 54, 54]).special_bits(&[54]).plain_bits(&[21]);
    let params = builder.build().unwrap();
    let mut p = Party::new(&params, &request(&params, &[], 1), 61);
    let x = p.fresh(8);
    let square = p.bfv.square(&x.ciphertext).unwrap();
    let values: Vec<i128> = x.values.iter().map(|v| v * v).collect();
    let ciphertext = p.bfv.switch_to(&square, 2).unwrap();
    p.check("switched square", &Tracked { ciphertext, values: values.clone() }, ANY_SLACK);
    // Here the roundings alone exceed what decrypts: an error is right, and a wrong answer is not.
    if let Ok(ciphertext) = p.bfv.switch_to(&square, 1) {
        p.check("square at the lowest level", &Tracked { ciphertext, values }, ANY_SLACK);
    }
}

/// The noise bound in a ciphertext is the sender's word. Even the largest one that decodes must lead to errors or larger
/// bounds, and not to a panic or a bound that wraps around; here with a modulus of more than 1024 bits.
#[test]
fn the_largest_bounds_of_a_sender() {
    let builder = Params::builder(16).ciphertext_bits(&[55; 20]).special_bits(&[56]).plain_bits(&[10]);
    let params = builder.security(Security::InsecureForTests).build().unwrap();
    let mut p = Party::new(&params, &KeyRequest::default(), 62);
    let fresh = p.encrypt(&[1, 2, 3]);
    let mut bytes = fresh.to_bytes(&params).to_vec();
    let noise = HEADER_BYTES + 2;
    for steps in [u32::MAX, 1 << 31, 1100 << 10, 1090 << 10, 1080 << 10] {
        bytes[noise..noise + 4].copy_from_slice(&steps.to_le_bytes());
        let Ok(x) = Ciphertext::from_bytes(&params, &bytes) else { continue };
        let [sum, mixed, square, scaled] =
            [p.bfv.add(&x, &x), p.bfv.add(&fresh, &x), p.bfv.square(&x), p.bfv.mul_scalar(&x, i64::MIN)];
        for result in [sum, mixed, square, scaled].into_iter().flatten() {
            assert!(result.noise() >= x.noise(), "{steps} steps became {}", result.noise().steps());
        }
    }
}
