//! Keys, encryption and key switching at degree 8192 with three ciphertext primes and one special prime, for every backend
//! of the machine. Ids are `op/n/limbs/backend`; the size of the primes is part of the set, see [`SETS`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "benches")]

use chacha20::ChaCha20Rng;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_core::SeedableRng;
use tacit_core::backend::{Backend, Kernels};
use tacit_core::bfv::{Bfv, Ciphertext};
use tacit_core::params::Params;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, PublicKey, SecretKey, rotation_element};

const N: usize = 8192;

/// The group, ciphertext primes and special primes: of the class with 52-bit kernels, and wider.
const SETS: [(&str, [u32; 3], u32); 2] = [("rlwe50", [50, 50, 50], 50), ("rlwe54", [54, 53, 53], 54)];

/// Rotations of one ciphertext: what the later ones cost tells what sharing their decomposition is worth.
const STEPS: [isize; 4] = [1, 2, 3, 4];

fn operations(c: &mut Criterion) {
    for (set, kernels) in SETS.into_iter().flat_map(|set| Kernels::available().map(move |k| (set, k))) {
        let (name, ciphertext, special) = set;
        let builder = Params::builder(N).ciphertext_bits(&ciphertext).special_bits(&[special]).plain_bits(&[20]);
        let params = builder.kernels(kernels).build().unwrap();
        let level = params.max_level();
        let bfv = Bfv::new(&params).unwrap();
        let (mut rng, mut key_rng) = (ChaCha20Rng::from_seed([1; 32]), ChaCha20Rng::from_seed([2; 32]));
        let secret = SecretKey::generate(&params, &mut rng);
        let public = PublicKey::generate(&secret, &mut rng);
        let mut request = KeyRequest::default();
        request.need_relin(level);
        STEPS.iter().for_each(|&steps| request.need_galois(rotation_element(N, steps), level));
        let keys = EvaluationKeys::generate(&secret, &request, &mut rng).unwrap();
        let mut one_key = KeyRequest::default();
        one_key.need_relin(level);
        let plaintext = bfv.encode(&[1, -2, 3]).unwrap();
        let seeded = bfv.encrypt(&secret, &plaintext, &mut rng).unwrap();
        let x = bfv.expand(&seeded);
        let (y, z) = (x.clone(), x.clone());
        let square = bfv.square(&x).unwrap();

        let mut group = c.benchmark_group(name);
        let mut bench = |op: &str, run: &mut dyn FnMut()| {
            let id = BenchmarkId::new(op, format!("{N}/{level}/{}", kernels.name()));
            group.bench_function(id, |bencher| bencher.iter(&mut *run));
        };
        bench("secret_key", &mut || drop(SecretKey::generate(&params, &mut key_rng)));
        bench("public_key", &mut || drop(PublicKey::generate(&secret, &mut key_rng)));
        bench("switching_key", &mut || drop(EvaluationKeys::generate(&secret, &one_key, &mut key_rng)));
        bench("encrypt", &mut || drop(bfv.encrypt(&secret, &plaintext, &mut rng)));
        bench("encrypt_public", &mut || drop(bfv.encrypt_public(&public, &plaintext, &mut rng)));
        bench("expand", &mut || drop(bfv.expand(&seeded)));
        bench("decrypt", &mut || drop(bfv.decrypt(&secret, &x)));
        bench("key_switch", &mut || drop(bfv.relinearise(&square, &keys)));
        bench("rotate", &mut || drop(bfv.rotate_rows(&x, 1, &keys)));
        bench("rotate_4", &mut || STEPS.iter().for_each(|&steps| drop(bfv.rotate_rows(&x, steps, &keys))));
        // x + rotate(x, 1) + rotate(x, 2) + rotate(x, 3), as two folds and as one sum.
        let fold = |x: &Ciphertext, steps| bfv.add(x, &bfv.rotate_rows(x, steps, &keys).unwrap()).unwrap();
        let mut scratch = Scratch::new();
        bench("fold_2_2", &mut || drop(fold(&fold(&x, 2), 1)));
        bench("sum_rotated_4", &mut || drop(bfv.sum_rotated(&[(&x, &[0, 1, 2, 3])], &keys, &mut scratch)));
        let giant = [(&x, &STEPS[..1]), (&y, &STEPS[1..2]), (&z, &STEPS[2..3])];
        bench("sum_rotated_3x1", &mut || drop(bfv.sum_rotated(&giant, &keys, &mut scratch)));
        group.finish();
    }
}

criterion_group! {
    name = benches;
    // Operations take milliseconds: few samples are enough.
    config = Criterion::default().sample_size(20);
    targets = operations
}
criterion_main!(benches);
