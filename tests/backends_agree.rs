//! Every backend of this machine gives the same words.
//!
//! `REQUIRE_BACKENDS=name,name` makes a missing backend a failure, so that a machine without an instruction set cannot
//! look as if it had tested it. Run with `--nocapture` to see which ones ran.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/party.rs"]
mod party;

use party::rng;
use tacit_core::backend::{Backend, Kernels, suite};
use tacit_core::bfv::Bfv;
use tacit_core::params::{Params, Security};
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey, rotation_element};
use tacit_core::wire::Wire;

#[test]
fn each_backend_passes_the_suite() {
    for kernels in Kernels::available() {
        suite::check(kernels);
        println!("backend {}: conformance suite passed", kernels.name());
    }
}

#[test]
fn required_backends_are_available() {
    let required = std::env::var("REQUIRE_BACKENDS").unwrap_or_default();
    let available: Vec<_> = Kernels::available().map(Backend::name).collect();
    println!("backends available: {}; required: {required}", available.join(", "));
    for name in required.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        assert!(available.contains(&name), "backend {name} is required, but this machine has {available:?}");
    }
}

/// Key generation, encryption, product, relinearisation, rotation and modulus switching, as bytes.
fn transcript(kernels: Kernels) -> Vec<u8> {
    let params = Params::builder(512)
        .ciphertext_bits(&[46, 50, 60])
        .special_bits(&[60])
        .plain_bits(&[17, 30])
        .security(Security::InsecureForTests)
        .kernels(kernels)
        .build()
        .unwrap();
    let bfv = Bfv::new(&params).unwrap();
    let mut rng = rng(11);
    let secret = SecretKey::generate(&params, &mut rng);
    let mut request = KeyRequest::default();
    request.need_relin(3);
    request.need_galois(rotation_element(512, 3), 3);
    let keys = EvaluationKeys::generate(&secret, &request, &mut rng).unwrap();
    let values: Vec<i128> = (0..512).map(|i| i * i - 700).collect();
    let fresh = bfv.expand(&bfv.encrypt(&secret, &bfv.encode(&values).unwrap(), &mut rng).unwrap());
    let square = bfv.relinearise(&bfv.square(&fresh).unwrap(), &keys).unwrap();
    let low = bfv.switch_to(&bfv.rotate_rows(&square, 3, &keys).unwrap(), 2).unwrap();
    [secret.to_bytes(&params), keys.to_bytes(&params), fresh.to_bytes(&params), low.to_bytes(&params)]
        .iter()
        .flat_map(|bytes| bytes.to_vec())
        .collect()
}

#[test]
fn whole_programs_agree_to_the_bit() {
    let reference = transcript(Kernels::PORTABLE);
    for kernels in Kernels::available() {
        assert!(transcript(kernels) == reference, "{} differs from portable", kernels.name());
    }
}
