//! Folds an average pool into the convolution before it: a mean of windows is a window of means.
//!
//! A convolution of kernel `k` and stride `s` followed by a mean over `p` windows at stride `t` is a convolution of kernel
//! `k + (p - 1) s` and stride `s t`. The kernel grows, the layers and the values between them become fewer: under
//! encryption that is what counts.

use alloc::vec::Vec;

use super::{Folding, name_of, producer, rewrite};
use crate::graph::{Convolution, Graph, GraphError, Operator, Pool, Window};
use crate::network::MAX_VALUES;

/// The most additions that are spent on one kernel.
const MAX_WORK: usize = 1 << 30;

pub(super) fn run(graph: &Graph, notes: &mut Vec<Folding>) -> Result<Graph, GraphError> {
    rewrite(graph, |new, site| {
        let Operator::AveragePool(pool) = &site.node.operator else { return Ok(None) };
        let into = name_of(new, site.operands[0]);
        let merged = match producer(new, site) {
            Some(Operator::Convolution(conv)) => merge(conv, pool),
            _ => None,
        };
        let (Some(conv), Some(name)) = (merged, into) else { return Ok(None) };
        // The result must be that of the pool: rows that the pool leaves out must not come back.
        let source = new.definition(site.operands[0]).map(|node| node.operands[0]);
        let Some(source) = source else { return Ok(None) };
        let value = new.push(name.clone(), Operator::Convolution(conv), alloc::vec![source])?;
        if new.shape(value) != site.node.shape() {
            new.pop();
            return Ok(None);
        }
        notes.push(site.folded(Some(name)));
        Ok(Some(value))
    })
}

fn merge(conv: &Convolution, pool: &Pool) -> Option<Convolution> {
    let (inner, outer) = (conv.window, pool.window);
    if !outer.is_unpadded() || inner.dilation != [1; 2] || outer.dilation != [1; 2] {
        return None;
    }
    let side = |axis: usize| inner.kernel[axis] + (outer.kernel[axis] - 1) * inner.stride[axis];
    let window = Window {
        kernel: [side(0), side(1)],
        stride: [inner.stride[0] * outer.stride[0], inner.stride[1] * outer.stride[1]],
        ..inner
    };
    let area = inner.kernel[0] * inner.kernel[1];
    let size = window.kernel[0].checked_mul(window.kernel[1])?.checked_mul(conv.weights.len() / area)?;
    let work = conv.weights.len().checked_mul(outer.kernel[0])?.checked_mul(outer.kernel[1])?;
    if size > MAX_VALUES || work > MAX_WORK {
        return None;
    }
    let planes = conv.weights.chunks_exact(area).map(|plane| spread(plane, &inner, &outer, window.kernel));
    Some(Convolution { window, weights: planes.flatten().collect(), ..conv.clone() })
}

/// One plane of a kernel at each position of the pool, added up.
fn spread(plane: &[f32], inner: &Window, outer: &Window, size: [usize; 2]) -> Vec<f32> {
    let mut spread = alloc::vec![0.0; size[0] * size[1]];
    let share = 1.0 / (outer.kernel[0] * outer.kernel[1]) as f32;
    for position in 0..outer.kernel[0] * outer.kernel[1] {
        let down = position / outer.kernel[1] * inner.stride[0];
        let across = position % outer.kernel[1] * inner.stride[1];
        for (index, weight) in plane.iter().enumerate() {
            let (row, column) = (index / inner.kernel[1] + down, index % inner.kernel[1] + across);
            spread[row * size[1] + column] += weight * share;
        }
    }
    spread
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::pass::testing::{agree, conv, graph};

    fn pooled(side: usize, stride: usize, padding: usize) -> Graph {
        let mut window = Window { stride: [2, 1], ..Window::of([2, 3]) };
        window.padding.left = padding;
        graph(&[1, 4, side, side], |g, x| {
            let Operator::Convolution(mut conv) = conv(4, 4, 2) else { return Ok(x) };
            (conv.window.stride, conv.window.padding.top) = ([stride, 1], 1);
            let x = g.push("conv", Operator::Convolution(conv), vec![x])?;
            g.push("pool", Operator::AveragePool(Pool { window, count_padding: true }), vec![x])
        })
    }

    #[test]
    fn a_mean_of_windows_is_a_window_of_means() {
        for (side, stride) in [(8, 1), (9, 2), (12, 3), (7, 2)] {
            let before = pooled(side, stride, 0);
            let mut notes = Vec::new();
            let after = run(&before, &mut notes).unwrap();
            assert_eq!(notes.len(), 1, "{side} {stride}");
            agree(&before, &after, 1e-5);
        }
    }

    #[test]
    fn a_kernel_beyond_all_bounds_is_not_made() {
        let Operator::Convolution(conv) = conv(64, 64, 1) else { return };
        let pool = |side| Pool { window: Window::of([side, side]), count_padding: true };
        assert!(merge(&conv, &pool(8)).is_some());
        assert!(merge(&conv, &pool(128)).is_none());
    }

    #[test]
    fn a_padded_pool_stays() {
        let before = pooled(8, 1, 1);
        assert_eq!(run(&before, &mut Vec::new()).unwrap(), before);
    }
}
