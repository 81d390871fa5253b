//! Ciphertexts from outside: what decodes encodes to the same bytes, and nothing that is done with it panics.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tacit_core::bfv::{Ciphertext, SeededCiphertext, TracedCiphertext};
use tacit_fuzz::{World, decode};

static WORLD: LazyLock<World> = LazyLock::new(World::new);

fuzz_target!(|data: &[u8]| {
    let params = WORLD.params();
    if let Some(ciphertext) = decode::<Ciphertext>(params, data) {
        WORLD.use_ciphertext(&ciphertext);
    }
    if let Some(seeded) = decode::<SeededCiphertext>(params, data) {
        WORLD.use_ciphertext(&WORLD.bfv.expand(&seeded));
    }
    if let Some(traced) = decode::<TracedCiphertext>(params, data) {
        let _ = WORLD.bfv.decrypt_traced(&WORLD.secret, &traced);
    }
});
