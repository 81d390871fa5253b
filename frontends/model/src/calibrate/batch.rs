//! Many rows at once through a chain, in 64-bit floats.

use alloc::vec::Vec;

use crate::graph::{Window, multiply_add, unfold};
use crate::leveled::RealLayer;
use crate::network::{Conv2d, Op, Shape};

/// The values of many rows between two layers, row after row.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) shape: Shape,
    pub(super) values: Vec<f64>,
}

impl Batch {
    pub(super) fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// What a layer makes of the rows, with other weights and biases than its own.
    pub(super) fn through(&self, layer: &RealLayer, weights: &[f64], bias: &[f64]) -> Self {
        let shape = layer.form.output_shape(self.shape).unwrap_or(self.shape);
        let values = match &layer.form {
            Op::Square => self.values.iter().map(|value| value * value).collect(),
            Op::Dense(dense) => {
                let rows = self.values.len() / dense.inputs;
                let mut values: Vec<f64> = core::iter::repeat_n(bias, rows).flatten().copied().collect();
                multiply_add([rows, dense.inputs, dense.outputs], &self.values, weights, true, &mut values);
                values
            }
            Op::Conv2d(conv) => {
                let mut unfolded = Vec::new();
                let rows = self.values.chunks_exact(self.width());
                rows.flat_map(|row| convolve(conv, weights, bias, row, (self.shape, shape), &mut unfolded)).collect()
            }
        };
        Self { shape, values }
    }

    /// The index of the largest value of each row.
    pub(super) fn classes(&self) -> Vec<usize> {
        let class = |row: &[f64]| (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        self.values.chunks_exact(self.width()).map(class).collect()
    }

    pub(super) fn largest(&self) -> f64 {
        self.values.iter().fold(0.0, |largest, value| value.abs().max(largest))
    }
}

fn convolve(
    conv: &Conv2d,
    weights: &[f64],
    bias: &[f64],
    row: &[f64],
    (input, output): (Shape, Shape),
    unfolded: &mut Vec<f64>,
) -> Vec<f64> {
    let window = Window { stride: conv.stride, padding: conv.padding, ..Window::of(conv.kernel) };
    let area = output[1] * output[2];
    unfold(&window, row, [input[1], input[2]], [output[1], output[2]], unfolded);
    let mut values: Vec<f64> = bias.iter().flat_map(|&bias| core::iter::repeat_n(bias, area)).collect();
    multiply_add([conv.maps, weights.len() / conv.maps, area], weights, unfolded, false, &mut values);
    values
}
