//! One layer over values of any kind: written once, run on integers and on intervals.

use alloc::vec::Vec;

use crate::network::{Conv2d, Op, Shape};

/// What a layer computes with. Every operation answers `None` when the result does not fit.
pub(crate) trait Value: Copy {
    /// The value of the padding.
    const ZERO: Self;

    /// A bias.
    fn from_bias(bias: i128) -> Option<Self>;

    /// `self + weight * value`.
    fn add_product(self, weight: i64, value: Self) -> Option<Self>;

    /// `self * self`.
    fn square(self) -> Option<Self>;
}

/// The output of `op` for `input`, whose shape is `shape`; the sizes are those of a checked network.
///
/// `None` if a value does not fit into `V`.
pub(crate) fn apply<V: Value>(op: &Op, shape: Shape, input: &[V]) -> Option<Vec<V>> {
    match op {
        Op::Conv2d(conv) => convolve(conv, shape, input),
        Op::Square => input.iter().map(|value| value.square()).collect(),
        Op::Dense(dense) => affine(&dense.weights, &dense.bias, input),
    }
}

/// Each window is gathered once and meets every map; the result is then put in map-major order.
fn convolve<V: Value>(conv: &Conv2d, shape: Shape, input: &[V]) -> Option<Vec<V>> {
    let [maps, rows, columns] = conv.output_shape(shape)?;
    let area = rows * columns;
    let mut output = alloc::vec![V::ZERO; maps * area];
    let mut window = Vec::with_capacity(conv.window_len());
    for position in 0..area {
        window.clear();
        let indices = conv.window(shape, position / columns, position % columns);
        window.extend(indices.map(|index| index.map_or(V::ZERO, |index| input[index])));
        let values = affine(&conv.weights, &conv.bias, &window)?;
        values.into_iter().enumerate().for_each(|(map, value)| output[map * area + position] = value);
    }
    Some(output)
}

/// A bias per row plus the row's product with `input`.
fn affine<V: Value>(weights: &[i64], bias: &[i128], input: &[V]) -> Option<Vec<V>> {
    let rows = weights.chunks_exact(input.len()).zip(bias);
    rows.map(|(row, &bias)| dot(V::from_bias(bias)?, row, input)).collect()
}

fn dot<V: Value>(start: V, weights: &[i64], values: &[V]) -> Option<V> {
    weights.iter().zip(values).try_fold(start, |sum, (&weight, &value)| sum.add_product(weight, value))
}

/// Exact as long as no partial sum leaves `i64`; who calls [`apply`] on `i64` has shown this beforehand.
impl Value for i64 {
    const ZERO: Self = 0;

    fn from_bias(bias: i128) -> Option<Self> {
        bias.try_into().ok()
    }

    fn add_product(self, weight: i64, value: Self) -> Option<Self> {
        Some(self + weight * value)
    }

    fn square(self) -> Option<Self> {
        self.checked_mul(self)
    }
}

impl Value for i128 {
    const ZERO: Self = 0;

    fn from_bias(bias: i128) -> Option<Self> {
        Some(bias)
    }

    fn add_product(self, weight: i64, value: Self) -> Option<Self> {
        self.checked_add(value.checked_mul(Self::from(weight))?)
    }

    fn square(self) -> Option<Self> {
        self.checked_mul(self)
    }
}
