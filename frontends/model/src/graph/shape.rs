//! Shapes of results.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::gather::{broadcast, volume};
use super::operator::{Convolution, Operator, Window};

/// The most values under all windows of a group of channels: what evaluation copies for a matrix product.
const MAX_UNFOLDED: usize = 1 << 28;

type Shape = Result<Vec<usize>, String>;

impl Operator {
    /// The shape of the result for operands of these shapes, of which there is at least one.
    ///
    /// # Errors
    ///
    /// What does not fit, in words.
    pub(super) fn output_shape(&self, operands: &[&[usize]]) -> Shape {
        let input = operands[0];
        match self {
            Self::Convolution(conv) => convolution(conv, input),
            Self::Matrix(matrix) => {
                let [_, inputs] = vector(input)?;
                let fits = inputs == matrix.inputs
                    && matrix.inputs.checked_mul(matrix.outputs) == Some(matrix.weights.len())
                    && matrix.bias.len() == matrix.outputs;
                let reason = || alloc::format!("{} by {}", matrix.outputs, matrix.inputs);
                require(fits, || alloc::format!("a matrix of {} does not take the shape {input:?}", reason()))?;
                Ok(alloc::vec![1, matrix.outputs])
            }
            Self::ChannelAffine { scale, shift } => {
                let channels = input.get(1).copied().unwrap_or(0);
                let fits = scale.len() == channels && shift.len() == channels;
                require(fits, || alloc::format!("{} channels do not fit the shape {input:?}", scale.len()))?;
                Ok(input.into())
            }
            Self::Scale(constant) | Self::Shift(constant) => together(&[input, constant.shape()]),
            Self::Add | Self::Subtract | Self::Multiply => together(operands),
            Self::MaxPool(window) => {
                let [one, channels, ..] = map(input)?;
                windows(window, input).map(|[rows, columns]| alloc::vec![one, channels, rows, columns])
            }
            Self::AveragePool(pool) => {
                let [one, channels, ..] = map(input)?;
                windows(&pool.window, input).map(|[rows, columns]| alloc::vec![one, channels, rows, columns])
            }
            Self::Softmax { first, end, .. } => {
                require(first < end && *end <= input.len(), || alloc::format!("no axis {first} in {input:?}"))?;
                Ok(input.into())
            }
            Self::ArgMax { axis, keep } => reduced(input, *axis, *keep),
            Self::Reshape(shape) => {
                let fits = volume(shape) == volume(input);
                require(fits, || alloc::format!("the shape {input:?} cannot become {shape:?}"))?;
                Ok(shape.clone())
            }
            Self::Transpose(axes) => {
                let mut sorted = axes.clone();
                sorted.sort_unstable();
                let fits = sorted.iter().copied().eq(0..input.len());
                require(fits, || alloc::format!("{axes:?} is no order of the axes of {input:?}"))?;
                Ok(axes.iter().map(|&axis| input[axis]).collect())
            }
            Self::Concat { axis } => concatenated(operands, *axis),
            Self::Pad { sides, .. } => {
                require(sides.len() == input.len(), || alloc::format!("{sides:?} does not fit {input:?}"))?;
                let padded = input
                    .iter()
                    .zip(sides)
                    .map(|(&side, &[before, after])| side.checked_add(before)?.checked_add(after));
                padded.collect::<Option<_>>().ok_or_else(|| "the padding is too wide".to_string())
            }
            Self::Slice { start, step, shape } => sliced(input, start, step, shape),
            Self::Square | Self::Relu | Self::Clip { .. } | Self::Sigmoid | Self::Identity => Ok(input.into()),
        }
    }
}

fn require(fits: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if fits { Ok(()) } else { Err(reason()) }
}

fn map(shape: &[usize]) -> Result<[usize; 4], String> {
    let sides = shape.try_into().ok().filter(|sides: &[usize; 4]| sides[0] == 1);
    sides.ok_or_else(|| alloc::format!("expected [1, channels, height, width], found {shape:?}"))
}

fn vector(shape: &[usize]) -> Result<[usize; 2], String> {
    let sides = shape.try_into().ok().filter(|sides: &[usize; 2]| sides[0] == 1);
    sides.ok_or_else(|| alloc::format!("expected [1, values], found {shape:?}: flatten it first"))
}

fn windows(window: &Window, input: &[usize]) -> Result<[usize; 2], String> {
    let [.., height, width] = map(input)?;
    let fits = window.stride.iter().chain(&window.dilation).chain(&window.kernel).all(|&side| side > 0);
    let output = if fits { window.output([height, width]) } else { None };
    output.ok_or_else(|| alloc::format!("a window of {:?} does not fit the shape {input:?}", window.kernel))
}

fn convolution(conv: &Convolution, input: &[usize]) -> Shape {
    let [_, channels, ..] = map(input)?;
    let fits = conv.groups > 0
        && conv.channels == channels
        && conv.channels.is_multiple_of(conv.groups)
        && conv.maps.is_multiple_of(conv.groups);
    let found = || alloc::format!("{} channels in {} groups do not fit {input:?}", conv.channels, conv.groups);
    require(fits, found)?;
    let weights = volume(&[conv.maps, channels / conv.groups, conv.window.kernel[0], conv.window.kernel[1]]);
    let fits = weights == Some(conv.weights.len()) && conv.bias.len() == conv.maps;
    require(fits, || alloc::format!("{} weights and {} biases are not enough", conv.weights.len(), conv.bias.len()))?;
    let [rows, columns] = windows(&conv.window, input)?;
    let unfolded = volume(&[conv.row(), rows, columns]).filter(|&values| values <= MAX_UNFOLDED);
    require(unfolded.is_some(), || alloc::format!("its windows hold more than {MAX_UNFOLDED} values"))?;
    Ok(alloc::vec![1, conv.maps, rows, columns])
}

fn together(shapes: &[&[usize]]) -> Shape {
    let mut all = shapes[0].to_vec();
    for shape in &shapes[1..] {
        all = broadcast(&all, shape).ok_or_else(|| alloc::format!("the shapes {all:?} and {shape:?} do not fit"))?;
    }
    Ok(all)
}

fn reduced(input: &[usize], axis: usize, keep: bool) -> Shape {
    require(axis < input.len(), || alloc::format!("no axis {axis} in {input:?}"))?;
    let mut shape = input.to_vec();
    if keep {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    Ok(shape)
}

fn concatenated(operands: &[&[usize]], axis: usize) -> Shape {
    let mut shape = operands[0].to_vec();
    require(axis < shape.len(), || alloc::format!("no axis {axis} in {shape:?}"))?;
    for operand in &operands[1..] {
        let alike = operand.len() == shape.len() && (0..shape.len()).all(|i| i == axis || operand[i] == shape[i]);
        require(alike, || alloc::format!("the shapes {shape:?} and {operand:?} differ beside axis {axis}"))?;
        shape[axis] = shape[axis].checked_add(operand[axis]).ok_or("the result is too large")?;
    }
    Ok(shape)
}

fn sliced(input: &[usize], start: &[usize], step: &[isize], shape: &[usize]) -> Shape {
    let ranks = [start.len(), step.len(), shape.len()];
    require(ranks == [input.len(); 3], || alloc::format!("a slice of {ranks:?} axes does not fit {input:?}"))?;
    let inside = |axis: usize| {
        let last = (shape[axis] as isize - 1).checked_mul(step[axis])?.checked_add_unsigned(start[axis])?;
        (shape[axis] > 0 && start[axis] < input[axis] && usize::try_from(last).is_ok_and(|last| last < input[axis]))
            .then_some(())
    };
    let fits = (0..input.len()).all(|axis| inside(axis).is_some());
    require(fits, || alloc::format!("the slice leaves the shape {input:?} or is empty"))?;
    Ok(shape.into())
}
