//! The JSON of the metadata entry `network`.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::network::{Layer, Network, Op, Padding, Shape};

/// Everything of a network but its name and numbers; the outputs of a layer are the first side of its weight tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    pub(super) input: InputDescription,
    pub(super) layers: Vec<LayerDescription>,
    pub(super) labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) logit_bound: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) logit_tolerance: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputDescription {
    pub(super) shape: Shape,
    /// Numerator and denominator.
    pub(super) scale: [u32; 2],
    /// The least and the largest integer, if they are not those of pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) range: Option<[i64; 2]>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum LayerDescription {
    Conv2d { name: String, kernel: [usize; 2], stride: [usize; 2], padding: PaddingDescription },
    Square { name: String },
    Dense { name: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaddingDescription {
    top: usize,
    left: usize,
    bottom: usize,
    right: usize,
}

impl From<&Network> for Description {
    fn from(network: &Network) -> Self {
        let scale = network.input().scale;
        let end = |value: i128| value.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let range = network.declared_input_range().map(|range| [end(range.low()), end(range.high())]);
        let (shape, scale) = (network.input().shape, [scale.numerator(), scale.denominator()]);
        Self {
            input: InputDescription { shape, scale, range },
            layers: network.layers().iter().map(LayerDescription::from).collect(),
            labels: network.labels().to_vec(),
            logit_bound: network.declared_logit_bound(),
            logit_tolerance: network.logit_tolerance(),
        }
    }
}

impl From<&Layer> for LayerDescription {
    fn from(layer: &Layer) -> Self {
        let name = layer.name.clone();
        match &layer.op {
            Op::Conv2d(conv) => {
                let padding = conv.padding.into();
                Self::Conv2d { name, kernel: conv.kernel, stride: conv.stride, padding }
            }
            Op::Square => Self::Square { name },
            Op::Dense(_) => Self::Dense { name },
        }
    }
}

impl From<Padding> for PaddingDescription {
    fn from(Padding { top, left, bottom, right }: Padding) -> Self {
        Self { top, left, bottom, right }
    }
}

impl From<PaddingDescription> for Padding {
    fn from(PaddingDescription { top, left, bottom, right }: PaddingDescription) -> Self {
        Self { top, left, bottom, right }
    }
}
