//! Kernels in safe Rust, for every machine. Written so that the compiler can drop bounds checks and unroll.

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
        let mut half = xs.len() >> 1;
        while half > 0 {
            for (block, &w) in xs.chunks_exact_mut(2 * half).zip(&roots[blocks..]) {
                let (lows, highs) = block.split_at_mut(half);
                for (x, y) in lows.iter_mut().zip(highs) {
                    (*x, *y) = forward_butterfly(*x, *y, w, q);
                }
            }
            blocks <<= 1;
            half >>= 1;
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
        let mut blocks = xs.len() >> 1;
        let mut half = 1;
        while blocks > 1 {
            for (block, &w) in xs.chunks_exact_mut(2 * half).zip(&roots[blocks..]) {
                let (lows, highs) = block.split_at_mut(half);
                for (x, y) in lows.iter_mut().zip(highs) {
                    (*x, *y) = inverse_butterfly(*x, *y, w, q);
                }
            }
            blocks >>= 1;
            half <<= 1;
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
