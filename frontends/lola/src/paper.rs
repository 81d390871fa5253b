//! The paper's own plans: Table 1 of Brutzkus, Elisha and Gilad-Bachrach (2019), LoLa on MNIST, LoLa-Small, and the linear
//! layer of its CalTech-101.
//!
//! A plan is made from the network, for any network of its shape: a convolution, a square, a dense layer, and for the first
//! one another square and dense layer; or one dense layer. The paper's message is a whole plaintext of `n` slots, 8192 for
//! MNIST; its rotations go around all of them. Those of BFV go around rows of `n/2`, so that a message here is one of the two
//! rows of a ring of twice that degree, which also holds the noise with one plaintext modulus (a test in
//! [`crate::lower::exact`]).

use tacit_model::{Conv2d, Dense as DenseLayer, Layer, Network, Op};

use crate::error::PlanError;
use crate::plan::{Affine, Builder, MessageShape, Packed, Plan};
use crate::representation::{Convolution, Dense, Layout};

/// Slots of a message of a network that begins with a convolution, as in the paper.
pub const SLOTS: usize = 8192;

/// The fewest slots of a message: a row of the smallest ring.
const LEAST_SLOTS: usize = 1024;

/// The name by which the plan is asked for.
pub const NAME: &str = "paper";

const SHAPE: &str = "convolution, square, dense, and square, dense again or not; or one dense layer";

/// The plan for a network, and the layout of its input.
///
/// # Errors
/// [`PlanError::Shape`] for a network of another shape; [`PlanError::TooWide`] for a layer that does not fit a message.
pub fn plan(network: &Network) -> Result<(Plan, Layout), PlanError> {
    let layers = network.layers();
    if let [Layer { name, op: Op::Dense(only) }] = layers {
        return Ok(one_dense(network, name, only));
    }
    let (head, rest) = layers.split_at(layers.len().min(2));
    let [conv_layer, square] = head else { return Err(wrong(layers.last())) };
    let Op::Conv2d(conv) = &conv_layer.op else { return Err(wrong(Some(conv_layer))) };
    let Op::Square = square.op else { return Err(wrong(Some(square))) };
    let values = network.shapes()[1].iter().product();
    if values > SLOTS {
        let layer = rest.first().unwrap_or(conv_layer).name.clone();
        return Err(PlanError::TooWide { layer, values, slots: SLOTS });
    }
    let (mut b, x, layout) = squared_convolution(network, conv);
    let plan = match rest {
        [output_layer] => {
            let output = dense(output_layer)?;
            let y = b.dense_row_major(&x, Affine { weights: &output.weights, bias: &output.bias });
            b.stage(&output_layer.name, "dense vector – row major", &x.representation, &y.representation);
            b.finish(&y, 1)
        }
        [dense_layer, square, output_layer] => two_dense(b, &x, dense_layer, square, output_layer)?,
        _ => return Err(wrong(rest.last().or(Some(square)))),
    };
    Ok((plan, layout))
}

/// The slots of a message of the network's plan.
#[must_use]
pub fn slots(network: &Network) -> usize {
    match network.layers() {
        [Layer { op: Op::Dense(only), .. }] => only.inputs.next_power_of_two().max(LEAST_SLOTS),
        _ => SLOTS,
    }
}

/// All inputs in one message, an answer for every row.
fn one_dense(network: &Network, name: &str, only: &DenseLayer) -> (Plan, Layout) {
    let row = slots(network);
    let (mut b, x) = Builder::new(NAME, MessageShape { rows: 1, row }, Dense { len: only.inputs });
    let y = b.dense_row_major(&x, Affine { weights: &only.weights, bias: &only.bias });
    b.stage(name, "dense vector – row major", &x.representation, &y.representation);
    (b.finish(&y, 1), Layout::dense(only.inputs, row))
}

/// The convolution, its maps one behind the other, squared.
fn squared_convolution(network: &Network, conv: &Conv2d) -> (Builder, Packed<Dense>, Layout) {
    let [conv_name, square_name] = [0, 1].map(|i| network.layers()[i].name.as_str());
    let [_, rows, columns] = network.shapes()[1];
    let positions = Layout::dense(rows * columns, SLOTS);
    let layout = Layout::windows(conv, network.shapes()[0], network.shapes()[1], &positions, false);
    let input = Convolution { window: conv.window_len(), positions: rows * columns };
    let (mut b, x) = Builder::new(NAME, MessageShape { rows: 1, row: SLOTS }, input);
    let maps = b.convolution_row_major(&x, Affine { weights: &conv.weights, bias: &conv.bias });
    b.stage(conv_name, "convolution vector – row major", &x.representation, &maps.representation);
    let x = b.concatenate(&maps);
    b.stage(conv_name, "combine to one vector", &maps.representation, &x.representation);
    let y = b.square(&x);
    b.stage(square_name, "square", &x.representation, &y.representation);
    (b, y, layout)
}

/// A dense layer on copies of the vector, a square, and a dense layer a row at a time.
fn two_dense(
    mut b: Builder,
    y: &Packed<Dense>,
    dense_layer: &Layer,
    square: &Layer,
    output_layer: &Layer,
) -> Result<Plan, PlanError> {
    let (dense, output) = (dense(dense_layer)?, dense(output_layer)?);
    let Op::Square = square.op else { return Err(wrong(Some(square))) };
    let block = dense.inputs.next_power_of_two();
    // No more copies than there are rows to multiply them with.
    let copies = (SLOTS / block.min(SLOTS + 1)).min(dense.outputs.next_power_of_two());
    // The parts of the dense layer must find room between two blocks.
    if copies == 0 || dense.outputs.div_ceil(copies) > block {
        return Err(PlanError::TooWide { layer: dense_layer.name.clone(), values: dense.inputs, slots: SLOTS });
    }
    let x = b.stack(y, copies);
    b.stage(&dense_layer.name, "stack vectors", &y.representation, &x.representation);
    let parts = b.stacked_row_major(&x, Affine { weights: &dense.weights, bias: &dense.bias });
    b.stage(&dense_layer.name, "stacked vector – row major", &x.representation, &parts.representation);
    let x = b.interleave(&parts, &dense.bias);
    b.stage(&dense_layer.name, "combine to one vector", &parts.representation, &x.representation);
    let y = b.square(&x);
    b.stage(&square.name, "square", &x.representation, &y.representation);
    let x = b.interleaved_row_major(&y, Affine { weights: &output.weights, bias: &output.bias });
    b.stage(&output_layer.name, "interleaved vector – row major", &y.representation, &x.representation);
    Ok(b.finish(&x, 1))
}

fn dense(layer: &Layer) -> Result<&DenseLayer, PlanError> {
    if let Op::Dense(dense) = &layer.op { Ok(dense) } else { Err(wrong(Some(layer))) }
}

fn wrong(layer: Option<&Layer>) -> PlanError {
    PlanError::Shape { plan: NAME, shape: SHAPE, layer: layer.map(|layer| layer.name.clone()).unwrap_or_default() }
}
