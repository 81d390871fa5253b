//! Networks for the tests of this crate.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::network::{Conv2d, Dense, Input, Layer, Network, Op, Padding, Shape, values};
use crate::quantise::Scale;

/// 4×4 pixels → two 2×2 maps → squares → three values.
pub(crate) fn tiny() -> Network {
    let conv = Conv2d {
        maps: 2,
        channels: 1,
        kernel: [3, 3],
        stride: [2, 2],
        padding: Padding { bottom: 1, right: 1, ..Padding::default() },
        weights: (-9..9).collect(),
        bias: vec![100, -200],
    };
    let dense = Dense {
        outputs: 3,
        inputs: 8,
        weights: (0..24).map(|i| i * 37 % 400 - 200).collect(),
        bias: vec![1, -2, 70_000],
    };
    network([1, 4, 4], vec![Op::Conv2d(conv), Op::Square, Op::Dense(dense)])
}

/// A network of these operators at scale 1/16; the layers are named by their place, the labels by the output.
pub(crate) fn network(shape: Shape, ops: Vec<Op>) -> Network {
    let layers: Vec<Layer> =
        ops.into_iter().enumerate().map(|(place, op)| Layer { name: format!("layer{place}"), op }).collect();
    let output = layers.iter().fold(shape, |shape, layer| layer.output_shape(shape).unwrap());
    let labels = (0..values(output)).map(|class| class.to_string()).collect();
    Network::new("sample", Input { shape, scale: Scale::new(1, 16).unwrap() }, layers, labels).unwrap()
}

/// Small networks of a convolution, perhaps a square, and a dense layer, with parameters of any magnitude up to
/// 2^`bits`, and an input of the same magnitude.
pub(crate) fn networks(bits: u32) -> impl Strategy<Value = (Network, Vec<i64>)> {
    let sizes = (1..3_usize, 1..6_usize, 1..6_usize, 1..4_usize, 1..4_usize, any::<bool>());
    (sizes, convolutions(), 0..=bits, 0..=bits)
        .prop_filter_map("the window must fit", |((channels, height, width, maps, outputs, square), conv, a, b)| {
            let conv = Conv2d { maps, channels, ..conv };
            let shape = [channels, height, width];
            conv.output_shape(shape).map(|middle| (shape, conv, middle, outputs, square, a, b))
        })
        .prop_flat_map(|(shape, conv, middle, outputs, square, input_bits, weight_bits)| {
            let (weights, inputs) = (conv.maps * conv.window_len(), values(middle));
            let (maps, magnitude) = (conv.maps, integers(weight_bits));
            let numbers = (
                vec(magnitude.clone(), weights),
                vec(magnitude.clone(), maps),
                vec(magnitude.clone(), outputs * inputs),
                vec(magnitude, outputs),
                vec(integers(input_bits), values(shape)),
            );
            numbers.prop_map(move |(conv_weights, conv_bias, weights, bias, input)| {
                let conv = Conv2d { weights: conv_weights, bias: widen(&conv_bias), ..conv.clone() };
                let dense = Dense { outputs, inputs, weights, bias: widen(&bias) };
                let ops = [Some(Op::Conv2d(conv)), square.then_some(Op::Square), Some(Op::Dense(dense))];
                (network(shape, ops.into_iter().flatten().collect()), input)
            })
        })
}

fn convolutions() -> impl Strategy<Value = Conv2d> {
    let sides = (1..4_usize, 1..4_usize, 1..4_usize, 1..4_usize);
    let padding = (0..3_usize, 0..3_usize, 0..3_usize, 0..3_usize);
    (sides, padding).prop_map(|((rows, columns, down, across), (top, left, bottom, right))| Conv2d {
        maps: 0,
        channels: 0,
        kernel: [rows, columns],
        stride: [down, across],
        padding: Padding { top, left, bottom, right },
        weights: Vec::new(),
        bias: Vec::new(),
    })
}

/// Integers in `-2^bits..2^bits`, for `bits` up to 63.
fn integers(bits: u32) -> impl Strategy<Value = i64> + Clone {
    any::<i64>().prop_map(move |value| value >> (63 - bits))
}

fn widen(values: &[i64]) -> Vec<i128> {
    values.iter().map(|&value| value.into()).collect()
}
