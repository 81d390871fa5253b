//! Sweeps out the nodes that nothing uses.

use alloc::vec::Vec;

use super::Folding;
use crate::graph::{Graph, GraphError, Value};

pub(super) fn run(graph: &Graph, _: &mut Vec<Folding>) -> Result<Graph, GraphError> {
    let mut used = alloc::vec![false; graph.nodes().len() + 1];
    used[Graph::index(graph.output())] = true;
    for (place, node) in graph.nodes().iter().enumerate().rev() {
        if used[place + 1] {
            node.operands.iter().for_each(|&operand| used[Graph::index(operand)] = true);
        }
    }
    let mut new = Graph::new(graph.name(), graph.input_shape().into())?;
    let mut renamed = alloc::vec![Value::INPUT];
    for (place, node) in graph.nodes().iter().enumerate() {
        // The name of an unused value is never asked for.
        let operands = node.operands.iter().map(|&operand| renamed[Graph::index(operand)]).collect();
        let value =
            if used[place + 1] { new.push(&*node.name, node.operator.clone(), operands)? } else { Value::INPUT };
        renamed.push(value);
    }
    new.set_output(renamed[Graph::index(graph.output())])?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::graph::Operator;
    use crate::pass::testing::{agree, graph};

    #[test]
    fn only_what_the_output_needs_stays() {
        let before = graph(&[1, 3], |g, x| {
            let unused = g.push("unused", Operator::Relu, vec![x])?;
            g.push("also", Operator::Square, vec![unused])?;
            g.push("used", Operator::Square, vec![x])
        });
        let after = run(&before, &mut Vec::new()).unwrap();
        assert_eq!(after.nodes().len(), 1);
        agree(&before, &after, 0.0);
    }
}
