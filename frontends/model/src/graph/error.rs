//! What can be wrong with a graph, or with a file that describes one.

use alloc::string::String;
use alloc::vec::Vec;

/// Why a graph or an imported file was refused: which node, what the limit is, what to do next.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// An operator does not take what it is given.
    #[error("node {node:?}: {reason}: check the sizes where the model is made, and export it again")]
    Shape {
        /// The node, or `"input"`.
        node: String,
        /// What does not fit.
        reason: String,
    },
    /// A node has too few or too many operands, or uses what is not defined before it.
    #[error("node {node:?} has the wrong number of operands, or uses one that no earlier node defines")]
    Operand {
        /// The node.
        node: String,
    },
    /// The input has another shape than the graph reads.
    #[error("the graph reads values of shape {expected:?} but was given {found:?}")]
    Input {
        /// What the graph reads.
        expected: Vec<usize>,
        /// What it was given.
        found: Vec<usize>,
    },

    /// Not the serialisation of an ONNX model.
    #[error("not an ONNX model, or a damaged one: {reason}; export or fetch the file again")]
    Protobuf {
        /// What the reader found.
        reason: String,
    },
    /// The model uses an operator set that is not known.
    #[error("the model uses operator set {found}, expected {least} to {most}: export it with one of these versions")]
    Opset {
        /// The version found; 0 if there is none.
        found: i64,
        /// The oldest version that is read.
        least: i64,
        /// The newest.
        most: i64,
    },
    /// More nodes or constants than any network has.
    #[error("the model has {found} {what}, more than the limit of {limit}")]
    TooMany {
        /// `"nodes"`, `"tensors"`, …
        what: &'static str,
        /// How many.
        found: usize,
        /// The most that is read.
        limit: usize,
    },
    /// Not one input, or not one output.
    #[error("the model has {found} {what}s, expected 1: export it with its image or row as the only {what}")]
    Ends {
        /// `"input"` or `"output"`.
        what: &'static str,
        /// How many.
        found: usize,
    },
    /// A side of the input is not a number.
    #[error(
        "axis {axis} of input {input:?} is dynamic ({size}): export the model with a fixed size; only the batch, axis 0, may \
         be left open"
    )]
    DynamicShape {
        /// The input.
        input: String,
        /// Which side.
        axis: usize,
        /// The name of the size, or what is there in its place.
        size: String,
    },
    /// The input is a batch of several.
    #[error("input {input:?} is a batch of {batch}: export the model for a batch of 1, or leave axis 0 dynamic")]
    Batch {
        /// The input.
        input: String,
        /// Its size.
        batch: i64,
    },
    /// A tensor lies in another file.
    #[error("tensor {tensor:?} is stored outside the model file: save the model as one file, with its weights inside")]
    ExternalData {
        /// The tensor.
        tensor: String,
    },
    /// A tensor holds another number of values than its shape, or values of a type that is not read.
    #[error("tensor {tensor:?}: {reason}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// What is wrong, and what is read.
        reason: String,
    },
    /// A weight is not a number.
    #[error("tensor {tensor:?} holds {value} at index {index}: train the model again, this one computes nothing")]
    NonFinite {
        /// The tensor, or the node that computes it.
        tensor: String,
        /// Where.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: f32,
    },
    /// An operator that is not known.
    #[error("node {node:?}: operator {operator} is not supported; supported are {}", crate::onnx::SUPPORTED)]
    Operator {
        /// The node.
        node: String,
        /// Its operator, with the domain if that is not ONNX's own.
        operator: String,
    },
    /// An operator that is known, in a form that is not.
    #[error("node {node:?} ({operator}): {reason}")]
    Form {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// What is not supported, and what is.
        reason: String,
    },
    /// A node uses a value that nothing before it defines.
    #[error("node {node:?} uses {value:?}, which no input, tensor or earlier node defines: the file is damaged")]
    Undefined {
        /// The node.
        node: String,
        /// The value.
        value: String,
    },

    /// An operation that leveled encryption cannot compute.
    #[error("node {node:?} ({operator}) cannot be computed under leveled encryption: {why}; {instead}")]
    NotLeveled {
        /// The node.
        node: String,
        /// Its operator.
        operator: &'static str,
        /// What encryption lacks.
        why: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A graph that is no chain of linear maps and squares.
    #[error("node {node:?} ({operator}): {reason}")]
    NotChain {
        /// The node.
        node: String,
        /// Its operator.
        operator: &'static str,
        /// Why it does not fit into a chain, and what to do.
        reason: String,
    },

    /// Calibration data of another shape.
    #[error("the calibration data have {found} values per sample, the model reads {expected} ({shape:?})")]
    CalibrationShape {
        /// Values per sample found.
        found: usize,
        /// Values per sample that the model reads.
        expected: usize,
        /// The shape that the model reads.
        shape: Vec<usize>,
    },
    /// Calibration data that cannot be calibrated with.
    #[error("the calibration data cannot be used: {reason}")]
    Calibration {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// No weights of the allowed width are good enough.
    #[error(
        "even {bits}-bit weights agree with the model on {agreement:.4} of the calibration data, below the {wanted:.4} that \
         were asked for: allow a larger loss"
    )]
    Accuracy {
        /// The widest weights tried.
        bits: u32,
        /// What they reach.
        agreement: f64,
        /// What was asked for.
        wanted: f64,
    },
}
