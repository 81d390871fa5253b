//! BFV at 128-bit security, one plaintext modulus, for every backend of the machine. Ids are `op/n/limbs/backend`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "benches")]

use chacha20::ChaCha20Rng;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_core::SeedableRng;
use tacit_core::backend::{Backend, Kernels};
use tacit_core::bfv::{Bfv, Ciphertext};
use tacit_core::params::Params;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, SecretKey, rotation_element};
use tacit_core::wire::Wire;

/// Degree, ciphertext primes and special primes by size.
const SETS: [(usize, &[u32], &[u32]); 3] =
    [(4096, &[36, 36], &[34]), (8192, &[54, 53, 53], &[54]), (16384, &[49, 49, 49, 49, 49, 49], &[50, 50])];

fn params(set: usize, kernels: Kernels) -> Params {
    let (degree, ciphertext, special) = SETS[set];
    let builder = Params::builder(degree).ciphertext_bits(ciphertext).special_bits(special).plain_bits(&[20]);
    builder.kernels(kernels).build().unwrap()
}

fn operations(c: &mut Criterion) {
    for (set, kernels) in (0..SETS.len()).flat_map(|set| Kernels::available().map(move |k| (set, k))) {
        let params = params(set, kernels);
        let (n, level) = (params.degree(), params.max_level());
        let bfv = Bfv::new(&params).unwrap();
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let secret = SecretKey::generate(&params, &mut rng);
        let mut request = KeyRequest::default();
        request.need_relin(level);
        request.need_galois(rotation_element(n, 1), level);
        let keys = EvaluationKeys::generate(&secret, &request, &mut rng).unwrap();

        let values: Vec<i128> = (0..n as i128).map(|i| i % 255 - 127).collect();
        let plaintext = bfv.encode(&values).unwrap();
        let (factor, addend) = (bfv.multiplicand(&plaintext, level).unwrap(), bfv.addend(&plaintext, level).unwrap());
        let x = bfv.expand(&bfv.encrypt(&secret, &plaintext, &mut rng).unwrap());
        let square = bfv.square(&x).unwrap();
        let bytes = x.to_bytes(&params);

        let mut group = c.benchmark_group("bfv");
        let mut bench = |op: &str, run: &mut dyn FnMut()| {
            let id = BenchmarkId::new(op, format!("{n}/{level}/{}", kernels.name()));
            group.bench_function(id, |bencher| bencher.iter(&mut *run));
        };
        bench("encode", &mut || drop(bfv.encode(&values)));
        bench("encrypt", &mut || drop(bfv.encrypt(&secret, &plaintext, &mut rng)));
        bench("decrypt", &mut || drop(bfv.decrypt(&secret, &x)));
        bench("multiplicand", &mut || drop(bfv.multiplicand(&plaintext, level)));
        bench("add", &mut || drop(bfv.add(&x, &x)));
        bench("add_plain", &mut || drop(bfv.add_plain(&x, &addend)));
        bench("mul_plain", &mut || drop(bfv.mul_plain(&x, &factor)));
        bench("multiply", &mut || drop(bfv.multiply(&x, &x)));
        bench("square", &mut || drop(bfv.square(&x)));
        bench("relinearise", &mut || drop(bfv.relinearise(&square, &keys)));
        bench("rotate", &mut || drop(bfv.rotate_rows(&x, 1, &keys)));
        bench("switch_down", &mut || drop(bfv.switch_to(&x, level - 1)));
        bench("to_bytes", &mut || drop(x.to_bytes(&params)));
        bench("from_bytes", &mut || drop(Ciphertext::from_bytes(&params, &bytes)));
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
