//! Sampling: uniform, ternary and centred binomial.
//!
//! Secret samplers consume a fixed number of bytes per coefficient and have no branch or address that depends on a
//! sample. Uniform residues are public and drawn by rejection. Randomness is always an argument; what is derived from a
//! seed carries a [`Label`], so that no two uses of one seed read the same stream.

use alloc::boxed::Box;
use alloc::vec;

use chacha20::ChaCha20Rng;
use rand_core::{CryptoRng, Rng, SeedableRng};
use zeroize::Zeroizing;

use crate::ct::barrier;
use crate::poly::{Eval, Poly, Ring};

/// The centred binomial parameter: the sum of 21 coin differences has variance `21/2 = 10.5`, above `3.19² = 10.18`.
pub const BINOMIAL_COINS: u32 = 21;

/// Variance of a noise coefficient.
pub const NOISE_VARIANCE: f64 = BINOMIAL_COINS as f64 / 2.0;

/// Variance of a uniform ternary coefficient.
pub const TERNARY_VARIANCE: f64 = 2.0 / 3.0;

/// A public seed for uniform polynomials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; Seed::BYTES]);

impl Seed {
    /// Length of a seed.
    pub const BYTES: usize = 32;

    /// A fresh seed.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; Self::BYTES];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

/// What a stream derived from a seed is used for: the upper byte of ChaCha20's 64-bit stream number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The uniform half of a seeded ciphertext, by plaintext modulus.
    Ciphertext {
        /// Index of the plaintext modulus.
        stream: u8,
    },
    /// The uniform half of a public key.
    PublicKey,
    /// The uniform half of a key-switching key, by digit.
    KeySwitch {
        /// The Galois element, or 0 for relinearisation.
        element: u32,
        /// The digit.
        digit: u8,
    },
}

impl Label {
    const fn stream(self) -> u64 {
        match self {
            Self::Ciphertext { stream } => 1 << 56 | stream as u64,
            Self::PublicKey => 2 << 56,
            Self::KeySwitch { element, digit } => 3 << 56 | (element as u64) << 8 | digit as u64,
        }
    }
}

/// A uniform polynomial from a seed: the same on every machine. Variable time; the result is public.
#[must_use]
pub fn uniform_vartime(ring: &Ring, seed: &Seed, label: Label) -> Poly<Eval> {
    let mut rng = ChaCha20Rng::from_seed(seed.0);
    rng.set_stream(label.stream());
    let mut poly: Poly<Eval> = ring.zero();
    for (limb, q) in poly.limbs_mut().zip(ring.moduli()) {
        let mask = u64::MAX >> (u64::BITS - q.bits());
        for residue in limb {
            *residue = loop {
                let candidate = rng.next_u64() & mask;
                if candidate < q.value() {
                    break candidate;
                }
            };
        }
    }
    poly
}

/// `n` secret coefficients, uniform in `{-1, 0, 1}` up to a bias below `2^-62`. Consumes `8n` bytes. Constant time.
///
/// `floor(3r / 2^64)` for a uniform 64-bit `r` takes each value `2^64/3` times, rounded up or down.
#[must_use]
pub fn ternary(degree: usize, rng: &mut impl CryptoRng) -> Zeroizing<Box<[i8]>> {
    small(degree, rng, |word| ((u128::from(word) * 3) >> 64) as i8 - 1)
}

/// `n` secret noise coefficients in `[-21, 21]`, centred binomial. Consumes `8n` bytes. Constant time.
#[must_use]
pub fn noise(degree: usize, rng: &mut impl CryptoRng) -> Zeroizing<Box<[i8]>> {
    const COINS: u64 = (1 << BINOMIAL_COINS) - 1;
    small(degree, rng, |word| {
        ((word & COINS).count_ones() as i8).wrapping_sub(((word >> BINOMIAL_COINS) & COINS).count_ones() as i8)
    })
}

fn small(degree: usize, rng: &mut impl CryptoRng, map: impl Fn(u64) -> i8) -> Zeroizing<Box<[i8]>> {
    let mut out = Zeroizing::new(vec![0i8; degree].into_boxed_slice());
    const WORDS: usize = 64;
    let mut block = Zeroizing::new([0u8; WORDS * size_of::<u64>()]);
    for chunk in out.chunks_mut(WORDS) {
        let bytes = &mut block[..chunk.len() * size_of::<u64>()];
        rng.fill_bytes(bytes);
        for (x, word) in chunk.iter_mut().zip(bytes.as_chunks().0) {
            *x = map(barrier(u64::from_le_bytes(*word)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Kernels;
    use crate::modulus::Modulus;
    use alloc::vec::Vec;

    const N: usize = 1 << 16;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([7; 32])
    }

    /// Pearson's statistic against expected counts.
    fn chi_square(counts: &[f64], expected: &[f64]) -> f64 {
        counts.iter().zip(expected).map(|(c, e)| (c - e) * (c - e) / e).sum()
    }

    #[test]
    fn ternary_is_uniform() {
        let xs = ternary(N, &mut rng());
        let counts = [-1, 0, 1].map(|v| xs.iter().filter(|&&x| x == v).count() as f64);
        assert_eq!(counts.iter().sum::<f64>() as usize, N);
        // Two degrees of freedom: 27.6 is passed once in a million.
        assert!(chi_square(&counts, &[N as f64 / 3.0; 3]) < 27.6, "{counts:?}");
    }

    #[test]
    fn noise_is_centred_binomial() {
        let xs = noise(N, &mut rng());
        assert!(xs.iter().all(|x| x.unsigned_abs() <= BINOMIAL_COINS as u8));
        let binomial = |k: i32| (0..k).fold(1.0, |b, i| b * f64::from(42 - i) / f64::from(i + 1)) / (1u64 << 42) as f64;
        let expected: Vec<f64> = (-9..=9).map(|v| binomial(v + 21) * N as f64).collect();
        let counts: Vec<f64> = (-9..=9).map(|v| xs.iter().filter(|&&x| i32::from(x) == v).count() as f64).collect();
        // Eighteen degrees of freedom: 63 is passed less than once in a million.
        assert!(chi_square(&counts, &expected) < 63.0);
        let variance = xs.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / N as f64;
        assert!((variance - NOISE_VARIANCE).abs() < 0.35, "{variance}");
    }

    #[test]
    fn uniform_is_canonical_uniform_and_labelled() {
        let q = crate::prime::ntt_primes_vartime(20, 1024, 2, &[]).unwrap();
        let ring = Ring::new(1024, &q, Kernels::detect()).unwrap();
        let seed = Seed::generate(&mut rng());
        let labels = [
            Label::Ciphertext { stream: 0 },
            Label::Ciphertext { stream: 1 },
            Label::PublicKey,
            Label::KeySwitch { element: 0, digit: 0 },
            Label::KeySwitch { element: 0, digit: 1 },
            Label::KeySwitch { element: 5, digit: 0 },
        ];
        let polys = labels.map(|label| uniform_vartime(&ring, &seed, label));
        for (i, poly) in polys.iter().enumerate() {
            assert!(polys[..i].iter().all(|other| other != poly));
            for (limb, q) in poly.limbs().zip(ring.moduli()) {
                assert!(limb.iter().all(|&x| x < q.value()));
            }
        }
        let mut counts = [0.0; 16];
        let width = ring.moduli()[0].value() / 16 + 1;
        for &x in polys.iter().flat_map(|poly| poly.limb(0)) {
            counts[(x / width) as usize] += 1.0;
        }
        assert!(chi_square(&counts, &[6.0 * 1024.0 / 16.0; 16]) < 58.0, "{counts:?}");
        assert_eq!(uniform_vartime(&ring, &seed, Label::PublicKey), polys[2]);
    }

    #[test]
    fn consumes_a_fixed_number_of_bytes() {
        let (mut a, mut b) = (rng(), rng());
        let _ = ternary(100, &mut a);
        let _ = noise(100, &mut b);
        let mut skipped = rng();
        skipped.fill_bytes(&mut [0; 800]);
        let next = skipped.next_u64();
        assert_eq!((a.next_u64(), b.next_u64()), (next, next));
    }

    #[test]
    fn moduli_below_two_words_are_masked() {
        assert_eq!(Modulus::new(65537).unwrap().bits(), 17);
    }
}
