//! Slice kernels modulo one prime, for every backend of the machine. Ids are `op/n/limbs/backend`, with one limb; the size
//! of the prime is part of the operation, because backends have size classes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "benches")]

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;
use tacit_core::prime::ntt_primes_vartime;

const N: usize = 4096;

fn modulus(bits: u32) -> Modulus {
    Modulus::new(ntt_primes_vartime(bits, N, 1, &[]).unwrap()[0]).unwrap()
}

fn residues(q: &Modulus, seed: u64) -> Vec<u64> {
    (0..N as u64).map(|i| q.reduce((i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

fn kernels(c: &mut Criterion) {
    for (bits, backend) in [31, 50, 60].into_iter().flat_map(|bits| Kernels::available().map(move |k| (bits, k))) {
        let q = modulus(bits);
        let (a, b) = (residues(&q, 1), residues(&q, 2));
        let factor = q.shoup(a[7]);
        let mut group = c.benchmark_group("modulus");
        group.throughput(Throughput::Elements(N as u64));
        let mut bench = |op: &str, run: &dyn Fn(&mut [u64])| {
            let mut out = a.clone();
            let id = BenchmarkId::new(format!("{op}{bits}"), format!("{N}/1/{}", backend.name()));
            group.bench_function(id, |bencher| bencher.iter(|| run(black_box(&mut out))));
        };
        bench("add", &|out| backend.add(&q, out, &b));
        bench("mul", &|out| backend.mul(&q, out, &b));
        bench("mul_add", &|out| backend.mul_add(&q, out, &a, &b));
        bench("mul_scalar", &|out| backend.mul_scalar(&q, out, factor));
        let terms: Vec<(&[u64], &[u64])> = vec![(&a, &b); 8];
        bench("dot8_", &|out| backend.dot(&q, out, &terms));
        let (slices, weights) = (vec![&a[..]; 8], b[..8].to_vec());
        bench("combine8_", &|out| backend.combine(&q, out, &slices, &weights, bits));
        group.finish();
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
