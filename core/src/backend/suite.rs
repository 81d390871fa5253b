//! The one conformance suite, run against every backend.
//!
//! Each check compares a backend with arithmetic on single words, at the edges of each range and for each size class.

#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]
#![allow(clippy::integer_division_remainder_used, reason = "the oracle divides")]
#![allow(clippy::missing_panics_doc, reason = "a check fails by panicking")]

use alloc::vec;
use alloc::vec::Vec;

use super::{Backend, NttTables};
use crate::modulus::Modulus;
use crate::prime::{next_ntt_prime_vartime, ntt_primes_vartime};

/// Runs the whole suite.
pub fn check<B: Backend>(backend: B) {
    for modulus in moduli() {
        for n in [8, 64, 128, 256, 512, 1024] {
            pointwise(backend, &modulus, n);
            sums(backend, &modulus, n);
            quotients(backend, &modulus, n);
            transforms(backend, &modulus, n);
            switching(backend, &modulus, n);
        }
    }
}

/// NTT primes for degrees up to 1024, smallest and largest of each size.
pub(crate) fn moduli() -> Vec<Modulus> {
    [17, 30, 31, 32, 46, 48, 50, 51, 52, 59, 60]
        .into_iter()
        .flat_map(|bits| {
            let smallest = next_ntt_prime_vartime(1 << (bits - 1), 1024).unwrap();
            [smallest, ntt_primes_vartime(bits, 1024, 1, &[]).unwrap()[0]]
        })
        .map(|q| Modulus::new(q).unwrap())
        .collect()
}

/// Residues that begin with the edges of the range.
fn residues(modulus: &Modulus, n: usize, seed: u64) -> Vec<u64> {
    let q = modulus.value();
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        modulus.reduce(state ^ (state >> 29))
    };
    let edges = [0, q - 1, 1, q - 1, q >> 1];
    (0..n).map(|i| edges.get(i).copied().unwrap_or_else(&mut next)).collect()
}

fn pointwise<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let (a, b, c) = (residues(q, n, 1), residues(q, n, 2), residues(q, n, 3));
    let apply = |f: &dyn Fn(&mut [u64])| {
        let mut out = a.clone();
        f(&mut out);
        out
    };
    let expect = |f: &dyn Fn(usize) -> u64| (0..n).map(f).collect::<Vec<_>>();
    assert_eq!(apply(&|x| backend.add(q, x, &b)), expect(&|i| q.add(a[i], b[i])), "add");
    assert_eq!(apply(&|x| backend.sub(q, x, &b)), expect(&|i| q.sub(a[i], b[i])), "sub");
    assert_eq!(apply(&|x| backend.neg(q, x)), expect(&|i| q.neg(a[i])), "neg");
    assert_eq!(apply(&|x| backend.mul(q, x, &b)), expect(&|i| q.mul(a[i], b[i])), "mul");
    assert_eq!(apply(&|x| backend.mul_add(q, x, &b, &c)), expect(&|i| q.mul_add(b[i], c[i], a[i])), "mul_add");
    for w in [0, 1, q.value() - 1, q.value() >> 1] {
        assert_eq!(apply(&|x| backend.mul_scalar(q, x, q.shoup(w))), expect(&|i| q.mul(a[i], w)), "mul_scalar");
    }
    let reversed: Vec<u32> = (0..n as u32).rev().collect();
    assert_eq!(apply(&|x| backend.permute(x, &b, &reversed)), expect(&|i| b[n - 1 - i]), "permute");
}

fn sums<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let worst = vec![q.value() - 1; n];
    let mixed = residues(q, n, 4);
    for count in [0, 1, 2, 3, 4, 5, 6, super::MAX_TERMS] {
        let mut out = vec![1; n];
        let terms: Vec<(&[u64], &[u64])> =
            (0..count).map(|i| (&worst[..], if i == 0 { &mixed[..] } else { &worst })).collect();
        backend.dot(q, &mut out, &terms);
        let one = |i: usize| terms.iter().fold(0, |sum, (a, b)| q.add(sum, q.mul(a[i], b[i])));
        assert_eq!(out, (0..n).map(one).collect::<Vec<_>>(), "dot of {count}");

        for bits in [50, 52, Modulus::MAX_BITS] {
            combinations(backend, q, &mixed, count, bits);
        }
    }
}

/// The kernels of key switching, at lengths that no vector divides too.
fn switching<B: Backend>(backend: B, q: &Modulus, n: usize) {
    for n in [n, n - 3] {
        let (a, b, c) = (residues(q, n, 8), residues(q, n, 9), residues(q, n, 10));
        let expect = |f: &dyn Fn(usize) -> u64| (0..n).map(f).collect::<Vec<_>>();
        let write = |f: &dyn Fn(&mut [u64])| {
            let mut out = c.clone();
            f(&mut out);
            out
        };
        assert_eq!(write(&|x| backend.add_into(q, x, &a, &b)), expect(&|i| q.add(a[i], b[i])), "add_into");
        assert_eq!(write(&|x| backend.mul_into(q, x, &a, &b)), expect(&|i| q.mul(a[i], b[i])), "mul_into");
        for w in [0, 1, q.value() - 1, q.value() >> 1] {
            let s = q.shoup(w);
            assert_eq!(write(&|x| backend.scale_into(q, x, &a, s)), expect(&|i| q.mul(a[i], w)), "scale_into");
            assert_eq!(write(&|x| backend.scale_add(q, x, &a, s)), expect(&|i| q.mul_add(a[i], w, c[i])), "scale_add");
            assert_eq!(write(&|x| backend.divide(q, x, &a, s)), expect(&|i| q.mul(q.sub(a[i], c[i]), w)), "divide");
        }
        for from in moduli() {
            let mut xs = residues(&from, n, 11);
            let edges = [from.value() >> 1, (from.value() >> 1) + 1, from.value() - 1, 0, 1];
            xs.iter_mut().zip(edges).for_each(|(x, edge)| *x = edge);
            let lifted = expect(&|i| q.reduce_signed(i128::from(from.center(xs[i]))));
            assert_eq!(
                write(&|x| backend.lift_centred(q, x, &xs, &from)),
                lifted,
                "lift_centred from {}",
                from.value()
            );
        }
        pairs(backend, q, &[&a, &b, &c], n);
    }
    // Aligned eights in any order, each in any order.
    let blocks = n as u32 >> 3;
    let indices: Vec<u32> =
        (0..n as u32).map(|i| (((i >> 3) * 3 + 1) & (blocks - 1)) << 3 | ((i * 5 + (i >> 3)) & 7)).collect();
    let (xs, mut out) = (residues(q, n, 12), vec![1; n]);
    backend.permute_blocks(&mut out, &xs, &indices);
    assert_eq!(out, indices.iter().map(|&i| xs[i as usize]).collect::<Vec<_>>(), "permute_blocks");
}

/// Sums of the largest products, of every number of terms that has a loop of its own, and of more.
fn pairs<B: Backend>(backend: B, q: &Modulus, [a, b, c]: &[&[u64]; 3], n: usize) {
    let worst = vec![q.value() - 1; n];
    for count in [0, 1, 2, 3, 4, 5, 15, 16, super::MAX_TERMS] {
        let term = |j: usize| -> super::PairTerm<'_> { if j == 0 { (a, [b, c]) } else { (&worst, [&worst, a]) } };
        let terms: Vec<_> = (0..count).map(term).collect();
        let (mut first, mut second) = (vec![1; n], vec![1; n]);
        backend.dot_pair(q, [&mut first, &mut second], &terms);
        for (half, out) in [first, second].iter().enumerate() {
            let one = |i: usize| terms.iter().fold(0, |sum, (x, ys)| q.mul_add(x[i], ys[half][i], sum));
            assert_eq!(*out, (0..n).map(one).collect::<Vec<_>>(), "dot_pair of {count}, half {half}");
        }
    }
}

/// Weights and operands at the top of their range, beside residues.
fn combinations<B: Backend>(backend: B, q: &Modulus, mixed: &[u64], count: usize, bits: u32) {
    let largest = (1u64 << bits) - 1;
    let any_word = vec![largest; mixed.len()];
    let narrow: Vec<u64> = mixed.iter().map(|x| x & largest).collect();
    let terms: Vec<&[u64]> = (0..count).map(|i| if i == 0 { &narrow[..] } else { &any_word }).collect();
    let weights: Vec<u64> = (0..count as u64).map(|i| largest - i).collect();
    let mut out = vec![1; mixed.len()];
    backend.combine(q, &mut out, &terms, &weights, bits);
    let one = |i: usize| {
        let products = terms.iter().zip(&weights).map(|(a, &w)| q.mul(q.reduce(a[i]), q.reduce(w)));
        products.fold(0, |sum, x| q.add(sum, x))
    };
    assert_eq!(out, (0..mixed.len()).map(one).collect::<Vec<_>>(), "combine of {count} at {bits} bits");
}

/// Each term `a_i/q_i` beside its neighbours one half apart, against exact integers.
fn quotients<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let terms = [residues(q, n, 6), residues(q, n, 7), vec![q.value() - 1; n]];
    let slices: Vec<&[u64]> = terms.iter().map(Vec::as_slice).collect();
    let mut out = vec![0; n];
    backend.round_quotients(&mut out, &slices, &[q.reciprocal(); 3]);
    for (i, &rounded) in out.iter().enumerate() {
        let doubled_sum: u128 = terms.iter().map(|a| 2 * u128::from(a[i])).sum();
        let exact = (doubled_sum + u128::from(q.value())) / (2 * u128::from(q.value()));
        assert_eq!(u128::from(rounded), exact, "round_quotients");
    }
}

fn transforms<B: Backend>(backend: B, q: &Modulus, n: usize) {
    let tables = NttTables::new(*q, n).unwrap();
    for xs in [vec![0; n], vec![q.value() - 1; n], residues(q, n, 5)] {
        let mut evaluations = xs.clone();
        backend.ntt_forward(&tables, &mut evaluations);
        assert_eq!(evaluations, tables.evaluate_schoolbook(&xs), "forward transform, n = {n}");
        backend.ntt_inverse(&tables, &mut evaluations);
        assert_eq!(evaluations, xs, "inverse transform, n = {n}");
    }
}
