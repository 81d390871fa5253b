//! Every kernel, called alone. The functions of [`KERNELS`] are also where `tests/disassembly.rs` begins to read the
//! compiled code: all of them take the same four arguments, of which it knows what is secret behind each.

use core::hint::black_box;

use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::{Modulus, Reciprocal, Shoup};
use tacit_core::ntt::NttPlan;
use tacit_core::prime::ntt_primes_vartime;

use crate::memcheck::{hide, secrets};

/// Public: everything that is reachable from here.
pub struct Public {
    pub plan: NttPlan,
    pub q: Modulus,
    pub factor: Shoup,
    pub weights: Vec<u64>,
    pub bits: u32,
    pub reciprocals: Vec<Reciprocal>,
    pub indices: Vec<u32>,
}

/// Slices, whose lengths are public and whose words are secret. Nothing but slices: one lies every 16 bytes.
#[repr(C)]
pub struct Data<'a> {
    pub out: &'a mut [u64],
    pub a: &'a [u64],
    pub b: &'a [u64],
}

/// Slices of such slices.
#[repr(C)]
pub struct Sums<'a> {
    pub terms: &'a [&'a [u64]],
    pub pairs: &'a [(&'a [u64], &'a [u64])],
}

pub type Kernel = fn(Kernels, &Public, &mut Data<'_>, &Sums<'_>);

/// Each kernel of [`Backend`] under its name.
pub const KERNELS: &[(&str, Kernel)] = &[
    ("ntt_forward", ntt_forward),
    ("ntt_inverse", ntt_inverse),
    ("add", add),
    ("sub", sub),
    ("neg", neg),
    ("mul", mul),
    ("mul_add", mul_add),
    ("mul_scalar", mul_scalar),
    ("dot", dot),
    ("combine", combine),
    ("round_quotients", round_quotients),
    ("permute", permute),
];

#[inline(never)]
fn ntt_forward(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.ntt_forward(public.plan.tables(), data.out);
}

#[inline(never)]
fn ntt_inverse(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.ntt_inverse(public.plan.tables(), data.out);
}

#[inline(never)]
fn add(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.add(&public.q, data.out, data.a);
}

#[inline(never)]
fn sub(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.sub(&public.q, data.out, data.a);
}

#[inline(never)]
fn neg(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.neg(&public.q, data.out);
}

#[inline(never)]
fn mul(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.mul(&public.q, data.out, data.a);
}

#[inline(never)]
fn mul_add(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.mul_add(&public.q, data.out, data.a, data.b);
}

#[inline(never)]
fn mul_scalar(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.mul_scalar(&public.q, data.out, public.factor);
}

#[inline(never)]
fn dot(kernels: Kernels, public: &Public, data: &mut Data<'_>, sums: &Sums<'_>) {
    kernels.dot(&public.q, data.out, sums.pairs);
}

#[inline(never)]
fn combine(kernels: Kernels, public: &Public, data: &mut Data<'_>, sums: &Sums<'_>) {
    kernels.combine(&public.q, data.out, sums.terms, &public.weights, public.bits);
}

#[inline(never)]
fn round_quotients(kernels: Kernels, public: &Public, data: &mut Data<'_>, sums: &Sums<'_>) {
    kernels.round_quotients(data.out, sums.terms, &public.reciprocals);
}

#[inline(never)]
fn permute(kernels: Kernels, public: &Public, data: &mut Data<'_>, _: &Sums<'_>) {
    kernels.permute(data.out, data.a, &public.indices);
}

const DEGREE: usize = 256;
const TERMS: usize = 3;

impl Public {
    /// For the largest prime of some size and slices of some length.
    pub fn new(bits: u32, degree: usize, len: usize) -> Self {
        let prime = ntt_primes_vartime(bits, degree, 1, &[]).expect("enough primes")[0];
        let q = Modulus::new(prime).expect("an odd prime");
        Self {
            plan: NttPlan::new(q, degree).expect("a degree and a prime"),
            q,
            factor: q.shoup(prime / 3),
            weights: vec![prime - 1; TERMS],
            bits,
            reciprocals: vec![q.reciprocal(); TERMS],
            indices: (0..len as u32).rev().collect(),
        }
    }

    /// Runs one kernel on operands that are residues.
    pub fn run(&self, kernels: Kernels, kernel: Kernel, out: &mut [u64], a: &[u64], b: &[u64]) {
        let sums = Sums { terms: &[a, b, a], pairs: &[(a, b), (b, b), (a, a)] };
        black_box(kernel)(kernels, self, &mut Data { out, a, b }, &sums);
    }
}

/// Every kernel on primes of every size, on whole vectors and on what is left beside them.
pub fn all(kernels: Kernels) {
    for bits in [17, 30, 31, 46, 50, 51, 60] {
        for len in [DEGREE, 13] {
            let public = Public::new(bits, DEGREE, len);
            let mut a = vec![public.q.value() - 1; len];
            hide(&mut a);
            for (name, kernel) in KERNELS.iter().filter(|(name, _)| len == DEGREE || !name.starts_with("ntt")) {
                let mut out = a.clone();
                public.run(kernels, *kernel, &mut out, &a, &a);
                assert_eq!(secrets(&out), len, "{name}: no secret went through");
            }
        }
    }
}
