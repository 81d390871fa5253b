//! Channels of integers that provably change nothing.
//!
//! A channel whose weights are all zero holds one constant, whatever the input; a channel that the next linear layer
//! multiplies by zero is heard by no one. Either goes away, and a constant goes into the biases that follow, where the next
//! layer sees it at every position: that is every matrix, and every convolution without padding.

use alloc::vec::Vec;

use crate::error::ModelError;
use crate::network::{Conv2d, Dense, Layer, Network, Op, Padding};
use crate::tolerance::Tolerance;

/// The network without the channels that change nothing, and how many they were. The logits are the same for every input.
///
/// # Errors
///
/// Those of [`Network::new`]; none for what is a network.
pub fn drop_dead_channels(network: &Network) -> Result<(Network, usize), ModelError> {
    let mut layers = network.layers().to_vec();
    let mut dropped = 0;
    while let Some((place, next, channel, constant)) = find(&layers) {
        let channels = outputs(&layers[place].op);
        if let Some(constant) = constant {
            add_constant(&mut layers[next].op, channels, channel, constant);
        }
        drop_inputs(&mut layers[next].op, channels, channel);
        drop_output(&mut layers[place].op, channel);
        dropped += 1;
    }
    if dropped == 0 {
        return Ok((network.clone(), 0));
    }
    let mut new = Network::new(network.name(), *network.input(), layers, network.labels().to_vec())?;
    if let Some(range) = network.declared_input_range() {
        new = new.with_input_range(range);
    }
    if let Some(bound) = network.declared_logit_bound() {
        new = new.with_logit_bound(bound);
    }
    if let Some(deviation) = network.logit_tolerance() {
        new = new.with_logit_tolerance(Tolerance::new(deviation)?);
    }
    if let Some(training) = network.training() {
        new = new.with_training(training);
    }
    Ok((new, dropped))
}

/// A linear layer, the next one, a dead channel between them, and the constant that it holds there; none if it does not
/// matter.
fn find(layers: &[Layer]) -> Option<(usize, usize, usize, Option<i128>)> {
    let linear: Vec<usize> = (0..layers.len()).filter(|&place| layers[place].op.parameters().is_some()).collect();
    linear.windows(2).find_map(|pair| {
        let (first, next) = (&layers[pair[0]].op, &layers[pair[1]].op);
        let count = outputs(first);
        let found = (0..count).filter(|_| count > 1).find_map(|channel| {
            if is_deaf(next, count, channel) {
                return Some((channel, None));
            }
            let constant = constant(first, channel, pair[1] - pair[0] - 1)?;
            (constant == 0 || is_even(next)).then_some((channel, (constant != 0).then_some(constant)))
        });
        found.map(|(channel, constant)| (pair[0], pair[1], channel, constant))
    })
}

const fn outputs(op: &Op) -> usize {
    match op {
        Op::Conv2d(conv) => conv.maps,
        Op::Dense(dense) => dense.outputs,
        Op::Square => 0,
    }
}

/// Whether a layer sees a constant channel alike at every position.
fn is_even(op: &Op) -> bool {
    match op {
        Op::Conv2d(conv) => conv.padding == Padding::default(),
        _ => true,
    }
}

/// The value of a channel without weights after so many squares, if it stays small.
fn constant(op: &Op, channel: usize, squares: usize) -> Option<i128> {
    let (weights, bias) = op.parameters()?;
    let row = weights.len() / bias.len();
    let dead = weights[channel * row..(channel + 1) * row].iter().all(|&weight| weight == 0);
    let square = |value: i128| value.checked_mul(value).filter(|value| *value < 1 << 62);
    if dead { (0..squares).try_fold(bias[channel], |value, _| square(value)) } else { None }
}

/// The weights of a layer in blocks, one for each channel that it reads: which channel a weight belongs to.
fn block(op: &Op, channels: usize) -> usize {
    match op {
        Op::Conv2d(conv) => conv.kernel[0] * conv.kernel[1],
        Op::Dense(dense) => dense.inputs / channels,
        Op::Square => 1,
    }
}

fn is_deaf(op: &Op, channels: usize, channel: usize) -> bool {
    let block = block(op, channels);
    let weights = op.parameters().map_or(&[][..], |(weights, _)| weights);
    weights.chunks(block.max(1)).skip(channel).step_by(channels).all(|block| block.iter().all(|&weight| weight == 0))
}

fn add_constant(op: &mut Op, channels: usize, channel: usize, constant: i128) {
    let block = block(op, channels);
    let (weights, bias) = match op {
        Op::Conv2d(conv) => (&conv.weights, &mut conv.bias),
        Op::Dense(dense) => (&dense.weights, &mut dense.bias),
        Op::Square => return,
    };
    for (bias, weights) in bias.iter_mut().zip(weights.chunks(block * channels)) {
        let total: i128 =
            weights[channel * block..(channel + 1) * block].iter().map(|&weight| i128::from(weight)).sum();
        *bias = bias.saturating_add(total.saturating_mul(constant));
    }
}

fn drop_inputs(op: &mut Op, channels: usize, channel: usize) {
    let block = block(op, channels);
    let keep = |weights: &[i64]| {
        let blocks = weights.chunks(block.max(1)).enumerate().filter(|(place, _)| place % channels != channel);
        blocks.flat_map(|(_, block)| block.iter().copied()).collect()
    };
    match op {
        Op::Conv2d(Conv2d { channels, weights, .. }) => (*channels, *weights) = (*channels - 1, keep(weights)),
        Op::Dense(Dense { inputs, weights, .. }) => (*inputs, *weights) = (*inputs - block, keep(weights)),
        Op::Square => {}
    }
}

fn drop_output(op: &mut Op, channel: usize) {
    let (count, weights, bias) = match op {
        Op::Conv2d(conv) => (&mut conv.maps, &mut conv.weights, &mut conv.bias),
        Op::Dense(dense) => (&mut dense.outputs, &mut dense.weights, &mut dense.bias),
        Op::Square => return,
    };
    let row = weights.len() / *count;
    weights.drain(channel * row..(channel + 1) * row);
    bias.remove(channel);
    *count -= 1;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::samples::{network, networks};

    fn convolutions(zero: usize, bias: i128, padding: usize) -> Network {
        let mut weights: Vec<i64> = (1..=12).collect();
        weights[zero * 4..(zero + 1) * 4].fill(0);
        let first = Conv2d {
            maps: 3,
            channels: 1,
            kernel: [2, 2],
            stride: [1, 1],
            padding: Padding::default(),
            weights,
            bias: vec![bias, bias, bias],
        };
        let padding = Padding { top: padding, ..Padding::default() };
        let (weights, bias) = ((1..=12).collect(), vec![7]);
        let second = Conv2d { maps: 1, channels: 3, kernel: [2, 2], stride: [1, 1], padding, weights, bias };
        network([1, 4, 4], vec![Op::Conv2d(first), Op::Square, Op::Conv2d(second)])
    }

    #[test]
    fn a_constant_channel_goes_into_the_biases() {
        for (bias, padding, dropped) in [(0, 0, 1), (0, 1, 1), (-5, 0, 1), (-5, 1, 0)] {
            let before = convolutions(1, bias, padding);
            let (after, count) = drop_dead_channels(&before).unwrap();
            assert_eq!(count, dropped, "{bias} {padding}");
            let input: Vec<i64> = (0..16).map(|i| i * i % 11 - 4).collect();
            assert_eq!(after.evaluate(&input).unwrap(), before.evaluate(&input).unwrap());
            assert_eq!(after.shapes()[1][0], 3 - dropped);
        }
    }

    proptest! {
        #[test]
        fn no_logit_changes((before, input) in networks(3), dead in any::<u64>()) {
            // Rows of the first layer and columns of the last become zero at random.
            let mut layers = before.layers().to_vec();
            if let Op::Conv2d(conv) = &mut layers[0].op {
                let row = conv.weights.len() / conv.maps;
                for (map, weights) in conv.weights.chunks_mut(row).enumerate() {
                    if dead >> map & 1 == 1 {
                        weights.fill(0);
                    }
                }
            }
            let before = Network::new("n", *before.input(), layers, before.labels().to_vec()).unwrap();
            let (after, _) = drop_dead_channels(&before).unwrap();
            prop_assert_eq!(after.evaluate(&input).unwrap(), before.evaluate(&input).unwrap());
        }
    }
}
