//! Shapes, ranges and numbers of terms that the conformance suite does not reach.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::modulus::tests::EDGE_MODULI;
use crate::prime::{next_ntt_prime_vartime, ntt_primes_vartime};

fn moduli() -> impl Iterator<Item = Modulus> {
    EDGE_MODULI.into_iter().map(|q| Modulus::new(q).unwrap())
}

/// Products of every pair of operands with every factor: with lanes at the edges of words and of their halves.
#[target_feature(enable = "avx512f,avx512dq")]
fn check_products(modulus: &Modulus) {
    let (q, lanes) = (modulus.value(), Lanes::new(modulus));
    let half = u64::from(u32::MAX);
    let operands = [u64::MAX, u64::MAX - half, half, half + 1, q - 1, (4 * q).wrapping_sub(1), (16 * q) - 1, 0];
    for w in [0, 1, 2, q >> 1, (q >> 1) + 1, q - 2, q - 1].map(|w| w.min(q - 1)) {
        let mut out = [0; 8];
        store(&mut out, lanes.mul_lazy(load(&operands), splat_factor(modulus.shoup(w))));
        for (x, product) in operands.into_iter().zip(out) {
            assert!(product < 4 * q, "{w}·{x} mod {q}: {product}");
            assert_eq!(u128::from(product % q), u128::from(w) * u128::from(x) % u128::from(q), "{w}·{x} mod {q}");
        }
    }
}

#[test]
fn products_are_in_range_for_any_operand() {
    let Some(_) = Avx512::detect() else { return };
    for q in moduli() {
        // SAFETY: the features were detected.
        unsafe { check_products(&q) }
    }
}

/// Both parities of the number of levels, with and without recursion, for the smallest and the largest primes of their
/// sizes, forwards and backwards from operands that make sums grow.
#[test]
fn transforms_agree_with_the_portable_ones() {
    let Some(backend) = Avx512::detect() else { return };
    for n in [128usize, 256, 512, 1024, 2048, 4096, 8192] {
        for bits in [20, 50, 51, 59, 60] {
            let largest = ntt_primes_vartime(bits, n, 1, &[]).unwrap()[0];
            for prime in [largest, next_ntt_prime_vartime(1 << (bits - 1), n).unwrap()] {
                let tables = NttTables::new(Modulus::new(prime).unwrap(), n).unwrap();
                for xs in operands(prime, n) {
                    let [mut ours, mut expected, mut back, mut expected_back] = [(); 4].map(|()| xs.clone());
                    backend.ntt_forward(&tables, &mut ours);
                    Portable.ntt_forward(&tables, &mut expected);
                    assert_eq!(ours, expected, "forward, n = {n}, q = {prime}");
                    backend.ntt_inverse(&tables, &mut back);
                    Portable.ntt_inverse(&tables, &mut expected_back);
                    assert_eq!(back, expected_back, "inverse, n = {n}, q = {prime}");
                }
            }
        }
    }
}

fn operands(q: u64, n: usize) -> [Vec<u64>; 4] {
    let all = |f: &dyn Fn(usize) -> u64| (0..n).map(f).collect();
    [
        vec![q - 1; n],
        all(&|i| if i & 1 == 0 { q - 1 } else { 0 }),
        all(&|i| if i < n >> 1 { q - 1 } else { 1 }),
        all(&|i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % q),
    ]
}

/// Numbers of terms on either side of a reduction, with the largest operands and a few left over after the last vector.
#[test]
fn sums_agree_with_the_portable_ones() {
    let Some(backend) = Avx512::detect() else { return };
    const N: usize = 19;
    let top = (1u64 << 60) - 1;
    for q in moduli() {
        let mixed: Vec<u64> = (1..=N as u64).map(|i| q.reduce(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let (largest, word) = (vec![q.value() - 1; N], vec![top; N]);
        for count in [1, 14, 15, 16, 30, 31, 255] {
            let (mut ours, mut expected) = (vec![1; N], vec![2; N]);
            let terms: Vec<(&[u64], &[u64])> =
                (0..count).map(|i| (&largest[..], if i == 1 { &mixed[..] } else { &largest })).collect();
            backend.dot(&q, &mut ours, &terms);
            Portable.dot(&q, &mut expected, &terms);
            assert_eq!(ours, expected, "dot of {count}, q = {}", q.value());
            let terms: Vec<&[u64]> = (0..count).map(|i| if i == 1 { &mixed[..] } else { &word }).collect();
            let weights: Vec<u64> = (0..count as u64).map(|i| top - i).collect();
            backend.combine(&q, &mut ours, &terms, &weights, 60);
            Portable.combine(&q, &mut expected, &terms, &weights, 60);
            assert_eq!(ours, expected, "combine of {count}, q = {}", q.value());
        }
        let terms = [&largest[..], &mixed, &largest];
        let (mut ours, mut expected) = (vec![1; N], vec![2; N]);
        backend.round_quotients(&mut ours, &terms, &[q.reciprocal(); 3]);
        Portable.round_quotients(&mut expected, &terms, &[q.reciprocal(); 3]);
        assert_eq!(ours, expected, "round_quotients, q = {}", q.value());
    }
}

/// Every pair of eight operands at the edges, and a few left over.
#[test]
fn pointwise_products_agree_with_the_portable_ones() {
    let Some(backend) = Avx512::detect() else { return };
    for q in moduli() {
        let last = q.value() - 1;
        let edges = [0, 1, 2, last >> 1, (last >> 1) + 1, last - 1, last, (1 << 32) - 1].map(|x: u64| q.reduce(x));
        let (a, b): (Vec<u64>, Vec<u64>) =
            edges.iter().flat_map(|&x| edges.map(|y| (x, y))).chain([(last, last); 3]).unzip();
        let (mut ours, mut expected) = (a.clone(), a.clone());
        backend.mul(&q, &mut ours, &b);
        Portable.mul(&q, &mut expected, &b);
        assert_eq!(ours, expected, "mul, q = {}", q.value());
        backend.mul_add(&q, &mut ours, &a, &b);
        Portable.mul_add(&q, &mut expected, &a, &b);
        assert_eq!(ours, expected, "mul_add, q = {}", q.value());
        backend.mul_scalar(&q, &mut ours, q.shoup(last));
        Portable.mul_scalar(&q, &mut expected, q.shoup(last));
        assert_eq!(ours, expected, "mul_scalar, q = {}", q.value());
    }
}

/// A product that comes out just above `3q`: with the largest sum it would be beyond what is reduced at once.
#[test]
fn sums_with_the_largest_product_are_reduced() {
    let Some(backend) = Avx512::detect() else { return };
    let q = Modulus::new(48_952_169_866_241).unwrap();
    let last = [q.value() - 1; 8];
    let (mut ours, mut expected) = (last, last);
    backend.mul_add(&q, &mut ours, &last, &last);
    Portable.mul_add(&q, &mut expected, &last, &last);
    assert_eq!(ours, expected);
}
