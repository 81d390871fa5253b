//! What encryption does not compute, by name and with advice.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::graph::{Graph, GraphError, Node, Operator, Value};

const COMPARES: &str = "it compares values, and ciphertexts only know sums and products";
const DIVIDES: &str = "it divides and takes exponentials, and ciphertexts only know sums and products";

/// Refuses the first node that is neither affine nor a square.
pub(super) fn check(graph: &Graph) -> Result<(), GraphError> {
    let uses = graph.uses();
    let used = |&(place, _): &(usize, &Node)| uses[place + 1] > 0;
    for (_, node) in graph.nodes().iter().enumerate().filter(used) {
        let Some((why, instead)) = objection(&node.operator) else { continue };
        let (node, operator) = (node.name.clone(), node.operator.name());
        return Err(GraphError::NotLeveled { node, operator, why, instead });
    }
    Ok(())
}

fn objection(operator: &Operator) -> Option<(&'static str, &'static str)> {
    let square = "put a square (x·x) in its place and train the network again, or evaluate it in the clear (`--clear`)";
    match operator {
        Operator::Relu | Operator::Clip { .. } => Some((COMPARES, square)),
        Operator::MaxPool(_) => Some((COMPARES, "put an AveragePool in its place and train the network again")),
        Operator::Sigmoid => Some((DIVIDES, square)),
        Operator::Softmax { .. } => {
            Some((DIVIDES, "leave it out, or make it the last operation: there it changes no decision and is dropped"))
        }
        Operator::ArgMax { .. } => {
            Some((COMPARES, "make it the last operation: the client takes the largest logit after decryption"))
        }
        Operator::Multiply => Some((
            "two different values are multiplied, and a chain of layers only holds squares",
            "write the product with squares, a·b = ((a + b)² - (a - b)²) / 4 over one square, or use x·x",
        )),
        _ => None,
    }
}

/// The squares, in order. Each must be a function of the one before it alone, and everything else affine in one of them.
pub(super) fn cuts(graph: &Graph) -> Result<Vec<Value>, GraphError> {
    let mut roots = alloc::vec![Value::INPUT];
    let mut cuts: Vec<Value> = Vec::new();
    for (place, node) in graph.nodes().iter().enumerate() {
        let operands = node.operands.iter().map(|&operand| roots[Graph::index(operand)]);
        let root = operands.clone().next().unwrap_or(Value::INPUT);
        if operands.clone().any(|other| other != root) {
            return Err(refused(
                node,
                "it joins values that were squared differently often: only chains are supported, so \
                                      leave out the connection past the square",
            ));
        }
        if !matches!(node.operator, Operator::Square) {
            roots.push(root);
            continue;
        }
        if cuts.last().copied().unwrap_or(Value::INPUT) != root {
            return Err(refused(
                node,
                "it is a second square of the same layer: only chains are supported, so square all \
                                      values of a layer at once",
            ));
        }
        let value = graph.value(place);
        cuts.push(value);
        roots.push(value);
    }
    let last = cuts.last().copied().unwrap_or(Value::INPUT);
    match graph.definition(graph.output()) {
        Some(node) if roots[Graph::index(graph.output())] != last => {
            Err(refused(node, "the output does not follow from the last square"))
        }
        _ => Ok(cuts),
    }
}

fn refused(node: &Node, reason: &str) -> GraphError {
    GraphError::NotChain { node: node.name.clone(), operator: node.operator.name(), reason: reason.to_string() }
}
