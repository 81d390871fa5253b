//! Folds an affine map per channel into the linear operator that follows it.
//!
//! A shift before a padded convolution stays where it is: the padding is of zeros after the shift, not before it.

use alloc::vec::Vec;

use super::{Folding, name_of, rewrite};
use crate::graph::{Convolution, Graph, GraphError, Matrix, Operator, Value};

pub(super) fn run(graph: &Graph, notes: &mut Vec<Folding>) -> Result<Graph, GraphError> {
    let uses = graph.uses();
    let once = |value: Value| uses[Graph::index(value)] == 1;
    rewrite(graph, |new, site| {
        // The map may lie before a reshape, which only flattens.
        let operand = site.node.operands[0];
        let reshape = graph.definition(operand).filter(|node| matches!(node.operator, Operator::Reshape(_)));
        let (inner_old, inner_new) = match reshape {
            Some(node) => {
                (node.operands[0], new.definition(site.operands[0]).map_or(Value::INPUT, |node| node.operands[0]))
            }
            None => (operand, site.operands[0]),
        };
        if !once(operand) || !once(inner_old) {
            return Ok(None);
        }
        let Some(map) = new.definition(inner_new) else { return Ok(None) };
        let Operator::ChannelAffine { scale, shift } = &map.operator else { return Ok(None) };
        let folded = match &site.node.operator {
            Operator::Convolution(conv) if reshape.is_none() => into_convolution(conv, scale, shift),
            Operator::Matrix(matrix) => Some(into_matrix(matrix, scale, shift)),
            _ => None,
        };
        let Some(operator) = folded else { return Ok(None) };
        let (source, before) = (map.operands[0], map.operator.name());
        let node = name_of(new, inner_new).unwrap_or_default();
        notes.push(Folding { node, operator: before, into: Some(site.node.name.clone()) });
        let source = match reshape {
            Some(reshape) => new.push(reshape.name.clone(), reshape.operator.clone(), alloc::vec![source])?,
            None => source,
        };
        new.push(site.node.name.clone(), operator, alloc::vec![source]).map(Some)
    })
}

fn into_convolution(conv: &Convolution, scale: &[f32], shift: &[f32]) -> Option<Operator> {
    if !conv.window.is_unpadded() && shift.iter().any(|&term| term != 0.0) {
        return None;
    }
    let mut conv = conv.clone();
    let area = conv.window.kernel[0] * conv.window.kernel[1];
    let (row, maps, channels) = (conv.row(), conv.maps / conv.groups, conv.channels / conv.groups);
    for (map, weights) in conv.weights.chunks_mut(row).enumerate() {
        let first = map / maps * channels;
        for (channel, weights) in weights.chunks_mut(area).enumerate() {
            let total: f32 = weights.iter().sum();
            conv.bias[map] += total * shift[first + channel];
            weights.iter_mut().for_each(|weight| *weight *= scale[first + channel]);
        }
    }
    Some(Operator::Convolution(conv))
}

/// The channels lie in blocks one after the other, so input `i` is of channel `i / block`.
fn into_matrix(matrix: &Matrix, scale: &[f32], shift: &[f32]) -> Operator {
    let mut matrix = matrix.clone();
    let block = (matrix.inputs / scale.len()).max(1);
    for (weights, bias) in matrix.weights.chunks_mut(matrix.inputs).zip(&mut matrix.bias) {
        for (weights, (factor, term)) in weights.chunks_mut(block).zip(scale.iter().zip(shift)) {
            *bias += weights.iter().sum::<f32>() * term;
            weights.iter_mut().for_each(|weight| *weight *= factor);
        }
    }
    Operator::Matrix(matrix)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::pass::sweep;
    use crate::pass::testing::{agree, conv, graph, matrix};

    fn normalised(
        shift: f32,
        padding: usize,
        end: impl FnOnce(&mut Graph, Value) -> Result<Value, GraphError>,
    ) -> Graph {
        let affine = Operator::ChannelAffine { scale: vec![2.0, -0.5], shift: vec![shift, 3.0 * shift] };
        graph(&[1, 2, 4, 4], |g, x| {
            let x = g.push("norm", affine, vec![x])?;
            let Operator::Convolution(mut conv) = conv(2, 2, 2) else { return Ok(x) };
            conv.window.padding.top = padding;
            let x = if padding < 9 { g.push("conv", Operator::Convolution(conv), vec![x])? } else { x };
            end(g, x)
        })
    }

    #[test]
    fn a_map_goes_into_the_convolution_after_it() {
        for (shift, padding) in [(1.5, 0), (0.0, 1)] {
            let before = normalised(shift, padding, |_, x| Ok(x));
            let mut notes = Vec::new();
            let after = run(&before, &mut notes).and_then(|graph| sweep::run(&graph, &mut Vec::new())).unwrap();
            assert_eq!((notes.len(), after.nodes().len()), (1, 1));
            agree(&before, &after, 1e-5);
        }
    }

    #[test]
    fn a_shift_before_padding_stays() {
        let before = normalised(1.5, 1, |_, x| Ok(x));
        assert_eq!(run(&before, &mut Vec::new()).unwrap(), before);
    }

    #[test]
    fn a_map_goes_through_flattening() {
        let before = normalised(1.5, 9, |g, x| {
            let x = g.push("flatten", Operator::Reshape(vec![1, 32]), vec![x])?;
            g.push("dense", matrix(3, 32), vec![x])
        });
        let after = run(&before, &mut Vec::new()).and_then(|graph| sweep::run(&graph, &mut Vec::new())).unwrap();
        assert_eq!(after.nodes().len(), 2);
        agree(&before, &after, 1e-5);
    }
}
