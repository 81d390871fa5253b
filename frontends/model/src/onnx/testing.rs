//! ONNX files for tests, written with the messages that the reader declares.

#![allow(clippy::unwrap_used, reason = "tests")]

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use prost::Message;

use super::proto;

/// A model that grows.
#[derive(Default, Clone)]
pub(super) struct Builder {
    pub(super) graph: proto::Graph,
}

impl Builder {
    /// A model with an input `x` of this shape and an output `y`.
    pub(super) fn new(shape: &[i64]) -> Self {
        let mut builder = Self::default();
        builder.graph.inputs.push(info("x", shape));
        builder.graph.outputs.push(info("y", &[]));
        builder
    }

    pub(super) fn weights(mut self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        let tensor = real(dims, values);
        self.graph.initializers.push(encode(&proto::Tensor { name: name.into(), ..tensor }));
        self
    }

    pub(super) fn integers(mut self, name: &str, values: &[i64]) -> Self {
        let (dims, int64_data) = (vec![values.len() as i64], values.to_vec());
        let tensor = proto::Tensor { name: name.into(), dims, data_type: 7, int64_data, ..Default::default() };
        self.graph.initializers.push(encode(&tensor));
        self
    }

    /// A node; names are separated by blanks, `_` is an operand left out.
    pub(super) fn node(self, operator: &str, inputs: &str, output: &str) -> Self {
        self.node_with(operator, inputs, output, Vec::new())
    }

    pub(super) fn node_with(
        mut self,
        operator: &str,
        inputs: &str,
        output: &str,
        attributes: Vec<proto::Attribute>,
    ) -> Self {
        let inputs = inputs.split_whitespace().map(|name| if name == "_" { "" } else { name }.into()).collect();
        let outputs = output.split_whitespace().map(String::from).collect();
        let (operator, name) = (operator.into(), String::new());
        let node = proto::Node { inputs, outputs, name, operator, attributes, domain: String::new() };
        self.graph.nodes.push(encode(&node));
        self
    }

    pub(super) fn bytes(&self, opset: i64) -> Vec<u8> {
        let opset_import = vec![proto::OperatorSet { domain: String::new(), version: opset }];
        proto::Model { ir_version: 8, graph: Some(self.graph.clone()), opset_import }.encode_to_vec()
    }
}

pub(super) fn encode(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

pub(super) fn real(dims: &[i64], values: &[f32]) -> proto::Tensor {
    proto::Tensor { dims: dims.into(), data_type: 1, float_data: values.into(), ..Default::default() }
}

/// A side of -1 is dynamic.
pub(super) fn info(name: &str, shape: &[i64]) -> Bytes {
    let dimension = |&side: &i64| match side {
        -1 => proto::Dimension { value: None, name: Some("N".into()) },
        side => proto::Dimension { value: Some(side), name: None },
    };
    let dimensions = shape.iter().map(|side| encode(&dimension(side))).collect();
    let tensor = proto::TensorType { element: 1, shape: Some(proto::TensorShape { dimensions }) };
    encode(&proto::ValueInfo { name: name.into(), kind: Some(proto::Type { tensor: Some(tensor) }) })
}

pub(super) fn int(name: &str, i: i64) -> proto::Attribute {
    proto::Attribute { name: name.into(), i, ..Default::default() }
}

pub(super) fn float(name: &str, f: f32) -> proto::Attribute {
    proto::Attribute { name: name.into(), f, ..Default::default() }
}

pub(super) fn ints(name: &str, ints: &[i64]) -> proto::Attribute {
    proto::Attribute { name: name.into(), ints: ints.into(), ..Default::default() }
}

pub(super) fn text(name: &str, s: &'static str) -> proto::Attribute {
    proto::Attribute { name: name.into(), s: Bytes::from_static(s.as_bytes()), ..Default::default() }
}

pub(super) fn tensor(name: &str, t: proto::Tensor) -> proto::Attribute {
    proto::Attribute { name: name.into(), t: Some(t), ..Default::default() }
}
