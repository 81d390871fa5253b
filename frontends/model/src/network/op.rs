//! The operators: convolution, square, dense.

use alloc::vec::Vec;

use crate::digest::Hasher;
use crate::network::{Shape, checked_values, values};

/// What a layer computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A two-dimensional convolution.
    Conv2d(Conv2d),
    /// Every value times itself: the non-linear function that homomorphic encryption computes exactly.
    Square,
    /// A fully connected layer over the flattened input.
    Dense(Dense),
}

/// A two-dimensional convolution (a cross-correlation, as in every framework) with zero padding.
///
/// Output `(map, i, j)` is `bias[map]` plus the sum over channel `c` and kernel position `(r, s)` of
/// `weights[map][c][r][s] * input[c][i * stride[0] + r - top][j * stride[1] + s - left]`, where the input is zero
/// outside its borders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conv2d {
    /// Output channels.
    pub maps: usize,
    /// Input channels.
    pub channels: usize,
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Rows and columns between two windows; each at least 1.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// Row-major over map, channel, kernel row, kernel column.
    pub weights: Vec<i64>,
    /// One per map, at the scale of the output.
    pub bias: Vec<i128>,
}

/// Rows and columns of zeros around the input of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

/// A fully connected layer: output `o` is `bias[o]` plus the sum over `i` of `weights[o * inputs + i] * input[i]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    /// Values out.
    pub outputs: usize,
    /// Values in.
    pub inputs: usize,
    /// Row-major over output, input.
    pub weights: Vec<i64>,
    /// One per output, at the scale of the output.
    pub bias: Vec<i128>,
}

impl Conv2d {
    /// The shape of the output for an input of `[channels, height, width]`, or `None` if a stride or a kernel side is 0
    /// or the kernel is larger than the padded input. The number of input channels does not matter here.
    pub fn output_shape(&self, input: Shape) -> Option<Shape> {
        let Padding { top, left, bottom, right } = self.padding;
        let rows = windows(input[1].checked_add(top)?.checked_add(bottom)?, self.kernel[0], self.stride[0])?;
        let columns = windows(input[2].checked_add(left)?.checked_add(right)?, self.kernel[1], self.stride[1])?;
        Some([self.maps, rows, columns])
    }

    /// The input values under the window of output position `(row, column)`: for each channel, kernel row and kernel
    /// column (row-major, as the weights of one map) the index into an input of shape `input`, or `None` in the padding.
    pub fn window(&self, input: Shape, row: usize, column: usize) -> impl Iterator<Item = Option<usize>> + use<> {
        let [_, height, width] = input;
        let ([rows, columns], [down, across]) = (self.kernel, self.stride);
        let Padding { top, left, .. } = self.padding;
        let index = move |channel: usize, r: usize, s: usize| {
            let y = (row * down + r).checked_sub(top).filter(|&y| y < height)?;
            let x = (column * across + s).checked_sub(left).filter(|&x| x < width)?;
            Some((channel * height + y) * width + x)
        };
        let positions = (0..self.channels).flat_map(move |channel| (0..rows).map(move |r| (channel, r)));
        positions.flat_map(move |(channel, r)| (0..columns).map(move |s| index(channel, r, s)))
    }

    /// Weights per map: channels times the area of the kernel.
    pub fn window_len(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }
}

impl Op {
    /// The kind of operator, as the model file writes it: `"conv2d"`, `"square"` or `"dense"`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Conv2d(_) => "conv2d",
            Self::Square => "square",
            Self::Dense(_) => "dense",
        }
    }

    /// Weights and biases, if the operator is linear.
    pub fn parameters(&self) -> Option<(&[i64], &[i128])> {
        match self {
            Self::Conv2d(conv) => Some((&conv.weights, &conv.bias)),
            Self::Dense(dense) => Some((&dense.weights, &dense.bias)),
            Self::Square => None,
        }
    }

    /// How many weights and biases the sizes ask for; a product that saturates is more than any list holds.
    pub(crate) fn parameter_counts(&self) -> [usize; 2] {
        let product = |sizes: &[usize]| sizes.iter().fold(1_usize, |product, &size| product.saturating_mul(size));
        match self {
            Self::Conv2d(conv) => [product(&[conv.maps, conv.channels, conv.kernel[0], conv.kernel[1]]), conv.maps],
            Self::Dense(dense) => [product(&[dense.outputs, dense.inputs]), dense.outputs],
            Self::Square => [0, 0],
        }
    }

    /// The number and kind of what the operator takes, unless `input` is that.
    pub(crate) fn refuses(&self, input: Shape) -> Option<(usize, &'static str)> {
        match self {
            Self::Conv2d(conv) if conv.channels != input[0] => Some((conv.channels, "channels")),
            Self::Dense(dense) if checked_values(input) != Some(dense.inputs) => Some((dense.inputs, "values")),
            _ => None,
        }
    }

    pub(crate) fn output_shape(&self, input: Shape) -> Option<Shape> {
        match self {
            Self::Conv2d(conv) => conv.output_shape(input),
            Self::Dense(dense) => Some([dense.outputs, 1, 1]),
            Self::Square => Some(input),
        }
    }

    /// Multiplications of one evaluation without those that meet padding.
    pub(crate) fn products(&self, input: Shape, output: Shape) -> usize {
        match self {
            Self::Conv2d(conv) => {
                let positions = (0..output[1]).flat_map(|row| (0..output[2]).map(move |column| (row, column)));
                let per_map = positions.map(|(row, column)| conv.window(input, row, column).flatten().count());
                conv.maps * per_map.sum::<usize>()
            }
            Self::Dense(dense) => dense.weights.len(),
            Self::Square => values(input),
        }
    }

    pub(crate) fn hash_architecture(&self, hasher: &mut Hasher) {
        hasher.text(self.kind());
        if let Self::Conv2d(Conv2d { kernel, stride, padding, .. }) = self {
            let Padding { top, left, bottom, right } = *padding;
            hasher.numbers(kernel);
            hasher.numbers(stride);
            hasher.numbers(&[top, left, bottom, right]);
        }
    }
}

/// Windows of `kernel` at every `stride` in `side`.
fn windows(side: usize, kernel: usize, stride: usize) -> Option<usize> {
    if kernel == 0 {
        return None;
    }
    Some(side.checked_sub(kernel)?.checked_div(stride)? + 1)
}
