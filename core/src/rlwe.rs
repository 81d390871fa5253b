//! Ring learning with errors: keys, hybrid key switching, and the public noise bound.
//!
//! A ciphertext `(c_0, c_1)` modulo `Q` has the phase `c_0 + c_1·s`. What the phase means is the scheme's matter
//! ([`crate::bfv`]); what is common to schemes is here. *Level* `l` means modulo the first `l` ciphertext primes.

pub mod keys;
pub mod keyswitch;
pub mod noise;
#[cfg(any(feature = "bfv", feature = "ckks"))]
pub(crate) mod trace;

pub use keys::{PublicKey, SecretKey};
pub use keyswitch::{EvaluationKeys, KeyRequest, KeySwitchKey};
pub use noise::NoiseBound;
#[cfg(any(feature = "bfv", feature = "ckks"))]
pub use trace::MIN_TRACE_PERIOD;

/// The generator of the cyclic part of the Galois group: rotations are by its powers.
pub const GALOIS_GENERATOR: usize = 5;

/// The Galois element that rotates each row of `n/2` slots to the left by `steps` (to the right if negative).
#[must_use]
pub fn rotation_element(degree: usize, steps: isize) -> usize {
    let (row, mask) = (degree >> 1, 2 * degree - 1);
    let (mut element, mut square, mut power) = (1, GALOIS_GENERATOR, steps.rem_euclid(row as isize));
    while power > 0 {
        if power & 1 == 1 {
            element = (element * square) & mask;
        }
        (square, power) = ((square * square) & mask, power >> 1);
    }
    element
}

/// The Galois element that swaps the two rows of slots.
#[must_use]
pub const fn row_swap_element(degree: usize) -> usize {
    2 * degree - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn galois_elements() {
        assert_eq!(rotation_element(16, 0), 1);
        assert_eq!(rotation_element(16, 1), 5);
        assert_eq!(rotation_element(16, 2), 25);
        assert_eq!(rotation_element(16, -1), 13);
        assert_eq!((rotation_element(16, -1) * 5) % 32, 1);
        assert_eq!(rotation_element(16, 8), 1);
        assert_eq!(row_swap_element(16), 31);
        for steps in 0..64 {
            let element = (0..steps).fold(1, |element, _| (element * GALOIS_GENERATOR) % 256);
            assert_eq!(rotation_element(128, steps), element);
        }
    }
}
