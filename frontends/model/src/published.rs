//! The weights that were published with LoLa for MNIST, as folders of comma-separated numbers.
//!
//! The network is that of CryptoNets and of LoLa (Brutzkus, Elisha, Gilad-Bachrach: *Low Latency Privacy Preserving
//! Inference*, ICML 2019, section 5): a 5×5 convolution with stride 2 to 5 maps of 13×13, square, 845→100, square, 100→10.
//! The files are the arrays of its source code (github.com/microsoft/CryptoNets, MIT licence), a row of a matrix per line:
//!
//! | file | size | holds |
//! |---|---|---|
//! | `Weights_0.csv` | 5 × 26 | per map, the kernel row-major, then the map's bias |
//! | `Weights_1.csv` | 845 × 100 | row: input `169 * map + 13 * i + j`; column: hidden unit |
//! | `Biases_2.csv` | 1 × 100 | biases of the hidden units |
//! | `Weights_3.csv` | 10 × 100 | row: class; column: hidden unit |
//! | `Biases_3.csv` | 1 × 10 | biases of the classes |

use alloc::string::ToString;
use alloc::vec::Vec;
use std::path::Path;

use crate::error::ModelError;
use crate::network::{Conv2d, Dense, Input, Layer, Network, Op, Padding};
use crate::quantise::Scale;

mod table;

use table::Table;

const MAPS: usize = 5;
const SIDE: usize = 5;
const FEATURES: usize = MAPS * 13 * 13;
const HIDDEN: usize = 100;
const CLASSES: usize = 10;

/// What the real numbers of each layer are multiplied by before they are rounded to integers, ties to even.
///
/// A pixel is first brought to `0..=255/256`. Nothing is rescaled between layers: a bias is at the scale of the sum that
/// it joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scales {
    /// Of the input.
    pub input: u32,
    /// Of the weights of the convolution.
    pub conv: u32,
    /// Of the weights of the hidden layer.
    pub dense: u32,
    /// Of the weights of the last layer.
    pub output: u32,
}

impl Scales {
    /// The scales of the published code.
    pub const PAPER: Self = Self { input: 16, conv: 32, dense: 1024, output: 32 };
}

/// Loads the published network from `folder` and quantises it.
///
/// # Errors
///
/// [`ModelError::File`] around what is wrong with a file ([`ModelError::Io`], [`ModelError::TableSize`],
/// [`ModelError::TableNumber`], …); [`ModelError::Quantisation`] if a number is too large at its scale;
/// [`ModelError::Scale`] if the input scale is 0.
pub fn lola_mnist(folder: impl AsRef<Path>, scales: Scales) -> Result<Network, ModelError> {
    let folder = folder.as_ref();
    let table = |name: &str, rows, columns| Table::open(&folder.join(name), rows, columns);
    let [conv, dense, output] = [scales.conv, scales.dense, scales.output].map(f64::from);
    let conv_sum = f64::from(scales.input) * conv;
    let dense_sum = conv_sum * conv_sum * dense;
    let output_sum = dense_sum * dense_sum * output;
    let layers = [
        ("conv1", quantise_conv(&table("Weights_0.csv", MAPS, SIDE * SIDE + 1)?, conv, conv_sum)?),
        ("square1", Op::Square),
        ("dense1", {
            let weights = table("Weights_1.csv", FEATURES, HIDDEN)?.transposed();
            quantise_dense(&weights, dense, &table("Biases_2.csv", 1, HIDDEN)?, dense_sum)?
        }),
        ("square2", Op::Square),
        ("dense2", {
            let weights = table("Weights_3.csv", CLASSES, HIDDEN)?;
            quantise_dense(&weights, output, &table("Biases_3.csv", 1, CLASSES)?, output_sum)?
        }),
    ];
    let layers = layers.map(|(name, op)| Layer { name: name.into(), op }).into();
    let input = Input { shape: [1, 28, 28], scale: Scale::new(scales.input, 256)? };
    Network::new("lola-mnist", input, layers, (0..CLASSES).map(|class| class.to_string()).collect())
}

fn quantise_conv(table: &Table, scale: f64, sum_scale: f64) -> Result<Op, ModelError> {
    let (mut weights, mut bias) = (Vec::new(), Vec::new());
    for row in table.rows() {
        let (last, kernel) = row.split_last().unwrap_or((&0.0, &[]));
        weights.extend(quantise_weights(kernel, scale)?);
        bias.push(quantise(*last, sum_scale, i128::BITS)?);
    }
    // The published code pads 28 to 29 at the far ends only.
    let padding = Padding { top: 0, left: 0, bottom: 1, right: 1 };
    Ok(Op::Conv2d(Conv2d { maps: MAPS, channels: 1, kernel: [SIDE; 2], stride: [2; 2], padding, weights, bias }))
}

fn quantise_dense(weights: &Table, scale: f64, bias: &Table, sum_scale: f64) -> Result<Op, ModelError> {
    let [outputs, inputs] = weights.size();
    let weights = quantise_weights(weights.numbers(), scale)?;
    let bias = bias.numbers().iter().map(|&bias| quantise(bias, sum_scale, i128::BITS)).collect::<Result<_, _>>()?;
    Ok(Op::Dense(Dense { outputs, inputs, weights, bias }))
}

fn quantise_weights(weights: &[f64], scale: f64) -> Result<Vec<i64>, ModelError> {
    // The bound on the bits makes the cast exact.
    weights.iter().map(|&weight| Ok(quantise(weight, scale, i64::BITS)? as i64)).collect()
}

/// `value * scale` rounded to the nearest integer, ties to even, if it fits into a signed integer of `bits` bits.
fn quantise(value: f64, scale: f64, bits: u32) -> Result<i128, ModelError> {
    let rounded = (value * scale).round_ties_even();
    let limit = f64::from(bits - 1).exp2();
    if rounded.abs() < limit { Ok(rounded as i128) } else { Err(ModelError::Quantisation { value, scale, bits }) }
}

#[cfg(test)]
mod tests;
