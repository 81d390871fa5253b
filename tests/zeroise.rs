//! What is secret is overwritten before its memory is freed: keys in every form, noise, plaintexts, the forms in which they
//! are encrypted, phases, the scratch in which they are scaled, decoded slots and the bytes of keys.
//!
//! The secrets are known because the generator is: the same draws are made again through the public samplers. Stacks and
//! registers are not looked at.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator that keeps what is freed")]

#[path = "support/keeping.rs"]
mod keeping;
#[path = "support/party.rs"]
mod party;

use keeping::{Pattern, freed};
use num_bigint::BigUint;
use party::{request, rng};
use rand_core::Rng;
use tacit_core::backend::Kernels;
use tacit_core::bfv::Bfv;
use tacit_core::ckks::{Ckks, Complex, Encoding, Scale};
use tacit_core::params::{Params, Security};
use tacit_core::poly::{Coeff, Eval, Poly, Ring, galois_permutation};
use tacit_core::rlwe::{EvaluationKeys, PublicKey, SecretKey, rotation_element};
use tacit_core::rns::Scaler;
use tacit_core::sample::{Label, Seed, noise, ternary, uniform_vartime};
use tacit_core::wire::{HEADER_BYTES, Wire};

const DEGREE: usize = 256;
/// Seeds of the generators: for the secret key, for encryption under it, and under the public key.
const SECRET: u8 = 60;
const QUERY: u8 = 61;
const PUBLIC: u8 = 62;

fn params() -> Params {
    let builder = Params::builder(DEGREE).ciphertext_bits(&[36, 50, 60]).special_bits(&[60]).plain_bits(&[17, 18]);
    builder.security(Security::InsecureForTests).build().unwrap()
}

/// One value per slot, of all sizes.
fn values(bfv: &Bfv) -> Vec<i128> {
    let (mut rng, modulus) = (rng(63), bfv.params().composer().product() as i128);
    (0..DEGREE).map(|_| i128::from(rng.next_u64()) % modulus - modulus / 2).collect()
}

/// A polynomial's two forms.
fn both(names: [&'static str; 2], ring: &Ring, poly: &Poly<Coeff>) -> [Pattern; 2] {
    let values = ring.forward(poly.clone());
    [words(names[0], poly), words(names[1], &values)]
}

fn words<D>(name: &'static str, poly: &Poly<D>) -> Pattern {
    Pattern::new(name, poly.residues(), u64::to_le_bytes)
}

fn small(name: &'static str, coefficients: &[i8]) -> Pattern {
    Pattern::new(name, coefficients, i8::to_le_bytes)
}

/// The secret key, and what keys of evaluation hide.
fn key_patterns(params: &Params) -> Vec<Pattern> {
    let ring = params.key_ring();
    let coefficients = ternary(Kernels::detect(), DEGREE, &mut rng(SECRET));
    let codes: Vec<u64> = coefficients.iter().map(|x| (x + 1) as u64).collect();
    let key = SecretKey::generate(params, &mut rng(SECRET));
    let values = ring.forward(ring.lift(&coefficients));
    let mut square = values.clone();
    ring.mul_assign(&mut square, &values);
    let rotated = ring.automorphism(&values, &galois_permutation(DEGREE, rotation_element(DEGREE, -1)));
    let special: BigUint = params.special_primes().iter().map(|&p| BigUint::from(p)).product();
    let mut scaled = square.clone();
    ring.mul_residues_assign(&mut scaled, &ring.basis().decompose_vartime(&special));
    let mut patterns = vec![
        small("s", &coefficients),
        Pattern::new("codes of s", &codes, u64::to_le_bytes),
        Pattern::new("bytes of s", &key.to_bytes(params)[HEADER_BYTES..], |byte| [byte]),
        words("s²", &square),
        // Modulo the special primes it is zero.
        words("P·s²", &scaled.select(0..params.max_level())),
        words("rotated s", &rotated),
    ];
    patterns.extend(both(["residues of s", "values of s"], ring, &ring.lift(&coefficients)));
    patterns
}

/// The polynomial of a plaintext modulo the plaintext modulus of a ring, as `Bfv::encode` makes it.
fn message(ring: &Ring, values: &[i128]) -> Poly<Coeff> {
    let mut evaluations: Poly<Eval> = ring.zero();
    let row = DEGREE as isize / 2;
    for (i, &value) in values.iter().enumerate() {
        let power = rotation_element(DEGREE, i as isize % row);
        let exponent = if i < DEGREE / 2 { power } else { 2 * DEGREE - power };
        let index = (exponent as u32 >> 1).reverse_bits() >> (u32::BITS - DEGREE.ilog2());
        evaluations.limb_mut(0)[index as usize] = ring.moduli()[0].reduce_signed(value);
    }
    ring.inverse(evaluations)
}

/// What decryption multiplies a phase by before it converts its residues: `t`, and `t·(Q/q_i)^-1`.
fn scaling_factors(ring: &Ring, t: u64) -> [Vec<u64>; 2] {
    let product = ring.basis().product();
    let factors = ring.moduli().iter().map(|q| {
        let cofactor = &product / q.value() % q.value();
        let inverse = q.inverse(u64::try_from(&cofactor).unwrap()).unwrap();
        (q.reduce(t), q.mul(q.reduce(t), inverse))
    });
    let (multiplied, converted) = factors.unzip();
    [multiplied, converted]
}

/// The squares of the slots, as decryption of their encryption gives them.
fn squares(bfv: &Bfv) -> Vec<i128> {
    let modulus = bfv.params().composer().product() as i128;
    values(bfv).iter().map(|x| party::centre(x * x, modulus)).collect()
}

/// What decryption of the squares gives.
fn square_patterns(bfv: &Bfv) -> Vec<Pattern> {
    let params = bfv.params();
    let plain = Ring::new(DEGREE, &params.plain_moduli()[..1], params.kernels()).unwrap();
    let squares = squares(bfv);
    let mut patterns = vec![Pattern::new("squares", &squares, i128::to_le_bytes)];
    patterns.extend(both(
        ["message of squares", "values of the message of squares"],
        &plain,
        &message(&plain, &squares),
    ));
    patterns
}

fn complex_bytes(z: Complex) -> [u8; 16] {
    (u128::from(z.re.to_bits()) | u128::from(z.im.to_bits()) << 64).to_le_bytes()
}

/// What encryption and decryption handle, for the first plaintext modulus.
fn message_patterns(bfv: &Bfv) -> Vec<Pattern> {
    let params = bfv.params();
    let ring = params.key_ring().select(0..params.max_level());
    let plain = Ring::new(DEGREE, &params.plain_moduli()[..1], params.kernels()).unwrap();
    let values = values(bfv);
    let message = message(&plain, &values);
    let scale = Scaler::new(&ring.basis().product(), plain.basis(), ring.moduli());
    let (mut low, mut remainder, mut scaled) = (message.clone(), ring.zero::<Coeff>(), ring.zero::<Coeff>());
    scale.remainder(ring.kernels(), message.residues(), remainder.residues_mut());
    scale.divide(ring.kernels(), scaled.residues_mut(), remainder.residues_mut());
    plain.mul_residues_assign(&mut low, &plain.basis().decompose_vartime(&ring.basis().product()));

    let mut drawn = rng(QUERY);
    let seed = Seed::generate(&mut drawn);
    let error = noise(Kernels::detect(), DEGREE, &mut drawn);
    let mut phase = scaled.clone();
    ring.add_assign(&mut phase, &ring.lift(&error));
    let [multiplied, converted] = scaling_factors(&ring, plain.moduli()[0].value()).map(|factors| {
        let mut scaled = phase.clone();
        ring.mul_residues_assign(&mut scaled, &factors);
        scaled
    });
    let mut mask = uniform_vartime(&ring, &seed, Label::Ciphertext { stream: 0 });
    ring.mul_assign(&mut mask, &ring.forward(ring.lift(&ternary(Kernels::detect(), DEGREE, &mut rng(SECRET)))));

    let mut drawn = rng(PUBLIC);
    let public_mask = ternary(Kernels::detect(), DEGREE, &mut drawn);
    let public_error = noise(Kernels::detect(), DEGREE, &mut drawn);
    let mut patterns = vec![
        Pattern::new("slots", &values, i128::to_le_bytes),
        words("a·s", &mask),
        words("scaled residue of the message", &low),
        words("phase times t", &multiplied),
        words("phase as its residues are converted", &converted),
        small("noise", &error),
        small("mask of public encryption", &public_mask),
        small("noise of public encryption", &public_error),
    ];
    patterns.extend(both(["message", "values of the message"], &plain, &message));
    patterns.extend(both(["scaled message", "values of the scaled message"], &ring, &scaled));
    patterns.extend(both(["phase", "values of the phase"], &ring, &phase));
    patterns.extend(both(["residues of noise", "values of noise"], &ring, &ring.lift(&error)));
    patterns.extend(both(["residues of u", "values of u"], &ring, &ring.lift(&public_mask)));
    patterns.extend(both(["residues of e_0", "values of e_0"], &ring, &ring.lift(&public_error)));
    patterns
}

/// One test in this file, because the allocator is the whole process's.
#[test]
fn nothing_secret_is_freed() {
    let params = params();
    let bfv = Bfv::new(&params).unwrap();
    let slots = values(&bfv);
    let request = request(&params, &[1], params.max_level());
    let secret = SecretKey::generate(&params, &mut rng(SECRET));
    let public = PublicKey::generate(&secret, &mut rng(PUBLIC));
    let bytes = secret.to_bytes(&params);
    let plaintext = bfv.encode(&slots).unwrap();
    let query = bfv.expand(&bfv.encrypt(&secret, &plaintext, &mut rng(QUERY)).unwrap());

    let square = bfv.square(&query).unwrap();
    let low = bfv.switch_to(&query, 1).unwrap();
    let ckks = Ckks::new(&params);
    let numbers: Vec<f64> = (0..DEGREE / 2).map(|i| 1.0 / (i + 1) as f64).collect();
    let encoding = Encoding { level: params.max_level(), scale: Scale::from_bits(40).unwrap(), bound: 1.0 };
    let encode = || ckks.encode(&numbers, &encoding).unwrap();
    let approximate = ckks.expand(&ckks.encrypt(&secret, &encode(), &mut rng(QUERY)).unwrap());
    let decrypted = ckks.decrypt(&secret, &approximate).unwrap();

    let mut patterns = key_patterns(&params);
    patterns.push(Pattern::new("approximate slots", decrypted.exposed(), complex_bytes));
    patterns.extend(message_patterns(&bfv));
    patterns.extend(square_patterns(&bfv));
    let controls = patterns.iter().map(|pattern| freed(|| drop(pattern.bytes.clone())));
    let missed: Vec<_> = patterns.iter().zip(controls).filter(|(pattern, blocks)| !pattern.is_in(blocks)).collect();
    assert!(
        missed.is_empty(),
        "the control is not found: {:?}",
        missed.iter().map(|(p, _)| p.name).collect::<Vec<_>>()
    );

    type Step<'a> = (&'a str, &'a dyn Fn());
    let decrypt = |ciphertext| bfv.decode(&bfv.decrypt(&secret, ciphertext).unwrap().release());
    assert!(*decrypt(&square) == squares(&bfv) && *decrypt(&low) == slots, "wrong values");
    let trace = bfv.trace(&query, DEGREE / 2).unwrap();
    let approximate_trace = ckks.trace(&approximate, DEGREE / 2).unwrap();
    let steps: [Step<'_>; 16] = [
        ("generate", &|| drop(SecretKey::generate(&params, &mut rng(SECRET)))),
        ("clone", &|| drop(secret.clone())),
        ("public key", &|| drop(PublicKey::generate(&secret, &mut rng(QUERY)))),
        ("evaluation keys", &|| drop(EvaluationKeys::generate(&secret, &request, &mut rng(QUERY)))),
        ("to bytes", &|| drop(secret.to_bytes(&params))),
        ("from bytes", &|| drop(SecretKey::from_bytes(&params, &bytes).unwrap())),
        ("encode", &|| drop(bfv.addend(&bfv.encode(&slots).unwrap(), params.max_level()))),
        ("encrypt", &|| drop(bfv.encrypt(&secret, &plaintext, &mut rng(QUERY)))),
        ("encrypt publicly", &|| drop(bfv.encrypt_public(&public, &plaintext, &mut rng(PUBLIC)))),
        ("decrypt", &|| drop(decrypt(&query))),
        ("decrypt a product", &|| drop(decrypt(&square))),
        ("decrypt at the lowest level", &|| drop(decrypt(&low))),
        // Of the longest period, whose sums are the slots.
        ("decrypt a trace", &|| drop(bfv.decode(&bfv.decrypt_traced(&secret, &trace).unwrap().release()))),
        ("encrypt approximately", &|| drop(ckks.encrypt(&secret, &encode(), &mut rng(QUERY)))),
        ("decrypt approximately", &|| drop(ckks.decrypt(&secret, &approximate))),
        ("decrypt a trace approximately", &|| drop(ckks.decrypt_traced(&secret, &approximate_trace))),
    ];
    let mut left = Vec::new();
    for (step, run) in steps {
        let blocks = freed(run);
        println!("{step}: {} blocks of {} bytes", blocks.len(), blocks.iter().map(|block| block.len()).sum::<usize>());
        left.extend(patterns.iter().filter(|pattern| pattern.is_in(&blocks)).map(|pattern| (step, pattern.name)));
    }
    assert!(left.is_empty(), "freed unwiped: {left:?}");
}
