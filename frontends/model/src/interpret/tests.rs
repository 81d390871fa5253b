#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use naive::Values;
use proptest::prelude::*;

use super::*;
use crate::network::{Conv2d, Dense};
use crate::samples::{network, networks, tiny};

/// An oracle that shares nothing with the interpreter: explicit padding, every index written out.
mod naive {
    use super::*;

    pub(super) type Values = Option<Vec<i128>>;

    pub(super) fn convolve(conv: &Conv2d, [channels, height, width]: Shape, input: &[i128]) -> Values {
        let padding = conv.padding;
        let (rows, columns) = (height + padding.top + padding.bottom, width + padding.left + padding.right);
        let mut padded = vec![vec![vec![0; columns]; rows]; channels];
        for (index, &value) in input.iter().enumerate() {
            let (channel, y, x) = (index / (height * width), index / width % height, index % width);
            padded[channel][y + padding.top][x + padding.left] = value;
        }
        let mut output = Vec::new();
        for map in 0..conv.maps {
            for y in (0..=rows - conv.kernel[0]).step_by(conv.stride[0]) {
                for x in (0..=columns - conv.kernel[1]).step_by(conv.stride[1]) {
                    output.push(at(conv, &padded, map, y, x)?);
                }
            }
        }
        Some(output)
    }

    fn at(conv: &Conv2d, padded: &[Vec<Vec<i128>>], map: usize, y: usize, x: usize) -> Option<i128> {
        let mut sum = conv.bias[map];
        let mut weights = conv.weights.chunks(conv.weights.len() / conv.maps).nth(map)?.iter();
        for channel in padded {
            for line in &channel[y..y + conv.kernel[0]] {
                for &value in &line[x..x + conv.kernel[1]] {
                    sum = sum.checked_add(value.checked_mul(i128::from(*weights.next()?))?)?;
                }
            }
        }
        Some(sum)
    }

    pub(super) fn dense(dense: &Dense, input: &[i128]) -> Values {
        let mut output = dense.bias.clone();
        for (index, &weight) in dense.weights.iter().enumerate() {
            let sum = &mut output[index / dense.inputs];
            *sum = sum.checked_add(input[index % dense.inputs].checked_mul(weight.into())?)?;
        }
        Some(output)
    }
}

fn oracle(network: &Network, input: &[i64]) -> Values {
    let mut values: Vec<i128> = input.iter().map(|&value| value.into()).collect();
    for (layer, &shape) in network.layers().iter().zip(network.shapes()) {
        values = match &layer.op {
            Op::Conv2d(conv) => naive::convolve(conv, shape, &values)?,
            Op::Square => values.iter().map(|value| value.checked_mul(*value)).collect::<Option<_>>()?,
            Op::Dense(dense) => naive::dense(dense, &values)?,
        };
    }
    Some(values)
}

fn one_weight(weight: i64, bias: i128) -> Network {
    network([1, 1, 1], vec![Op::Dense(Dense { outputs: 1, inputs: 1, weights: vec![weight], bias: vec![bias] })])
}

#[test]
fn known_answer() {
    // Ones everywhere: each window sums the weights that lie on the picture.
    let trace = tiny().evaluate_traced(&[1; 16]).unwrap();
    assert_eq!(trace.values()[1], [100 - 45, 100 - 33, 100 - 39, 100 - 28, -200 + 36, -200 + 21, -200 + 15, -200 + 8]);
    let squares: Vec<i128> = trace.values()[1].iter().map(|value| value * value).collect();
    assert_eq!(trace.values()[2], squares);
    assert_eq!(trace.evaluation(), tiny().evaluate(&[1; 16]).unwrap());
}

#[test]
fn argmax_is_the_first_maximum() {
    assert_eq!(argmax(&[]), None);
    assert_eq!(argmax(&[i128::MIN]), Some(0));
    assert_eq!(argmax(&[1, 7, -2, 7]), Some(1));
    assert_eq!(argmax(&[-3, -3, -9]), Some(0));
}

#[test]
fn input_must_have_the_length_of_the_network() {
    let error = tiny().evaluate(&[0; 15]).unwrap_err();
    assert!(matches!(error, ModelError::InputLength { expected: 16, found: 15 }));
    assert!(tiny().evaluate_traced(&[0; 17]).is_err());
    assert!(tiny().classify(&[0; 17]).is_err());
}

#[test]
fn overflow_names_the_layer() {
    let chain = network([1, 1, 1], vec![Op::Square, Op::Square, Op::Square]);
    assert_eq!(chain.evaluate(&[-(1 << 15)]).unwrap().logits, [1 << 120]);
    assert!(matches!(chain.evaluate(&[1 << 16]), Err(ModelError::Overflow { layer }) if layer == "layer2"));
    assert!(matches!(one_weight(1, i128::MAX).evaluate(&[1]), Err(ModelError::Overflow { .. })));
    assert_eq!(one_weight(1, i128::MAX).evaluate(&[0]).unwrap().logits, [i128::MAX]);
}

#[test]
fn the_bound_decides_at_the_last_integer() {
    let fits = |weight: i64, bias: i128, value: i128| {
        LinearBound::of(&one_weight(weight, bias).layers()[0].op).fits_i64(&[value])
    };
    let max = i128::from(i64::MAX);
    assert!(fits(1, 0, max) && fits(-1, 0, max) && fits(1, max - 5, -5));
    assert!(!fits(1, 0, max + 1) && !fits(1, max - 5, -6) && !fits(i64::MIN, 0, 1));
    // A weight of 0 does not make room for an input that is not an i64.
    assert!(fits(0, max, 0) && !fits(0, 0, max + 1));
    assert!(!fits(i64::MAX, i128::MAX, i128::MAX));
}

#[test]
fn extremes_run_on_either_path() {
    for (weight, bias, value) in
        [(-1, -5, i64::MAX), (1, -6, i64::MAX), (i64::MIN, 0, i64::MIN), (0, 1 << 100, i64::MIN)]
    {
        let expected = i128::from(weight) * i128::from(value) + bias;
        assert_eq!(one_weight(weight, bias).evaluate(&[value]).unwrap().logits, [expected]);
    }
}

proptest! {
    #[test]
    fn agrees_with_the_oracle((network, input) in networks(63)) {
        let result = network.evaluate(&input).ok();
        let expected = oracle(&network, &input);
        prop_assert_eq!(result.as_ref().map(|evaluation| &evaluation.logits), expected.as_ref());
        let traced = network.evaluate_traced(&input).ok();
        prop_assert_eq!(traced.map(Trace::evaluation), result);
    }

    #[test]
    fn both_paths_agree((network, input) in networks(18)) {
        let trace = network.evaluate_traced(&input).unwrap();
        for (step, layer) in network.layers().iter().enumerate() {
            let (shape, values) = (network.shapes()[step], &trace.values()[step]);
            let expected = Some(trace.values()[step + 1].clone());
            prop_assert_eq!(apply(&layer.op, shape, values), expected.clone());
            if network.bounds()[step].fits_i64(values) && layer.op != Op::Square {
                prop_assert_eq!(run_narrow(&layer.op, shape, values), expected);
            }
        }
    }
}
