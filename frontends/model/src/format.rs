//! The model file: a [safetensors] container of integer tensors, with the network's description in its metadata.
//!
//! | entry of `__metadata__` | value |
//! |---|---|
//! | `format` | `tacit-model` |
//! | `version` | `1` |
//! | `name` | the network's name |
//! | `network` | JSON: input shape and scale, layers in order, labels, and optionally the input's range, `logit_bound` and `logit_tolerance` |
//! | `training` | optional text on how the network was trained, carried along unread |
//! | `sha256` | lower-case hexadecimal digest over the tensors in ascending order of names: the name's bytes, then the tensor's little-endian bytes |
//!
//! `logit_bound` is an integer in `0..2^64` that no logit of a proper input exceeds in magnitude. `logit_tolerance` is a positive
//! finite number in units of the logits: the largest standard deviation of independent normal errors, one per logit, that
//! changes one label in 10,000 or fewer (see [`crate::tolerance`]).
//!
//! Each linear layer has two tensors of type I8, I16, I32 or I64: `<layer>.weight` of shape
//! `[maps, channels, kernel height, kernel width]` or `[outputs, inputs]`, and `<layer>.bias` of shape `[outputs]`.
//! Any other tensor, type, shape, key or byte is refused. The digest finds damage, not malice: who writes a file also
//! writes its digest.
//!
//! [safetensors]: https://github.com/huggingface/safetensors

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::digest::{Digest, Hasher};
use crate::error::ModelError;
use crate::network::{Conv2d, Dense, Input, Layer, Network, Op, Padding, Shape};
use crate::quantise::Scale;
use crate::range::Interval;
use crate::tolerance::Tolerance;

mod description;
mod unique;
mod write;

use description::{Description, LayerDescription};

/// The largest model file that [`Network::open`] reads: 1 GiB.
pub const MAX_FILE: u64 = 1 << 30;

const FORMAT: &str = "tacit-model";
const VERSION: &str = "1";

type Tensors<'a> = BTreeMap<&'a str, TensorView<'a>>;
type Metadata = std::collections::HashMap<String, String>;

impl Network {
    /// Reads a model file from the disk.
    ///
    /// # Errors
    ///
    /// [`ModelError::File`], naming the file, around [`ModelError::Io`], [`ModelError::FileTooLarge`] or an error of
    /// [`Self::from_bytes`].
    pub fn open(file: impl AsRef<Path>) -> Result<Self, ModelError> {
        let file = file.as_ref();
        read_bounded(file, MAX_FILE).and_then(|bytes| Self::from_bytes(&bytes)).map_err(|error| error.in_file(file))
    }

    /// Reads a model file; see the [module](crate::format) for what it holds.
    ///
    /// The bytes may come from anyone: memory stays within a small multiple of their number.
    ///
    /// # Errors
    ///
    /// [`ModelError::Container`], [`ModelError::Json`], [`ModelError::MissingMetadata`], [`ModelError::Metadata`],
    /// [`ModelError::MissingTensor`], [`ModelError::UnexpectedTensor`], [`ModelError::TensorShape`],
    /// [`ModelError::TensorType`], [`ModelError::Corrupt`], [`ModelError::Tolerance`], and the errors of [`Self::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (size, header) = SafeTensors::read_metadata(bytes).map_err(ModelError::Container)?;
        // `read_metadata` has found the header within the bytes, after eight bytes of its length.
        unique::check_keys(&bytes[8..8 + size])?;
        let empty = Metadata::new();
        let metadata = header.metadata().as_ref().unwrap_or(&empty);
        let container = SafeTensors::deserialize(bytes).map_err(ModelError::Container)?;
        read_network(metadata, container.iter().collect())
    }
}

/// The bytes of `file`, unless they are more than `limit`.
pub(crate) fn read_bounded(file: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    File::open(file).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(ModelError::Io)?;
    if bytes.len() as u64 > limit {
        return Err(ModelError::FileTooLarge { limit });
    }
    Ok(bytes)
}

fn read_network(metadata: &Metadata, mut tensors: Tensors<'_>) -> Result<Network, ModelError> {
    expect(metadata, "format", FORMAT)?;
    expect(metadata, "version", VERSION)?;
    check_digest(entry(metadata, "sha256")?, &tensors)?;
    let description: Description = serde_json::from_str(entry(metadata, "network")?)
        .map_err(|error| ModelError::Json { what: "network", error })?;
    let [numerator, denominator] = description.input.scale;
    let input = Input { shape: description.input.shape, scale: Scale::new(numerator, denominator)? };
    let layers = read_layers(input.shape, description.layers, &mut tensors)?;
    if let Some(tensor) = tensors.into_keys().next() {
        return Err(ModelError::UnexpectedTensor { tensor: tensor.into() });
    }
    let mut network = Network::new(entry(metadata, "name")?, input, layers, description.labels)?;
    if let Some([low, high]) = description.input.range {
        network = network.with_input_range(Interval::new(low.into(), high.into()));
    }
    if let Some(bound) = description.logit_bound {
        network = network.with_logit_bound(bound);
    }
    if let Some(deviation) = description.logit_tolerance {
        network = network.with_logit_tolerance(Tolerance::new(deviation)?);
    }
    Ok(match metadata.get("training") {
        Some(training) => network.with_training(training),
        None => network,
    })
}

fn entry<'a>(metadata: &'a Metadata, key: &'static str) -> Result<&'a str, ModelError> {
    metadata.get(key).map(String::as_str).ok_or(ModelError::MissingMetadata { key })
}

fn expect(metadata: &Metadata, key: &'static str, expected: &'static str) -> Result<(), ModelError> {
    match entry(metadata, key)? {
        found if found == expected => Ok(()),
        found => Err(ModelError::Metadata { key, found: found.into(), expected }),
    }
}

fn check_digest(expected: &str, tensors: &Tensors<'_>) -> Result<(), ModelError> {
    let metadata = |_| ModelError::Metadata {
        key: "sha256",
        found: expected.into(),
        expected: "64 lower-case hexadecimal characters",
    };
    let expected: Digest = expected.parse().map_err(metadata)?;
    let found = digest_of(tensors.iter().map(|(name, tensor)| (*name, tensor.data())));
    if found != expected {
        return Err(ModelError::Corrupt { expected, found });
    }
    Ok(())
}

/// The digest of tensors in ascending order of their names.
fn digest_of<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> Digest {
    let mut hasher = Hasher::new();
    for (name, data) in tensors {
        hasher.bytes(name.as_bytes());
        hasher.bytes(data);
    }
    hasher.finish()
}

/// Follows the shape from layer to layer: it decides the shape of each weight tensor, up to the number of outputs.
fn read_layers(
    mut shape: Shape,
    descriptions: Vec<LayerDescription>,
    tensors: &mut Tensors<'_>,
) -> Result<Vec<Layer>, ModelError> {
    let mut layers = Vec::with_capacity(descriptions.len());
    for description in descriptions {
        let layer = read_layer(shape, description, tensors)?;
        shape = layer.output_shape(shape)?;
        layers.push(layer);
    }
    Ok(layers)
}

fn read_layer(input: Shape, layer: LayerDescription, tensors: &mut Tensors<'_>) -> Result<Layer, ModelError> {
    match layer {
        LayerDescription::Square { name } => Ok(Layer { name, op: Op::Square }),
        LayerDescription::Dense { name } => {
            // Every shape that arrives here is the input's, or checked by the layer before.
            let inputs = input.iter().fold(1_usize, |product, &side| product.saturating_mul(side));
            let (outputs, weights, bias) = read_parameters(&name, &[inputs], tensors)?;
            Ok(Layer { name, op: Op::Dense(Dense { outputs, inputs, weights, bias }) })
        }
        LayerDescription::Conv2d { name, kernel, stride, padding } => {
            let channels = input[0];
            let (maps, weights, bias) = read_parameters(&name, &[channels, kernel[0], kernel[1]], tensors)?;
            let padding = Padding::from(padding);
            Ok(Layer { name, op: Op::Conv2d(Conv2d { maps, channels, kernel, stride, padding, weights, bias }) })
        }
    }
}

/// The outputs, weights and biases of a layer whose weights have the shape `[outputs, rest...]`.
fn read_parameters(
    layer: &str,
    rest: &[usize],
    tensors: &mut Tensors<'_>,
) -> Result<(usize, Vec<i64>, Vec<i128>), ModelError> {
    let mut take = |kind: &str| {
        let tensor = alloc::format!("{layer}.{kind}");
        tensors.remove(tensor.as_str()).ok_or(ModelError::MissingTensor { tensor })
    };
    let (weight, bias) = (take("weight")?, take("bias")?);
    let outputs = weight.shape().first().copied().unwrap_or(0);
    let shape: Vec<usize> = core::iter::once(outputs).chain(rest.iter().copied()).collect();
    let weights = read_integers(layer, "weight", shape, &weight)?;
    let bias = read_integers(layer, "bias", alloc::vec![outputs], &bias)?;
    Ok((outputs, weights, bias.into_iter().map(i128::from).collect()))
}

fn read_integers(layer: &str, kind: &str, expected: Vec<usize>, view: &TensorView<'_>) -> Result<Vec<i64>, ModelError> {
    use safetensors::Dtype::{I8, I16, I32, I64};
    let tensor = alloc::format!("{layer}.{kind}");
    if view.shape() != expected {
        return Err(ModelError::TensorShape { tensor, expected, found: view.shape().into() });
    }
    let data = view.data();
    Ok(match view.dtype() {
        I8 => data.iter().map(|&byte| byte.cast_signed().into()).collect(),
        I16 => data.as_chunks().0.iter().map(|&bytes| i16::from_le_bytes(bytes).into()).collect(),
        I32 => data.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes).into()).collect(),
        I64 => data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect(),
        found => return Err(ModelError::TensorType { tensor, found }),
    })
}

#[cfg(test)]
mod tests;
