#![allow(clippy::unwrap_used, reason = "tests")]

use tacit_model::{Conv2d, Dense, Input as NetworkInput, Layer, Padding, Scale};

use super::*;
use crate::evaluate::{Clear, Sequential, run};
use crate::lower::centre;

const MODULUS: u64 = (1 << 61) - 1;

/// What a plan computes of an input in the clear.
fn clear(plan: &Plan, layout: &Layout, input: &[i64]) -> Vec<i128> {
    let evaluator = Clear::new(plan, MODULUS);
    let part = |value: Option<usize>| value.map_or(0, |value| input[value]);
    let message = |cells: &Vec<crate::representation::Cell>| {
        evaluator.message(&cells.iter().map(|cell| (part(cell.re()), part(cell.im()))).collect::<Vec<_>>())
    };
    let inputs = layout.cells().iter().map(message).collect();
    let answers = run(plan, &evaluator, inputs, &Sequential, &|_, _| {}).unwrap();
    let sum =
        |message: usize, slot| plan.answer().slots_of(plan.shape(), slot).map(|slot| answers[message][slot].0).sum();
    plan.answer().places.iter().map(|&(message, slot)| centre(sum(message, slot), MODULUS.into())).collect()
}

/// All ways on all shapes of messages, against the interpreter; gives how many there were.
fn check(network: &Network, degrees: &[usize]) -> usize {
    let mut count = 0;
    for (scheme, goal) in [Scheme::Bfv, Scheme::Ckks]
        .into_iter()
        .flat_map(|scheme| [Goal::Latency, Goal::Throughput].map(|goal| (scheme, goal)))
    {
        for way in Way::all(network, goal, scheme) {
            for &degree in degrees {
                let Some((plan, layout)) = way.build(network, way.shape(network, scheme, degree)).unwrap() else {
                    continue;
                };
                count += 1;
                let input = typical_input(network);
                let expected = network.evaluate(&input).unwrap().logits;
                let wrapped = |value: i128| centre(value, MODULUS.into());
                let scaled = |logit: i128| wrapped(wrapped(logit) * wrapped(plan.answer().factor));
                let expected: Vec<_> = expected.into_iter().map(scaled).collect();
                assert_eq!(clear(&plan, &layout, &input), expected, "{way:?} {scheme:?} {degree}");
            }
        }
    }
    count
}

/// Small weights that look like none.
fn weights(len: usize) -> Vec<i64> {
    (0..len as u64).map(|i| ((i + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as i64 % 7 - 3).collect()
}

fn conv(maps: usize, channels: usize, kernel: usize, stride: usize, pad: usize) -> Op {
    Op::Conv2d(Conv2d {
        maps,
        channels,
        kernel: [kernel, kernel],
        stride: [stride, stride],
        padding: Padding { top: pad, left: pad, bottom: pad, right: pad },
        weights: weights(maps * channels * kernel * kernel),
        bias: weights(maps).into_iter().map(Into::into).collect(),
    })
}

fn dense(outputs: usize, inputs: usize) -> Op {
    let bias = weights(outputs).into_iter().map(|bias| i128::from(bias) * 11).collect();
    Op::Dense(Dense { outputs, inputs, weights: weights(outputs * inputs), bias })
}

fn network(shape: [usize; 3], ops: Vec<Op>) -> Network {
    let layers: Vec<_> = ops.into_iter().enumerate().map(|(i, op)| Layer { name: format!("layer{i}"), op }).collect();
    let outputs = match &layers.last().unwrap().op {
        Op::Dense(dense) => dense.outputs,
        _ => unreachable!(),
    };
    let labels = (0..outputs).map(|i| i.to_string()).collect();
    Network::new("test", NetworkInput { shape, scale: Scale::new(3, 255).unwrap() }, layers, labels).unwrap()
}

#[test]
fn the_bundled_network_by_every_way() {
    assert!(check(&tacit_model::mnist().unwrap(), &[8192]) >= 8);
}

#[test]
fn other_shapes_by_every_way() {
    let two_convolutions = vec![conv(4, 3, 4, 2, 1), Op::Square, conv(6, 4, 2, 2, 0), Op::Square, dense(5, 54)];
    assert!(check(&network([3, 12, 12], two_convolutions), &[512, 2048]) >= 2);
    assert!(check(&network([1, 8, 8], vec![conv(3, 1, 3, 1, 1), dense(4, 192)]), &[512, 2048]) >= 6);
    assert!(check(&network([30, 1, 1], vec![dense(9, 30), Op::Square, dense(2, 9)]), &[512, 2048]) >= 10);
    assert!(check(&network([300, 1, 1], vec![dense(17, 300)]), &[512, 2048]) >= 10);
    let deep = vec![dense(20, 12), Op::Square, dense(9, 20), Op::Square, dense(7, 9), Op::Square, dense(3, 7)];
    assert!(check(&network([12, 1, 1], deep), &[1024]) >= 6);
}
