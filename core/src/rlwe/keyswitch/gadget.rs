//! How the keys of a level cut a ciphertext part into digits, and against which special primes.

use core::ops::Range;

use num_bigint::BigUint;

use crate::error::EvalError;
use crate::params::Params;

/// Digits of `width` ciphertext primes each, and a key modulo the first `special` special primes.
///
/// A level has as few digits as all special primes allow, digits as even as possible, and no more special primes than
/// its widest digit needs: up to the level `α`, one special prime per ciphertext prime in place of `α`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gadget {
    width: usize,
    special: usize,
}

impl Gadget {
    /// The gadget of keys for the level that uses all of `ciphertext`. Neither list is empty.
    pub(crate) fn new(ciphertext: &[u64], special: &[u64]) -> Self {
        let level = ciphertext.len();
        let width = level.div_ceil(level.div_ceil(special.len()));
        let product = |primes: &[u64]| primes.iter().map(|&q| BigUint::from(q)).product::<BigUint>();
        let widest = digit_ranges(level, width).map(|digit| product(&ciphertext[digit])).max().unwrap_or_default();
        // A special modulus just below the digit's, of primes of one size, is as good as one just above.
        let enough = |count: &usize| widest <= product(&special[..*count]) * 2u32;
        Self { width, special: (1..special.len()).find(enough).unwrap_or(special.len()) }
    }

    /// The gadget of keys for a level.
    pub(crate) fn at(params: &Params, level: usize) -> Self {
        Self::new(&params.ciphertext_primes()[..level], params.special_primes())
    }

    /// The gadget of keys that were made at `key_level`, for a ciphertext of `level`.
    ///
    /// # Errors
    /// [`EvalError::NoSuchLevel`] for keys of a level that the parameters do not have, [`EvalError::LevelMismatch`] for keys
    /// of a lower level than the ciphertext's, which do not serve it.
    pub(crate) fn serving(params: &Params, level: usize, key_level: usize) -> Result<Self, EvalError> {
        let max = params.max_level();
        if key_level == 0 || key_level > max {
            return Err(EvalError::NoSuchLevel { asked: key_level, max });
        }
        if key_level < level {
            Err(EvalError::LevelMismatch { left: level, right: key_level })
        } else {
            Ok(Self::at(params, key_level))
        }
    }

    /// The number of special primes.
    pub(crate) const fn special(self) -> usize {
        self.special
    }

    /// The ciphertext primes of each digit of a part at `level`.
    pub(crate) fn digits(self, level: usize) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
        digit_ranges(level, self.width)
    }

    /// The key-ring limbs of a level: its ciphertext primes, and the special primes in use.
    pub(crate) fn key_limbs(
        self,
        params: &Params,
        level: usize,
    ) -> impl ExactSizeIterator<Item = usize> + Clone + use<> {
        let max = params.max_level();
        (0..level + self.special).map(move |i| if i < level { i } else { max + i - level })
    }
}

/// Ranges of `width` numbers below `level`; the last may be narrower.
fn digit_ranges(level: usize, width: usize) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
    (0..level.div_ceil(width)).map(move |j| j * width..((j + 1) * width).min(level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn gadget(ciphertext: &[u64], special: &[u64]) -> (usize, usize) {
        let gadget = Gadget::new(ciphertext, special);
        (gadget.width, gadget.special)
    }

    #[test]
    fn each_level_takes_what_its_digits_need() {
        let (q, p) = ([(1 << 49) - 1; 7], [(1 << 50) - 1; 3]);
        let found: Vec<_> = (1..=7).map(|level| gadget(&q[..level], &p)).collect();
        assert_eq!(found, [(1, 1), (2, 2), (3, 3), (2, 2), (3, 3), (3, 3), (3, 3)]);
    }

    #[test]
    fn short_special_primes_are_all_taken() {
        assert_eq!(gadget(&[1 << 50], &[1 << 30, 1 << 30]), (1, 2));
        assert_eq!(gadget(&[1 << 50], &[1 << 49, 1 << 30]), (1, 1));
        assert_eq!(gadget(&[(1 << 50) + 1], &[1 << 49, 1 << 30]), (1, 2));
        assert_eq!(gadget(&[1 << 30, 1 << 30], &[1 << 60, 1 << 60]), (2, 1));
        assert_eq!(gadget(&[1 << 50; 3], &[1 << 20]), (1, 1));
    }

    #[test]
    fn digits_cover_a_level() {
        let gadget = Gadget { width: 2, special: 2 };
        assert_eq!(gadget.digits(5).collect::<Vec<_>>(), [0..2, 2..4, 4..5]);
        assert!(gadget.digits(1).eq(core::iter::once(0..1)));
    }
}
