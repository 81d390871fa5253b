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
    let Chain { conv: (conv_name, conv), hidden, last } = Chain::of(network)?;
    let [_, rows, columns] = network.shapes()[1];
    let (dense_name, dense) = hidden.dense;
    let too_wide = || PlanError::TooWide { layer: dense_name.into(), values: dense.inputs, slots };
    let segments = Segmented::for_outputs(dense.inputs, dense.outputs, slots).ok_or_else(too_wide)?;
    let input = Windows { window: conv.window_len(), positions: rows * columns, segments: segments.clone() };
    let layout = input_layout(conv, network.shapes()[0], network.shapes()[1], &segments);

    let (mut b, x) = Builder::new(NAME, slots, input);
    let y = b.convolution_in_place(&x, Affine { weights: &conv.weights, bias: &conv.bias });
    b.stage(conv_name, "convolution in place", &x.representation, &y.representation);
    let x = b.square(&y);
    b.stage(hidden.square, "square", &y.representation, &x.representation);
    let y = b.segmented_diagonals(&x, Affine { weights: &dense.weights, bias: &dense.bias });
    b.stage(dense_name, "diagonals in segments", &x.representation, &y.representation);
    let Some(Hidden { square, dense: (last_name, last) }) = last else { return Ok((b.finish(&y), layout)) };
    let room = slots / segments.period;
    if last.outputs > room {
        return Err(PlanError::TooWide { layer: last_name.into(), values: last.outputs, slots: room });
    }
    let x = b.square(&y);
    b.stage(square, "square", &y.representation, &x.representation);
    let y = b.replicated_rows(&x, Affine { weights: &last.weights, bias: &last.bias });
    b.stage(last_name, "a row per segment", &x.representation, &y.representation);
    Ok((b.finish(&y), layout))
}

/// The layers that the plan is for, by name.
struct Chain<'a> {
    conv: (&'a str, &'a Conv2d),
    hidden: Hidden<'a>,
    last: Option<Hidden<'a>>,
}

/// A square and the dense layer behind it.
struct Hidden<'a> {
    square: &'a str,
    dense: (&'a str, &'a Dense),
}

impl<'a> Chain<'a> {
    fn of(network: &'a Network) -> Result<Self, PlanError> {
        let layers = network.layers();
        let conv = match layers.first() {
            Some(Layer { name, op: Op::Conv2d(conv) }) => (name.as_str(), conv),
            other => return Err(wrong(other)),
        };
        let hidden = |i: usize| match (layers.get(i), layers.get(i + 1)) {
            (Some(Layer { name, op: Op::Square }), Some(Layer { name: dense_name, op: Op::Dense(dense) })) => {
                Ok(Hidden { square: name, dense: (dense_name, dense) })
            }
            (Some(Layer { op: Op::Square, .. }), other) => Err(wrong(other.or(layers.last()))),
            (other, _) => Err(wrong(other.or(layers.last()))),
        };
        match layers.len() {
            0..=3 => Ok(Self { conv, hidden: hidden(1)?, last: None }),
            4 | 5 => Ok(Self { conv, hidden: hidden(1)?, last: Some(hidden(3)?) }),
            _ => Err(wrong(layers.get(5))),
        }
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
