//! What can be wrong with a network, an input or a file.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::network::{MAX_NAME, Shape};

/// Why a network, an input or a file was refused: what was found, what was expected, what to do.
///
/// Each error displays as one line that includes its cause, so `source` adds nothing to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A name or label is empty, too long or not printable.
    #[error("{what} name {name:?} is not usable: choose 1 to {MAX_NAME} bytes without control characters")]
    Name {
        /// `"network"`, `"layer"` or `"label"`.
        what: &'static str,
        /// The name found.
        name: String,
    },
    /// The network has no layer.
    #[error("the network has no layer: give at least one")]
    NoLayers,
    /// Two layers have one name.
    #[error("two layers are named {layer:?}: rename one of them")]
    DuplicateLayer {
        /// The name.
        layer: String,
    },
    /// The input scale is not a positive fraction.
    #[error("input scale {numerator}/{denominator} is not positive: both numbers must be at least 1")]
    Scale {
        /// The numerator found.
        numerator: u32,
        /// The denominator found.
        denominator: u32,
    },
    /// A tolerance of the logits that is no standard deviation.
    #[error("logit_tolerance is {deviation}, but must be positive and finite: measure it, or leave it out")]
    Tolerance {
        /// The number found.
        deviation: f64,
    },
    /// A shape with a side of 0.
    #[error("{what} has shape {shape:?}: every side must be at least 1")]
    EmptyShape {
        /// The layer, or `"input"`.
        what: String,
        /// Its shape.
        shape: Shape,
    },
    /// A shape with too many values.
    #[error("{what} has shape {shape:?}, more than the limit of {limit} values: use a smaller network")]
    TooManyValues {
        /// The layer, or `"input"`.
        what: String,
        /// Its shape.
        shape: Shape,
        /// The most values allowed.
        limit: usize,
    },
    /// A layer does not take what the one before it gives.
    #[error(
        "layer {layer:?} takes {expected} {unit} but is given shape {found:?}: check the order and sizes of the layers"
    )]
    LayerInput {
        /// The layer.
        layer: String,
        /// How many its operator takes.
        expected: usize,
        /// Of what: `"channels"` or `"values"`.
        unit: &'static str,
        /// The shape it is given.
        found: Shape,
    },
    /// The window of a convolution does not fit.
    #[error("layer {layer:?}: kernel and stride must be at least 1, and the kernel at most the padded input")]
    Window {
        /// The layer.
        layer: String,
    },
    /// The sizes of an operator ask for another number of weights or biases.
    #[error(
        "layer {layer:?} has {} weights and {} biases, but its sizes ask for {} and {}",
        found[0], found[1], expected[0], expected[1]
    )]
    Parameters {
        /// The layer.
        layer: String,
        /// Weights and biases that the sizes ask for.
        expected: [usize; 2],
        /// Weights and biases found.
        found: [usize; 2],
    },
    /// There is not one label per output.
    #[error("the network has {expected} outputs but {found} labels: give one label per output")]
    LabelCount {
        /// Outputs of the last layer.
        expected: usize,
        /// Labels found.
        found: usize,
    },
    /// The input has another number of values.
    #[error("the network reads {expected} values but was given {found}")]
    InputLength {
        /// What the network reads.
        expected: usize,
        /// What it was given.
        found: usize,
    },
    /// A value does not fit into 128 bits.
    #[error("layer {layer:?} leaves the range of 128-bit integers: use smaller scales or inputs")]
    Overflow {
        /// The layer.
        layer: String,
    },

    /// A graph of operators, or the file that describes it.
    #[error(transparent)]
    Graph(#[from] crate::graph::GraphError),
    /// A real number beyond the range that the network was calibrated for.
    #[error(
        "value {value} at index {index} is beyond the range {low} to {high} that the network was calibrated for: calibrate \
         it with such inputs"
    )]
    InputRange {
        /// Which value.
        index: usize,
        /// The number, times the input scale.
        value: f64,
        /// The least integer allowed.
        low: i64,
        /// The largest.
        high: i64,
    },

    /// Another error, and the file in which it was found.
    #[error("{}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: Box<Self>,
    },
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The file is larger than any that is meant to be read.
    #[error("larger than the limit of {limit} bytes: is it the right file?")]
    FileTooLarge {
        /// The limit.
        limit: u64,
    },
    /// The file ends too early.
    #[error("truncated: expected {expected} bytes, found {found}; fetch the file again")]
    Truncated {
        /// The bytes that the header announces.
        expected: u64,
        /// The bytes found.
        found: u64,
    },
    /// The file goes on after its end.
    #[error("has bytes after the {expected} that its header announces; fetch the file again")]
    TrailingBytes {
        /// The bytes that the header announces.
        expected: u64,
    },

    /// Not a safetensors file.
    #[error("not a safetensors file: {0}")]
    Container(safetensors::SafeTensorError),
    /// The header or the network's description is not the JSON expected.
    #[error("the model file's {what} is not as expected: {error}")]
    Json {
        /// `"header"` or `"network"`.
        what: &'static str,
        /// What the JSON reader found.
        error: serde_json::Error,
    },
    /// A metadata entry is missing.
    #[error("not a model file: it has no metadata entry {key:?}; write it with this project's exporter")]
    MissingMetadata {
        /// The entry.
        key: &'static str,
    },
    /// A metadata entry has a value that is not known.
    #[error("metadata entry {key:?} is {found:?}, expected {expected}")]
    Metadata {
        /// The entry.
        key: &'static str,
        /// Its value.
        found: String,
        /// What is known.
        expected: &'static str,
    },
    /// A tensor is missing.
    #[error("tensor {tensor:?} is missing: a layer of the network needs it")]
    MissingTensor {
        /// The tensor.
        tensor: String,
    },
    /// A tensor belongs to no layer.
    #[error("tensor {tensor:?} belongs to no layer of the network: remove it")]
    UnexpectedTensor {
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape than its layer.
    #[error("tensor {tensor:?} has shape {found:?}, expected {expected:?}")]
    TensorShape {
        /// The tensor.
        tensor: String,
        /// The shape that the layer asks for, with the outputs that the tensor itself gives.
        expected: Vec<usize>,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor is not of signed integers.
    #[error("tensor {tensor:?} has type {found}, expected I8, I16, I32 or I64: quantise the network before export")]
    TensorType {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: safetensors::Dtype,
    },
    /// The tensors are not those that were written.
    #[error("corrupt: the tensors have SHA-256 {found}, the file says {expected}; fetch or export the file again")]
    Corrupt {
        /// The digest in the metadata.
        expected: Digest,
        /// The digest of the tensors.
        found: Digest,
    },
    /// A bias has no place in the model file.
    #[error("layer {layer:?} has a bias beyond 64 bits, which the model file cannot hold: use smaller scales")]
    BiasTooWide {
        /// The layer.
        layer: String,
    },

    /// A table of numbers has another size.
    #[error(
        "expected {} rows of {} numbers, found {} in row {row}, and {rows} rows",
        expected[0], expected[1], columns
    )]
    TableSize {
        /// Rows and numbers per row.
        expected: [usize; 2],
        /// The rows found.
        rows: usize,
        /// The first row of another length, or the last row; from 1.
        row: usize,
        /// The numbers found in it.
        columns: usize,
    },
    /// A cell of a table is not a finite number.
    #[error("row {row}, column {column}: {text:?} is not a finite number")]
    TableNumber {
        /// From 1.
        row: usize,
        /// From 1.
        column: usize,
        /// The beginning of the cell.
        text: String,
    },
    /// A label that is no class.
    #[error("row {row}: label {text:?} is neither a name nor a number of the {classes} classes")]
    TableLabel {
        /// From 1.
        row: usize,
        /// The beginning of the cell.
        text: String,
        /// How many classes there are.
        classes: usize,
    },
    /// Not a table of numbers.
    #[error("not a table of comma-separated values: {0}")]
    Table(csv::Error),
    /// Not a NumPy array that is read.
    #[error("not a NumPy array that can be read: {reason}")]
    Npy {
        /// What is wrong, and what is read.
        reason: String,
    },
    /// The numbers do not make whole rows.
    #[error("{found} numbers are not rows of {expected}, or there are none: this data set is not for this network")]
    RowWidth {
        /// The numbers found.
        found: usize,
        /// Numbers per row.
        expected: usize,
    },
    /// A number that cannot be used where it is.
    #[error("row {row}, column {column} (from 0) holds a value that is not finite, or no class where one is expected")]
    RowValue {
        /// From 0.
        row: usize,
        /// From 0.
        column: usize,
    },
    /// A number is too large for an integer at its scale.
    #[error("{value} at scale {scale} does not fit into {bits} bits: use a smaller scale")]
    Quantisation {
        /// The number.
        value: f64,
        /// What it is multiplied by.
        scale: f64,
        /// The bits of the integer.
        bits: u32,
    },

    /// A folder holds none of the names under which a data set is stored.
    #[error("{} holds none of {names:?}: fetch the data set, or name its folder", folder.display())]
    DataNotFound {
        /// The folder.
        folder: PathBuf,
        /// The names looked for.
        names: Vec<String>,
    },
    /// Not an IDX file of the kind expected.
    #[error("not an IDX file of {what}: magic number {found}, expected {expected}")]
    Magic {
        /// `"images"` or `"labels"`.
        what: &'static str,
        /// The number found.
        found: u32,
        /// The number expected.
        expected: u32,
    },
    /// The images have another size than the network's input.
    #[error("images of {found:?} pixels, expected {expected:?}: this data set is not for this network")]
    ImageSize {
        /// Channels, height, width of the network's input.
        expected: Shape,
        /// Channels, height, width of the images.
        found: Shape,
    },
    /// A label of an image that is no class.
    #[error("image {image} (from 0) has label {label}, but there are {classes} classes: is it the right file?")]
    ImageLabel {
        /// From 0.
        image: usize,
        /// The label found.
        label: u8,
        /// How many classes there are.
        classes: usize,
    },
    /// There is not one label per image.
    #[error("{images} images but {labels} labels: the two files do not belong together")]
    CountMismatch {
        /// The images found.
        images: usize,
        /// The labels found.
        labels: usize,
    },

    /// Neither PNG nor JPEG.
    #[error("not a picture that can be read: expected PNG or JPEG")]
    PictureFormat,
    /// The picture is damaged or beyond the limits of the decoder.
    #[error("the picture cannot be decoded: {0}")]
    PictureDecode(image::ImageError),
    /// The picture shows nothing.
    #[error("the picture is blank: contrast {contrast} of 255, expected {limit} or more; draw with a darker pen")]
    BlankPicture {
        /// From the background to the strongest ink.
        contrast: u8,
        /// The least contrast that counts as ink.
        limit: u8,
    },
}

impl ModelError {
    /// The same error, of a folder that holds none of `others` either if it is [`Self::DataNotFound`].
    #[must_use]
    pub fn or_none_of(mut self, others: &[&str]) -> Self {
        if let Self::DataNotFound { names, .. } = &mut self {
            names.extend(others.iter().map(|&name| String::from(name)));
        }
        self
    }

    /// The same error, found in `file`.
    pub(crate) fn in_file(self, file: &Path) -> Self {
        Self::File { file: file.into(), error: Box::new(self) }
    }
}
