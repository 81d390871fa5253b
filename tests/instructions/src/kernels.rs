//! Slice kernels, transforms and base conversion, for primes of the 52-bit class and wider ones.

use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;
use tacit_core::ntt::NttPlan;
use tacit_core::prime::ntt_primes_vartime;
use tacit_core::rns::{BaseConverter, RnsBasis};

use crate::Count;

const N: usize = 1024;

pub fn run(kernels: Kernels, count: Count<'_>) {
    for bits in [50, 60] {
        let primes = ntt_primes_vartime(bits, N, 5, &[]).expect("enough primes");
        let moduli: Vec<Modulus> = primes.iter().map(|&q| Modulus::new(q).expect("a prime")).collect();
        slices(kernels, &moduli[0], count);
        let (from, to) = moduli.split_at(2);
        let converter = BaseConverter::new(&RnsBasis::new(from).expect("distinct primes"), to);
        let input: Vec<u64> = from.iter().flat_map(|q| residues(q, 3)).collect();
        let mut out = vec![0; N * to.len()];
        count(&format!("convert{bits}"), N, from.len(), &mut || converter.convert(kernels, &input, &mut out));
    }
}

fn residues(q: &Modulus, seed: u64) -> Vec<u64> {
    (0..N as u64).map(|i| q.reduce((i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

fn slices(kernels: Kernels, q: &Modulus, count: Count<'_>) {
    let plan = NttPlan::new(*q, N).expect("an NTT prime");
    let (a, mut out) = (residues(q, 1), residues(q, 2));
    let terms: Vec<(&[u64], &[u64])> = vec![(&a, &a); 8];
    let (columns, weights, factor) = (vec![&a[..]; 8], a[..8].to_vec(), q.shoup(a[0]));
    let indices: Vec<u32> = (0..N as u32).rev().collect();
    let mut count = |op: &str, run: &mut dyn FnMut()| count(&format!("{op}{}", q.bits()), N, 1, run);
    count("forward", &mut || plan.forward(kernels, &mut out));
    count("inverse", &mut || plan.inverse(kernels, &mut out));
    count("add", &mut || kernels.add(q, &mut out, &a));
    count("mul", &mut || kernels.mul(q, &mut out, &a));
    count("mul_add", &mut || kernels.mul_add(q, &mut out, &a, &a));
    count("mul_scalar", &mut || kernels.mul_scalar(q, &mut out, factor));
    count("dot8_", &mut || kernels.dot(q, &mut out, &terms));
    count("combine8_", &mut || kernels.combine(q, &mut out, &columns, &weights, q.bits()));
    count("permute", &mut || kernels.permute(&mut out, &a, &indices));
}
