#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::graph::{Pool, Tensor, Window};
use crate::pass::testing::{conv, graph, matrix, noise};

/// The logits of a chain, one multiplication at a time.
fn run(chain: &Chain, input: &[f32]) -> Vec<f64> {
    let mut shape = chain.input;
    let mut values: Vec<f64> = input.iter().map(|&value| value.into()).collect();
    for layer in &chain.layers {
        let output = layer.form.output_shape(shape).unwrap();
        values = match &layer.form {
            Op::Square => values.iter().map(|value| value * value).collect(),
            Op::Dense(dense) => {
                let rows = layer.weights.chunks(dense.inputs).zip(&layer.bias);
                rows.map(|(row, bias)| bias + row.iter().zip(&values).map(|(w, x)| w * x).sum::<f64>()).collect()
            }
            Op::Conv2d(conv) => {
                let area = output[1] * output[2];
                let at = |map: usize, place: usize| {
                    let window = conv.window(shape, place / output[2], place % output[2]);
                    let weights = &layer.weights[map * conv.window_len()..];
                    layer.bias[map] + window.zip(weights).map(|(i, w)| i.map_or(0.0, |i| w * values[i])).sum::<f64>()
                };
                (0..conv.maps).flat_map(|map| (0..area).map(move |place| (map, place))).map(|(m, p)| at(m, p)).collect()
            }
        };
        shape = output;
    }
    values
}

/// The chain computes what the graph does, up to rounding.
fn agrees(graph: &Graph, chain: &Chain) {
    let size = graph.input_shape().iter().product();
    for seed in 0..3 {
        let input = noise(size, seed);
        let expected = graph.evaluate(&Tensor::new(graph.input_shape().into(), input.clone()).unwrap()).unwrap();
        let found = run(chain, &input);
        assert_eq!(found.len(), expected.data().len());
        for (found, &expected) in found.iter().zip(expected.data()) {
            assert!(
                (found - f64::from(expected)).abs() < 1e-3 * (1.0 + f64::from(expected).abs()),
                "{found} {expected}"
            );
        }
    }
}

fn kinds(chain: &Chain) -> Vec<&'static str> {
    chain.layers.iter().map(|layer| layer.form.kind()).collect()
}

fn pool(kernel: [usize; 2]) -> Operator {
    Operator::AveragePool(Pool { window: Window { stride: kernel, ..Window::of(kernel) }, count_padding: true })
}

/// Convolution, pool, square, flatten, matrix, square, matrix, softmax.
fn lola() -> Graph {
    graph(&[1, 2, 7, 6], |g, x| {
        let x = g.push("conv1", conv(4, 2, 2), vec![x])?;
        let x = g.push("pool", pool([2, 2]), vec![x])?;
        let x = g.push("act1", Operator::Square, vec![x])?;
        let x = g.push("flatten", Operator::Reshape(vec![1, 16]), vec![x])?;
        let x = g.push("fc1", matrix(5, 16), vec![x])?;
        let x = g.push("act2", Operator::Square, vec![x])?;
        let x = g.push("fc2", matrix(3, 5), vec![x])?;
        g.push("softmax", Operator::Softmax { first: 1, end: 2, log: false }, vec![x])
    })
}

#[test]
fn a_chain_keeps_its_layers() {
    let before = lola();
    let chain = lower(&before, Options::default()).unwrap();
    assert_eq!(kinds(&chain), ["conv2d", "square", "dense", "square", "dense"]);
    let gone: Vec<_> = chain.foldings.iter().map(|note| (note.node.as_str(), note.into.as_deref())).collect();
    assert_eq!(gone, [("softmax", None), ("pool", Some("conv1"))]);
    let mut logits = before;
    logits.set_output(logits.value(6)).unwrap();
    agrees(&logits, &chain);
}

#[test]
fn adjacent_layers_become_one_where_that_is_smaller_or_asked() {
    let two = |hidden| {
        graph(&[1, 6], |g, x| {
            let x = g.push("wide", matrix(hidden, 6), vec![x])?;
            g.push("narrow", matrix(2, hidden), vec![x])
        })
    };
    let lowered = |hidden, collapse| {
        let chain = lower(&two(hidden), Options { collapse }).unwrap();
        agrees(&two(hidden), &chain);
        chain.layers.len()
    };
    assert_eq!([lowered(5, false), lowered(1, false), lowered(1, true)], [1, 2, 1]);
}

#[test]
fn branches_of_linear_layers_become_a_matrix() {
    let before = graph(&[1, 2, 4, 4], |g, x| {
        let left = g.push("left", conv(2, 2, 1), vec![x])?;
        let sides = vec![[0, 0], [0, 0], [0, 0], [1, 0]];
        let right = g.push("pad", Operator::Pad { sides, value: 2.0 }, vec![x])?;
        let right = g.push("right", conv(2, 2, 2), vec![right])?;
        let right = g.push(
            "crop",
            Operator::Slice { start: vec![0; 4], step: vec![1; 4], shape: vec![1, 2, 2, 3] },
            vec![right],
        )?;
        let sum = g.push("join", Operator::Add, vec![left, right])?;
        let sum = g.push("turn", Operator::Transpose(vec![0, 2, 3, 1]), vec![sum])?;
        g.push("square", Operator::Square, vec![sum])
    });
    let chain = lower(&before, Options::default()).unwrap();
    assert_eq!(kinds(&chain), ["dense", "square"]);
    agrees(&before, &chain);
}

#[test]
fn dilation_and_padded_pools_are_lowered() {
    let before = graph(&[1, 2, 7, 7], |g, x| {
        let Operator::Convolution(mut conv) = conv(2, 2, 1) else { return Ok(x) };
        conv.window.dilation = [2, 3];
        let x = g.push("conv", Operator::Convolution(conv), vec![x])?;
        let x = g.push("square", Operator::Square, vec![x])?;
        let mut window = Window::of([2, 2]);
        window.padding.left = 1;
        g.push("pool", Operator::AveragePool(Pool { window, count_padding: false }), vec![x])
    });
    let chain = lower(&before, Options::default()).unwrap();
    // A mean that counts only what is there is no convolution.
    assert_eq!(kinds(&chain), ["conv2d", "square", "dense"]);
    agrees(&before, &chain);
}

#[test]
fn a_single_logit_becomes_two() {
    let before = graph(&[1, 4], |g, x| {
        let x = g.push("logit", matrix(1, 4), vec![x])?;
        g.push("sigmoid", Operator::Sigmoid, vec![x])
    });
    let chain = lower(&before, Options::default()).unwrap();
    let logits = run(&chain, &[1.0, -2.0, 3.0, 0.5]);
    assert_eq!((logits.len(), logits[0]), (2, -logits[1]));
}

#[test]
fn centred_logits_keep_their_differences() {
    let mut chain = lower(&lola(), Options::default()).unwrap();
    let input = noise(84, 9);
    let before = run(&chain, &input);
    chain.centre();
    let after = run(&chain, &input);
    assert!(after.iter().sum::<f64>().abs() < 1e-6 * (1.0 + before[0].abs()));
    assert!(((before[0] - before[1]) - (after[0] - after[1])).abs() < 1e-6 * (1.0 + before[0].abs()));
}

fn refused(build: impl FnOnce(&mut Graph, Value) -> Result<Value, GraphError>) -> GraphError {
    let graph = graph(&[1, 2, 4, 4], |g, x| {
        let x = g.push("square", Operator::Square, vec![x])?;
        let x = build(g, x)?;
        g.push("end", Operator::Square, vec![x])
    });
    lower(&graph, Options::default()).unwrap_err()
}

#[test]
fn what_encryption_cannot_do_is_named_with_advice() {
    let window = Window::of([2, 2]);
    let cases = [
        (Operator::Relu, "\"n\" (Relu)", "square (x·x)"),
        (Operator::Clip { low: 0.0, high: 6.0 }, "\"n\" (Clip)", "square (x·x)"),
        (Operator::MaxPool(window), "\"n\" (MaxPool)", "AveragePool"),
        (Operator::Sigmoid, "\"n\" (Sigmoid)", "square (x·x)"),
        (Operator::Softmax { first: 1, end: 2, log: true }, "\"n\" (LogSoftmax)", "last operation"),
        (Operator::ArgMax { axis: 1, keep: true }, "\"n\" (ArgMax)", "last operation"),
    ];
    for (operator, name, advice) in cases {
        let error = refused(|g, x| g.push("n", operator, vec![x]));
        let text = error.to_string();
        assert!(
            matches!(error, GraphError::NotLeveled { .. }) && text.contains(name) && text.contains(advice),
            "{text}"
        );
    }
    let product = refused(|g, x| {
        let y = g.push("y", Operator::Shift(Tensor::scalar(1.0)), vec![x])?;
        g.push("n", Operator::Multiply, vec![x, y])
    });
    assert!(product.to_string().contains("two different values"));
}

#[test]
fn what_is_no_chain_is_named() {
    let residual = refused(|g, x| g.push("skip", Operator::Add, vec![x, Value::INPUT]));
    assert!(matches!(&residual, GraphError::NotChain { node, .. } if node == "skip"), "{residual}");
    let twice = refused(|g, x| {
        let other = g.push("other", Operator::Square, vec![Value::INPUT])?;
        g.push("both", Operator::Add, vec![x, other])
    });
    assert!(matches!(&twice, GraphError::NotChain { node, .. } if node == "other"), "{twice}");
    let large = graph(&[1, 1, 256, 256], |g, x| g.push("turn", Operator::Transpose(vec![0, 1, 3, 2]), vec![x]));
    let error = lower(&large, Options::default()).unwrap_err();
    assert!(error.to_string().contains("65536 by 65536"), "{error}");
}
