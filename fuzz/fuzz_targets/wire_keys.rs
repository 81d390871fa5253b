//! Keys from outside: what decodes encodes to the same bytes, and nothing that is done with it panics.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tacit_core::bfv::Ciphertext;
use tacit_core::rlwe::{EvaluationKeys, PublicKey, SecretKey};
use tacit_fuzz::{World, decode, rng};

/// The world, and a fresh ciphertext and a product of it.
static WORLD: LazyLock<(World, Ciphertext, Ciphertext)> = LazyLock::new(|| {
    let world = World::new();
    let fresh = world.encrypt(&[1, 2, 3], 2);
    let product = world.bfv.square(&fresh).expect("noise fits");
    (world, fresh, product)
});

fuzz_target!(|data: &[u8]| {
    let (world, fresh, product) = &*WORLD;
    let (bfv, params) = (&world.bfv, world.params());
    if let Some(keys) = decode::<EvaluationKeys>(params, data) {
        let request = keys.request();
        let _ = bfv.relinearise(product, &keys);
        for (&element, &level) in &request.galois {
            let low = bfv.switch_to(fresh, level).expect("fresh noise fits every level");
            assert!(bfv.apply_galois(&low, element, &keys).is_ok(), "key {element} of level {level} does not serve");
        }
    }
    if let Some(public) = decode::<PublicKey>(params, data) {
        let plaintext = bfv.encode(&[5]).expect("in range");
        let ciphertext = bfv.encrypt_public(&public, &plaintext, &mut rng(3)).expect("fresh noise fits");
        world.use_ciphertext(&ciphertext);
    }
    if let Some(secret) = decode::<SecretKey>(params, data) {
        let plaintext = bfv.encode(&[5, -6]).expect("in range");
        let seeded = bfv.encrypt(&secret, &plaintext, &mut rng(4)).expect("fresh noise fits");
        let decrypted = bfv.decrypt(&secret, &bfv.expand(&seeded)).expect("fresh noise fits").release();
        assert_eq!(bfv.decode(&decrypted)[..3], [5, -6, 0], "a canonical secret key decrypts what it encrypts");
    }
});
