//! The plan for low latency: the fewest key switches known for networks of a convolution and dense layers.
//!
//! The client lays the windows of the convolution out as the first dense layer wants its values; that layer goes by
//! diagonals in segments, which leaves its outputs in every segment, and so the next layer needs one product. Compared with
//! the [paper's plan](crate::paper) there is no rotation that only moves values, and outputs share their sums.

use tacit_model::{Conv2d, Dense, Layer, Network, Op, Shape};

use crate::error::PlanError;
use crate::plan::{Affine, Builder, Plan};
use crate::representation::{InputLayout, Segmented, Windows};

/// The name by which the plan is asked for.
pub const NAME: &str = "latency";

const SHAPE: &str = "convolution, then once or twice square and dense";

/// The plan for a network on messages of `slots`, and the layout of its input.
///
/// # Errors
/// [`PlanError::Shape`] for a network of another shape; [`PlanError::TooWide`] for a layer that does not fit a message.
pub fn plan(network: &Network, slots: usize) -> Result<(Plan, InputLayout), PlanError> {
    let (conv, hidden, last) = layers(network)?;
    let (conv_name, conv) = conv;
    let [_, rows, columns] = network.shapes()[1];
    let (square_name, (dense_name, dense)) = hidden;
    let too_wide = || PlanError::TooWide { layer: dense_name.into(), values: dense.inputs, slots };
    let segments = Segmented::for_outputs(dense.inputs, dense.outputs, slots).ok_or_else(too_wide)?;
    let input = Windows { window: conv.window_len(), positions: rows * columns, segments: segments.clone() };
    let layout = input_layout(conv, network.shapes()[0], network.shapes()[1], &segments);

    let (mut b, x) = Builder::new(NAME, slots, input);
    let y = b.convolution_in_place(&x, Affine { weights: &conv.weights, bias: &conv.bias });
    b.stage(conv_name, "convolution in place", &x.representation, &y.representation);
    let x = b.square(&y);
    b.stage(square_name, "square", &y.representation, &x.representation);
    let y = b.segmented_diagonals(&x, Affine { weights: &dense.weights, bias: &dense.bias });
    b.stage(dense_name, "diagonals in segments", &x.representation, &y.representation);
    let Some((square_name, (last_name, last))) = last else { return Ok((b.finish(&y), layout)) };
    if last.outputs > slots / segments.period {
        return Err(PlanError::TooWide {
            layer: last_name.into(),
            values: last.outputs,
            slots: slots / segments.period,
        });
    }
    let x = b.square(&y);
    b.stage(square_name, "square", &y.representation, &x.representation);
    let y = b.replicated_rows(&x, Affine { weights: &last.weights, bias: &last.bias });
    b.stage(last_name, "a row per segment", &x.representation, &y.representation);
    Ok((b.finish(&y), layout))
}

/// A square and the dense layer behind it, by name.
type Hidden<'a> = (&'a str, (&'a str, &'a Dense));

/// The convolution and the one or two pairs of a square and a dense layer.
fn layers(network: &Network) -> Result<((&str, &Conv2d), Hidden<'_>, Option<Hidden<'_>>), PlanError> {
    let layers = network.layers();
    let at = |i: usize| layers.get(i).ok_or_else(|| wrong(layers.last()));
    let conv = match &at(0)?.op {
        Op::Conv2d(conv) => (layers[0].name.as_str(), conv),
        _ => return Err(wrong(layers.first())),
    };
    let pair = |i: usize| match (&at(i)?.op, &at(i + 1)?.op) {
        (Op::Square, Op::Dense(dense)) => Ok((layers[i].name.as_str(), (layers[i + 1].name.as_str(), dense))),
        (Op::Square, _) => Err(wrong(layers.get(i + 1))),
        _ => Err(wrong(layers.get(i))),
    };
    match layers.len() {
        0..=3 => Ok((conv, pair(1)?, None)),
        4 | 5 => Ok((conv, pair(1)?, Some(pair(3)?))),
        _ => Err(wrong(layers.get(5))),
    }
}

fn wrong(layer: Option<&Layer>) -> PlanError {
    PlanError::Shape { plan: NAME, shape: SHAPE, layer: layer.map(|layer| layer.name.clone()).unwrap_or_default() }
}

fn input_layout(conv: &Conv2d, input: Shape, [_, rows, columns]: Shape, segments: &Segmented) -> InputLayout {
    let windows: Vec<Vec<Option<usize>>> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| conv.window(input, row, column).collect())
        .collect();
    let slot = |j: usize, slot: usize| windows[segments.value_at(slot)? % windows.len()][j];
    (0..conv.window_len()).map(|j| (0..segments.slots).map(|s| slot(j, s)).collect()).collect()
}
