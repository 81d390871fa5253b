//! How large the values of each layer become: proved for all inputs, and measured on data.
//!
//! The plaintext modulus of an encrypted evaluation must exceed the range of every layer that it carries. The worst case
//! is safe for any picture and far from any real one; the measured range tells how much of it is used.

use alloc::string::String;
use alloc::vec::Vec;

use crate::apply::{Value, apply};
use crate::error::ModelError;
use crate::interpret::Trace;
use crate::network::{Layer, Network};

/// The integers from `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    low: i128,
    high: i128,
}

/// One row of a table of ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRange {
    /// The layer's name, or `"input"`.
    pub layer: String,
    /// The smallest interval that holds every value of the layer.
    pub interval: Interval,
}

impl Interval {
    /// The integers from the smaller to the larger of the two, both included.
    pub fn new(one: i128, other: i128) -> Self {
        Self { low: one.min(other), high: one.max(other) }
    }

    /// The smallest integer.
    pub const fn low(self) -> i128 {
        self.low
    }

    /// The largest integer.
    pub const fn high(self) -> i128 {
        self.high
    }

    /// The largest absolute value.
    pub fn magnitude(self) -> u128 {
        self.low.unsigned_abs().max(self.high.unsigned_abs())
    }

    /// Whether `value` lies within.
    pub fn contains(self, value: i128) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The smallest interval that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// `log2(2 * magnitude + 1)`: the size of a plaintext modulus that just holds these signed values.
    pub fn bits(self) -> f64 {
        // A figure for people: the float rounds, `bits_ceil` does not.
        let magnitude = self.magnitude() as f64;
        (2.0 * magnitude + 1.0).log2()
    }

    /// The least `b` with `2^b >= 2 * magnitude + 1`.
    pub fn bits_ceil(self) -> u32 {
        // 2^b >= 2m + 1 exactly if 2^(b-1) > m, and m has 128 - leading_zeros bits. For m = 0 one value needs no bit.
        match self.magnitude() {
            0 => 0,
            magnitude => 129 - magnitude.leading_zeros(),
        }
    }
}

impl Value for Interval {
    const ZERO: Self = Self { low: 0, high: 0 };

    fn from_bias(bias: i128) -> Option<Self> {
        Some(Self { low: bias, high: bias })
    }

    fn add_product(self, weight: i64, value: Self) -> Option<Self> {
        let (low, high) = if weight < 0 { (value.high, value.low) } else { (value.low, value.high) };
        Some(Self { low: self.low.add_product(weight, low)?, high: self.high.add_product(weight, high)? })
    }

    fn square(self) -> Option<Self> {
        let (low, high) = (self.low.checked_mul(self.low)?, self.high.checked_mul(self.high)?);
        Some(Self { low: if self.contains(0) { 0 } else { low.min(high) }, high: low.max(high) })
    }
}

impl Network {
    /// The range of the input and of each layer over **all** images, by interval arithmetic on every single value.
    ///
    /// The input is any integers in [`Self::input_range`]. The intervals take the values of a layer as independent of
    /// each other; no image need reach them.
    ///
    /// # Errors
    ///
    /// [`ModelError::Overflow`], naming the layer, if a bound leaves `i128`.
    pub fn worst_case_ranges(&self) -> Result<Vec<LayerRange>, ModelError> {
        let pixel = self.input_range();
        let mut values = alloc::vec![pixel; self.inputs()];
        let mut ranges = alloc::vec![LayerRange { layer: "input".into(), interval: pixel }];
        for (Layer { name, op }, &shape) in self.layers().iter().zip(self.shapes()) {
            values = apply(op, shape, &values).ok_or_else(|| ModelError::Overflow { layer: name.clone() })?;
            let interval = values.iter().copied().reduce(Interval::hull).unwrap_or(Interval::ZERO);
            ranges.push(LayerRange { layer: name.clone(), interval });
        }
        Ok(ranges)
    }
}

/// The range of the input and of each layer over the images seen so far.
#[derive(Debug, Clone)]
pub struct RangeTracker {
    names: Vec<String>,
    intervals: Vec<Interval>,
    images: usize,
}

impl RangeTracker {
    /// A tracker for the layers of `network` that has seen nothing.
    pub fn new(network: &Network) -> Self {
        let names = core::iter::once("input".into()).chain(network.layers().iter().map(|layer| layer.name.clone()));
        Self { names: names.collect(), intervals: Vec::new(), images: 0 }
    }

    /// Takes in the values of one evaluation, which must be one of the same network.
    pub fn record(&mut self, trace: &Trace) {
        let seen = trace.values().iter().map(|values| hull_of(values));
        if self.images == 0 {
            self.intervals = seen.collect();
        } else {
            self.intervals.iter_mut().zip(seen).for_each(|(interval, seen)| *interval = interval.hull(seen));
        }
        self.images += 1;
    }

    /// How many evaluations were recorded.
    pub const fn images(&self) -> usize {
        self.images
    }

    /// A row for the input and for each layer; none before the first evaluation.
    pub fn ranges(&self) -> Vec<LayerRange> {
        let rows = self.names.iter().zip(&self.intervals);
        rows.map(|(layer, &interval)| LayerRange { layer: layer.clone(), interval }).collect()
    }
}

fn hull_of(values: &[i128]) -> Interval {
    let low = values.iter().copied().min().unwrap_or(0);
    let high = values.iter().copied().max().unwrap_or(0);
    Interval { low, high }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::network::Op;
    use crate::samples::{network, networks, tiny};

    #[test]
    fn bits_of_known_ranges() {
        for (low, high, bits, ceil) in [
            (0, 0, 0.0, 0),
            (0, 1, 3_f64.log2(), 2),
            (-1, 1, 3_f64.log2(), 2),
            (-127, 3, 255_f64.log2(), 8),
            (0, 128, 257_f64.log2(), 9),
            (i128::MIN, 0, 128.0, 129),
        ] {
            let interval = Interval::new(high, low);
            assert!((interval.bits() - bits).abs() < 1e-12, "{interval:?}: {}", interval.bits());
            assert_eq!(interval.bits_ceil(), ceil, "{interval:?}");
        }
    }

    #[test]
    fn squares_of_intervals() {
        let square = |low, high| Interval::new(low, high).square();
        assert_eq!(square(-3, 2), Some(Interval::new(0, 9)));
        assert_eq!(square(-3, -2), Some(Interval::new(4, 9)));
        assert_eq!(square(2, 5), Some(Interval::new(4, 25)));
        assert_eq!(square(0, 1 << 64), None);
    }

    #[test]
    fn worst_case_is_reached_by_a_linear_layer() {
        // White is 255/16 = 16. The first map has the weights -9..0 and the bias 100, the second 0..9 and -200.
        let linear = network(tiny().input().shape, vec![tiny().layers()[0].op.clone()]);
        let ranges = linear.worst_case_ranges().unwrap();
        assert_eq!(ranges[0].interval, Interval::new(0, 16));
        assert_eq!(ranges[1].interval, Interval::new(100 - 16 * 45, -200 + 16 * 36));
        assert_eq!(ranges[1].layer, "layer0");
    }

    #[test]
    fn worst_case_overflow_names_the_layer() {
        let chain = network([1, 1, 1], vec![Op::Square; 6]);
        assert!(matches!(chain.worst_case_ranges(), Err(ModelError::Overflow { layer }) if layer == "layer4"));
    }

    #[test]
    fn tracker_takes_the_hull() {
        let network = network([2, 1, 1], vec![Op::Square]);
        let mut tracker = RangeTracker::new(&network);
        assert!(tracker.ranges().is_empty());
        for input in [[-3, 2], [1, 4]] {
            tracker.record(&network.evaluate_traced(&input).unwrap());
        }
        let intervals: Vec<_> = tracker.ranges().iter().map(|range| range.interval).collect();
        assert_eq!(intervals, [Interval::new(-3, 4), Interval::new(1, 16)]);
        assert_eq!((tracker.images(), tracker.ranges()[0].layer.as_str()), (2, "input"));
    }

    proptest! {
        #[test]
        fn worst_case_contains_every_evaluation((network, seeds) in networks(24)) {
            let pixels: Vec<u8> = seeds.iter().map(|seed| seed.to_le_bytes()[0]).collect();
            let trace = network.evaluate_traced(&network.quantise(&pixels).unwrap()).unwrap();
            for (range, values) in network.worst_case_ranges().unwrap().iter().zip(trace.values()) {
                prop_assert!(values.iter().all(|&value| range.interval.contains(value)), "{}", range.layer);
            }
        }

        #[test]
        fn bits_ceil_is_the_least(magnitude in 1..u128::MAX / 4) {
            let bits = Interval::new(0, magnitude as i128).bits_ceil();
            prop_assert!((1 << (bits - 1)) < 2 * magnitude + 1);
            prop_assert!(bits == 128 || (1 << bits) > 2 * magnitude);
        }
    }
}
