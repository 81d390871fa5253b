//! The matrix of an affine part of a graph, found by asking it: column `i` is what it makes of the `i`-th unit vector.
//!
//! This multiplies adjacent linear layers together, whatever they are: convolutions, pools, sums of branches, transposes.
//! The constants are left out while columns are read, so that none of them cancels digits of a small weight.

use alloc::vec::Vec;

use super::{RealLayer, name_of, path::wide};
use crate::graph::{Graph, GraphError, Operator, Tensor, Value};
use crate::network::{Dense, MAX_VALUES, Op};

/// The one matrix from a value to another, which is affine in it.
pub(super) fn matrix(graph: &Graph, from: Value, to: Value) -> Result<RealLayer, GraphError> {
    let shape = graph.shape(from).to_vec();
    let inputs: usize = shape.iter().product();
    let outputs: usize = graph.shape(to).iter().product();
    if inputs.checked_mul(outputs).is_none_or(|weights| weights > MAX_VALUES) {
        let operator = graph.definition(to).map_or("Identity", |node| node.operator.name());
        let reason = alloc::format!(
            "the linear layers that end here are no chain of convolutions and matrices, and as one matrix they have {outputs} \
             by {inputs} weights, more than {MAX_VALUES}: make the layers before it smaller"
        );
        return Err(GraphError::NotChain { node: name_of(graph, to), operator, reason });
    }
    let (affine, linear) = (part(graph, from, to, false)?, part(graph, from, to, true)?);
    let mut unit = alloc::vec![0.0; inputs];
    let bias = affine.evaluate(&Tensor::new(shape.clone(), unit.clone())?)?;
    let mut weights = alloc::vec![0.0; inputs * outputs];
    for input in 0..inputs {
        unit[input] = 1.0;
        let column = linear.evaluate(&Tensor::new(shape.clone(), unit.clone())?)?;
        unit[input] = 0.0;
        column.data().iter().enumerate().for_each(|(output, &x)| weights[output * inputs + input] = x.into());
    }
    let form = Op::Dense(Dense { outputs, inputs, weights: Vec::new(), bias: Vec::new() });
    Ok(RealLayer { name: name_of(graph, to), form, weights, bias: wide(bias.data()) })
}

/// The nodes on which `to` depends and that come after `from`.
pub(super) fn between(graph: &Graph, from: Value, to: Value) -> Vec<usize> {
    let mut wanted = alloc::vec![false; graph.nodes().len() + 1];
    wanted[Graph::index(to)] = true;
    for (place, node) in graph.nodes().iter().enumerate().rev() {
        if wanted[place + 1] && graph.value(place) != from {
            node.operands.iter().for_each(|&operand| wanted[Graph::index(operand)] = true);
        }
    }
    (0..graph.nodes().len()).filter(|&place| wanted[place + 1] && graph.value(place) != from).collect()
}

/// That part of the graph alone, with or without its constants.
fn part(graph: &Graph, from: Value, to: Value, linear: bool) -> Result<Graph, GraphError> {
    let mut new = Graph::new(graph.name(), graph.shape(from).into())?;
    let mut renamed = alloc::vec![Value::INPUT; graph.nodes().len() + 1];
    for place in between(graph, from, to) {
        let node = &graph.nodes()[place];
        let operands = node.operands.iter().map(|&operand| renamed[Graph::index(operand)]).collect();
        let operator = if linear { without_constants(&node.operator) } else { node.operator.clone() };
        renamed[place + 1] = new.push(&*node.name, operator, operands)?;
    }
    new.set_output(renamed[Graph::index(to)])?;
    Ok(new)
}

fn without_constants(operator: &Operator) -> Operator {
    let mut operator = operator.clone();
    match &mut operator {
        Operator::Convolution(conv) => conv.bias.fill(0.0),
        Operator::Matrix(matrix) => matrix.bias.fill(0.0),
        Operator::ChannelAffine { shift, .. } => shift.fill(0.0),
        Operator::Pad { value, .. } => *value = 0.0,
        Operator::Shift(constant) => *constant = constant.clone().map(|_| 0.0),
        _ => {}
    }
    operator
}
