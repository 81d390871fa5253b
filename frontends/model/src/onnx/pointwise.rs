//! Sums, differences, products, quotients and squares, of two computed values or of one and a constant.

use alloc::vec::Vec;

use super::call::Call;
use super::constant::Constant;
use super::{Importer, Slot};
use crate::graph::{GraphError, Operator, Tensor, Value};

impl Importer {
    pub(super) fn pointwise(&mut self, call: &Call<'_>) -> Result<Value, GraphError> {
        if call.operator() == "Sum" {
            let terms = (0..call.len()).map(|index| call.value(index)).collect::<Result<_, _>>()?;
            return self.push(call, Operator::Add, terms);
        }
        let (Some(left), Some(right)) = (call.slot(0), call.slot(1)) else {
            return Err(call.form("it takes two operands"));
        };
        match (left, right) {
            (&Slot::Value(left), &Slot::Value(right)) => self.of_two(call, left, right),
            (&Slot::Value(value), Slot::Constant(constant)) => self.with_constant(call, value, constant),
            (Slot::Constant(constant), &Slot::Value(value)) => self.with_constant_first(call, constant, value),
            (Slot::Constant(_), Slot::Constant(_)) => Err(call.form("both its operands are constants")),
        }
    }

    fn of_two(&mut self, call: &Call<'_>, left: Value, right: Value) -> Result<Value, GraphError> {
        let operator = match call.operator() {
            "Add" => Operator::Add,
            "Sub" => Operator::Subtract,
            "Mul" if left == right => return self.push(call, Operator::Square, alloc::vec![left]),
            "Mul" => Operator::Multiply,
            _ => return Err(call.form("its second operand must be a constant")),
        };
        self.push(call, operator, alloc::vec![left, right])
    }

    fn with_constant(&mut self, call: &Call<'_>, value: Value, constant: &Constant) -> Result<Value, GraphError> {
        let constant = constant.real();
        match call.operator() {
            "Add" => self.shift(call, value, constant),
            "Sub" => self.shift(call, value, constant.map(|x| -x)),
            "Mul" => self.scale(call, value, constant),
            "Div" => {
                let inverse = constant.map(f32::recip);
                if let Some(index) = inverse.data().iter().position(|x| !x.is_finite()) {
                    return Err(call.form(alloc::format!("its divisor is 0 at index {index}")));
                }
                self.scale(call, value, inverse)
            }
            _ if constant.data().iter().all(|&exponent| exponent == 2.0) && constant.data().len() == 1 => {
                self.push(call, Operator::Square, alloc::vec![value])
            }
            _ => Err(call.form("only the exponent 2 is supported")),
        }
    }

    fn with_constant_first(&mut self, call: &Call<'_>, constant: &Constant, value: Value) -> Result<Value, GraphError> {
        match call.operator() {
            "Add" | "Mul" => self.with_constant(call, value, constant),
            "Sub" => {
                let negated = self.scale(call, value, Tensor::scalar(-1.0))?;
                self.shift(call, negated, constant.real())
            }
            _ => Err(call.form("its second operand must be a constant")),
        }
    }

    fn scale(&mut self, call: &Call<'_>, value: Value, factor: Tensor) -> Result<Value, GraphError> {
        let operator = match per_channel(&factor, self.graph.shape(value)) {
            Some(scale) => Operator::ChannelAffine { shift: alloc::vec![0.0; scale.len()], scale },
            None => Operator::Scale(factor),
        };
        self.push(call, operator, alloc::vec![value])
    }

    fn shift(&mut self, call: &Call<'_>, value: Value, term: Tensor) -> Result<Value, GraphError> {
        let operator = match per_channel(&term, self.graph.shape(value)) {
            Some(shift) => Operator::ChannelAffine { scale: alloc::vec![1.0; shift.len()], shift },
            None => Operator::Shift(term),
        };
        self.push(call, operator, alloc::vec![value])
    }
}

/// The constant as a number per channel of `shape`, if it is that: along axis 1 or one number for all.
fn per_channel(constant: &Tensor, shape: &[usize]) -> Option<Vec<f32>> {
    let &channels = shape.get(1)?;
    let rank = constant.shape().len();
    if rank > shape.len() {
        return None;
    }
    if let [number] = constant.data() {
        return Some(alloc::vec![*number; channels]);
    }
    let lead = shape.len() - rank;
    let along = |axis: usize| if axis + lead == 1 { channels } else { 1 };
    let fits = constant.shape().iter().enumerate().all(|(axis, &side)| side == along(axis));
    fits.then(|| constant.data().into())
}
