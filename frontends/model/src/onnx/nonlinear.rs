//! What no sum or product computes: Relu, Clip, Sigmoid, MaxPool, Softmax, ArgMax.

use super::Importer;
use super::call::Call;
use super::constant::Constant;
use super::linear::{kernel_shape, window, with_ceiling};
use crate::graph::{GraphError, Operator, Value};

impl Importer {
    pub(super) fn nonlinear(&mut self, call: &Call<'_>) -> Result<Value, GraphError> {
        let operand = call.value(0)?;
        let shape = self.graph.shape(operand);
        let operator = match call.operator() {
            "Relu" => Operator::Relu,
            "Sigmoid" => Operator::Sigmoid,
            "Clip" => clip(call)?,
            "MaxPool" if call.int("storage_order", 0)? != 0 => {
                return Err(call.form("only row-major order is supported"));
            }
            "MaxPool" => Operator::MaxPool(with_ceiling(call, window(call, kernel_shape(call)?, shape)?, shape)?),
            "ArgMax" if call.int("select_last_index", 0)? != 0 => {
                return Err(call.form("select_last_index is not supported: the first of equal values is taken"));
            }
            "ArgMax" => {
                let axis = call.axis(call.int("axis", 0)?, shape.len())?;
                Operator::ArgMax { axis, keep: call.int("keepdims", 1)? != 0 }
            }
            _ => softmax(call, shape)?,
        };
        self.push(call, operator, alloc::vec![operand])
    }
}

fn clip(call: &Call<'_>) -> Result<Operator, GraphError> {
    let bound = |name, index, open: f32| match call.opset {
        ..11 => call.float(name, open),
        _ => Ok(call.constant(index)?.and_then(Constant::number).unwrap_or(open)),
    };
    Ok(Operator::Clip { low: bound("min", 1, f32::MIN)?, high: bound("max", 2, f32::MAX)? })
}

/// Before operator set 13 all axes from the given one on were taken together.
fn softmax(call: &Call<'_>, shape: &[usize]) -> Result<Operator, GraphError> {
    let together = call.opset < 13;
    let first = call.axis(call.int("axis", if together { 1 } else { -1 })?, shape.len())?;
    let end = if together { shape.len() } else { first + 1 };
    Ok(Operator::Softmax { first, end, log: call.operator() == "LogSoftmax" })
}
