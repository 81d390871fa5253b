//! Forward and inverse transforms of one limb, for every backend of the machine. Ids are `op/n/limbs/backend`; the size of
//! the prime is part of the operation, because backends have size classes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "benches")]

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;
use tacit_core::ntt::NttPlan;
use tacit_core::prime::ntt_primes_vartime;

fn transforms(c: &mut Criterion) {
    for (bits, n) in [31, 46, 50, 60].into_iter().flat_map(|bits| [1024, 4096, 8192, 16384, 65536].map(|n| (bits, n))) {
        let q = Modulus::new(ntt_primes_vartime(bits, n, 1, &[]).unwrap()[0]).unwrap();
        let plan = NttPlan::new(q, n).unwrap();
        let mut xs: Vec<u64> = (0..n as u64).map(|i| q.reduce(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let mut group = c.benchmark_group("ntt");
        group.throughput(Throughput::Elements(n as u64));
        for kernels in Kernels::available() {
            let id = |op: &str| BenchmarkId::new(format!("{op}{bits}"), format!("{n}/1/{}", kernels.name()));
            group.bench_function(id("forward"), |b| b.iter(|| plan.forward(kernels, black_box(&mut xs))));
            group.bench_function(id("inverse"), |b| b.iter(|| plan.inverse(kernels, black_box(&mut xs))));
        }
        group.finish();
    }
}

criterion_group!(benches, transforms);
criterion_main!(benches);
