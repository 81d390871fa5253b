//! Folds an affine map per channel, such as batch normalisation, into the linear operator before it.

use alloc::vec::Vec;

use super::{Folding, name_of, producer, rewrite};
use crate::graph::{Graph, GraphError, Operator};

pub(super) fn run(graph: &Graph, notes: &mut Vec<Folding>) -> Result<Graph, GraphError> {
    rewrite(graph, |new, site| {
        let Operator::ChannelAffine { scale, shift } = &site.node.operator else { return Ok(None) };
        let operand = site.operands[0];
        let trivial = scale.iter().all(|&factor| factor == 1.0) && shift.iter().all(|&term| term == 0.0);
        if trivial {
            notes.push(site.folded(None));
            return Ok(Some(operand));
        }
        let into = name_of(new, operand);
        let folded = match producer(new, site) {
            Some(Operator::Convolution(conv)) => fold(&mut conv.weights, &mut conv.bias, scale, shift),
            Some(Operator::Matrix(matrix)) => fold(&mut matrix.weights, &mut matrix.bias, scale, shift),
            Some(Operator::ChannelAffine { scale: weights, shift: bias }) => fold(weights, bias, scale, shift),
            _ => false,
        };
        if folded {
            notes.push(site.folded(into));
        }
        Ok(folded.then_some(operand))
    })
}

/// Scales the weights of each output, and scales and shifts its bias.
fn fold(weights: &mut [f32], bias: &mut [f32], scale: &[f32], shift: &[f32]) -> bool {
    let row = (weights.len() / bias.len()).max(1);
    for (row, factor) in weights.chunks_mut(row).zip(scale) {
        row.iter_mut().for_each(|weight| *weight *= factor);
    }
    for (bias, (factor, term)) in bias.iter_mut().zip(scale.iter().zip(shift)) {
        *bias = bias.mul_add(*factor, *term);
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::pass::testing::{agree, conv, graph};

    fn affine(seed: f32) -> Operator {
        Operator::ChannelAffine { scale: vec![seed, -2.0, 0.5], shift: vec![1.0, seed, 0.25] }
    }

    #[test]
    fn normalisation_goes_into_the_convolution() {
        let before = graph(&[1, 2, 5, 5], |g, x| {
            let x = g.push("conv", conv(3, 2, 1), vec![x])?;
            let x = g.push("scale", affine(3.0), vec![x])?;
            g.push("shift", affine(-1.5), vec![x])
        });
        let mut notes = Vec::new();
        let after = run(&before, &mut notes).unwrap();
        assert_eq!(after.nodes().len(), 1);
        assert!(notes.iter().all(|note| note.into.as_deref() == Some("conv")) && notes.len() == 2);
        agree(&before, &after, 1e-5);
    }

    #[test]
    fn a_convolution_that_others_use_is_left_alone() {
        let before = graph(&[1, 2, 5, 5], |g, x| {
            let x = g.push("conv", conv(3, 2, 1), vec![x])?;
            let y = g.push("scale", affine(3.0), vec![x])?;
            g.push("both", Operator::Add, vec![x, y])
        });
        let after = run(&before, &mut Vec::new()).unwrap();
        assert_eq!(after, before);
    }
}
