//! The operators.

use alloc::vec::Vec;

use super::tensor::Tensor;
use crate::network::Padding;

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Operator {
    /// A two-dimensional convolution with constant weights.
    Convolution(Convolution),
    /// A vector times a constant matrix, plus a constant.
    Matrix(Matrix),
    /// Channel `c`, along axis 1, becomes `scale[c] * x + shift[c]`: batch normalisation, and products and sums with a
    /// number per channel.
    ChannelAffine {
        /// A factor per channel.
        scale: Vec<f32>,
        /// A term per channel.
        shift: Vec<f32>,
    },
    /// Product with a constant of any shape, broadcast.
    Scale(Tensor),
    /// Sum with a constant of any shape, broadcast.
    Shift(Tensor),
    /// Sum of two or more values, broadcast.
    Add,
    /// Difference of two values, broadcast.
    Subtract,
    /// Product of two values, broadcast.
    Multiply,
    /// Every value times itself.
    Square,
    /// The larger of the value and 0.
    Relu,
    /// The value, or the nearest bound of the interval.
    Clip {
        /// The lower bound.
        low: f32,
        /// The upper bound.
        high: f32,
    },
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// The largest value of each window.
    MaxPool(Window),
    /// The mean of each window.
    AveragePool(Pool),
    /// `e^x / Σ e^x` over the axes from `first` up to, not including, `end`.
    Softmax {
        /// The first axis.
        first: usize,
        /// The axis after the last.
        end: usize,
        /// Whether the logarithm is taken.
        log: bool,
    },
    /// The index of the largest value along an axis, the first if several are equal.
    ArgMax {
        /// The axis.
        axis: usize,
        /// Whether the axis stays, with one value.
        keep: bool,
    },
    /// The same values in the same order under another shape.
    Reshape(Vec<usize>),
    /// Axis `i` of the result is axis `axes[i]` of the operand.
    Transpose(Vec<usize>),
    /// The operands one after the other along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// A constant around the operand.
    Pad {
        /// Per axis, how much before and after.
        sides: Vec<[usize; 2]>,
        /// With what.
        value: f32,
    },
    /// Every `step`-th value from `start`, `shape` of them, per axis.
    Slice {
        /// The first index.
        start: Vec<usize>,
        /// The distance between two indices; may be negative.
        step: Vec<isize>,
        /// The shape of the result.
        shape: Vec<usize>,
    },
    /// The operand as it is.
    Identity,
}

/// Where the windows of a convolution or pool lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Rows and columns between two windows.
    pub stride: [usize; 2],
    /// Rows and columns between two values of a window.
    pub dilation: [usize; 2],
    /// Rows and columns around the input.
    pub padding: Padding,
}

impl Window {
    /// A window without stride, dilation and padding.
    pub const fn of(kernel: [usize; 2]) -> Self {
        let padding = Padding { top: 0, left: 0, bottom: 0, right: 0 };
        Self { kernel, stride: [1; 2], dilation: [1; 2], padding }
    }

    /// Rows and columns of the result for an input of so many rows and columns; `None` if the window does not fit.
    pub fn output(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let Padding { top, left, bottom, right } = self.padding;
        let side = |side: usize, before: usize, after: usize, axis: usize| {
            let reach = self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?.checked_add(1)?;
            let room = side.checked_add(before)?.checked_add(after)?.checked_sub(reach)?;
            Some(room.checked_div(self.stride[axis])? + 1)
        };
        Some([side(input[0], top, bottom, 0)?, side(input[1], left, right, 1)?])
    }

    /// Whether no window reaches beyond the input.
    pub fn is_unpadded(&self) -> bool {
        self.padding == Padding::default()
    }

    /// The input index under kernel position `inside` of window `place` along one axis of `side` values, unless it is
    /// padding.
    pub(crate) fn at(&self, axis: usize, place: usize, inside: usize, side: usize) -> Option<usize> {
        let before = if axis == 0 { self.padding.top } else { self.padding.left };
        let index = (place * self.stride[axis] + inside * self.dilation[axis]).checked_sub(before)?;
        (index < side).then_some(index)
    }
}

/// A two-dimensional convolution (a cross-correlation, as in every framework).
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    /// Where the windows lie; the padding is of zeros.
    pub window: Window,
    /// Output channels.
    pub maps: usize,
    /// Input channels.
    pub channels: usize,
    /// Groups of channels that do not mix: a divisor of `maps` and `channels`.
    pub groups: usize,
    /// Row-major over map, channel within the group, kernel row, kernel column.
    pub weights: Vec<f32>,
    /// One per map.
    pub bias: Vec<f32>,
}

impl Convolution {
    /// Weights of one map.
    pub fn row(&self) -> usize {
        self.channels / self.groups * self.window.kernel[0] * self.window.kernel[1]
    }
}

/// A vector times a constant matrix: output `o` is `bias[o] + Σ weights[o * inputs + i] * x[i]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Values out.
    pub outputs: usize,
    /// Values in.
    pub inputs: usize,
    /// Row-major over output, input.
    pub weights: Vec<f32>,
    /// One per output.
    pub bias: Vec<f32>,
}

/// A mean over windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Where the windows lie.
    pub window: Window,
    /// Whether padding counts as zeros, or not at all.
    pub count_padding: bool,
}

impl Operator {
    /// The name that ONNX gives the operator, as errors and tables show it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Convolution(_) => "Conv",
            Self::Matrix(_) => "Gemm",
            Self::ChannelAffine { .. } => "ChannelAffine",
            Self::Scale(_) => "Mul by constant",
            Self::Shift(_) => "Add of constant",
            Self::Add => "Add",
            Self::Subtract => "Sub",
            Self::Multiply => "Mul",
            Self::Square => "Square",
            Self::Relu => "Relu",
            Self::Clip { .. } => "Clip",
            Self::Sigmoid => "Sigmoid",
            Self::MaxPool(_) => "MaxPool",
            Self::AveragePool(_) => "AveragePool",
            Self::Softmax { log: false, .. } => "Softmax",
            Self::Softmax { log: true, .. } => "LogSoftmax",
            Self::ArgMax { .. } => "ArgMax",
            Self::Reshape(_) => "Reshape",
            Self::Transpose(_) => "Transpose",
            Self::Concat { .. } => "Concat",
            Self::Pad { .. } => "Pad",
            Self::Slice { .. } => "Slice",
            Self::Identity => "Identity",
        }
    }

    /// How many operands the operator takes; `None` for one or more.
    pub const fn arity(&self) -> Option<usize> {
        match self {
            Self::Add | Self::Concat { .. } => None,
            Self::Subtract | Self::Multiply => Some(2),
            _ => Some(1),
        }
    }

    /// Weights and other constants stored.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Convolution(conv) => conv.weights.len() + conv.bias.len(),
            Self::Matrix(matrix) => matrix.weights.len() + matrix.bias.len(),
            Self::ChannelAffine { scale, shift } => scale.len() + shift.len(),
            Self::Scale(constant) | Self::Shift(constant) => constant.data().len(),
            _ => 0,
        }
    }

    /// Whether the operator is affine in all its operands together.
    pub const fn is_affine(&self) -> bool {
        matches!(
            self,
            Self::Convolution(_)
                | Self::Matrix(_)
                | Self::ChannelAffine { .. }
                | Self::Scale(_)
                | Self::Shift(_)
                | Self::Add
                | Self::Subtract
                | Self::AveragePool(_)
                | Self::Reshape(_)
                | Self::Transpose(_)
                | Self::Concat { .. }
                | Self::Pad { .. }
                | Self::Slice { .. }
                | Self::Identity
        )
    }
}
