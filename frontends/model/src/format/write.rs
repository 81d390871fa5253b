//! Writing the model file.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Serialize;

use super::description::Description;
use super::{FORMAT, VERSION, digest_of};
use crate::error::ModelError;
use crate::network::{Network, Op};

impl Network {
    /// The bytes of the model file. Equal networks give equal bytes, and [`Self::from_bytes`] reads them back.
    ///
    /// Each tensor takes the smallest type that holds its numbers.
    ///
    /// # Errors
    ///
    /// [`ModelError::BiasTooWide`] if a bias is beyond `i64`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let tensors = collect_tensors(self)?;
        let json = |error| ModelError::Json { what: "network", error };
        let network = serde_json::to_string(&Description::from(self)).map_err(json)?;
        let digest = digest_of(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.data.as_slice())));
        let entries = [
            ("format", FORMAT.to_string()),
            ("version", VERSION.to_string()),
            ("name", self.name().to_string()),
            ("network", network),
            ("sha256", digest.to_string()),
        ];
        let training = self.training().map(|training| ("training", training.to_string()));
        assemble(entries.into_iter().chain(training).collect(), &tensors)
    }
}

/// A tensor as it lies in the file.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__")]
    metadata: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, TensorInfo>,
}

fn collect_tensors(network: &Network) -> Result<BTreeMap<String, Tensor>, ModelError> {
    let mut tensors = BTreeMap::new();
    for layer in network.layers() {
        let Some((weights, bias)) = layer.op.parameters() else { continue };
        let too_wide = |_| ModelError::BiasTooWide { layer: layer.name.clone() };
        let narrow: Result<Vec<i64>, _> = bias.iter().map(|&bias| bias.try_into()).collect();
        let narrow = narrow.map_err(too_wide)?;
        let name = |kind: &str| alloc::format!("{}.{kind}", layer.name);
        tensors.insert(name("weight"), Tensor::new(weight_shape(&layer.op), weights));
        tensors.insert(name("bias"), Tensor::new(alloc::vec![bias.len()], &narrow));
    }
    Ok(tensors)
}

fn weight_shape(op: &Op) -> Vec<usize> {
    match op {
        Op::Conv2d(conv) => alloc::vec![conv.maps, conv.channels, conv.kernel[0], conv.kernel[1]],
        Op::Dense(dense) => alloc::vec![dense.outputs, dense.inputs],
        Op::Square => Vec::new(),
    }
}

impl Tensor {
    fn new(shape: Vec<usize>, values: &[i64]) -> Self {
        let (dtype, width) = smallest_type(values);
        let data = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect();
        Self { dtype, shape, data }
    }
}

/// The smallest type that holds all values, and its width in bytes: their low bytes are their encoding.
fn smallest_type(values: &[i64]) -> (Dtype, usize) {
    let within = |low: i64, high: i64| values.iter().all(|value| (low..=high).contains(value));
    if within(i8::MIN.into(), i8::MAX.into()) {
        (Dtype::I8, 1)
    } else if within(i16::MIN.into(), i16::MAX.into()) {
        (Dtype::I16, 2)
    } else if within(i32::MIN.into(), i32::MAX.into()) {
        (Dtype::I32, 4)
    } else {
        (Dtype::I64, 8)
    }
}

/// Eight bytes of the header's length, the header padded with spaces to eight bytes, the tensors: wide types first, so
/// that each lies aligned.
///
/// The container's own writer orders the metadata by a random hash; a file that is built twice should be one file.
fn assemble(
    metadata: BTreeMap<&'static str, String>,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<Vec<u8>, ModelError> {
    let mut ordered: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    ordered.sort_by_key(|(_, tensor)| Reverse(tensor.dtype.bitsize()));
    let data: Vec<u8> = ordered.iter().flat_map(|(_, tensor)| &tensor.data).copied().collect();
    let header = serde_json::to_vec(&Header { metadata, tensors: place(&ordered) });
    let mut header = header.map_err(|error| ModelError::Json { what: "header", error })?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok([&(header.len() as u64).to_le_bytes(), header.as_slice(), &data].concat())
}

/// Where each tensor lies when they follow each other in this order.
fn place<'a>(ordered: &[(&'a str, &Tensor)]) -> BTreeMap<&'a str, TensorInfo> {
    let mut end = 0;
    let infos = ordered.iter().map(|&(name, tensor)| {
        let start = end;
        end += tensor.data.len();
        (name, TensorInfo { dtype: tensor.dtype, shape: tensor.shape.clone(), data_offsets: (start, end) })
    });
    infos.collect()
}
