//! Lowering a graph to what leveled encryption computes: a chain of linear layers and squares.
//!
//! Encryption computes sums and products. A graph is cut at its squares; between two of them everything must be affine,
//! however it branches and joins, and becomes one convolution or matrix if it is not already a chain of such layers. The
//! last softmax, which changes no decision, is dropped: the label is the largest logit with or without it. Whatever else is
//! in the graph is refused by name.

use alloc::string::String;
use alloc::vec::Vec;

use crate::graph::{Graph, GraphError, Node, Operator, Value};
use crate::network::{Op, Shape};
use crate::pass::{self, Folding};

mod path;
mod probe;
mod refuse;

/// How a graph is lowered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Multiply adjacent linear layers together even where the product has more weights than its factors.
    pub collapse: bool,
}

/// A chain of linear layers and squares with real weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// The name of the graph.
    pub name: String,
    /// The shape of the input.
    pub input: Shape,
    /// The layers, in the order of evaluation.
    pub layers: Vec<RealLayer>,
    /// What was folded, dropped or multiplied together on the way.
    pub foldings: Vec<Folding>,
}

/// A layer with real weights.
#[derive(Debug, Clone, PartialEq)]
pub struct RealLayer {
    /// Unique within the chain.
    pub name: String,
    /// Kind and sizes; its own weights and biases are empty.
    pub form: Op,
    /// As many as the sizes ask for.
    pub weights: Vec<f64>,
    /// As many as the sizes ask for.
    pub bias: Vec<f64>,
}

/// Simplifies and lowers a graph.
///
/// # Errors
///
/// [`GraphError::NotLeveled`] for an operator that encryption does not compute, naming the first; [`GraphError::NotChain`] if
/// values of different depth meet, or a matrix would be too large.
pub fn lower(graph: &Graph, options: Options) -> Result<Chain, GraphError> {
    let mut open = graph.clone();
    let mut foldings = Vec::new();
    let single = open_end(&mut open, &mut foldings)?;
    refuse::check(&open)?;
    let (simple, notes) = pass::simplify(&open)?;
    foldings.extend(notes);
    let (merged, notes) = pass::merge_pools(&simple)?;
    foldings.extend(notes);
    let cuts = refuse::cuts(&merged)?;
    let input = shape_of(merged.input_shape());
    let mut chain = Chain { name: merged.name().into(), input, layers: Vec::new(), foldings };
    let mut from = Value::INPUT;
    for to in cuts {
        segment(&mut chain, &merged, from, operand_of(&merged, to), options)?;
        chain.square(name_of(&merged, to));
        from = to;
    }
    segment(&mut chain, &merged, from, merged.output(), options)?;
    if single {
        chain.oppose();
    }
    if chain.layers.is_empty() {
        return Err(GraphError::Shape { node: "output".into(), reason: "the model has no layer".into() });
    }
    Ok(chain)
}

/// Takes the end off: what follows the logits and changes no decision. Says whether that was a sigmoid of a single one.
fn open_end(graph: &mut Graph, notes: &mut Vec<Folding>) -> Result<bool, GraphError> {
    let mut single = false;
    while let Some(node) = graph.definition(graph.output()) {
        let values: usize = graph.shape(node.operands[0]).iter().product();
        let drops = match &node.operator {
            Operator::Softmax { first, end, .. } => node.shape()[*first..*end].iter().product::<usize>() == values,
            Operator::ArgMax { axis, .. } => graph.shape(node.operands[0])[*axis] == values,
            Operator::Sigmoid => true,
            Operator::Identity | Operator::Reshape(_) => true,
            _ => false,
        };
        if !drops {
            break;
        }
        single |= matches!(node.operator, Operator::Sigmoid) && values == 1;
        if !matches!(node.operator, Operator::Reshape(_)) {
            notes.push(Folding { node: node.name.clone(), operator: node.operator.name(), into: None });
        }
        let operand = node.operands[0];
        graph.set_output(operand)?;
    }
    Ok(single)
}

/// The layers between two values; the second is an affine function of the first.
fn segment(chain: &mut Chain, graph: &Graph, from: Value, to: Value, options: Options) -> Result<(), GraphError> {
    if from == to {
        return Ok(());
    }
    let inputs = graph.shape(from).iter().product::<usize>();
    let outputs = graph.shape(to).iter().product::<usize>();
    let product = inputs.saturating_mul(outputs).saturating_add(outputs);
    let path = path::layers(graph, from, to, chain.shape());
    if let Some(layers) = path {
        let weights: usize = layers.iter().map(|layer| layer.weights.len() + layer.bias.len()).sum();
        let keep = layers.len() <= 1 || (product > weights && !options.collapse);
        if keep {
            layers.into_iter().for_each(|layer| chain.push(layer));
            return Ok(());
        }
    }
    let matrix = probe::matrix(graph, from, to)?;
    for node in probe::between(graph, from, to) {
        let Node { name, operator, .. } = &graph.nodes()[node];
        if Some(node) != to.node() {
            let (node, into) = (name.clone(), Some(matrix.name.clone()));
            chain.foldings.push(Folding { node, operator: operator.name(), into });
        }
    }
    chain.push(matrix);
    Ok(())
}

impl Chain {
    /// The shape of the values after the last layer so far.
    fn shape(&self) -> Shape {
        let checked = self.layers.iter().try_fold(self.input, |shape, layer| layer.form.output_shape(shape));
        checked.unwrap_or(self.input)
    }

    /// Names must be unique, short and printable in a network.
    fn push(&mut self, mut layer: RealLayer) {
        let plain: String = layer.name.chars().filter(|c| !c.is_control()).take(24).collect();
        let place = self.layers.len();
        let kind = layer.form.kind();
        let taken = self.layers.iter().any(|other| other.name == plain);
        layer.name = if plain.is_empty() || taken { alloc::format!("{kind}_{place}") } else { plain };
        self.layers.push(layer);
    }

    fn square(&mut self, name: String) {
        self.push(RealLayer { name, form: Op::Square, weights: Vec::new(), bias: Vec::new() });
    }

    /// A single logit, whose sign decides, becomes two: its opposite for class 0, itself for class 1.
    fn oppose(&mut self) {
        let Some(RealLayer { form: Op::Dense(dense), weights, bias, .. }) = self.layers.last_mut() else { return };
        let both = |values: &[f64]| values.iter().map(|value| -value).chain(values.iter().copied()).collect();
        (*weights, *bias) = (both(weights), both(bias));
        dense.outputs = 2;
    }

    /// Subtracts the mean of all logits from each: no decision changes, and they become smaller. Does nothing unless the
    /// last layer is a matrix.
    pub fn centre(&mut self) {
        let Some(RealLayer { form: Op::Dense(dense), weights, bias, .. }) = self.layers.last_mut() else { return };
        let (inputs, outputs) = (dense.inputs, dense.outputs);
        for column in 0..inputs {
            let mean = (0..outputs).map(|row| weights[row * inputs + column]).sum::<f64>() / outputs as f64;
            (0..outputs).for_each(|row| weights[row * inputs + column] -= mean);
        }
        let mean = bias.iter().sum::<f64>() / outputs as f64;
        bias.iter_mut().for_each(|bias| *bias -= mean);
    }

    /// How many values the chain reads.
    pub fn inputs(&self) -> usize {
        self.input.iter().product()
    }

    /// How many values the chain answers with.
    pub fn outputs(&self) -> usize {
        self.shape().iter().product()
    }
}

/// A shape of a graph as one of a network: channels, height, width.
fn shape_of(shape: &[usize]) -> Shape {
    match *shape {
        [1, channels, height, width] => [channels, height, width],
        [1, height, width] => [1, height, width],
        ref other => [other.iter().product(), 1, 1],
    }
}

fn name_of(graph: &Graph, value: Value) -> String {
    graph.definition(value).map_or_else(|| "input".into(), |node| node.name.clone())
}

/// What a square squares.
fn operand_of(graph: &Graph, value: Value) -> Value {
    graph.definition(value).map_or(Value::INPUT, |node| node.operands[0])
}

#[cfg(test)]
mod tests;
