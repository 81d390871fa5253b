//! CKKS at 128-bit security, for every backend of the machine. Ids are `op/n/limbs/backend`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "benches")]

use chacha20::ChaCha20Rng;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_core::SeedableRng;
use tacit_core::backend::{Backend, Kernels};
use tacit_core::ckks::{Ciphertext, Ckks, Encoding, Scale};
use tacit_core::params::Params;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey, rotation_element};
use tacit_core::wire::Wire;

/// Degree, ciphertext primes and special primes by size.
const SETS: [(usize, &[u32], &[u32]); 2] =
    [(8192, &[50, 40, 40], &[50]), (16384, &[50, 40, 40, 40, 40, 40, 40, 40], &[50])];

/// A fold by four.
const STEPS: [isize; 3] = [1, 2, 3];

fn params(set: usize, kernels: Kernels) -> Params {
    let (degree, ciphertext, special) = SETS[set];
    let builder = Params::builder(degree).ciphertext_bits(ciphertext).special_bits(special);
    builder.kernels(kernels).build().unwrap()
}

fn operations(c: &mut Criterion) {
    for (set, kernels) in (0..SETS.len()).flat_map(|set| Kernels::available().map(move |k| (set, k))) {
        let params = params(set, kernels);
        let (n, level) = (params.degree(), params.max_level());
        let ckks = Ckks::new(&params);
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let secret = SecretKey::generate(&params, &mut rng);
        let mut request = KeyRequest::default();
        request.need_relin(level);
        STEPS.iter().for_each(|&steps| request.need_galois(rotation_element(n, steps), level));
        let keys = EvaluationKeys::generate(&secret, &request, &mut rng).unwrap();

        let encoding = Encoding { level, scale: Scale::from_bits(40).unwrap(), bound: 1.0 };
        let values: Vec<f64> = (0..n / 2).map(|i| (i % 255) as f64 / 255.0).collect();
        let plaintext = ckks.encode(&values, &encoding).unwrap();
        let seeded = ckks.encrypt(&secret, &plaintext, &mut rng).unwrap();
        let x = ckks.expand(&seeded);
        let low = ckks.drop_to(&x, 1).unwrap();
        let product = ckks.mul_plain(&x, &plaintext).unwrap();
        let square = ckks.square(&x).unwrap();
        let square_two = ckks.relinearise(&square, &keys).unwrap();
        let bytes = x.to_bytes(&params);

        let mut group = c.benchmark_group("ckks");
        let mut bench = |op: &str, run: &mut dyn FnMut()| {
            let id = BenchmarkId::new(op, format!("{n}/{level}/{}", kernels.name()));
            group.bench_function(id, |bencher| bencher.iter(&mut *run));
        };
        bench("encode", &mut || drop(ckks.encode(&values, &encoding)));
        bench("encrypt", &mut || drop(ckks.encrypt(&secret, &plaintext, &mut rng)));
        bench("expand", &mut || drop(ckks.expand(&seeded)));
        bench("decrypt", &mut || drop(ckks.decrypt(&secret, &x)));
        bench("decrypt_low", &mut || drop(ckks.decrypt(&secret, &low)));
        bench("add", &mut || drop(ckks.add(&x, &x)));
        bench("add_plain", &mut || drop(ckks.add_plain(&x, &plaintext)));
        bench("mul_plain", &mut || drop(ckks.mul_plain(&x, &plaintext)));
        bench("dot_plain_16", &mut || drop(ckks.dot_plain(&[&x; 16], &[&plaintext; 16])));
        bench("multiply", &mut || drop(ckks.multiply(&x, &x)));
        bench("square", &mut || drop(ckks.square(&x)));
        bench("relinearise", &mut || drop(ckks.relinearise(&square, &keys)));
        bench("rescale", &mut || drop(ckks.rescale(&product)));
        bench("rotate", &mut || drop(ckks.rotate(&x, 1, &keys)));
        bench("to_bytes", &mut || drop(x.to_bytes(&params)));
        bench("from_bytes", &mut || drop(Ciphertext::from_bytes(&params, &bytes)));
        let (mut out, mut scratch) = (ckks.zero(level), Scratch::new());
        let mut product = ckks.zero(level);
        bench("multiply_relinearise_then_rescale", &mut || {
            ckks.multiply_relinearise_into(&x, &x, &keys, &mut product, &mut scratch).unwrap();
            ckks.rescale_into(&product, &mut out, &mut scratch).unwrap();
        });
        bench("multiply_relinearise_rescale", &mut || {
            ckks.multiply_relinearise_rescale_into(&x, &x, &keys, &mut out, &mut scratch).unwrap();
        });
        let fold = [(&x, &[0, 1, 2, 3][..])];
        bench("sum_rotated_4", &mut || ckks.sum_rotated_into(&fold, &keys, &mut out, &mut scratch).unwrap());
        bench("sum_rotated_rescale_4", &mut || {
            ckks.sum_rotated_rescale_into(&[(&square_two, &[0, 1, 2, 3])], &keys, &mut out, &mut scratch).unwrap();
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = operations
}
criterion_main!(benches);
