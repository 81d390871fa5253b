//! The operators that take time: convolution as a matrix product, pools, softmax.

use core::ops::Range;

use alloc::vec::Vec;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, LinalgScalar};

use super::operator::{Convolution, Pool, Window};
use super::tensor::Tensor;

/// `c += a · b` for row-major matrices of `[rows, inner]`, `[inner, columns]` and `[rows, columns]`. With `transposed`,
/// `b` is given as `[columns, inner]`.
///
/// Nothing happens unless the slices have these lengths; callers derive both from one shape.
pub(crate) fn multiply_add<T: LinalgScalar>(sizes: [usize; 3], a: &[T], b: &[T], transposed: bool, c: &mut [T]) {
    let [rows, inner, columns] = sizes;
    debug_assert!(a.len() == rows * inner && b.len() == inner * columns && c.len() == rows * columns);
    let b = if transposed {
        ArrayView2::from_shape((columns, inner), b).map(ArrayView2::reversed_axes)
    } else {
        ArrayView2::from_shape((inner, columns), b)
    };
    let a = ArrayView2::from_shape((rows, inner), a);
    if let (Ok(a), Ok(b), Ok(mut c)) = (a, b, ArrayViewMut2::from_shape((rows, columns), c)) {
        general_mat_mul(T::one(), &a, &b, T::one(), &mut c);
    }
}

/// The result of a convolution of shape `output`.
pub(super) fn convolve(conv: &Convolution, input: &Tensor, output: &[usize]) -> Vec<f32> {
    let area = output[2] * output[3];
    let mut result: Vec<f32> = conv.bias.iter().flat_map(|&bias| core::iter::repeat_n(bias, area)).collect();
    let [channels, maps] = [conv.channels / conv.groups, conv.maps / conv.groups];
    let (row, plane) = (conv.row(), input.shape()[2] * input.shape()[3]);
    let mut columns = Vec::new();
    for group in 0..conv.groups {
        let planes = &input.data()[group * channels * plane..(group + 1) * channels * plane];
        let weights = &conv.weights[group * maps * row..(group + 1) * maps * row];
        let result = &mut result[group * maps * area..(group + 1) * maps * area];
        if is_pointwise(&conv.window) {
            multiply_add([maps, row, area], weights, planes, false, result);
        } else {
            unfold(&conv.window, planes, [input.shape()[2], input.shape()[3]], [output[2], output[3]], &mut columns);
            multiply_add([maps, row, area], weights, &columns, false, result);
        }
    }
    result
}

/// Whether the windows are the values themselves.
fn is_pointwise(window: &Window) -> bool {
    *window == Window { dilation: window.dilation, ..Window::of([1, 1]) }
}

/// The values under each window, a row per channel and kernel position and a column per window: what a convolution
/// multiplies its weights with (im2col).
pub(crate) fn unfold<T: Copy + Default>(
    window: &Window,
    planes: &[T],
    [height, width]: [usize; 2],
    [rows, columns]: [usize; 2],
    unfolded: &mut Vec<T>,
) {
    unfolded.clear();
    for plane in planes.chunks_exact(height * width) {
        for inside in 0..window.kernel[0] * window.kernel[1] {
            let (down, across) = (inside / window.kernel[1], inside % window.kernel[1]);
            for row in 0..rows {
                let Some(line) = window.at(0, row, down, height).map(|row| &plane[row * width..(row + 1) * width])
                else {
                    unfolded.extend(core::iter::repeat_n(T::default(), columns));
                    continue;
                };
                let value = |column| window.at(1, column, across, width).map_or(T::default(), |index| line[index]);
                unfolded.extend((0..columns).map(value));
            }
        }
    }
}

/// `bias + weights · x`.
pub(super) fn affine(weights: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let mut result = bias.to_vec();
    multiply_add([bias.len(), x.len(), 1], weights, x, false, &mut result);
    result
}

/// Folds the values of each window; padding is left out. `finish` also gets the number of values met.
fn pool(
    window: &Window,
    input: &Tensor,
    output: &[usize],
    start: f32,
    fold: impl Fn(f32, f32) -> f32,
    finish: impl Fn(f32, usize) -> f32,
) -> Vec<f32> {
    let [height, width] = [input.shape()[2], input.shape()[3]];
    let mut result = Vec::with_capacity(output.iter().product());
    for plane in input.data().chunks_exact(height * width) {
        for row in 0..output[2] {
            for column in 0..output[3] {
                let (mut value, mut met) = (start, 0);
                for down in (0..window.kernel[0]).filter_map(|inside| window.at(0, row, inside, height)) {
                    for across in (0..window.kernel[1]).filter_map(|inside| window.at(1, column, inside, width)) {
                        value = fold(value, plane[down * width + across]);
                        met += 1;
                    }
                }
                result.push(finish(value, met));
            }
        }
    }
    result
}

pub(super) fn max_pool(window: &Window, input: &Tensor, output: &[usize]) -> Vec<f32> {
    pool(window, input, output, f32::NEG_INFINITY, f32::max, |value, _| value)
}

pub(super) fn average_pool(average: &Pool, input: &Tensor, output: &[usize]) -> Vec<f32> {
    let size = average.window.kernel[0] * average.window.kernel[1];
    // A window wholly in the padding has a sum of 0, and no value to divide it by.
    let count = |met: usize| if average.count_padding { size } else { met.max(1) };
    pool(&average.window, input, output, 0.0, |a, b| a + b, |value, met| value / count(met) as f32)
}

/// Softmax over a range of axes. The largest value is subtracted first, so nothing overflows.
pub(super) fn softmax(input: &Tensor, axes: Range<usize>, log: bool) -> Vec<f32> {
    let shape = input.shape();
    let inner: usize = shape[axes.end..].iter().product();
    let count: usize = shape[axes].iter().product();
    let mut result = input.data().to_vec();
    for block in result.chunks_exact_mut(count * inner) {
        for place in 0..inner {
            let of = |block: &[f32]| (0..count).map(|i| block[i * inner + place]).collect::<Vec<_>>();
            let values = of(block);
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = values.iter().map(|x| (x - largest).exp()).sum();
            for (i, x) in values.iter().enumerate() {
                let shifted = x - largest;
                block[i * inner + place] = if log { shifted - sum.ln() } else { shifted.exp() / sum };
            }
        }
    }
    result
}

pub(super) fn argmax(input: &Tensor, axis: usize) -> Vec<f32> {
    let (count, inner) = (input.shape()[axis], input.shape()[axis + 1..].iter().product::<usize>());
    let blocks = input.data().chunks_exact(count * inner);
    let index = |block: &[f32], place: usize| {
        let at = |i: usize| block[i * inner + place];
        (0..count).fold(0, |best, i| if at(i) > at(best) { i } else { best }) as f32
    };
    blocks.flat_map(|block| (0..inner).map(move |place| index(block, place))).collect()
}
