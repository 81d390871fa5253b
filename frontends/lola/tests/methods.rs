//! Each matrix–vector method of the paper against a plain matrix–vector product, in the clear.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tacit_lola::Sequential;
use tacit_lola::evaluate::{Clear, run};
use tacit_lola::plan::{Affine, Builder, MessageShape, Plan};
use tacit_lola::representation::{Convolution, Dense, Representation, Sparse};

const SLOTS: usize = 64;
const SHAPE: MessageShape = MessageShape { rows: 1, row: SLOTS };
const MODULUS: u64 = (1 << 40) + 15;

/// The messages of a representation: value `i` where it says, zeros elsewhere.
fn messages(at: &impl Representation, values: &[i64]) -> Vec<Vec<i64>> {
    let mut messages = vec![vec![0; SLOTS]; at.messages()];
    for (i, &value) in values.iter().enumerate() {
        let (message, slot) = at.locate(i);
        messages[message][slot] = value;
    }
    messages
}

/// Runs a plan and reads its outputs where the representation says.
fn outputs(plan: &Plan, inputs: &[Vec<i64>], at: &impl Representation) -> Vec<i128> {
    let clear = Clear::new(plan, MODULUS);
    let inputs = inputs.iter().map(|message| {
        let real: Vec<_> = message.iter().map(|&value| (value, 0)).collect();
        clear.message(&real)
    });
    let outputs = run(plan, &clear, inputs.collect(), &Sequential, &|_, _| {}).unwrap();
    (0..at.len()).map(|i| at.locate(i)).map(|(message, slot)| outputs[message][slot].0).collect()
}

fn product(weights: &[i64], bias: &[i128], x: &[i64]) -> Vec<i128> {
    let dot = |row: &[i64]| row.iter().zip(x).map(|(w, x)| i128::from(w * x)).sum::<i128>();
    weights.chunks(x.len()).zip(bias).map(|(row, bias)| dot(row) + bias).collect()
}

/// A vector, a matrix that takes it, and a bias.
fn problem(
    inputs: impl Strategy<Value = usize>,
    outputs: impl Strategy<Value = usize>,
) -> impl Strategy<Value = (Vec<i64>, Vec<i64>, Vec<i128>)> {
    let values = |count| proptest::collection::vec(-1000i64..1000, count);
    (inputs, outputs).prop_flat_map(move |(n, m)| {
        (values(n), values(n * m), proptest::collection::vec(-1_000_000i128..1_000_000, m))
    })
}

proptest! {
    #[test]
    fn dense_row_major((x, weights, bias) in problem(1usize..=SLOTS, 1usize..6)) {
        let (mut b, v) = Builder::new("test", SHAPE, Dense { len: x.len() });
        let y = b.dense_row_major(&v, Affine { weights: &weights, bias: &bias });
        let found = outputs(&b.finish(&y, 1), &messages(&v.representation, &x), &y.representation);
        prop_assert_eq!(found, product(&weights, &bias, &x));
    }

    #[test]
    fn sparse_column_major((x, weights, bias) in problem(1usize..6, 1usize..=SLOTS)) {
        let (mut b, v) = Builder::new("test", SHAPE, Sparse { len: x.len() });
        let y = b.sparse_column_major(&v, Affine { weights: &weights, bias: &bias });
        let inputs: Vec<_> = x.iter().map(|&value| vec![value; SLOTS]).collect();
        prop_assert_eq!(outputs(&b.finish(&y, 1), &inputs, &y.representation), product(&weights, &bias, &x));
    }

    /// Stack, multiply, interleave; then squares; then the last layer on the interleaved vector.
    #[test]
    fn stacked_and_interleaved_row_major(
        (x, weights, bias) in problem(5usize..=8, 1usize..=40),
        seed in proptest::collection::vec(-9i64..9, 3 * 40),
        copies in prop_oneof![Just(1usize), Just(3), Just(8)],
    ) {
        let rows = bias.len();
        prop_assume!(rows.div_ceil(copies) <= 8);
        let (mut b, v) = Builder::new("test", SHAPE, Dense { len: x.len() });
        let stacked = b.stack(&v, copies);
        let parts = b.stacked_row_major(&stacked, Affine { weights: &weights, bias: &bias });
        let hidden = b.interleave(&parts, &bias);
        let expected = product(&weights, &bias, &x);
        let plan = b.clone().finish(&hidden, 1);
        prop_assert_eq!(&outputs(&plan, &messages(&v.representation, &x), &hidden.representation), &expected);

        let (last, last_bias) = (&seed[..3 * rows], [1, -2, 3]);
        let y = b.interleaved_row_major(&hidden, Affine { weights: last, bias: &last_bias });
        let found = outputs(&b.finish(&y, 1), &messages(&v.representation, &x), &y.representation);
        let narrow: Vec<i64> = expected.iter().map(|&v| v as i64).collect();
        prop_assert_eq!(found, product(last, &last_bias, &narrow));
    }

    #[test]
    fn convolution_row_major((window, weights, bias) in problem(1usize..9, 1usize..5), positions in 1usize..=12) {
        let input = Convolution { window: window.len(), positions };
        let (mut b, v) = Builder::new("test", SHAPE, input);
        let maps = b.convolution_row_major(&v, Affine { weights: &weights, bias: &bias });
        let y = b.concatenate(&maps);
        // Message j holds window[j] + p at position p, so that every position sees another window.
        let at = |j: usize, p: usize| window[j] + p as i64;
        let values: Vec<i64> = (0..window.len()).flat_map(|j| (0..positions).map(move |p| (j, p))).map(|(j, p)| at(j, p)).collect();
        let found = outputs(&b.finish(&y, 1), &messages(&v.representation, &values), &y.representation);
        let columns: Vec<Vec<i128>> = (0..positions)
            .map(|p| product(&weights, &bias, &(0..window.len()).map(|j| at(j, p)).collect::<Vec<_>>()))
            .collect();
        let expected: Vec<i128> = (0..bias.len()).flat_map(|map| columns.iter().map(move |column| column[map])).collect();
        prop_assert_eq!(found, expected);
    }
}
