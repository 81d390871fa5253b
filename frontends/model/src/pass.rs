//! Passes: rewrites of a graph that keep what it computes.
//!
//! Each pass is a function from a graph to a simpler one, in a file of its own, and notes what it folded. [`simplify`] runs
//! them all, and again until nothing changes. Exact in real arithmetic; in floating point the results differ by rounding.

use alloc::string::String;
use alloc::vec::Vec;

use crate::graph::{Graph, GraphError, Node, Operator, Value};

mod affine;
mod following;
mod identity;
mod pad;
pub(crate) mod pool;
mod sweep;

/// A node that is gone, and where its effect went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folding {
    /// The node.
    pub node: String,
    /// Its operator.
    pub operator: &'static str,
    /// The node that does its work now; `None` if there was no work.
    pub into: Option<String>,
}

/// Simplifies a graph: drops identities, folds batch normalisation and other affine maps per channel into the
/// convolution or matrix before or after, folds zero padding into convolutions, and sweeps out what nothing uses.
///
/// # Errors
///
/// Those of [`Graph::push`]; none for a graph that was built without error.
pub fn simplify(graph: &Graph) -> Result<(Graph, Vec<Folding>), GraphError> {
    let passes = [identity::run, affine::run, pad::run, following::run, sweep::run];
    run_all(graph, &passes)
}

/// Folds average pools into the convolutions before them as well: fewer layers, at the price of larger kernels.
///
/// # Errors
///
/// Those of [`simplify`].
pub fn merge_pools(graph: &Graph) -> Result<(Graph, Vec<Folding>), GraphError> {
    run_all(graph, &[pool::run, affine::run, sweep::run])
}

type Pass = fn(&Graph, &mut Vec<Folding>) -> Result<Graph, GraphError>;

fn run_all(graph: &Graph, passes: &[Pass]) -> Result<(Graph, Vec<Folding>), GraphError> {
    let (mut graph, mut notes) = (graph.clone(), Vec::new());
    loop {
        let before = notes.len();
        for pass in passes {
            graph = pass(&graph, &mut notes)?;
        }
        // Each note is a node less, so this ends.
        if notes.len() == before {
            return Ok((graph, notes));
        }
    }
}

/// What a pass sees of a node: itself, its operands in the new graph, and the new graph so far.
struct Site<'a> {
    node: &'a Node,
    operands: Vec<Value>,
    /// Whether the first operand is used by this node alone.
    alone: bool,
}

impl Site<'_> {
    /// The note that this node went into `into`.
    fn folded(&self, into: Option<String>) -> Folding {
        Folding { node: self.node.name.clone(), operator: self.node.operator.name(), into }
    }
}

/// Copies a graph node by node. Where `change` answers with a value of the new graph, that takes the place of the node.
fn rewrite(
    graph: &Graph,
    mut change: impl FnMut(&mut Graph, &Site<'_>) -> Result<Option<Value>, GraphError>,
) -> Result<Graph, GraphError> {
    let uses = graph.uses();
    let mut new = Graph::new(graph.name(), graph.input_shape().into())?;
    let mut renamed = alloc::vec![Value::INPUT];
    for node in graph.nodes() {
        let operands = node.operands.iter().map(|&operand| renamed[Graph::index(operand)]).collect();
        let alone = uses[Graph::index(node.operands[0])] == 1;
        let site = Site { node, operands, alone };
        let value = match change(&mut new, &site)? {
            Some(value) => value,
            None => new.push(node.name.clone(), node.operator.clone(), site.operands)?,
        };
        renamed.push(value);
    }
    new.set_output(renamed[Graph::index(graph.output())])?;
    Ok(new)
}

/// The name of the node that defines a value.
fn name_of(graph: &Graph, value: Value) -> Option<String> {
    graph.definition(value).map(|node| node.name.clone())
}

/// The operator that defines the first operand, if no one else uses it.
fn producer<'g>(graph: &'g mut Graph, site: &Site<'_>) -> Option<&'g mut Operator> {
    if site.alone { graph.operator_mut(site.operands[0]) } else { None }
}

#[cfg(test)]
pub(crate) mod testing;
