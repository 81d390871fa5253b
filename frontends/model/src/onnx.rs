//! Reading ONNX models.
//!
//! A file is parsed by [prost], with just the messages that are needed, checked, and turned into a [`Graph`] node by node.
//! Constants are folded on the way: what follows from constants alone is computed here and stored as weights. What the
//! newer operator sets moved from attributes to inputs (axes, bounds, paddings) must be constant.
//!
//! The bytes may come from anyone. Memory stays within a small multiple of their number and of [`Limits`], and nothing
//! is computed but constants; every refusal names the node or tensor.
//!
//! [prost]: https://github.com/tokio-rs/prost

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::path::Path;

use bytes::Bytes;
use prost::Message;

use crate::error::ModelError;
use crate::format::read_bounded;
use crate::graph::{Graph, GraphError, Operator, Value};

mod call;
mod constant;
mod fold;
mod layout;
mod linear;
mod nonlinear;
mod pointwise;
mod proto;
#[cfg(test)]
mod testing;

use call::Call;
use constant::Constant;

/// The operators that are read, for error messages.
pub const SUPPORTED: &str = "Add, ArgMax, AveragePool, BatchNormalization, Cast, Clip, Concat, Constant, ConstantOfShape, \
    Conv, Div, Dropout, Flatten, Gemm, GlobalAveragePool, Identity, LogSoftmax, MatMul, MaxPool, Mul, Pad, Pow (2), Relu, \
    Reshape, Sigmoid, Slice, Softmax, Squeeze, Sub, Sum, Transpose, Unsqueeze";

/// The oldest operator set that is read: earlier ones broadcast differently.
pub const OLDEST_OPSET: i64 = 7;

/// The newest operator set that is read.
pub const NEWEST_OPSET: i64 = 28;

/// The largest file that [`open`] reads: 512 MiB.
pub const MAX_FILE: u64 = 512 << 20;

/// How much a file may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nodes, and tensors.
    pub nodes: usize,
    /// Values of the constants that nodes compute, all together. What the file itself holds does not count.
    pub computed: usize,
}

impl Default for Limits {
    /// 65,536 nodes and 2^26 computed values.
    fn default() -> Self {
        Self { nodes: 1 << 16, computed: 1 << 26 }
    }
}

/// Reads an ONNX file from the disk.
///
/// # Errors
///
/// [`ModelError::File`], naming the file, around [`ModelError::Io`], [`ModelError::FileTooLarge`], or an error of
/// [`import`] in [`ModelError::Graph`].
pub fn open(file: impl AsRef<Path>) -> Result<Graph, ModelError> {
    let file = file.as_ref();
    let graph = read_bounded(file, MAX_FILE).and_then(|bytes| Ok(import(bytes, Limits::default())?));
    graph.map_err(|error| error.in_file(file))
}

/// Reads an ONNX model.
///
/// # Errors
///
/// [`GraphError::Protobuf`], [`GraphError::Opset`], [`GraphError::TooMany`], [`GraphError::Ends`],
/// [`GraphError::DynamicShape`], [`GraphError::Batch`], [`GraphError::ExternalData`], [`GraphError::Tensor`],
/// [`GraphError::NonFinite`], [`GraphError::Operator`], [`GraphError::Form`], [`GraphError::Undefined`], and the errors of
/// [`Graph::push`].
pub fn import(bytes: impl Into<Bytes>, limits: Limits) -> Result<Graph, GraphError> {
    let model: proto::Model = decode(bytes.into())?;
    let opset = opset(&model)?;
    let missing = || GraphError::Protobuf { reason: "it has no graph".into() };
    let graph = model.graph.ok_or_else(missing)?;
    check_count("nodes", graph.nodes.len(), limits.nodes)?;
    check_count("tensors", graph.initializers.len(), limits.nodes)?;
    check_count("inputs", graph.inputs.len(), limits.nodes)?;
    if let Some(tensor) = graph.sparse_initializers.first() {
        let reason = alloc::format!("a sparse tensor of {} bytes: store the weights densely", tensor.len());
        return Err(GraphError::Tensor { tensor: "sparse_initializer".into(), reason });
    }
    let mut names = BTreeMap::new();
    for bytes in graph.initializers {
        let tensor: proto::Tensor = decode(bytes)?;
        let constant = Constant::read(&tensor, &tensor.name)?;
        define(&mut names, tensor.name, Slot::Constant(constant))?;
    }
    let (input, shape) = input(graph.inputs, &names)?;
    let mut importer = Importer { opset, graph: Graph::new(graph.name, shape)?, names, budget: limits.computed };
    define(&mut importer.names, input, Slot::Value(Value::INPUT))?;
    for bytes in graph.nodes {
        importer.node(&decode(bytes)?)?;
    }
    importer.finish(graph.outputs)
}

fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, GraphError> {
    M::decode(bytes).map_err(|error| GraphError::Protobuf { reason: error.to_string() })
}

fn check_count(what: &'static str, found: usize, limit: usize) -> Result<(), GraphError> {
    if found > limit { Err(GraphError::TooMany { what, found, limit }) } else { Ok(()) }
}

fn opset(model: &proto::Model) -> Result<i64, GraphError> {
    let own = model.opset_import.iter().find(|set| is_own(&set.domain));
    let found = own.map_or(0, |set| set.version);
    if (OLDEST_OPSET..=NEWEST_OPSET).contains(&found) {
        return Ok(found);
    }
    Err(GraphError::Opset { found, least: OLDEST_OPSET, most: NEWEST_OPSET })
}

/// Whether a domain is that of ONNX itself.
fn is_own(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// What a name of the file stands for.
#[derive(Debug, Clone, PartialEq)]
enum Slot {
    Value(Value),
    Constant(Constant),
}

type Names = BTreeMap<String, Slot>;

fn define(names: &mut Names, name: String, slot: Slot) -> Result<(), GraphError> {
    if let Some((name, _)) = names.get_key_value(&name) {
        return Err(GraphError::Protobuf { reason: alloc::format!("two values are named {name:?}") });
    }
    names.insert(name, slot);
    Ok(())
}

/// The one input that is no weight, and its shape. Old files list the weights as inputs, too.
fn input(inputs: Vec<Bytes>, names: &Names) -> Result<(String, Vec<usize>), GraphError> {
    let infos: Vec<proto::ValueInfo> = inputs.into_iter().map(decode).collect::<Result<_, _>>()?;
    let mut open: Vec<_> = infos.into_iter().filter(|info| !names.contains_key(&info.name)).collect();
    let found = open.len();
    match open.pop() {
        Some(info) if found == 1 => input_shape(&info).map(|shape| (info.name, shape)),
        _ => Err(GraphError::Ends { what: "input", found }),
    }
}

fn input_shape(info: &proto::ValueInfo) -> Result<Vec<usize>, GraphError> {
    let input = || info.name.clone();
    let tensor = info.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let dynamic = |axis, size: String| GraphError::DynamicShape { input: input(), axis, size };
    let tensor = tensor.ok_or_else(|| dynamic(0, "no tensor".into()))?;
    if !matches!(tensor.element, 1 | 10 | 11 | 16) {
        let reason = alloc::format!("its values have type number {}, expected floating point", tensor.element);
        return Err(GraphError::Tensor { tensor: input(), reason });
    }
    let shape = tensor.shape.as_ref().ok_or_else(|| dynamic(0, "no shape".into()))?;
    check_count("dimensions of the input", shape.dimensions.len(), crate::graph::MAX_RANK)?;
    let mut sides = Vec::new();
    for (axis, bytes) in shape.dimensions.iter().enumerate() {
        let dimension: proto::Dimension = decode(bytes.clone())?;
        sides.push(match (axis, dimension.value) {
            (0, Some(batch)) if batch > 1 => return Err(GraphError::Batch { input: input(), batch }),
            // The batch: one image, whatever its name.
            (0, _) => 1,
            (_, Some(side)) if side > 0 => side as usize,
            (axis, _) => return Err(dynamic(axis, dimension.name.unwrap_or_else(|| "no size".into()))),
        });
    }
    Ok(sides)
}

/// The graph as far as it is read.
#[derive(Debug)]
struct Importer {
    opset: i64,
    graph: Graph,
    names: Names,
    /// Values of computed constants that are still allowed.
    budget: usize,
}

impl Importer {
    fn node(&mut self, node: &proto::Node) -> Result<(), GraphError> {
        // The call borrows the names while the graph grows.
        let mut names = core::mem::take(&mut self.names);
        let slot = self.slot(&Call::new(node, self.opset, &names)?)?;
        let output = node.outputs.first().cloned().unwrap_or_default();
        define(&mut names, output, slot)?;
        self.names = names;
        Ok(())
    }

    fn slot(&mut self, call: &Call<'_>) -> Result<Slot, GraphError> {
        let slot = match self.fold(call)? {
            Some(constant) => Slot::Constant(constant),
            None => self.translate(call)?,
        };
        if let Slot::Constant(constant) = &slot {
            constant::check_finite(&constant.data, &call.name)?;
            self.spend(constant.data.len())?;
        }
        Ok(slot)
    }

    /// Counts a computed constant against the budget.
    fn spend(&mut self, values: usize) -> Result<(), GraphError> {
        let (found, limit) = (values, self.budget);
        self.budget =
            self.budget.checked_sub(values).ok_or(GraphError::TooMany { what: "computed constants", found, limit })?;
        Ok(())
    }

    /// What a node computes, by its operator.
    fn translate(&mut self, call: &Call<'_>) -> Result<Slot, GraphError> {
        match call.operator() {
            "Constant" | "ConstantOfShape" => self.constant(call).map(Slot::Constant),
            "Conv" | "Gemm" | "MatMul" | "BatchNormalization" | "AveragePool" | "GlobalAveragePool" => {
                self.linear(call).map(Slot::Value)
            }
            "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Pow" => self.pointwise(call).map(Slot::Value),
            "Flatten" | "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" | "Concat" | "Pad" | "Slice" => {
                self.layout(call).map(Slot::Value)
            }
            "Relu" | "Clip" | "Sigmoid" | "MaxPool" | "Softmax" | "LogSoftmax" | "ArgMax" => {
                self.nonlinear(call).map(Slot::Value)
            }
            "Identity" | "Dropout" | "Cast" => self.identity(call).map(Slot::Value),
            _ => Err(call.unsupported()),
        }
    }

    /// Adds a node under the name of the call.
    fn push(&mut self, call: &Call<'_>, operator: Operator, operands: Vec<Value>) -> Result<Value, GraphError> {
        self.graph.push(call.name.clone(), operator, operands)
    }

    /// What does nothing at inference.
    fn identity(&mut self, call: &Call<'_>) -> Result<Value, GraphError> {
        if call.operator() == "Dropout" && call.constant(2)?.and_then(Constant::number).is_some_and(|mode| mode != 0.0)
        {
            return Err(call.form("it drops values also at inference: export the model in evaluation mode"));
        }
        if call.operator() == "Cast" && !matches!(call.int("to", 0)?, 1 | 10 | 11 | 16) {
            return Err(call.form("computed values can only be cast to floating point"));
        }
        let operand = call.value(0)?;
        self.push(call, Operator::Identity, alloc::vec![operand])
    }

    fn finish(mut self, outputs: Vec<Bytes>) -> Result<Graph, GraphError> {
        let [output] = <[Bytes; 1]>::try_from(outputs)
            .map_err(|outputs| GraphError::Ends { what: "output", found: outputs.len() })?;
        let output: proto::ValueInfo = decode(output)?;
        match self.names.get(&output.name) {
            Some(&Slot::Value(value)) => self.graph.set_output(value)?,
            _ => return Err(GraphError::Undefined { node: "output".into(), value: output.name }),
        }
        Ok(self.graph)
    }
}

#[cfg(test)]
mod tests;
