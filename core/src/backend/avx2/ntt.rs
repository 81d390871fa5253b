//! The transforms.
//!
//! Values are words in `[0, q)` before the first and after the last pass, and doubles, as bits in the same memory, between.
//! Bounds are counted in thirds of `q`.

mod forward;
mod inverse;

use core::arch::x86_64::*;

use super::field::{doubles, load, store};
use crate::modulus::Modulus;
pub(super) use forward::forward;
pub(super) use inverse::inverse;

/// Four values.
type Vector = [u64; 4];
/// Four blocks of four vectors, whose last or first four levels run together.
type Tile = [Vector; 16];

/// How many thirds of `q` are at most `2^52`, which bounds the operand of a product: twelve or more.
#[allow(clippy::integer_division_remainder_used, reason = "the modulus is public")]
const fn thirds(modulus: &Modulus) -> u64 {
    (3 << 52) / modulus.value()
}

/// Four parts of equal length.
fn quarters(vectors: &mut [Vector]) -> [&mut [Vector]; 4] {
    let quarter = vectors.len() >> 2;
    let (low, high) = vectors.split_at_mut(2 * quarter);
    let ((s0, s1), (s2, s3)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    [s0, s1, s2, s3]
}

/// Vectors of doubles, or with `WORDS` of words that become doubles.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn take<const WORDS: bool, const N: usize>(xs: [&Vector; N]) -> [__m256d; N] {
    xs.map(|x| if WORDS { doubles(load(x)) } else { _mm256_castsi256_pd(load(x)) })
}

/// Keeps doubles as their bits.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn keep<const N: usize>(xs: [&mut Vector; N], values: [__m256d; N]) {
    for (x, value) in xs.into_iter().zip(values) {
        store(x, _mm256_castpd_si256(value));
    }
}

/// Rows ↔ columns of a 4×4 matrix: neighbours, then pairs of them, change places.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn transpose(v: [__m256d; 4]) -> [__m256d; 4] {
    let [v0, v1, v2, v3] = v;
    let (a0, a1) = (_mm256_unpacklo_pd(v0, v1), _mm256_unpackhi_pd(v0, v1));
    let (a2, a3) = (_mm256_unpacklo_pd(v2, v3), _mm256_unpackhi_pd(v2, v3));
    let low = |x, y| _mm256_permute2f128_pd::<0x20>(x, y);
    let high = |x, y| _mm256_permute2f128_pd::<0x31>(x, y);
    [low(a0, a2), low(a1, a3), high(a0, a2), high(a1, a3)]
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use crate::backend::avx2::Avx2;
    use crate::backend::{Backend, NttTables, Portable};
    use crate::modulus::Modulus;
    use crate::prime::{is_prime_vartime, next_ntt_prime_vartime};

    /// The primes on either side of each bound between classes, and the largest of all, with operands at the edges.
    #[test]
    fn transforms_agree_at_the_edges_of_each_class() {
        let Some(backend) = Avx2::detect() else { return };
        for degree in [64usize, 128, 4096, 8192, 65536] {
            let last_operand = 3 + 2 * (u64::from(degree.trailing_zeros()) - 1);
            let bounds = [1 << 50, 3 << 48, (3 << 52) / 14, (3 << 52) / last_operand, (1 << 52) / degree as u64];
            for bound in bounds {
                let step = 2 * degree as u64;
                let below = (1..).map(|i| (bound / step - i) * step + 1).find(|&q| is_prime_vartime(q)).unwrap();
                for prime in [below, next_ntt_prime_vartime(bound, degree).unwrap()] {
                    check(backend, prime, degree);
                }
            }
        }
    }

    fn check(backend: Avx2, prime: u64, degree: usize) {
        let q = Modulus::new(prime).unwrap();
        let tables = NttTables::new(q, degree).unwrap();
        let words = 0..degree as u64;
        let patterns: [Vec<u64>; 5] = [
            vec![prime - 1; degree],
            vec![prime / 2; degree],
            words.clone().map(|i| (prime - 1) * (i & 1)).collect(),
            words.clone().map(|i| (prime - 1) * (i >> 4 & 1)).collect(),
            words.map(|i| q.reduce(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect(),
        ];
        for xs in patterns {
            for transform in [Run::Forward, Run::Inverse] {
                let [mut ours, mut expected] = [xs.clone(), xs.clone()];
                transform.run(backend, &tables, &mut ours);
                transform.run(Portable, &tables, &mut expected);
                assert!(ours == expected, "{transform:?}, n = {degree}, q = {prime}");
            }
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Run {
        Forward,
        Inverse,
    }

    impl Run {
        fn run<B: Backend>(self, backend: B, tables: &NttTables, xs: &mut [u64]) {
            match self {
                Self::Forward => backend.ntt_forward(tables, xs),
                Self::Inverse => backend.ntt_inverse(tables, xs),
            }
        }
    }
}
