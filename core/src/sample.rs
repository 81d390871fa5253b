//! Sampling: uniform, ternary and centred binomial.
//!
//! Secret samplers draw a seed from the generator and expand it themselves with ChaCha20, one word per coefficient, without
//! a branch or address that depends on a sample. Uniform residues are public and picked by rejection from the bits of a
//! public seed, with ChaCha8: all that is asked of them is that they have no structure. No attack on 8 rounds is published,
//! and the best on 7 are out of reach (Aumasson, *Too Much Crypto*, ePrint 2019/1492). Randomness is always an argument, and
//! what is derived from a seed carries a [`Label`], so that no two uses of one seed read the same stream.

use alloc::boxed::Box;
use alloc::vec;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::backend::{Backend, Kernels, Rounds};
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

/// What a stream derived from a seed is used for: the upper byte of ChaCha's 64-bit stream number.
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

    /// The stream of one limb: the byte below the upper one is its number.
    const fn limb(self, limb: u8) -> u64 {
        self.stream() | (limb as u64) << 48
    }
}

/// A uniform polynomial from a seed: the same on every machine. Variable time; the result is public.
///
/// Each limb has a stream of its own. Its bits, least significant first, are cut into words of as many bits as the modulus
/// has; those below the modulus count.
#[must_use]
pub fn uniform_vartime(ring: &Ring, seed: &Seed, label: Label) -> Poly<Eval> {
    let mut poly: Poly<Eval> = ring.zero();
    uniform_into_vartime(ring, seed, label, &mut poly);
    poly
}

/// As [`uniform_vartime`], into a polynomial that is there.
pub(crate) fn uniform_into_vartime(ring: &Ring, seed: &Seed, label: Label, poly: &mut Poly<Eval>) {
    for (i, (limb, q)) in poly.limbs_mut().zip(ring.moduli()).enumerate() {
        uniform_limb_vartime(ring.kernels(), q, (seed, label, i), limb);
    }
}

/// One limb of [`uniform_vartime`], by its number.
pub(crate) fn uniform_limb_vartime(
    kernels: Kernels,
    q: &Modulus,
    (seed, label, number): (&Seed, Label, usize),
    limb: &mut [u64],
) {
    let (mut buffer, stream, group) = ([0; CARRY + EXPANDED], label.limb(number as u8), q.bits() as usize);
    let (mut block, mut held, mut filled) = (0, 0, 0);
    while filled < limb.len() {
        // What is missing if all are accepted, behind what is left over.
        let missing = (limb.len() - filled).div_ceil(u64::BITS as usize) * group - held;
        let end = held + missing.next_multiple_of(STEP).min(EXPANDED);
        kernels.keystream(Rounds::Eight, &seed.0, stream, block, &mut buffer[held..end]);
        block += ((end - held) >> BLOCK.trailing_zeros()) as u64;
        let (read, written) = kernels.accept_vartime(q, &buffer[..end], &mut limb[filled..]);
        filled += written;
        buffer.copy_within(read..end, 0);
        held = end - read;
    }
}

/// Words of a block.
const BLOCK: usize = 8;
/// Words that are left over, at most: fewer than the largest modulus has bits.
const CARRY: usize = Modulus::MAX_BITS as usize;
/// Words expanded at a time: little enough for the first cache.
const EXPANDED: usize = 512;
/// So many or a multiple: what backends expand together.
const STEP: usize = 16 * BLOCK;

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
            self.kernels.keystream(Rounds::Twenty, &self.key, self.stream, self.block, &mut *self.buffer);
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
    use chacha20::{ChaCha8Rng, ChaCha20Rng};
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

    /// Bit by bit, through the ends of buffers, with primes of which hardly any word or almost half of them is refused.
    #[test]
    fn uniform_residues_are_the_packed_words_below_the_modulus() {
        let large = [17, 32, 43, 60].map(|bits| crate::prime::ntt_primes_vartime(bits, 1024, 1, &[]).unwrap()[0]);
        let small = [17, 43].map(|bits| crate::prime::next_ntt_prime_vartime(1 << (bits - 1), 1024).unwrap());
        let primes = [&large[..], &small].concat();
        let (seed, label) = (Seed([9; Seed::BYTES]), Label::Ciphertext { stream: 3 });
        let limb = |(i, &q): (usize, &u64)| {
            let mut stream = ChaCha8Rng::from_seed(seed.0);
            stream.set_stream(1 << 56 | (i as u64) << 48 | 3);
            let mut bytes = vec![0; 1024 * 64 / 8 * 4];
            stream.fill_bytes(&mut bytes);
            let bit = |at: usize| u64::from(bytes[at / 8] >> (at % 8) & 1);
            let bits = 64 - q.leading_zeros() as usize;
            let word = move |i: usize| (0..bits).fold(0, |word, k| word | bit(i * bits + k) << k);
            (0..).map(word).filter(|&word| word < q).take(1024).collect::<Vec<_>>()
        };
        let expected: Vec<_> = primes.iter().enumerate().flat_map(limb).collect();
        for kernels in Kernels::available() {
            let ring = Ring::new(1024, &primes, kernels).unwrap();
            assert_eq!(uniform_vartime(&ring, &seed, label).residues(), expected, "{}", kernels.name());
        }
    }

    #[test]
    fn moduli_below_two_words_are_masked() {
        assert_eq!(Modulus::new(65537).unwrap().bits(), 17);
    }
}
