//! Base conversion and exact scaling, for every backend of the machine. Ids are `op/n/limbs/backend`, where the limbs are
//! those of the basis that is left; the size of the primes is part of the operation, because backends have size classes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "benches")]

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use num_bigint::BigUint;
use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;
use tacit_core::prime::ntt_primes_vartime;
use tacit_core::rns::{BaseConverter, RnsBasis, Scaler};

const N: usize = 8192;

/// As many residues modulo each modulus.
fn residues(moduli: &[Modulus]) -> Vec<u64> {
    let row = |q: &Modulus| (0..N as u64).map(|i| q.reduce(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect::<Vec<_>>();
    moduli.iter().flat_map(row).collect()
}

fn conversions(c: &mut Criterion) {
    // One prime and three to four others: what key switching and BFV multiplication do at this degree.
    for (bits, count) in [50, 60].into_iter().flat_map(|bits| [1, 3].map(|count| (bits, count))) {
        let moduli = ntt_primes_vartime(bits, N, count + 4, &[]).unwrap();
        let moduli: Vec<Modulus> = moduli.iter().map(|&q| Modulus::new(q).unwrap()).collect();
        let (from, to) = moduli.split_at(count);
        let basis = RnsBasis::new(from).unwrap();
        let converter = BaseConverter::new(&basis, to);
        let scaler = Scaler::try_new(&BigUint::from(65537u32), &basis, to).unwrap();
        let (low, high) = (residues(from), residues(to));
        let mut group = c.benchmark_group("rns");
        group.throughput(Throughput::Elements((N * to.len()) as u64));
        for kernels in Kernels::available() {
            let id = |op: &str| BenchmarkId::new(format!("{op}{bits}"), format!("{N}/{count}/{}", kernels.name()));
            let mut out = vec![0; N * to.len()];
            group.bench_function(id("convert"), |b| b.iter(|| converter.convert(kernels, black_box(&low), &mut out)));
            let (x, mut quotient) = (low.clone(), high.clone());
            group.bench_function(id("scale"), |b| {
                b.iter(|| {
                    scaler.remainder(kernels, black_box(&x), &mut out);
                    scaler.divide(kernels, &mut quotient, &mut out);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, conversions);
criterion_main!(benches);
