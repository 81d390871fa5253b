//! From scales to a network of integers, and its exact verdict.

use alloc::string::String;
use alloc::vec::Vec;

use super::batch::Batch;
use super::search::{Scales, bits, equal};
use super::{Options, Trial};
use crate::error::ModelError;
use crate::leveled::{Chain, RealLayer};
use crate::network::{Conv2d, Dense, Input, Layer, Network, Op};
use crate::quantise::Scale;
use crate::range::Interval;
use crate::rows::Rows;
use crate::tolerance::Gaps;

/// The network of the chain at these scales.
pub(super) fn network(
    chain: &Chain,
    scales: &Scales,
    rows: &Rows,
    labels: Vec<String>,
    options: &Options,
) -> Result<Network, ModelError> {
    let per_value = options.pixel_scale.map_or(scales.input, |pixel| scales.input * pixel);
    let input = Input { shape: chain.input, scale: fraction(per_value)? };
    let (mut sum, mut factors, mut layers) = (scales.input, scales.weights.iter(), Vec::new());
    for layer in &chain.layers {
        let factor = if layer.form == Op::Square { sum } else { factors.next().copied().unwrap_or(1.0) };
        sum *= factor;
        layers.push(Layer { name: layer.name.clone(), op: integers(layer, factor, sum)? });
    }
    let name: String = chain.name.chars().filter(|c| !c.is_control()).take(48).collect();
    let name = if name.is_empty() { "imported".into() } else { name };
    let network = Network::new(name, input, layers, labels)?;
    Ok(if options.pixel_scale.is_some() { network } else { network.with_input_range(range(rows, scales.input)) })
}

/// Inputs up to twice as far from 0 as those seen.
fn range(rows: &Rows, scale: f64) -> Interval {
    let seen = rows.values().iter().map(|&value| (2.0 * f64::from(value) * scale).round() as i128);
    seen.fold(Interval::new(0, 0), |range, value| range.hull(Interval::new(value, value)))
}

/// A fraction of 24 bits or so: a scale is a choice, and need not be met to more.
fn fraction(value: f64) -> Result<Scale, ModelError> {
    let shift = (23 - value.log2().floor() as i32).clamp(0, 31);
    let (numerator, denominator) = ((value * f64::from(shift).exp2()).round(), f64::from(shift).exp2());
    let even = (numerator as u32).trailing_zeros().min(shift as u32);
    Scale::new(numerator as u32 >> even, denominator as u32 >> even)
}

fn integers(layer: &RealLayer, factor: f64, sum: f64) -> Result<Op, ModelError> {
    let too_large = |value: f64, scale: f64, limit: u32| ModelError::Quantisation { value, scale, bits: limit };
    let narrow = |&value: &f64| {
        let integer = (value * factor).round_ties_even();
        if integer.abs() < 2_f64.powi(62) { Ok(integer as i64) } else { Err(too_large(value, factor, 63)) }
    };
    // The model file holds biases of 64 bits.
    let wide = |value: &f64| {
        let integer = (value * sum).round_ties_even();
        if integer.abs() < 2_f64.powi(63) { Ok(integer as i128) } else { Err(too_large(*value, sum, 64)) }
    };
    let weights = layer.weights.iter().map(narrow).collect::<Result<_, _>>()?;
    let bias = layer.bias.iter().map(wide).collect::<Result<_, _>>()?;
    Ok(match &layer.form {
        Op::Square => Op::Square,
        Op::Dense(dense) => Op::Dense(Dense { weights, bias, ..dense.clone() }),
        Op::Conv2d(conv) => Op::Conv2d(Conv2d { weights, bias, ..conv.clone() }),
    })
}

/// The network on rows, exactly, beside the real chain; and the gaps between its logits.
pub(super) fn judge(
    network: &Network,
    chain: &Chain,
    rows: &Rows,
    options: &Options,
) -> Result<(Trial, Gaps), ModelError> {
    let values = rows.values().iter().map(|&value| value.into()).collect();
    let real = Batch { shape: chain.input, values };
    let real =
        chain.layers.iter().fold(real, |batch, layer| batch.through(layer, &layer.weights, &layer.bias)).classes();
    let (mut classes, mut largest, mut widest) = (Vec::new(), Interval::new(0, 0), 0);
    let mut gaps = Gaps::default();
    for row in rows.iter() {
        let input = match options.pixel_scale {
            Some(pixel) => {
                let pixels: Vec<f64> = row.iter().map(|&value| f64::from(value) / pixel).collect();
                network.quantise_reals(&pixels)?
            }
            None => network.quantise_reals(&row.iter().map(|&value| value.into()).collect::<Vec<_>>())?,
        };
        widest = input.iter().map(|value| value.unsigned_abs()).fold(widest, u64::max);
        let answer = network.evaluate(&input)?;
        largest = answer.logits.iter().fold(largest, |range, &logit| range.hull(Interval::new(logit, logit)));
        classes.push(answer.class);
        gaps.add(&answer.logits);
    }
    let weights = network.layers().iter().filter_map(|layer| layer.op.parameters());
    let width = |(weights, _): (&[i64], _)| {
        bits(weights.iter().map(|weight| weight.unsigned_abs()).max().unwrap_or(0) as f64) + 1
    };
    let trial = Trial {
        input_bits: bits(widest as f64),
        weight_bits: weights.map(width).collect(),
        correct: rows.labels().map(|labels| equal(&classes, labels)),
        agree: equal(&classes, &real),
        rows: rows.len(),
        logit_bits: largest.bits(),
    };
    Ok((trial, gaps))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn fractions_are_close() {
        for value in [1.0 / 255.0, 1.0, 16.0, 1e-4, 12_345.678, 3.0_f64.sqrt()] {
            let scale = fraction(value).unwrap();
            let found = f64::from(scale.numerator()) / f64::from(scale.denominator());
            assert!((found / value - 1.0).abs() < 1e-5, "{value}: {found}");
        }
        assert_eq!(fraction(16.0).unwrap(), Scale::new(16, 1).unwrap());
    }
}
