//! Kernels in safe Rust, for every machine. Written so that the compiler can drop bounds checks and unroll.
//!
//! In scalar words, on purpose: products of 64 bits, which all this is made of, have no vector form on baseline targets.

use super::{Backend, MAX_TERMS, NttTables, sealed};
use crate::ct::reduce_once;
use crate::modulus::{Modulus, Reciprocal, Shoup};

/// The portable backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portable;

impl sealed::Sealed for Portable {}

impl Backend for Portable {
    fn name(self) -> &'static str {
        "portable"
    }

    fn ntt_forward(self, tables: &NttTables, xs: &mut [u64]) {
        assert_eq!(xs.len(), tables.degree());
        let q = tables.modulus().value();
        debug_assert!(xs.iter().all(|&x| x < q));
        let roots = tables.roots();
        let mut blocks = 1;
        let mut len = xs.len();
        if len.trailing_zeros() & 1 == 1 {
            let (lows, highs) = xs.split_at_mut(len >> 1);
            for (x, y) in lows.iter_mut().zip(highs) {
                (*x, *y) = forward_butterfly(*x, *y, roots[1], q);
            }
            (blocks, len) = (2, len >> 1);
        }
        while len > 1 {
            let nodes = roots[blocks..].iter().zip(roots[2 * blocks..].as_chunks::<2>().0);
            for (block, (&w1, &[w2, w3])) in xs.chunks_exact_mut(len).zip(nodes) {
                forward_two_levels(block, w1, w2, w3, q);
            }
            (blocks, len) = (4 * blocks, len >> 2);
        }
        for x in xs {
            *x = reduce_once(reduce_once(*x, 2 * q), q);
        }
    }

    fn ntt_inverse(self, tables: &NttTables, xs: &mut [u64]) {
        assert_eq!(xs.len(), tables.degree());
        let q = tables.modulus().value();
        debug_assert!(xs.iter().all(|&x| x < q));
        let roots = tables.inverse_roots();
        let mut len = 1;
        while 4 * len < xs.len() {
            len <<= 2;
            let blocks = xs.len() >> len.trailing_zeros();
            let nodes = roots[blocks..].iter().zip(roots[2 * blocks..].as_chunks::<2>().0);
            for (block, (&w1, &[w2, w3])) in xs.chunks_exact_mut(len).zip(nodes) {
                inverse_two_levels(block, w1, w2, w3, q);
            }
        }
        let half = xs.len() >> 1;
        if len < half {
            for (part, &w) in xs.chunks_exact_mut(half).zip(&roots[2..]) {
                let (lows, highs) = part.split_at_mut(half >> 1);
                for (x, y) in lows.iter_mut().zip(highs) {
                    (*x, *y) = inverse_butterfly(*x, *y, w, q);
                }
            }
        }
        // The last level carries the factor 1/n; it also reduces to [0, q).
        let (scale, scaled_root) = tables.last_inverse_level();
        let (lows, highs) = xs.split_at_mut(half);
        for (x, y) in lows.iter_mut().zip(highs) {
            let (sum, difference) = (*x + *y, *x + 2 * q - *y);
            *x = scale.mul(sum, q);
            *y = scaled_root.mul(difference, q);
        }
    }

    fn add(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        each_pair(a, b, |x, y| q.add(x, y));
    }

    fn sub(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        each_pair(a, b, |x, y| q.sub(x, y));
    }

    fn neg(self, q: &Modulus, a: &mut [u64]) {
        for x in a {
            *x = q.neg(*x);
        }
    }

    fn mul(self, q: &Modulus, a: &mut [u64], b: &[u64]) {
        each_pair(a, b, |x, y| q.mul(x, y));
    }

    fn mul_add(self, q: &Modulus, acc: &mut [u64], a: &[u64], b: &[u64]) {
        assert!(acc.len() == a.len() && a.len() == b.len());
        for ((acc, &x), &y) in acc.iter_mut().zip(a).zip(b) {
            *acc = q.mul_add(x, y, *acc);
        }
    }

    fn mul_scalar(self, q: &Modulus, a: &mut [u64], w: Shoup) {
        for x in a {
            *x = w.mul(*x, q.value());
        }
    }

    fn dot(self, q: &Modulus, out: &mut [u64], terms: &[(&[u64], &[u64])]) {
        assert!(terms.len() <= MAX_TERMS);
        assert!(terms.iter().all(|(a, b)| a.len() == out.len() && b.len() == out.len()));
        for (i, out) in out.iter_mut().enumerate() {
            let sum = terms.iter().fold(0u128, |sum, (a, b)| sum + u128::from(a[i]) * u128::from(b[i]));
            *out = q.reduce_wide(sum);
        }
    }

    fn combine(self, q: &Modulus, out: &mut [u64], terms: &[&[u64]], weights: &[u64], bits: u32) {
        assert!(terms.len() <= MAX_TERMS && terms.len() == weights.len());
        assert!(bits <= Modulus::MAX_BITS && weights.iter().all(|w| w >> bits == 0));
        assert!(terms.iter().all(|a| a.len() == out.len()));
        for (i, out) in out.iter_mut().enumerate() {
            let sum = terms.iter().zip(weights).fold(0u128, |sum, (a, &w)| sum + u128::from(a[i]) * u128::from(w));
            *out = q.reduce_wide(sum);
        }
    }

    fn round_quotients(self, out: &mut [u64], terms: &[&[u64]], reciprocals: &[Reciprocal]) {
        assert!(terms.len() <= MAX_TERMS && terms.len() == reciprocals.len());
        assert!(terms.iter().all(|a| a.len() == out.len()));
        const HALF: u128 = 1 << 63;
        for (i, out) in out.iter_mut().enumerate() {
            let fractions = terms.iter().zip(reciprocals).map(|(a, r)| u128::from(r.fraction(a[i])));
            *out = (fractions.fold(HALF, |sum, fraction| sum + fraction) >> 64) as u64;
        }
    }

    fn permute(self, out: &mut [u64], xs: &[u64], indices: &[u32]) {
        assert!(out.len() == indices.len() && xs.len() == indices.len());
        for (out, &i) in out.iter_mut().zip(indices) {
            *out = xs[i as usize];
        }
    }
}

/// Two levels on one block, so that values pass through memory once for both; `[0, 4q) → [0, 4q)`.
#[inline(always)]
fn forward_two_levels(block: &mut [u64], w1: Shoup, w2: Shoup, w3: Shoup, q: u64) {
    for [a, b, c, d] in quarters(block) {
        let (a0, c0) = forward_butterfly(*a, *c, w1, q);
        let (b0, d0) = forward_butterfly(*b, *d, w1, q);
        (*a, *b) = forward_butterfly(a0, b0, w2, q);
        (*c, *d) = forward_butterfly(c0, d0, w3, q);
    }
}

/// Two levels on one block; `[0, 2q) → [0, 2q)`.
#[inline(always)]
fn inverse_two_levels(block: &mut [u64], w1: Shoup, w2: Shoup, w3: Shoup, q: u64) {
    for [a, b, c, d] in quarters(block) {
        let (a0, b0) = inverse_butterfly(*a, *b, w2, q);
        let (c0, d0) = inverse_butterfly(*c, *d, w3, q);
        (*a, *c) = inverse_butterfly(a0, c0, w1, q);
        (*b, *d) = inverse_butterfly(b0, d0, w1, q);
    }
}

/// The values that stand at the same place of each quarter.
#[inline(always)]
fn quarters(block: &mut [u64]) -> impl Iterator<Item = [&mut u64; 4]> {
    let (low, high) = block.split_at_mut(block.len() >> 1);
    let ((a, b), (c, d)) = (low.split_at_mut(low.len() >> 1), high.split_at_mut(high.len() >> 1));
    a.iter_mut().zip(b).zip(c).zip(d).map(|(((a, b), c), d)| [a, b, c, d])
}

/// `(x + w·y, x - w·y)`; `[0, 4q)² → [0, 4q)²` (Harvey 2014, algorithm 4).
///
/// `x` is brought to `[0, 2q)`, `w·y` is lazy in `[0, 2q)`, and `2q` keeps the difference positive.
#[inline(always)]
pub(super) fn forward_butterfly(x: u64, y: u64, w: Shoup, q: u64) -> (u64, u64) {
    let x = reduce_once(x, 2 * q);
    let t = w.mul_lazy(y, q);
    (x + t, x + 2 * q - t)
}

/// `(x + y, w·(x - y))`; `[0, 2q)² → [0, 2q)²` (Harvey 2014, algorithm 3).
#[inline(always)]
pub(super) fn inverse_butterfly(x: u64, y: u64, w: Shoup, q: u64) -> (u64, u64) {
    (reduce_once(x + y, 2 * q), w.mul_lazy(x + 2 * q - y, q))
}

#[inline(always)]
fn each_pair(a: &mut [u64], b: &[u64], f: impl Fn(u64, u64) -> u64) {
    assert_eq!(a.len(), b.len());
    for (x, &y) in a.iter_mut().zip(b) {
        *x = f(*x, y);
    }
}
