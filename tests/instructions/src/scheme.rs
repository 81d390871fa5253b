//! Encryption, decryption and what a server does, in a small ring.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_core::backend::Kernels;
use tacit_core::bfv::Bfv;
use tacit_core::params::{Params, Security};
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey, rotation_element};
use tacit_core::wire::Wire;

use crate::Count;

const N: usize = 1024;

pub fn run(kernels: Kernels, count: Count<'_>) {
    let params = Params::builder(N)
        .ciphertext_bits(&[50, 50, 50])
        .special_bits(&[50])
        .plain_bits(&[17])
        .security(Security::InsecureForTests)
        .kernels(kernels)
        .build()
        .expect("parameters");
    let level = params.max_level();
    let bfv = Bfv::new(&params).expect("enough primes");
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let secret = SecretKey::generate(&params, &mut rng);
    let mut request = KeyRequest::default();
    request.need_relin(level);
    request.need_galois(rotation_element(N, 1), level);
    let keys = EvaluationKeys::generate(&secret, &request, &mut rng).expect("levels that exist");
    let plaintext = bfv.encode(&[1, -2, 3]).expect("in range");
    let factor = bfv.multiplicand(&plaintext, level).expect("a level that exists");
    let x = bfv.expand(&bfv.encrypt(&secret, &plaintext, &mut rng).expect("little noise"));
    let square = bfv.square(&x).expect("little noise");

    let mut count = |op: &str, run: &mut dyn FnMut()| count(op, N, level, run);
    count("encode", &mut || drop(bfv.encode(&[1, -2, 3])));
    count("encrypt", &mut || drop(bfv.encrypt(&secret, &plaintext, &mut rng)));
    count("decrypt", &mut || drop(bfv.decrypt(&secret, &x)));
    count("mul_plain", &mut || drop(bfv.mul_plain(&x, &factor)));
    count("multiply", &mut || drop(bfv.multiply(&x, &x)));
    count("key_switch", &mut || drop(bfv.relinearise(&square, &keys)));
    count("rotate", &mut || drop(bfv.rotate_rows(&x, 1, &keys)));
    count("switch_down", &mut || drop(bfv.switch_to(&x, level - 1)));
    count("to_bytes", &mut || drop(x.to_bytes(&params)));
}
