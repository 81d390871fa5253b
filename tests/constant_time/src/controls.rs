//! Leaks on purpose. Those that memcheck must flag show that secrets are tracked; the last one shows where it is blind.

use core::hint::black_box;

use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;
use tacit_core::sample::{Label, Seed, uniform_vartime};

use crate::cases::{params, query, scheme, secret_key};
use crate::memcheck::{hide, secrets};

fn secret_word() -> u64 {
    let mut word = [black_box(0x0123_4567_89ab_cdef)];
    hide(&mut word);
    word[0]
}

#[inline(never)]
fn elsewhere(x: u64) -> u64 {
    black_box(x ^ 1)
}

/// A branch. The call keeps the compiler from making a conditional move of it.
pub fn leaky_select() {
    let secret = secret_word();
    black_box(if secret & 1 == 1 { elsewhere(secret) } else { secret });
}

/// An address.
pub fn leaky_index() {
    let table: [u64; 16] = black_box([7; 16]);
    black_box(table[(secret_word() & 15) as usize]);
}

/// A uniform polynomial from a secret seed: the rejection sampler, which is for public seeds.
pub fn leaky_seed(kernels: Kernels) {
    let params = params(kernels);
    let mut seed = Seed([5; Seed::BYTES]);
    hide(&mut seed.0);
    black_box(uniform_vartime(params.key_ring(), &seed, Label::PublicKey));
}

/// The one function that reads the secret key in variable time, of the `testing` feature: it shows that a key is tracked
/// through generation, both domains and the phase.
pub fn leaky_measurement(kernels: Kernels) {
    let bfv = scheme(kernels);
    let secret = secret_key(bfv.params());
    let ciphertext = query(&bfv, &secret, &[1, 2, 3]);
    black_box(bfv.measured_noise_log2(&secret, &ciphertext));
}

/// A secret behind every kernel of a backend: that its words are tracked through vector registers.
pub fn leaky_kernel(kernels: Kernels) {
    let q = Modulus::new((1 << 46) - 21).expect("odd");
    let mut words = vec![black_box(12_345); 64];
    hide(&mut words);
    let factors = words.clone();
    kernels.mul(&q, &mut words, &factors);
    black_box(if words[40] & 1 == 1 { elsewhere(words[40]) } else { words[40] });
}

/// An instruction of variable latency. The divisor is public, and of 32 bits, for which no branch is compiled.
pub fn leaky_division() {
    let quotient = [secret_word() as u32 / black_box(641)];
    assert_eq!(secrets(&quotient), 1);
}
