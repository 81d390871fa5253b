//! Drops what does nothing: identities, dropout, casts, reshapes to the same shape; joins two reshapes in a row.

use alloc::vec::Vec;

use super::{Folding, rewrite};
use crate::graph::{Graph, GraphError, Operator};

pub(super) fn run(graph: &Graph, notes: &mut Vec<Folding>) -> Result<Graph, GraphError> {
    rewrite(graph, |new, site| {
        let operand = site.operands[0];
        let same = new.shape(operand) == site.node.shape();
        match &site.node.operator {
            Operator::Identity => {}
            Operator::Reshape(_) | Operator::Slice { .. } if same && unit_step(&site.node.operator) => {}
            Operator::Reshape(shape) => {
                let before = new.definition(operand).filter(|node| matches!(node.operator, Operator::Reshape(_)));
                let Some(first) = before.map(|node| node.operands[0]) else { return Ok(None) };
                let joined = new.push(site.node.name.clone(), Operator::Reshape(shape.clone()), alloc::vec![first])?;
                return Ok(Some(joined));
            }
            _ => return Ok(None),
        }
        notes.push(site.folded(None));
        Ok(Some(operand))
    })
}

/// A slice of everything is only the same if it runs forwards.
fn unit_step(operator: &Operator) -> bool {
    match operator {
        Operator::Slice { step, shape, .. } => step.iter().zip(shape).all(|(&step, &side)| step == 1 || side == 1),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::graph::Value;
    use crate::pass::testing::{agree, graph};

    #[test]
    fn nothing_is_left_of_nothing() {
        let before = graph(&[1, 2, 2, 2], |g, x| {
            let x = g.push("dropout", Operator::Identity, vec![x])?;
            let x = g.push("flatten", Operator::Reshape(vec![1, 8]), vec![x])?;
            let x = g.push("again", Operator::Reshape(vec![1, 8]), vec![x])?;
            let x = g.push("back", Operator::Reshape(vec![1, 8, 1]), vec![x])?;
            g.push("end", Operator::Square, vec![x])
        });
        let mut notes = Vec::new();
        let after = run(&before, &mut notes).unwrap();
        let names: Vec<_> = notes.iter().map(|note| note.node.as_str()).collect();
        assert_eq!(names, ["dropout", "again"]);
        agree(&before, &after, 1e-6);
    }

    #[test]
    fn a_backward_slice_stays() {
        let reversed = Operator::Slice { start: vec![0, 3], step: vec![1, -1], shape: vec![1, 4] };
        let before = graph(&[1, 4], |g, x| g.push("reverse", reversed, vec![x]));
        let after = run(&before, &mut Vec::new()).unwrap();
        assert_eq!(after.nodes().len(), 1);
        assert_eq!(before.output().node(), Some(0));
        assert_ne!(before.output(), Value::INPUT);
    }
}
