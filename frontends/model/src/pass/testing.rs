//! Graphs for the tests of passes.

#![allow(clippy::unwrap_used, reason = "tests")]

use crate::graph::{Convolution, Graph, GraphError, Matrix, Operator, Tensor, Value, Window};

/// Numbers between -1 and 1 that look like chance.
pub(crate) fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((state >> 16) as u16) / 32_768.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

pub(crate) fn graph(shape: &[usize], build: impl FnOnce(&mut Graph, Value) -> Result<Value, GraphError>) -> Graph {
    let mut graph = Graph::new("test", shape.into()).unwrap();
    let output = build(&mut graph, Value::INPUT).unwrap();
    graph.set_output(output).unwrap();
    graph
}

/// A 3×2 convolution.
pub(crate) fn conv(maps: usize, channels: usize, groups: usize) -> Operator {
    let (weights, bias) = (noise(maps * channels / groups * 6, 1), noise(maps, 2));
    Operator::Convolution(Convolution { window: Window::of([3, 2]), maps, channels, groups, weights, bias })
}

pub(crate) fn matrix(outputs: usize, inputs: usize) -> Operator {
    Operator::Matrix(Matrix { outputs, inputs, weights: noise(outputs * inputs, 3), bias: noise(outputs, 4) })
}

/// Both graphs give the same for a few inputs, up to a relative error.
pub(crate) fn agree(a: &Graph, b: &Graph, error: f32) {
    let size = a.input_shape().iter().product();
    for seed in 0..4 {
        let input = Tensor::new(a.input_shape().into(), noise(size, seed)).unwrap();
        let (x, y) = (a.evaluate(&input).unwrap(), b.evaluate(&input).unwrap());
        assert_eq!(x.shape(), y.shape());
        for (x, y) in x.data().iter().zip(y.data()) {
            assert!((x - y).abs() <= error * (1.0 + x.abs()), "{x} and {y}");
        }
    }
}
