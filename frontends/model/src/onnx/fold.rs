//! What follows from constants alone.

use alloc::vec::Vec;

use super::call::Call;
use super::constant::{Constant, Data};
use super::{Importer, Slot};
use crate::graph::{Graph, GraphError, Operator, Value};

impl Importer {
    /// The constant that a node computes if all its operands are constants.
    ///
    /// The node becomes a graph of its own that reads the first operand, and is evaluated. Convolutions and pools of
    /// constants do not occur; they are refused, so that a file cannot make the import compute for long.
    pub(super) fn fold(&self, call: &Call<'_>) -> Result<Option<Constant>, GraphError> {
        let Some(Slot::Constant(first)) = call.slot(0) else { return Ok(None) };
        if (1..call.len()).any(|index| matches!(call.slot(index), Some(Slot::Value(_)))) {
            return Ok(None);
        }
        match call.operator() {
            "ConstantOfShape" => return Ok(None),
            "Cast" => return cast(call, first).map(Some),
            "Identity" | "Dropout" => return Ok(Some(first.clone())),
            "Concat" => return self.concat(call).map(Some),
            "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Pow" | "Flatten" | "Reshape" | "Transpose" | "Squeeze"
            | "Unsqueeze" | "Pad" | "Slice" => {}
            _ => return Err(call.form("all its operands are constants: fold constants when the model is exported")),
        }
        let graph = Graph::new("", first.shape.clone())?;
        let mut alone = Self { opset: self.opset, graph, names: super::Names::new(), budget: 0 };
        let open = Slot::Value(Value::INPUT);
        alone.translate(&call.with_first(&open))?;
        let graph = alone.graph;
        let (found, limit) = (graph.output_shape().iter().product(), self.budget);
        if found > limit {
            return Err(GraphError::TooMany { what: "computed constants", found, limit });
        }
        let keeps = graph.nodes().iter().all(|node| matches!(node.operator, Operator::Reshape(_) | Operator::Identity));
        match &first.data {
            data if keeps => Ok(Some(Constant { shape: graph.output_shape().into(), data: data.clone() })),
            Data::Real(_) => graph.evaluate(&first.real()).map(|tensor| Some(Constant::from_tensor(tensor))),
            Data::Integer(_) => Err(call.form("arithmetic on integers is not supported: export with fixed shapes")),
        }
    }

    /// Lists of integers one after the other: shapes.
    fn concat(&self, call: &Call<'_>) -> Result<Constant, GraphError> {
        let mut all = Vec::new();
        for index in 0..call.len() {
            let list = call.required(index)?.integers();
            all.extend_from_slice(
                list.ok_or_else(|| call.form("constants can only be joined if they are lists of integers"))?,
            );
        }
        Ok(Constant { shape: alloc::vec![all.len()], data: Data::Integer(all) })
    }

    /// `Constant` and `ConstantOfShape`.
    pub(super) fn constant(&self, call: &Call<'_>) -> Result<Constant, GraphError> {
        if call.operator() == "ConstantOfShape" {
            return self.filled(call);
        }
        if let Some(tensor) = call.tensor("value") {
            return Constant::read(tensor, &call.name);
        }
        let list = |data: Data| Ok(Constant { shape: alloc::vec![data.len()], data });
        if let Some(values) = call.floats("value_floats") {
            return list(Data::Real(values.into()));
        }
        if let Some(values) = call.ints("value_ints") {
            return list(Data::Integer(values.into()));
        }
        if call.has("value_float") {
            return Ok(Constant { shape: Vec::new(), data: Data::Real(alloc::vec![call.float("value_float", 0.0)?]) });
        }
        if call.has("value_int") {
            return Ok(Constant { shape: Vec::new(), data: Data::Integer(alloc::vec![call.int("value_int", 0)?]) });
        }
        Err(call.form("it has no value"))
    }

    fn filled(&self, call: &Call<'_>) -> Result<Constant, GraphError> {
        let sides = call.required(0)?.integers().ok_or_else(|| call.form("its shape must be a list of integers"))?;
        let shape: Option<Vec<usize>> = sides.iter().map(|&side| side.try_into().ok()).collect();
        let shape = shape.filter(|shape| shape.len() <= crate::graph::MAX_RANK);
        let shape = shape.ok_or_else(|| call.form("its shape has negative or too many sides"))?;
        let count = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
        let count = count.ok_or_else(|| call.form("its shape is too large"))?;
        if count > self.budget {
            return Err(GraphError::TooMany { what: "computed constants", found: count, limit: self.budget });
        }
        let value = match call.tensor("value") {
            Some(tensor) => Constant::read(tensor, &call.name)?.data,
            None => Data::Real(alloc::vec![0.0]),
        };
        let data = match value {
            Data::Real(value) if value.len() == 1 => Data::Real(alloc::vec![value[0]; count]),
            Data::Integer(value) if value.len() == 1 => Data::Integer(alloc::vec![value[0]; count]),
            _ => return Err(call.form("its value must be one number")),
        };
        Ok(Constant { shape, data })
    }
}

fn cast(call: &Call<'_>, constant: &Constant) -> Result<Constant, GraphError> {
    let data = match (call.int("to", 0)?, &constant.data) {
        (1 | 10 | 11 | 16, _) => Data::Real(constant.real().into_data()),
        // Truncated, as the specification says.
        (6 | 7, Data::Real(values)) => Data::Integer(values.iter().map(|&value| value as i64).collect()),
        (6 | 7, Data::Integer(values)) => Data::Integer(values.clone()),
        (other, _) => return Err(call.form(alloc::format!("type number {other} is not supported"))),
    };
    Ok(Constant { shape: constant.shape.clone(), data })
}
