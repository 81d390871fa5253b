//! A node of the file with what its names stand for.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::constant::Constant;
use super::{Names, Slot, is_own, proto};
use crate::graph::{GraphError, Value};

/// A node of the file, its operands looked up.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// What errors and tables call it.
    pub(super) name: String,
    /// The operator set of the file.
    pub(super) opset: i64,
    node: &'a proto::Node,
    slots: Vec<Option<&'a Slot>>,
}

impl<'a> Call<'a> {
    /// Looks the operands up. An empty name is an optional operand left out.
    pub(super) fn new(node: &'a proto::Node, opset: i64, names: &'a Names) -> Result<Self, GraphError> {
        let first = node.outputs.first().cloned().unwrap_or_default();
        let name = if node.name.is_empty() { first } else { node.name.clone() };
        let slot = |input: &String| match names.get(input) {
            Some(slot) => Ok(Some(slot)),
            None if input.is_empty() => Ok(None),
            None => Err(GraphError::Undefined { node: name.clone(), value: input.clone() }),
        };
        let slots = node.inputs.iter().map(slot).collect::<Result<_, _>>()?;
        let call = Self { name, opset, node, slots };
        if !is_own(&node.domain) {
            return Err(call.unsupported());
        }
        call.check_form()?;
        Ok(call)
    }

    /// The same node with its first operand replaced.
    pub(super) fn with_first(&self, slot: &'a Slot) -> Self {
        let mut slots = self.slots.clone();
        slots[0] = Some(slot);
        Self { name: self.name.clone(), opset: self.opset, node: self.node, slots }
    }

    /// What a reader that knew less would pass over: attributes and outputs that change what is computed.
    fn check_form(&self) -> Result<(), GraphError> {
        let known = known_attributes(self.operator()).ok_or_else(|| self.unsupported())?;
        if let Some(attribute) = self.node.attributes.iter().find(|a| !known.contains(&a.name.as_str())) {
            return Err(self.form(alloc::format!("attribute {:?} is not supported", attribute.name)));
        }
        let extra = self.node.outputs.iter().skip(1).any(|output| !output.is_empty());
        if extra && self.operator() != "Dropout" {
            return Err(self.form("only its first output is supported: export the model in evaluation mode"));
        }
        Ok(())
    }

    pub(super) fn operator(&self) -> &'a str {
        &self.node.operator
    }

    /// How many operands there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn slot(&self, index: usize) -> Option<&'a Slot> {
        self.slots.get(index).copied().flatten()
    }

    /// An operand that is computed from the input.
    pub(super) fn value(&self, index: usize) -> Result<Value, GraphError> {
        match self.slot(index) {
            Some(&Slot::Value(value)) => Ok(value),
            Some(Slot::Constant(_)) => Err(self.form(alloc::format!("operand {index} must not be a constant"))),
            None => Err(self.form(alloc::format!("operand {index} is missing"))),
        }
    }

    /// An operand that must be constant, if it is there.
    pub(super) fn constant(&self, index: usize) -> Result<Option<&'a Constant>, GraphError> {
        match self.slot(index) {
            Some(Slot::Constant(constant)) => Ok(Some(constant)),
            Some(Slot::Value(_)) => {
                Err(self.form(alloc::format!("operand {index} must be a constant, it is computed")))
            }
            None => Ok(None),
        }
    }

    /// An operand that must be constant, and there.
    pub(super) fn required(&self, index: usize) -> Result<&'a Constant, GraphError> {
        self.constant(index)?.ok_or_else(|| self.form(alloc::format!("operand {index} is missing")))
    }

    fn attribute(&self, name: &str) -> Option<&'a proto::Attribute> {
        self.node.attributes.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, GraphError> {
        Ok(self.attribute(name).map_or(default, |attribute| attribute.i))
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, GraphError> {
        let value = self.attribute(name).map_or(default, |attribute| attribute.f);
        if value.is_nan() { Err(self.form(alloc::format!("attribute {name:?} is not a number"))) } else { Ok(value) }
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&'a proto::Tensor> {
        self.attribute(name)?.t.as_ref()
    }

    pub(super) fn floats(&self, name: &str) -> Option<&'a [f32]> {
        self.attribute(name).map(|attribute| attribute.floats.as_slice())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub(super) fn text(&self, name: &str, default: &'static str) -> &'a str {
        self.attribute(name).map_or(default, |attribute| core::str::from_utf8(&attribute.s).unwrap_or("?"))
    }

    /// Integers that were an attribute before operator set `since`, and are operand `index` from there on.
    pub(super) fn moved_ints(&self, name: &str, since: i64, index: usize) -> Result<Option<&'a [i64]>, GraphError> {
        if self.opset < since {
            return Ok(self.ints(name));
        }
        let Some(constant) = self.constant(index)? else { return Ok(None) };
        constant
            .integers()
            .map(Some)
            .ok_or_else(|| self.form(alloc::format!("operand {index} must be a list of integers")))
    }

    /// An axis of a shape of so many sides; negative ones count from the end.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, GraphError> {
        let from_end = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
        let found = from_end.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
        found.ok_or_else(|| self.form(alloc::format!("axis {axis} of {rank} does not exist")))
    }

    /// The node cannot be read in this form.
    pub(super) fn form(&self, reason: impl Into<String>) -> GraphError {
        GraphError::Form { node: self.name.clone(), operator: self.operator().into(), reason: reason.into() }
    }

    /// The operator is not known.
    pub(super) fn unsupported(&self) -> GraphError {
        let operator = match (is_own(&self.node.domain), self.operator()) {
            (true, operator) => operator.to_string(),
            (false, operator) => alloc::format!("{}.{operator}", self.node.domain),
        };
        GraphError::Operator { node: self.name.clone(), operator }
    }
}

/// The attributes that an operator may have; `None` for an operator that is not known.
fn known_attributes(operator: &str) -> Option<&'static [&'static str]> {
    Some(match operator {
        "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Pow" | "MatMul" | "Relu" | "Sigmoid" | "Identity"
        | "GlobalAveragePool" => &[],
        "ArgMax" => &["axis", "keepdims", "select_last_index"],
        "AveragePool" => {
            &["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"]
        }
        "MaxPool" => &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"],
        "BatchNormalization" => &["epsilon", "momentum", "spatial", "training_mode"],
        "Cast" => &["to", "saturate", "round_mode"],
        "Clip" => &["min", "max"],
        "Concat" | "Flatten" | "Softmax" | "LogSoftmax" => &["axis"],
        "Constant" => &["value", "value_float", "value_floats", "value_int", "value_ints"],
        "ConstantOfShape" => &["value"],
        "Conv" => &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"],
        "Dropout" => &["ratio", "seed"],
        "Gemm" => &["alpha", "beta", "transA", "transB"],
        "Pad" => &["mode", "pads", "value"],
        "Reshape" => &["allowzero"],
        "Slice" => &["axes", "ends", "starts"],
        "Squeeze" | "Unsqueeze" => &["axes"],
        "Transpose" => &["perm"],
        _ => return None,
    })
}
