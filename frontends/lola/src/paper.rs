//! The paper's own plan: Table 1 of Brutzkus, Elisha and Gilad-Bachrach (2019), LoLa on MNIST.
//!
//! The plan is made from the network, for any network of its shape: a convolution, a square, a dense layer, a square, a
//! dense layer. Where the paper's message is a whole plaintext of `n = 8192` slots, a message here is one of the two
//! rows of a ring of twice that degree: under the 2024 security table, `n = 8192` does not hold the noise of this plan with
//! plaintext moduli that hold the bundled network's logits, in one piece or in two (a test in [`crate::lower`]).

use tacit_model::{Conv2d, Network, Op, Shape};

use crate::error::PlanError;
use crate::plan::{Affine, Builder, Plan};
use crate::representation::{Convolution, InputLayout};

/// Slots of a message, as in the paper.
pub const SLOTS: usize = 8192;

/// The name by which the plan is asked for.
pub const NAME: &str = "paper";

const SHAPE: &str = "convolution, square, dense, square, dense";

/// The plan for a network, and the layout of its input.
///
/// # Errors
/// [`PlanError::Shape`] for a network of another shape; [`PlanError::TooWide`] for a layer that does not fit a message.
pub fn plan(network: &Network) -> Result<(Plan, InputLayout), PlanError> {
    let layers = network.layers();
    let [conv_layer, square_1, dense_layer, square_2, output_layer] = layers else {
        return Err(PlanError::Shape {
            plan: NAME,
            shape: SHAPE,
            layer: layers.last().map(|l| l.name.clone()).unwrap_or_default(),
        });
    };
    let wrong = |layer: &tacit_model::Layer| PlanError::Shape { plan: NAME, shape: SHAPE, layer: layer.name.clone() };
    let Op::Conv2d(conv) = &conv_layer.op else { return Err(wrong(conv_layer)) };
    let Op::Square = square_1.op else { return Err(wrong(square_1)) };
    let Op::Dense(dense) = &dense_layer.op else { return Err(wrong(dense_layer)) };
    let Op::Square = square_2.op else { return Err(wrong(square_2)) };
    let Op::Dense(output) = &output_layer.op else { return Err(wrong(output_layer)) };

    let layout = input_layout(conv, network.shapes()[0], network.shapes()[1]);
    let [_, rows, columns] = network.shapes()[1];
    let block = dense.inputs.next_power_of_two();
    // No more copies than there are rows to multiply them with.
    let copies = (SLOTS / block.min(SLOTS + 1)).min(dense.outputs.next_power_of_two());
    // The parts of the dense layer must find room between two blocks.
    if copies == 0 || dense.outputs.div_ceil(copies) > block {
        return Err(PlanError::TooWide { layer: dense_layer.name.clone(), values: dense.inputs, slots: SLOTS });
    }

    let input = Convolution { window: conv.window_len(), positions: rows * columns };
    let (mut b, x) = Builder::new(NAME, SLOTS, input);
    let maps = b.convolution_row_major(&x, Affine { weights: &conv.weights, bias: &conv.bias });
    b.stage(&conv_layer.name, "convolution vector – row major", &x.representation, &maps.representation);
    let x = b.concatenate(&maps);
    b.stage(&conv_layer.name, "combine to one vector", &maps.representation, &x.representation);
    let y = b.square(&x);
    b.stage(&square_1.name, "square", &x.representation, &y.representation);
    let x = b.stack(&y, copies);
    b.stage(&dense_layer.name, "stack vectors", &y.representation, &x.representation);
    let parts = b.stacked_row_major(&x, Affine { weights: &dense.weights, bias: &dense.bias });
    b.stage(&dense_layer.name, "stacked vector – row major", &x.representation, &parts.representation);
    let x = b.interleave(&parts, &dense.bias);
    b.stage(&dense_layer.name, "combine to one vector", &parts.representation, &x.representation);
    let y = b.square(&x);
    b.stage(&square_2.name, "square", &x.representation, &y.representation);
    let x = b.interleaved_row_major(&y, Affine { weights: &output.weights, bias: &output.bias });
    b.stage(&output_layer.name, "interleaved vector – row major", &y.representation, &x.representation);
    Ok((b.finish(&x), layout))
}

fn input_layout(conv: &Conv2d, input: Shape, [_, rows, columns]: Shape) -> InputLayout {
    let windows: Vec<Vec<Option<usize>>> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| conv.window(input, row, column).collect())
        .collect();
    (0..conv.window_len()).map(|j| windows.iter().map(|window| window[j]).collect()).collect()
}
