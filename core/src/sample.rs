//! Sampling: uniform, ternary and centred binomial.
//!
//! Secret samplers draw a seed from the generator and expand it themselves, one word per coefficient, without a branch or
//! address that depends on a sample. Uniform residues are public and picked from the words of a seed by rejection. Seeds are
//! expanded with ChaCha20; randomness is always an argument, and what is derived from a seed carries a [`Label`], so that no
//! two uses of one seed read the same stream.

use alloc::boxed::Box;
use alloc::vec;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::backend::{Backend, Kernels};
use crate::modulus::Modulus;
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
    /// Secret coefficients, from a seed that was drawn for them alone.
    Small,
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
            Self::Small => 4 << 56,
            Self::KeySwitch { element, digit } => 3 << 56 | (element as u64) << 8 | digit as u64,
        }
    }
}

/// A uniform polynomial from a seed: the same on every machine. Variable time; the result is public.
#[must_use]
pub fn uniform_vartime(ring: &Ring, seed: &Seed, label: Label) -> Poly<Eval> {
    let mut uniform = Uniform::new(ring.kernels(), seed, label);
    let mut poly: Poly<Eval> = ring.zero();
    for (limb, q) in poly.limbs_mut().zip(ring.moduli()) {
        uniform.fill_vartime(q, limb);
    }
    poly
}

/// The uniform residues of a seed and label, limb after limb: the words of the stream, least significant byte first, cut to
/// the bits of the modulus; those below the modulus count.
pub(crate) struct Uniform {
    words: Keystream,
}

impl Uniform {
    pub(crate) fn new(kernels: Kernels, seed: &Seed, label: Label) -> Self {
        Self { words: Keystream::new(kernels, Zeroizing::new(seed.0), label.stream()) }
    }

    /// The residues of the next limb. Variable time; they are public.
    pub(crate) fn fill_vartime(&mut self, q: &Modulus, limb: &mut [u64]) {
        let mut filled = 0;
        while filled < limb.len() {
            let kernels = self.words.kernels;
            let (read, written) = kernels.accept_vartime(q, self.words.ahead(), &mut limb[filled..]);
            self.words.skip(read);
            filled += written;
        }
    }
}

/// The words of a ChaCha20 stream. Wiped on drop.
struct Keystream {
    kernels: Kernels,
    key: Zeroizing<[u8; Seed::BYTES]>,
    stream: u64,
    /// The block behind the buffer.
    block: u64,
    buffer: Zeroizing<[u64; Self::WORDS]>,
    /// Words of the buffer that were read.
    read: usize,
}

impl Keystream {
    /// Words in the buffer: what backends make at a time, and little enough for the first cache.
    const WORDS: usize = Self::BLOCKS << 3;
    const BLOCKS: usize = 64;

    fn new(kernels: Kernels, key: Zeroizing<[u8; Seed::BYTES]>, stream: u64) -> Self {
        Self { kernels, key, stream, block: 0, buffer: Zeroizing::new([0; Self::WORDS]), read: Self::WORDS }
    }

    /// The next words, at least one.
    fn ahead(&mut self) -> &[u64] {
        if self.read == Self::WORDS {
            self.kernels.keystream(&self.key, self.stream, self.block, &mut *self.buffer);
            self.block += Self::BLOCKS as u64;
            self.read = 0;
        }
        &self.buffer[self.read..]
    }

    fn skip(&mut self, count: usize) {
        self.read += count;
    }
}

/// `n` secret coefficients, uniform in `{-1, 0, 1}` up to a bias below `2^-62`. Draws a seed of 32 bytes, from which a
/// word is expanded for each. Constant time.
///
/// `floor(3r / 2^64)` for a uniform 64-bit `r` takes each value `2^64/3` times, rounded up or down.
#[must_use]
pub fn ternary(kernels: Kernels, degree: usize, rng: &mut impl CryptoRng) -> Zeroizing<Box<[i8]>> {
    small(kernels, degree, rng, |out, words| {
        for (x, &word) in out.iter_mut().zip(words) {
            *x = ((u128::from(word) * 3) >> 64) as i8 - 1;
        }
    })
}

/// `n` secret noise coefficients in `[-21, 21]`, centred binomial. Draws a seed of 32 bytes, from which a word is expanded
/// for each. Constant time.
#[must_use]
pub fn noise(kernels: Kernels, degree: usize, rng: &mut impl CryptoRng) -> Zeroizing<Box<[i8]>> {
    small(kernels, degree, rng, |out, words| kernels.binomial(out, words))
}

fn small(
    kernels: Kernels,
    degree: usize,
    rng: &mut impl CryptoRng,
    map: impl Fn(&mut [i8], &[u64]),
) -> Zeroizing<Box<[i8]>> {
    let mut out = Zeroizing::new(vec![0i8; degree].into_boxed_slice());
    let mut key = Zeroizing::new([0; Seed::BYTES]);
    rng.fill_bytes(&mut *key);
    let mut words = Keystream::new(kernels, key, Label::Small.stream());
    for chunk in out.chunks_mut(Keystream::WORDS) {
        let count = chunk.len();
        map(chunk, &words.ahead()[..count]);
        words.skip(count);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use chacha20::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};

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
        let xs = ternary(Kernels::detect(), N, &mut rng());
        let counts = [-1, 0, 1].map(|v| xs.iter().filter(|&&x| x == v).count() as f64);
        assert_eq!(counts.iter().sum::<f64>() as usize, N);
        // Two degrees of freedom: 27.6 is passed once in a million.
        assert!(chi_square(&counts, &[N as f64 / 3.0; 3]) < 27.6, "{counts:?}");
    }

    #[test]
    fn noise_is_centred_binomial() {
        let xs = noise(Kernels::detect(), N, &mut rng());
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
    fn draws_one_seed_and_expands_it_by_label() {
        let (mut a, mut b, mut seed) = (rng(), rng(), [0; Seed::BYTES]);
        let (secret, error) = (ternary(Kernels::detect(), 1000, &mut a), noise(Kernels::detect(), 1000, &mut b));
        let mut drawn = rng();
        drawn.fill_bytes(&mut seed);
        let next = drawn.next_u64();
        assert_eq!((a.next_u64(), b.next_u64()), (next, next));

        let mut stream = ChaCha20Rng::from_seed(seed);
        stream.set_stream(Label::Small.stream());
        for (s, e) in secret.iter().zip(&*error) {
            let word = stream.next_u64();
            let coins = |word: u64| (word & 0x1f_ffff).count_ones() as i8;
            assert_eq!((i128::from(*s), *e), (i128::from(word) * 3 / (1 << 64) - 1, coins(word) - coins(word >> 21)));
        }
    }

    /// The words of all limbs come from one stream, through its ends of buffers.
    #[test]
    fn uniform_residues_are_the_words_below_the_modulus() {
        let primes = [17, 43, 60].map(|bits| crate::prime::ntt_primes_vartime(bits, 1024, 1, &[]).unwrap()[0]);
        let (seed, label) = (Seed([9; Seed::BYTES]), Label::Ciphertext { stream: 3 });
        let mut stream = ChaCha20Rng::from_seed(seed.0);
        stream.set_stream(label.stream());
        let mut residue = |q: u64| loop {
            let word = stream.next_u64() % (1 << (u64::BITS - q.leading_zeros()));
            if word < q {
                break word;
            }
        };
        let expected: Vec<u64> = primes.into_iter().flat_map(|q| [q; 1024]).map(&mut residue).collect();
        for kernels in Kernels::available() {
            let ring = Ring::new(1024, &primes, kernels).unwrap();
            assert_eq!(uniform_vartime(&ring, &seed, label).residues(), expected);
        }
    }

    #[test]
    fn moduli_below_two_words_are_masked() {
        assert_eq!(Modulus::new(65537).unwrap().bits(), 17);
    }
}
