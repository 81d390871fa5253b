//! CKKS ciphertexts from outside: what decodes encodes to the same bytes, and nothing that is done with it panics.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tacit_core::ckks::{Ciphertext, Ckks, SeededCiphertext, TracedCiphertext};
use tacit_fuzz::{World, decode, use_approximate};

static WORLD: LazyLock<(World, Ckks)> = LazyLock::new(|| {
    let world = World::new();
    let ckks = Ckks::new(world.params());
    (world, ckks)
});

fuzz_target!(|data: &[u8]| {
    let (world, ckks) = &*WORLD;
    if let Some(ciphertext) = decode::<Ciphertext>(world.params(), data) {
        use_approximate(world, ckks, &ciphertext);
    }
    if let Some(seeded) = decode::<SeededCiphertext>(world.params(), data) {
        use_approximate(world, ckks, &ckks.expand(&seeded));
    }
    if let Some(traced) = decode::<TracedCiphertext>(world.params(), data) {
        let _ = ckks.decrypt_traced(&world.secret, &traced);
    }
});
