//! The clear interpreter of graphs, in 32-bit floating point: the oracle of every pass and of quantisation.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::error::GraphError;
use super::gather::{broadcast_strides, for_each_offset, gather, strides, volume};
use super::kernel;
use super::operator::Operator;
use super::tensor::Tensor;
use super::{Graph, Node, Value};

impl Graph {
    /// The output for `input`.
    ///
    /// Costs the matrix products of its convolutions, on one core. A value is dropped after its last use.
    ///
    /// # Errors
    ///
    /// [`GraphError::Input`] if the input has another shape.
    pub fn evaluate(&self, input: &Tensor) -> Result<Tensor, GraphError> {
        if input.shape() != self.input_shape() {
            let (expected, found) = (self.input_shape().into(), input.shape().into());
            return Err(GraphError::Input { expected, found });
        }
        let mut uses = self.uses();
        let mut values: Vec<Option<Cow<'_, Tensor>>> = alloc::vec![None; self.nodes().len() + 1];
        values[0] = Some(Cow::Borrowed(input));
        for (place, node) in self.nodes().iter().enumerate() {
            if uses[place + 1] == 0 {
                continue;
            }
            let operands: Vec<&Tensor> = node.operands.iter().filter_map(|o| values[o.0].as_deref()).collect();
            let result = node.apply(&operands);
            drop(operands);
            for &Value(operand) in &node.operands {
                uses[operand] -= 1;
                if uses[operand] == 0 {
                    values[operand] = None;
                }
            }
            values[place + 1] = Some(Cow::Owned(result));
        }
        // Every value that is used has been computed: nodes use only what is before them.
        Ok(values[self.output().0].take().map_or_else(|| input.clone(), Cow::into_owned))
    }
}

impl Node {
    /// The result for operands whose shapes have been checked.
    fn apply(&self, operands: &[&Tensor]) -> Tensor {
        let (input, shape) = (operands[0], self.shape());
        let each = |f: &dyn Fn(f32) -> f32| input.data().iter().map(|&x| f(x)).collect();
        let data = match &self.operator {
            Operator::Convolution(conv) => kernel::convolve(conv, input, shape),
            Operator::Matrix(matrix) => kernel::affine(&matrix.weights, &matrix.bias, input.data()),
            Operator::ChannelAffine { scale, shift } => channel_affine(input, scale, shift),
            Operator::Scale(constant) => combine(input, constant, shape, |a, b| a * b),
            Operator::Shift(constant) => combine(input, constant, shape, |a, b| a + b),
            Operator::Add => sum(operands, shape),
            Operator::Subtract => combine(input, operands[1], shape, |a, b| a - b),
            Operator::Multiply => combine(input, operands[1], shape, |a, b| a * b),
            Operator::Square => each(&|x| x * x),
            Operator::Relu => each(&|x| x.max(0.0)),
            Operator::Clip { low, high } => each(&|x| x.max(*low).min(*high)),
            Operator::Sigmoid => each(&|x| 1.0 / (1.0 + (-x).exp())),
            Operator::MaxPool(window) => kernel::max_pool(window, input, shape),
            Operator::AveragePool(pool) => kernel::average_pool(pool, input, shape),
            Operator::Softmax { first, end, log } => kernel::softmax(input, *first..*end, *log),
            Operator::ArgMax { axis, .. } => kernel::argmax(input, *axis),
            Operator::Reshape(_) | Operator::Identity => input.data().into(),
            Operator::Transpose(axes) => {
                let own = strides(input.shape());
                gather(input.data(), shape, 0, &axes.iter().map(|&axis| own[axis]).collect::<Vec<_>>())
            }
            Operator::Concat { axis } => concat(operands, *axis, shape),
            Operator::Pad { sides, value } => pad(input, sides, *value, shape),
            Operator::Slice { start, step, .. } => slice(input, start, step, shape),
        };
        Tensor::of(shape, data)
    }
}

fn channel_affine(input: &Tensor, scale: &[f32], shift: &[f32]) -> Vec<f32> {
    let inner = input.data().len() / scale.len();
    let channels = input.data().chunks_exact(inner).zip(scale.iter().zip(shift));
    channels.flat_map(|(values, (&scale, &shift))| values.iter().map(move |&x| x.mul_add(scale, shift))).collect()
}

fn combine(a: &Tensor, b: &Tensor, shape: &[usize], f: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    if a.shape() == b.shape() {
        return a.data().iter().zip(b.data()).map(|(&a, &b)| f(a, b)).collect();
    }
    let left = gather(a.data(), shape, 0, &broadcast_strides(a.shape(), shape));
    let right = gather(b.data(), shape, 0, &broadcast_strides(b.shape(), shape));
    left.into_iter().zip(right).map(|(a, b)| f(a, b)).collect()
}

fn sum(operands: &[&Tensor], shape: &[usize]) -> Vec<f32> {
    let mut total = alloc::vec![0.0; volume(shape).unwrap_or(0)];
    for operand in operands {
        let strides = broadcast_strides(operand.shape(), shape);
        let mut place = total.iter_mut();
        for_each_offset(shape, 0, &strides, |offset| {
            if let Some(place) = place.next() {
                *place += operand.data()[offset];
            }
        });
    }
    total
}

fn concat(operands: &[&Tensor], axis: usize, shape: &[usize]) -> Vec<f32> {
    let outer: usize = shape[..axis].iter().product();
    let block = |operand: &Tensor| operand.shape()[axis..].iter().product::<usize>();
    let mut data = Vec::with_capacity(volume(shape).unwrap_or(0));
    for index in 0..outer {
        for operand in operands {
            let block = block(operand);
            data.extend_from_slice(&operand.data()[index * block..(index + 1) * block]);
        }
    }
    data
}

fn pad(input: &Tensor, sides: &[[usize; 2]], value: f32, shape: &[usize]) -> Vec<f32> {
    let mut data = alloc::vec![value; volume(shape).unwrap_or(0)];
    let strides = strides(shape);
    let start = sides.iter().zip(&strides).map(|(&[before, _], stride)| before as isize * stride).sum();
    let mut values = input.data().iter();
    for_each_offset(input.shape(), start, &strides, |offset| {
        if let Some(&value) = values.next() {
            data[offset] = value;
        }
    });
    data
}

fn slice(input: &Tensor, start: &[usize], step: &[isize], shape: &[usize]) -> Vec<f32> {
    let own = strides(input.shape());
    let first = start.iter().zip(&own).map(|(&start, stride)| start as isize * stride).sum();
    let steps: Vec<isize> = step.iter().zip(&own).map(|(step, stride)| step * stride).collect();
    gather(input.data(), shape, first, &steps)
}
