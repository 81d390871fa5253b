//! Index arithmetic: a tensor read along strides, or written along them. Broadcasting, transposing and slicing are one
//! loop with different strides.

use alloc::vec::Vec;

use super::tensor::MAX_RANK;

/// The product of the sides, if it fits.
pub(crate) fn volume(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side))
}

/// Row-major strides.
pub(crate) fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = alloc::vec![1_isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as isize;
    }
    strides
}

/// The strides by which a tensor of shape `from` is read as one of shape `to`, sides of 1 being repeated.
pub(crate) fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<isize> {
    let lead = to.len() - from.len();
    let own = strides(from);
    let stride = |axis: usize| if from[axis] == 1 { 0 } else { own[axis] };
    (0..to.len()).map(|axis| if axis < lead { 0 } else { stride(axis - lead) }).collect()
}

/// The shape that two tensors have together (ONNX and NumPy broadcasting), if there is one.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let side = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let sides = (0..rank).map(|axis| match (side(a, axis), side(b, axis)) {
        (x, y) if x == y => Some(x),
        (1, y) => Some(y),
        (x, 1) => Some(x),
        _ => None,
    });
    sides.collect()
}

/// Calls `f` with the offset of each position of `shape`, in row-major order, when the position `p` lies at
/// `start + Σ p[i] * strides[i]`.
pub(crate) fn for_each_offset(shape: &[usize], start: isize, strides: &[isize], mut f: impl FnMut(usize)) {
    if shape.contains(&0) {
        return;
    }
    let Some((&inner, outer)) = shape.split_last() else { return f(start as usize) };
    let step = strides[outer.len()];
    let mut position = [0_usize; MAX_RANK];
    let mut base = start;
    loop {
        for i in 0..inner {
            f((base + i as isize * step) as usize);
        }
        let Some(axis) = (0..outer.len()).rev().find(|&axis| position[axis] + 1 < outer[axis]) else { return };
        position[axis] += 1;
        base += strides[axis];
        for later in axis + 1..outer.len() {
            base -= position[later] as isize * strides[later];
            position[later] = 0;
        }
    }
}

/// The values at each position of `shape`.
pub(crate) fn gather(data: &[f32], shape: &[usize], start: isize, strides: &[isize]) -> Vec<f32> {
    let mut values = Vec::with_capacity(volume(shape).unwrap_or(0));
    for_each_offset(shape, start, strides, |offset| values.push(data[offset]));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(broadcast(&[2, 3], &[3]), Some(vec![2, 3]));
        assert_eq!(broadcast(&[2, 1], &[1, 4]), Some(vec![2, 4]));
        assert_eq!(broadcast(&[], &[5]), Some(vec![5]));
        assert_eq!(broadcast(&[2], &[3]), None);
    }

    #[test]
    fn offsets_follow_the_strides() {
        let data: Vec<f32> = (0..6_u8).map(f32::from).collect();
        assert_eq!(gather(&data, &[3, 2], 0, &[1, 3]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0], "transposed");
        assert_eq!(gather(&data, &[2, 2], 5, &[-3, -2]), [5.0, 3.0, 2.0, 0.0], "backwards");
        assert_eq!(gather(&data, &[2, 2, 3], 0, &broadcast_strides(&[2, 1, 3], &[2, 2, 3]))[3..6], [0.0, 1.0, 2.0]);
        assert_eq!(gather(&[7.0], &[], 0, &[]), [7.0]);
        assert!(gather(&[], &[0, 4], 0, &[4, 1]).is_empty());
    }
}
