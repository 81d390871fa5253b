//! A network as a graph of operators over real numbers: what a model file of another framework describes.
//!
//! A [`Graph`] is what [`crate::onnx`] imports, [`crate::pass`] simplifies and [`crate::leveled`] lowers to an integer
//! [`Network`](crate::Network). Unlike that chain it may branch and join, and holds every function that the field uses,
//! also those that no leveled encryption computes.
//!
//! A value is named by the node that defines it, and nodes stand in an order in which every operand is defined before it
//! is used: a graph is acyclic by construction. Shapes are those of ONNX with a batch of one: `[1, channels, height,
//! width]` for feature maps, `[1, n]` for vectors. They are inferred when a node is added, so a graph has no shape that
//! does not fit.

use alloc::string::String;
use alloc::vec::Vec;

pub mod error;
mod gather;
mod interpret;
mod kernel;
mod operator;
mod shape;
mod tensor;

pub use error::GraphError;
pub use operator::{Convolution, Matrix, Operator, Pool, Window};
pub use tensor::{MAX_RANK, Tensor};

pub(crate) use kernel::{multiply_add, unfold};

use crate::network::MAX_VALUES;

/// A value of a graph: its input, or what one of its nodes computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(usize);

impl Value {
    /// The input of the graph.
    pub const INPUT: Self = Self(0);

    /// The node that defines the value, unless that is the input.
    pub const fn node(self) -> Option<usize> {
        self.0.checked_sub(1)
    }
}

/// An operator with its operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The name that errors and tables use.
    pub name: String,
    /// What the node computes.
    pub operator: Operator,
    /// What it computes it from: as many values as [`Operator::arity`] says.
    pub operands: Vec<Value>,
    /// The shape of the result.
    shape: Vec<usize>,
}

impl Node {
    /// The shape of the result.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

/// Operators over real numbers, from one input to one output.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    name: String,
    input: Vec<usize>,
    nodes: Vec<Node>,
    output: Value,
}

impl Graph {
    /// A graph without nodes, whose output is its input.
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if a side is 0, if there are more than [`MAX_RANK`] sides, or more than [`MAX_VALUES`] values.
    pub fn new(name: impl Into<String>, input: Vec<usize>) -> Result<Self, GraphError> {
        check_shape("input", &input)?;
        Ok(Self { name: name.into(), input, nodes: Vec::new(), output: Value::INPUT })
    }

    /// Adds a node and makes its result the output of the graph.
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`], naming the node, if the operands do not fit the operator; [`GraphError::Operand`] if they
    /// are not as many as it takes, or not yet defined.
    pub fn push(
        &mut self,
        name: impl Into<String>,
        operator: Operator,
        operands: Vec<Value>,
    ) -> Result<Value, GraphError> {
        let name = name.into();
        let known = operands.iter().all(|operand| operand.0 <= self.nodes.len());
        if !known || operator.arity().is_some_and(|arity| arity != operands.len()) || operands.is_empty() {
            return Err(GraphError::Operand { node: name });
        }
        let shapes: Vec<&[usize]> = operands.iter().map(|&operand| self.shape(operand)).collect();
        let refused = |reason| GraphError::Shape { node: name.clone(), reason };
        let shape = operator.output_shape(&shapes).map_err(refused)?;
        check_shape(&name, &shape)?;
        self.nodes.push(Node { name, operator, operands, shape });
        self.output = Value(self.nodes.len());
        Ok(self.output)
    }

    /// Makes an existing value the output.
    ///
    /// # Errors
    ///
    /// [`GraphError::Operand`] if it is not defined.
    pub fn set_output(&mut self, output: Value) -> Result<(), GraphError> {
        if output.0 > self.nodes.len() {
            return Err(GraphError::Operand { node: "output".into() });
        }
        self.output = output;
        Ok(())
    }

    /// The name that the file gives.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The nodes, each after all that it uses.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The shape of the input.
    pub fn input_shape(&self) -> &[usize] {
        &self.input
    }

    /// The output.
    pub const fn output(&self) -> Value {
        self.output
    }

    /// The shape of the output.
    pub fn output_shape(&self) -> &[usize] {
        self.shape(self.output)
    }

    /// The shape of a value of this graph.
    pub fn shape(&self, value: Value) -> &[usize] {
        value.node().and_then(|node| self.nodes.get(node)).map_or(&self.input, |node| &node.shape)
    }

    /// How many times each value is used; the output counts as one use.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = alloc::vec![0; self.nodes.len() + 1];
        self.nodes.iter().flat_map(|node| &node.operands).for_each(|operand| uses[operand.0] += 1);
        uses[self.output.0] += 1;
        uses
    }

    /// Weights and other constants stored.
    pub fn parameters(&self) -> usize {
        self.nodes.iter().map(|node| node.operator.parameters()).sum()
    }

    /// What a node defines.
    pub(crate) const fn value(&self, node: usize) -> Value {
        Value(node + 1)
    }

    /// The index of a value into [`Self::uses`].
    pub(crate) const fn index(value: Value) -> usize {
        value.0
    }

    /// For passes: a node that may be changed in a way that keeps its shape.
    pub(crate) fn operator_mut(&mut self, value: Value) -> Option<&mut Operator> {
        let node = self.nodes.get_mut(value.node()?)?;
        Some(&mut node.operator)
    }

    /// The node that defines a value.
    pub(crate) fn definition(&self, value: Value) -> Option<&Node> {
        self.nodes.get(value.node()?)
    }

    /// For passes: removes the last node.
    pub(crate) fn pop(&mut self) -> Option<Node> {
        self.nodes.pop()
    }
}

fn check_shape(what: &str, shape: &[usize]) -> Result<(), GraphError> {
    let values = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    let fits = values.is_some_and(|values| (1..=MAX_VALUES).contains(&values)) && shape.len() <= MAX_RANK;
    if fits {
        return Ok(());
    }
    let reason =
        alloc::format!("its shape {shape:?} is not of 1 to {MAX_VALUES} values in at most {MAX_RANK} dimensions");
    Err(GraphError::Shape { node: what.into(), reason })
}

#[cfg(test)]
mod tests;
