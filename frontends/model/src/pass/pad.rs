//! Folds zero padding into the convolution that follows it.

use alloc::vec::Vec;

use super::{Folding, rewrite};
use crate::graph::{Graph, GraphError, Operator};

pub(super) fn run(graph: &Graph, notes: &mut Vec<Folding>) -> Result<Graph, GraphError> {
    rewrite(graph, |new, site| {
        let Operator::Convolution(conv) = &site.node.operator else { return Ok(None) };
        let Some(pad) = new.definition(site.operands[0]) else { return Ok(None) };
        let Operator::Pad { sides, value } = &pad.operator else { return Ok(None) };
        let &[[0, 0], [0, 0], [top, bottom], [left, right]] = sides.as_slice() else { return Ok(None) };
        if *value != 0.0 {
            return Ok(None);
        }
        let note =
            Folding { node: pad.name.clone(), operator: pad.operator.name(), into: Some(site.node.name.clone()) };
        let source = pad.operands[0];
        let mut conv = conv.clone();
        let padding = &mut conv.window.padding;
        // All four are within a tensor's size, so the sums do not overflow.
        padding.top += top;
        padding.bottom += bottom;
        padding.left += left;
        padding.right += right;
        notes.push(note);
        new.push(site.node.name.clone(), Operator::Convolution(conv), alloc::vec![source]).map(Some)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::pass::testing::{agree, conv, graph};

    fn padded(value: f32, channels: [usize; 2]) -> Graph {
        let sides = vec![[0, 0], channels, [1, 2], [3, 0]];
        graph(&[1, 2, 5, 5], |g, x| {
            let x = g.push("pad", Operator::Pad { sides, value }, vec![x])?;
            g.push("conv", conv(3, 2 + channels[0] + channels[1], 1), vec![x])
        })
    }

    #[test]
    fn zeros_go_into_the_convolution() {
        let before = padded(0.0, [0, 0]);
        let mut notes = Vec::new();
        let after = run(&before, &mut notes).unwrap();
        assert_eq!((notes.len(), notes[0].node.as_str(), notes[0].into.as_deref()), (1, "pad", Some("conv")));
        agree(&before, &after, 1e-6);
    }

    #[test]
    fn other_padding_stays() {
        for before in [padded(1.0, [0, 0]), padded(0.0, [1, 0])] {
            assert_eq!(run(&before, &mut Vec::new()).unwrap(), before);
        }
    }
}
