//! Conv, Gemm, MatMul, BatchNormalization, and average pools.

use alloc::vec::Vec;

use super::Importer;
use super::call::Call;
use super::constant::Constant;
use crate::graph::{Convolution, GraphError, Matrix, Operator, Pool, Value, Window};
use crate::network::Padding;

impl Importer {
    pub(super) fn linear(&mut self, call: &Call<'_>) -> Result<Value, GraphError> {
        let operand = call.value(0)?;
        let operator = match call.operator() {
            "Conv" => self.convolution(call, operand)?,
            "Gemm" => gemm(call)?,
            "MatMul" => matmul(call)?,
            "BatchNormalization" => batch_normalization(call)?,
            _ => self.average(call, operand)?,
        };
        self.push(call, operator, alloc::vec![operand])
    }

    fn convolution(&self, call: &Call<'_>, operand: Value) -> Result<Operator, GraphError> {
        let weights = call.required(1)?;
        let &[maps, channels, rows, columns] = weights.shape.as_slice() else {
            return Err(call.form(alloc::format!("weights of shape {:?}: only two dimensions are read", weights.shape)));
        };
        if call.ints("kernel_shape").is_some_and(|kernel| *kernel != [rows as i64, columns as i64]) {
            return Err(call.form("its kernel_shape is not that of its weights"));
        }
        let groups = usize::try_from(call.int("group", 1)?).unwrap_or(0);
        let window = window(call, [rows, columns], self.graph.shape(operand))?;
        let bias = vector(call, 2, maps)?.unwrap_or_else(|| alloc::vec![0.0; maps]);
        let channels = channels.checked_mul(groups).ok_or_else(|| call.form("it has too many groups"))?;
        let weights = weights.real().into_data();
        Ok(Operator::Convolution(Convolution { window, maps, channels, groups, weights, bias }))
    }

    fn average(&self, call: &Call<'_>, operand: Value) -> Result<Operator, GraphError> {
        let shape = self.graph.shape(operand);
        let &[_, _, height, width] = shape else {
            return Err(call.form(alloc::format!("a shape of {shape:?}: only two dimensions are read")));
        };
        if call.operator() == "GlobalAveragePool" {
            return Ok(Operator::AveragePool(Pool { window: Window::of([height, width]), count_padding: true }));
        }
        let plain = window(call, kernel_shape(call)?, shape)?;
        let count_padding = call.int("count_include_pad", 0)? != 0;
        let window = with_ceiling(call, plain, shape)?;
        if count_padding && window != plain {
            return Err(call.form("ceil_mode with count_include_pad is not supported: choose one of them"));
        }
        Ok(Operator::AveragePool(Pool { window, count_padding }))
    }
}

/// A list of so many numbers, if the operand is there.
fn vector(call: &Call<'_>, index: usize, length: usize) -> Result<Option<Vec<f32>>, GraphError> {
    let Some(constant) = call.constant(index)? else { return Ok(None) };
    if constant.shape != [length] {
        return Err(call.form(alloc::format!("operand {index} has shape {:?}, expected [{length}]", constant.shape)));
    }
    Ok(Some(constant.real().into_data()))
}

fn gemm(call: &Call<'_>) -> Result<Operator, GraphError> {
    if call.int("transA", 0)? != 0 {
        return Err(call.form("a transposed first operand is not supported: transpose the weights in its place"));
    }
    let (alpha, beta) = (call.float("alpha", 1.0)?, call.float("beta", 1.0)?);
    let mut matrix = matrix(call, call.required(1)?, call.int("transB", 0)? != 0)?;
    matrix.weights.iter_mut().for_each(|weight| *weight *= alpha);
    if let Some(constant) = call.constant(2)? {
        // A row: all sides before the last are 1.
        let fits = constant.shape.last().is_none_or(|&side| side == constant.data.len());
        matrix.bias = match constant.real().into_data() {
            bias if bias.len() == matrix.outputs && fits => bias,
            bias if bias.len() == 1 => alloc::vec![bias[0]; matrix.outputs],
            _ => return Err(call.form(alloc::format!("operand 2 has shape {:?}, which does not fit", constant.shape))),
        };
        matrix.bias.iter_mut().for_each(|bias| *bias *= beta);
    }
    Ok(Operator::Matrix(matrix))
}

fn matmul(call: &Call<'_>) -> Result<Operator, GraphError> {
    matrix(call, call.required(1)?, false).map(Operator::Matrix)
}

/// A constant matrix, stored by rows of outputs if `transposed`, by rows of inputs if not.
fn matrix(call: &Call<'_>, constant: &Constant, transposed: bool) -> Result<Matrix, GraphError> {
    let &[rows, columns] = constant.shape.as_slice() else {
        return Err(call.form(alloc::format!("weights of shape {:?}, expected a matrix", constant.shape)));
    };
    let weights = constant.real().into_data();
    let (outputs, inputs) = if transposed { (rows, columns) } else { (columns, rows) };
    let weights = if transposed {
        weights
    } else {
        let column = |output: usize| weights.iter().skip(output).step_by(outputs.max(1)).copied();
        (0..outputs).flat_map(column).collect()
    };
    Ok(Matrix { outputs, inputs, weights, bias: alloc::vec![0.0; outputs] })
}

/// `(x - mean) / sqrt(variance + epsilon) * scale + bias`, as one factor and one term per channel.
fn batch_normalization(call: &Call<'_>) -> Result<Operator, GraphError> {
    if call.int("training_mode", 0)? != 0 || call.int("spatial", 1)? != 1 {
        return Err(call.form("only inference with a number per channel is supported: export in evaluation mode"));
    }
    let epsilon = f64::from(call.float("epsilon", 1e-5)?);
    let channels = call.required(1)?.data.len();
    let list = |index| {
        let list = vector(call, index, channels)?;
        list.ok_or_else(|| call.form(alloc::format!("operand {index} is missing")))
    };
    let [factor, bias, mean, variance] = [list(1)?, list(2)?, list(3)?, list(4)?];
    // In double precision: a variance may be far below 1.
    let exact = |channel: usize| {
        let scale = f64::from(factor[channel]) / (f64::from(variance[channel]) + epsilon).sqrt();
        (scale as f32, (f64::from(bias[channel]) - f64::from(mean[channel]) * scale) as f32)
    };
    let (scale, shift): (Vec<f32>, Vec<f32>) = (0..channels).map(exact).unzip();
    if let Some(index) = scale.iter().chain(&shift).position(|value| !value.is_finite()) {
        return Err(GraphError::NonFinite { tensor: call.name.clone(), index: index % channels, value: f32::NAN });
    }
    Ok(Operator::ChannelAffine { scale, shift })
}

/// The window of a pool.
pub(super) fn kernel_shape(call: &Call<'_>) -> Result<[usize; 2], GraphError> {
    let kernel = call.ints("kernel_shape").unwrap_or_default();
    pair(call, "kernel_shape", kernel)
}

fn pair(call: &Call<'_>, name: &str, list: &[i64]) -> Result<[usize; 2], GraphError> {
    let sides = |list: &[i64]| Some([usize::try_from(*list.first()?).ok()?, usize::try_from(*list.get(1)?).ok()?]);
    let found = sides(list).filter(|found| list.len() == 2 && found.iter().all(|side| (1..1 << 24).contains(side)));
    found.ok_or_else(|| call.form(alloc::format!("{name} is {list:?}, expected two numbers of at least 1")))
}

/// Where the windows lie, the padding in numbers.
pub(super) fn window(call: &Call<'_>, kernel: [usize; 2], input: &[usize]) -> Result<Window, GraphError> {
    let sides = |name| call.ints(name).map_or(Ok([1; 2]), |list| pair(call, name, list));
    let (stride, dilation) = (sides("strides")?, sides("dilations")?);
    let bare = Window { kernel, stride, dilation, padding: Padding::default() };
    let upper = match call.text("auto_pad", "NOTSET") {
        "" | "NOTSET" => return Ok(Window { padding: padding(call)?, ..bare }),
        "VALID" => return Ok(bare),
        "SAME_UPPER" => true,
        "SAME_LOWER" => false,
        other => return Err(call.form(alloc::format!("auto_pad {other:?} is not known"))),
    };
    let &[_, _, height, width] = input else { return Ok(bare) };
    let total = |axis: usize, side: usize| {
        let reach = (kernel[axis] - 1).saturating_mul(dilation[axis]).saturating_add(1);
        let spanned = (side.div_ceil(stride[axis]) - 1) * stride[axis] + reach;
        let total = spanned.saturating_sub(side);
        if upper { (total / 2, total.div_ceil(2)) } else { (total.div_ceil(2), total / 2) }
    };
    let ((top, bottom), (left, right)) = (total(0, height), total(1, width));
    Ok(Window { padding: Padding { top, left, bottom, right }, ..bare })
}

fn padding(call: &Call<'_>) -> Result<Padding, GraphError> {
    let Some(list) = call.ints("pads") else { return Ok(Padding::default()) };
    let sides: Option<Vec<usize>> =
        list.iter().map(|&side| side.try_into().ok().filter(|&side| side < 1 << 24)).collect();
    match sides.as_deref() {
        Some(&[top, left, bottom, right]) => Ok(Padding { top, left, bottom, right }),
        _ => Err(call.form(alloc::format!("pads is {list:?}, expected four numbers of at least 0"))),
    }
}

/// With `ceil_mode` a last window may begin within the input and end beyond it: as if there were more padding.
pub(super) fn with_ceiling(call: &Call<'_>, window: Window, input: &[usize]) -> Result<Window, GraphError> {
    let &[_, _, height, width] = input else { return Ok(window) };
    if call.int("ceil_mode", 0)? == 0 {
        return Ok(window);
    }
    let Padding { top, left, bottom, right } = window.padding;
    let extra = |axis: usize, side: usize, before: usize, after: usize| {
        let reach = (window.kernel[axis] - 1).saturating_mul(window.dilation[axis]).saturating_add(1);
        let room = (side + before + after).saturating_sub(reach);
        let last = room.div_ceil(window.stride[axis]) * window.stride[axis];
        // The last window must begin before the padding at the end.
        if last < side + before { last - room.min(last) } else { 0 }
    };
    let bottom = bottom + extra(0, height, top, bottom);
    let right = right + extra(1, width, left, right);
    Ok(Window { padding: Padding { top, left, bottom, right }, ..window })
}
