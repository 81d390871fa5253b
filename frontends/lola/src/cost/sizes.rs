//! The work of single operations, by the sizes of parameters.

use tacit_core::params::Params;

use super::Calls;

/// Bits of the primes of the auxiliary basis of exact products, and by how many bits it exceeds the modulus at least: see
/// `tacit_core::bfv`.
const AUXILIARY_BITS: f64 = 50.0;
const MARGIN_BITS: f64 = 4.0;

/// What work depends on besides the plan: numbers and sizes of primes.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    degree: usize,
    /// `log2` of each ciphertext prime.
    ciphertext: Vec<f64>,
    /// `log2` of each special prime.
    special: Vec<f64>,
    /// Plaintext moduli; none for approximate values.
    plain: usize,
}

/// How key switching cuts a ciphertext part: into digits of `width` primes, against `special` special primes.
#[derive(Clone, Copy, PartialEq)]
struct Gadget {
    width: usize,
    special: usize,
}

impl From<&Params> for Sizes {
    fn from(params: &Params) -> Self {
        let primes = [params.ciphertext_primes(), params.special_primes()];
        Self::new(params.degree(), primes, params.plain_moduli().len())
    }
}

impl Sizes {
    /// Of a ring, its ciphertext and special primes, and so many plaintext moduli: none for approximate values.
    #[must_use]
    pub fn new(degree: usize, [ciphertext, special]: [&[u64]; 2], plain: usize) -> Self {
        let log2 = |primes: &[u64]| primes.iter().map(|&prime| (prime as f64).log2()).collect();
        Self { degree, ciphertext: log2(ciphertext), special: log2(special), plain }
    }

    /// The time of a transform of this degree, as a multiple of one of 8192 coefficients. By `n·log n` steps it would grow a
    /// little slower: larger rings leave the caches. Measured: 0.45 at 4096, 2.5 at 16384, 5 to 8 at 32768.
    #[must_use]
    pub fn relative(&self) -> f64 {
        (self.degree as f64 / 8192.0).powf(1.25)
    }

    /// The ring's degree.
    #[must_use]
    pub const fn degree(&self) -> usize {
        self.degree
    }

    /// Pairs of polynomials of a ciphertext: plaintext moduli, or 1.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.plain.max(1)
    }

    /// Whether values are exact.
    pub(super) const fn is_exact(&self) -> bool {
        self.plain > 0
    }

    /// A rotation at a level with the key of a level; `hoisted`: with the digits of an earlier one.
    pub(super) fn rotation(&self, level: usize, key_level: usize, hoisted: bool) -> Calls {
        let mut calls = self.key_product(level, key_level);
        calls += self.division(level, key_level, 0);
        if !hoisted {
            calls += self.decomposition(level, key_level);
        }
        // One addend, and both polynomials permuted.
        calls += Calls::passes(3.0 * level as f64);
        calls.times(self.streams() as f64)
    }

    /// A sum of rotations of messages, each given by the levels of its rotations' keys, without a key for what is not rotated.
    pub(super) fn sum_rotations(&self, level: usize, images: &[Vec<Option<usize>>]) -> Calls {
        let (mut calls, mut divided) = (Calls::default(), Vec::new());
        for keys in images {
            let mut cut = Vec::new();
            for key_level in keys.iter().flatten().copied() {
                calls += self.key_product(level, key_level);
                // One addend, and both polynomials added where they belong.
                let limbs = level + self.gadget(key_level).special;
                calls += Calls::passes((level + 2 * limbs) as f64);
                if !cut.contains(&self.gadget(key_level)) {
                    cut.push(self.gadget(key_level));
                    calls += self.decomposition(level, key_level);
                }
                if !divided.contains(&self.gadget(key_level)) {
                    divided.push(self.gadget(key_level));
                    calls += self.division(level, key_level, 0);
                }
            }
            // What is not rotated comes from memory.
            let still = keys.iter().filter(|key| key.is_none()).count();
            calls += Calls::products((2 * level * still) as f64);
        }
        calls.times(self.streams() as f64)
    }

    /// A product of two messages, relinearised, and divided by so many of the last primes too.
    pub(super) fn multiplication(&self, level: usize, key_level: usize, square: bool, drop: usize) -> Calls {
        let mut calls = self.key_product(level, key_level);
        calls += self.division(level, key_level, drop);
        calls += self.decomposition(level, key_level);
        // Four products and two addends.
        calls += Calls::passes(6.0 * level as f64);
        if self.is_exact() {
            calls += self.exact_product(level, square);
        }
        calls.times(self.streams() as f64)
    }

    /// Modulus switching by division, prime by prime: each transforms every limb of both polynomials once.
    pub(super) fn switch(&self, level: usize, to: usize) -> Calls {
        let limbs: f64 = (to + 1..=level).map(|limbs| 2.0 * limbs as f64).sum();
        // A limb that is read, a conversion and a division.
        Calls { transforms: limbs, products: limbs, passes: 2.0 * limbs }.times(self.streams() as f64)
    }

    /// Limbs of a key: two polynomials per digit.
    pub(super) fn key_limbs(&self, key_level: usize) -> usize {
        let Gadget { width, special } = self.gadget(key_level);
        2 * key_level.div_ceil(width) * (key_level + special)
    }

    /// With `k` primes of the modulus and `p` auxiliary ones: `9k + 7p` transforms, two fewer per prime of the modulus for a
    /// square, and nine conversions of `k·p` products.
    fn exact_product(&self, level: usize, square: bool) -> Calls {
        let log2_q: f64 = self.ciphertext[..level].iter().sum();
        let (k, p) = (level as f64, ((log2_q + MARGIN_BITS) / AUXILIARY_BITS).ceil());
        let factors = if square { 7.0 } else { 9.0 };
        Calls { transforms: factors * k + 7.0 * p, products: 0.0, passes: 9.0 * k * p + 4.0 * (k + p) }
    }

    /// The digits of a polynomial: `d·(l + α)` transforms at `l` limbs with `α` special primes.
    fn decomposition(&self, level: usize, key_level: usize) -> Calls {
        let Gadget { width, special } = self.gadget(key_level);
        let (digits, limbs) = (level.div_ceil(width) as f64, (level + special) as f64);
        let extensions = digits * limbs - level as f64;
        Calls { transforms: digits * limbs, products: 0.0, passes: extensions * width as f64 + level as f64 }
    }

    /// Products with both polynomials of a key.
    fn key_product(&self, level: usize, key_level: usize) -> Calls {
        let Gadget { width, special } = self.gadget(key_level);
        Calls::products((2 * level.div_ceil(width) * (level + special)) as f64)
    }

    /// The division of both polynomials by the special primes and the last ones: `2·(l + α)` transforms.
    fn division(&self, level: usize, key_level: usize, drop: usize) -> Calls {
        let special = self.gadget(key_level).special;
        let conversions = 2 * (level - drop) * (special + drop + 1);
        Calls { transforms: 2.0 * (level + special) as f64, products: 0.0, passes: conversions as f64 }
    }

    /// The rule of `tacit_core::rlwe`: as few digits as all special primes allow, as even as possible, and no more special
    /// primes than the widest digit needs.
    fn gadget(&self, key_level: usize) -> Gadget {
        let width = key_level.div_ceil(key_level.div_ceil(self.special.len().max(1)));
        let digits = self.ciphertext[..key_level].chunks(width);
        let widest = digits.map(|digit| digit.iter().sum::<f64>()).fold(0.0, f64::max);
        let enough = |&count: &usize| widest <= self.special[..count].iter().sum::<f64>() + 1.0;
        Gadget { width, special: (1..self.special.len()).find(enough).unwrap_or(self.special.len()) }
    }
}
