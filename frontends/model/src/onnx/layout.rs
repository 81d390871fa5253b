//! What moves values without changing them.

use alloc::vec::Vec;

use super::Importer;
use super::call::Call;
use super::constant::Constant;
use crate::graph::{GraphError, Operator, Value};

impl Importer {
    pub(super) fn layout(&mut self, call: &Call<'_>) -> Result<Value, GraphError> {
        if call.operator() == "Concat" {
            let operands: Vec<Value> = (0..call.len()).map(|index| call.value(index)).collect::<Result<_, _>>()?;
            let rank = operands.first().map_or(0, |&first| self.graph.shape(first).len());
            let axis = call.axis(call.int("axis", 1)?, rank)?;
            return self.push(call, Operator::Concat { axis }, operands);
        }
        let operand = call.value(0)?;
        let shape = self.graph.shape(operand).to_vec();
        let operator = match call.operator() {
            "Flatten" => flatten(call, &shape)?,
            "Reshape" => reshape(call, &shape)?,
            "Transpose" => transpose(call, &shape)?,
            "Squeeze" => squeeze(call, &shape)?,
            "Unsqueeze" => unsqueeze(call, &shape)?,
            "Pad" => pad(call, &shape)?,
            _ => slice(call, &shape)?,
        };
        self.push(call, operator, alloc::vec![operand])
    }
}

fn flatten(call: &Call<'_>, shape: &[usize]) -> Result<Operator, GraphError> {
    // Here the rank itself is an axis, too.
    let axis = call.int("axis", 1)?;
    let axis = if axis == shape.len() as i64 { shape.len() } else { call.axis(axis, shape.len())? };
    let sides = [shape[..axis].iter().product(), shape[axis..].iter().product()];
    Ok(Operator::Reshape(sides.into()))
}

fn reshape(call: &Call<'_>, shape: &[usize]) -> Result<Operator, GraphError> {
    let asked = call.required(1)?.integers().ok_or_else(|| call.form("its shape must be a list of integers"))?;
    if asked.len() > crate::graph::MAX_RANK {
        return Err(call.form("its shape has too many sides"));
    }
    let literal = call.int("allowzero", 0)? != 0;
    let side = |(axis, &side): (usize, &i64)| match side {
        -1 => Ok(None),
        0 if !literal => shape.get(axis).map(|&side| Some(side)).ok_or_else(|| call.form("it copies a missing side")),
        side => usize::try_from(side).map(Some).map_err(|_| call.form(alloc::format!("a side of {side}"))),
    };
    let sides: Vec<Option<usize>> = asked.iter().enumerate().map(side).collect::<Result<_, _>>()?;
    let known = sides.iter().flatten().try_fold(1_usize, |product, &side| product.checked_mul(side));
    let rest = known.and_then(|known| shape.iter().product::<usize>().checked_div(known));
    let rest = rest.ok_or_else(|| call.form("its shape has no values or too many"))?;
    if sides.iter().filter(|side| side.is_none()).count() > 1 {
        return Err(call.form("more than one side is left open"));
    }
    Ok(Operator::Reshape(sides.into_iter().map(|side| side.unwrap_or(rest)).collect()))
}

fn transpose(call: &Call<'_>, shape: &[usize]) -> Result<Operator, GraphError> {
    let Some(axes) = call.ints("perm") else { return Ok(Operator::Transpose((0..shape.len()).rev().collect())) };
    let axes = axes.iter().map(|&axis| call.axis(axis, shape.len())).collect::<Result<_, _>>()?;
    Ok(Operator::Transpose(axes))
}

fn squeeze(call: &Call<'_>, shape: &[usize]) -> Result<Operator, GraphError> {
    let axes = match call.moved_ints("axes", 13, 1)? {
        Some(axes) => axes.iter().map(|&axis| call.axis(axis, shape.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    let sides = shape.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, &side)| side);
    Ok(Operator::Reshape(sides.collect()))
}

fn unsqueeze(call: &Call<'_>, shape: &[usize]) -> Result<Operator, GraphError> {
    let axes = call.moved_ints("axes", 13, 1)?.ok_or_else(|| call.form("it has no axes"))?;
    let rank = shape.len() + axes.len();
    if rank > crate::graph::MAX_RANK {
        return Err(call.form("it adds too many axes"));
    }
    let mut new: Vec<usize> = axes.iter().map(|&axis| call.axis(axis, rank)).collect::<Result<_, _>>()?;
    new.sort_unstable();
    let mut sides = shape.to_vec();
    for axis in new {
        // Ascending and below the final rank: two equal axes alone could lie beyond the end.
        sides.insert(axis.min(sides.len()), 1);
    }
    Ok(Operator::Reshape(sides))
}

fn pad(call: &Call<'_>, shape: &[usize]) -> Result<Operator, GraphError> {
    if call.text("mode", "constant") != "constant" {
        return Err(call.form(alloc::format!("mode {:?}: only constant padding is supported", call.text("mode", ""))));
    }
    let list = call.moved_ints("pads", 11, 1)?.ok_or_else(|| call.form("it has no pads"))?;
    let value = match call.opset {
        ..11 => call.float("value", 0.0)?,
        _ => call.constant(2)?.and_then(Constant::number).unwrap_or(0.0),
    };
    let axes: Vec<usize> = match call.constant(3)?.map(Constant::integers) {
        Some(Some(axes)) => axes.iter().map(|&axis| call.axis(axis, shape.len())).collect::<Result<_, _>>()?,
        Some(None) => return Err(call.form("its axes must be a list of integers")),
        None => (0..shape.len()).collect(),
    };
    if list.len() != 2 * axes.len() {
        return Err(call.form(alloc::format!("{} pads for {} axes", list.len(), axes.len())));
    }
    let mut sides = alloc::vec![[0; 2]; shape.len()];
    for (place, &axis) in axes.iter().enumerate() {
        for (end, amount) in [list[place], list[place + axes.len()]].into_iter().enumerate() {
            let negative = |_| call.form("negative padding is not supported: use Slice");
            sides[axis][end] = usize::try_from(amount).map_err(negative)?;
        }
    }
    Ok(Operator::Pad { sides, value })
}

fn slice(call: &Call<'_>, shape: &[usize]) -> Result<Operator, GraphError> {
    let list = |name, index| call.moved_ints(name, 10, index);
    let (starts, ends) = (list("starts", 1)?.unwrap_or_default(), list("ends", 2)?.unwrap_or_default());
    let steps = if call.opset < 10 { None } else { list("", 4)? };
    let axes: Vec<usize> = match list("axes", 3)? {
        Some(axes) => axes.iter().map(|&axis| call.axis(axis, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len().min(starts.len())).collect(),
    };
    let same = [starts.len(), ends.len(), steps.map_or(axes.len(), <[i64]>::len)].iter().all(|&l| l == axes.len());
    if !same {
        return Err(call.form("its starts, ends, axes and steps are not equally many"));
    }
    let (mut first, mut step, mut sides) = (alloc::vec![0; shape.len()], alloc::vec![1; shape.len()], shape.to_vec());
    for (place, &axis) in axes.iter().enumerate() {
        let stride = steps.map_or(1, |steps| steps[place]);
        let found = range(shape[axis] as i64, starts[place], ends[place], stride);
        let (start, count) = found.ok_or_else(|| call.form("it is empty, or has a step of 0"))?;
        (first[axis], step[axis], sides[axis]) = (start, stride as isize, count);
    }
    Ok(Operator::Slice { start: first, step, shape: sides })
}

/// The first index and the number of indices; the ends are clamped as the specification says.
fn range(side: i64, start: i64, end: i64, step: i64) -> Option<(usize, usize)> {
    let absolute = |index: i64| if index < 0 { index.saturating_add(side) } else { index };
    // A step beyond the side takes one value, as the side itself does.
    let stride = step.checked_abs()?.min(side);
    let (start, span) = if step > 0 {
        let (start, end) = (absolute(start).clamp(0, side), absolute(end).clamp(0, side));
        (start, end - start)
    } else {
        let (start, end) = (absolute(start).clamp(0, side - 1), absolute(end).clamp(-1, side - 1));
        (start, start - end)
    };
    let count = (span + stride - 1).checked_div(stride)?;
    let count = usize::try_from(count).ok().filter(|&count| count > 0)?;
    Some((usize::try_from(start).ok()?, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_numpy() {
        assert_eq!(range(10, 0, i64::MAX, 2), Some((0, 5)));
        assert_eq!(range(10, 1, 10, 2), Some((1, 5)));
        assert_eq!(range(10, -3, 10, 1), Some((7, 3)));
        assert_eq!(range(10, 9, i64::MIN, -1), Some((9, 10)));
        assert_eq!(range(10, -1, 3, -3), Some((9, 2)));
        assert_eq!(range(10, 3, 3, 1), None);
        assert_eq!(range(10, 2, 9, i64::MAX), Some((2, 1)));
        assert_eq!(range(10, 2, 9, 0), None);
        assert_eq!(range(10, 9, 0, i64::MIN), None);
    }
}
