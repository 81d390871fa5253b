//! A segment that is a chain already: one layer after the other, each a convolution or a matrix.

use alloc::string::String;
use alloc::vec::Vec;

use super::{RealLayer, shape_of};
use crate::graph::{Convolution, Graph, Operator, Pool, Value};
use crate::network::{Conv2d, Dense, MAX_VALUES, Op, Shape};

/// The layers from one value to another, unless something in between is no such layer; `shape` is what enters.
pub(super) fn layers(graph: &Graph, from: Value, to: Value, mut shape: Shape) -> Option<Vec<RealLayer>> {
    let mut nodes = Vec::new();
    let mut value = to;
    while value != from {
        let node = graph.definition(value)?;
        let [operand] = node.operands.as_slice() else { return None };
        nodes.push(node);
        value = *operand;
    }
    let mut layers = Vec::new();
    for node in nodes.into_iter().rev() {
        let input = graph.shape(node.operands[0]);
        let layer = match &node.operator {
            Operator::Reshape(_) | Operator::Identity => continue,
            // A reshape may have given the values another shape than the layer before.
            Operator::Convolution(conv) if shape_of(input) == shape => convolution(&node.name, conv)?,
            Operator::AveragePool(pool) if shape_of(input) == shape => mean(&node.name, pool, shape[0])?,
            Operator::Matrix(matrix) => {
                let (outputs, inputs) = (matrix.outputs, matrix.inputs);
                let form = Op::Dense(Dense { outputs, inputs, weights: Vec::new(), bias: Vec::new() });
                RealLayer { name: node.name.clone(), form, weights: wide(&matrix.weights), bias: wide(&matrix.bias) }
            }
            _ => return None,
        };
        shape = layer.form.output_shape(shape)?;
        layers.push(layer);
    }
    Some(layers)
}

pub(super) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

/// Groups and dilation become zeros of a full kernel.
fn convolution(name: &str, conv: &Convolution) -> Option<RealLayer> {
    let (window, channels) = (&conv.window, conv.channels);
    let reach = |axis: usize| (window.kernel[axis] - 1) * window.dilation[axis] + 1;
    let kernel = [reach(0), reach(1)];
    let mut weights = zeros([conv.maps, channels, kernel[0], kernel[1]])?;
    let (within, together) = (channels / conv.groups, conv.maps / conv.groups);
    let area = window.kernel[0] * window.kernel[1];
    for (index, &weight) in conv.weights.iter().enumerate() {
        let (map, channel, inside) = (index / area / within, index / area % within, index % area);
        let (row, column) =
            (inside / window.kernel[1] * window.dilation[0], inside % window.kernel[1] * window.dilation[1]);
        let channel = map / together * within + channel;
        weights[((map * channels + channel) * kernel[0] + row) * kernel[1] + column] = weight.into();
    }
    let (maps, stride, padding) = (conv.maps, window.stride, window.padding);
    let form = Op::Conv2d(Conv2d { maps, channels, kernel, stride, padding, weights: Vec::new(), bias: Vec::new() });
    Some(RealLayer { name: name.into(), form, weights, bias: wide(&conv.bias) })
}

/// A mean over windows is a convolution that keeps channels apart, unless it counts only what is not padding.
fn mean(name: &str, pool: &Pool, channels: usize) -> Option<RealLayer> {
    if !pool.count_padding && !pool.window.is_unpadded() {
        return None;
    }
    let area = pool.window.kernel[0] * pool.window.kernel[1];
    let weights = alloc::vec![1.0 / area as f32; channels.checked_mul(area).filter(|&values| values <= MAX_VALUES)?];
    let bias = alloc::vec![0.0; channels];
    let conv = Convolution { window: pool.window, maps: channels, channels, groups: channels, weights, bias };
    convolution(&String::from(name), &conv)
}

fn zeros(sides: [usize; 4]) -> Option<Vec<f64>> {
    let count = sides.iter().try_fold(1_usize, |product, &side| product.checked_mul(side))?;
    (count <= MAX_VALUES).then(|| alloc::vec![0.0; count])
}
