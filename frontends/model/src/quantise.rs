//! From pixels to integers.

use alloc::vec::Vec;

use crate::error::ModelError;
use crate::network::Network;

/// The largest input, in magnitude: what a 64-bit float holds exactly.
const LARGEST: i128 = 1 << 53;

/// The exact factor `numerator / denominator` from a pixel in `0..=255` to an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    numerator: u32,
    denominator: u32,
}

impl Scale {
    /// The factor `numerator / denominator`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Scale`] if one of the two is 0.
    pub const fn new(numerator: u32, denominator: u32) -> Result<Self, ModelError> {
        if numerator == 0 || denominator == 0 {
            return Err(ModelError::Scale { numerator, denominator });
        }
        Ok(Self { numerator, denominator })
    }

    /// What a pixel is multiplied by; at least 1.
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// What a pixel is divided by; at least 1.
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    /// `pixel * numerator / denominator`, rounded to the nearest integer, a tie to the even one.
    ///
    /// The result is in `0..=self.quantise(255)`, below 2^40.
    pub const fn quantise(self, pixel: u8) -> i64 {
        // Below 2^8 * 2^32: nothing here leaves i64.
        let (product, denominator) = (pixel as i64 * self.numerator as i64, self.denominator as i64);
        let (floor, twice_rest) = (product / denominator, product % denominator * 2);
        let up = twice_rest > denominator || (twice_rest == denominator && floor % 2 == 1);
        floor + up as i64
    }
}

impl Network {
    /// The integers that the network reads for the pixels of an image, in the order of the input's shape.
    ///
    /// # Errors
    ///
    /// [`ModelError::InputLength`] unless there is a pixel per input.
    pub fn quantise(&self, pixels: &[u8]) -> Result<Vec<i64>, ModelError> {
        if pixels.len() != self.inputs() {
            return Err(ModelError::InputLength { expected: self.inputs(), found: pixels.len() });
        }
        Ok(pixels.iter().map(|&pixel| self.input().scale.quantise(pixel)).collect())
    }

    /// The integers that the network reads for real numbers, in the order of the input's shape: each times the scale,
    /// rounded to the nearest integer, a tie to the even one.
    ///
    /// # Errors
    ///
    /// [`ModelError::InputLength`] unless there is a number per input; [`ModelError::InputRange`] if one is beyond
    /// [`Self::input_range`], or not a number.
    pub fn quantise_reals(&self, numbers: &[f64]) -> Result<Vec<i64>, ModelError> {
        if numbers.len() != self.inputs() {
            return Err(ModelError::InputLength { expected: self.inputs(), found: numbers.len() });
        }
        let (range, scale) = (self.input_range(), self.input().scale);
        // Within the range of an input, 64-bit floats are exact.
        let [low, high] = [range.low(), range.high()].map(|end| end.clamp(-LARGEST, LARGEST) as i64);
        let quantise = |(index, number): (usize, &f64)| {
            let value = number * f64::from(scale.numerator()) / f64::from(scale.denominator());
            let rounded = value.round_ties_even();
            let fits = (low as f64..=high as f64).contains(&rounded);
            if fits { Ok(rounded as i64) } else { Err(ModelError::InputRange { index, value, low, high }) }
        };
        numbers.iter().enumerate().map(quantise).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "tests")]
    use super::*;

    #[test]
    fn ties_go_to_even() {
        let half = Scale::new(1, 2).unwrap();
        assert_eq!([0, 1, 2, 3, 4, 5, 7].map(|pixel| half.quantise(pixel)), [0, 0, 1, 2, 2, 2, 4]);
        let sixteenth = Scale::new(16, 256).unwrap();
        assert_eq!(
            [7, 8, 9, 24, 40, 247, 248, 255].map(|pixel| sixteenth.quantise(pixel)),
            [0, 0, 1, 2, 2, 15, 16, 16]
        );
    }

    #[test]
    fn agrees_with_floating_point() {
        for (numerator, denominator) in [(1, 1), (5, 256), (15, 255), (7, 3), (1, 510), (1_000_003, 17)] {
            let scale = Scale::new(numerator, denominator).unwrap();
            for pixel in 0..=255 {
                // Exact up to the division, whose quotient is far from any tie that it does not hit.
                let expected = (f64::from(pixel) * f64::from(numerator) / f64::from(denominator)).round_ties_even();
                assert_eq!(scale.quantise(pixel), expected as i64, "{pixel} * {numerator} / {denominator}");
            }
        }
    }

    #[test]
    fn extremes_stay_exact() {
        let scale = Scale::new(u32::MAX, 1).unwrap();
        assert_eq!(scale.quantise(255), 255 * i64::from(u32::MAX));
        assert_eq!(Scale::new(1, u32::MAX).unwrap().quantise(255), 0);
        assert!(matches!(Scale::new(0, 1), Err(ModelError::Scale { numerator: 0, denominator: 1 })));
        assert!(matches!(Scale::new(1, 0), Err(ModelError::Scale { numerator: 1, denominator: 0 })));
    }
}
