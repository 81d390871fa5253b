//! Choosing integers for real weights, by search on data.
//!
//! Nothing is rescaled between the layers of a [`Network`], so every scale multiplies through to the logits, and their range
//! is what the plaintext modulus must hold. [`quantise`] starts with wide weights and makes one scale smaller at a time,
//! whichever saves most bits of the logits for the decisions that it changes, as long as the network stays as good as asked.
//! Whoever trains with integer weights in mind gets smaller ranges than any rounding afterwards.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::ModelError;
use crate::graph::GraphError;
use crate::leveled::Chain;
use crate::network::Network;
use crate::rows::Rows;

mod batch;
mod build;
mod dead;
mod search;

pub use dead::drop_dead_channels;

/// Rows that it takes to say what errors the labels bear: by fewer, small gaps between logits are not seen, and errors that
/// seem to change one label in 10,000 change many more.
pub const MANY_ROWS: usize = 1000;

/// How a chain is quantised.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The largest loss of accuracy, as a share of the labelled rows, or of agreement with the real network if there are no
    /// labels.
    pub loss: f64,
    /// The widest weights that are tried, in bits with the sign.
    pub weight_bits: u32,
    /// The widest input, in bits without the sign.
    pub input_bits: u32,
    /// What the model reads for a pixel of 1, if the rows are images and the network is to read their pixels in `0..=255`;
    /// otherwise the network reads the numbers of the rows.
    pub pixel_scale: Option<f64>,
}

impl Default for Options {
    /// A loss of 0.1 %, weights of 12 bits, inputs of 8, real rows.
    fn default() -> Self {
        Self { loss: 0.001, weight_bits: 12, input_bits: 8, pixel_scale: None }
    }
}

/// What a choice of scales gives on the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The largest input, in bits without the sign.
    pub input_bits: u32,
    /// The largest weight of each linear layer, in bits with the sign.
    pub weight_bits: Vec<u32>,
    /// Rows labelled rightly, if the rows have labels.
    pub correct: Option<usize>,
    /// Rows whose label is that of the real network.
    pub agree: usize,
    /// Rows.
    pub rows: usize,
    /// `log2(2 max|logit| + 1)`.
    pub logit_bits: f64,
}

/// A quantised network and how it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantised {
    /// The network, its logit bound declared as twice the largest seen, with the tolerance of its logits (see
    /// [`crate::tolerance`]) if there are [`MANY_ROWS`]: both by all rows.
    pub network: Network,
    /// The trade-off: from wide to narrow, a row for each bit or so saved. The last one was chosen.
    pub trials: Vec<Trial>,
    /// Rows that the real network labels rightly, if the rows have labels.
    pub real_correct: Option<usize>,
    /// The chosen integers on rows that the search did not see, evaluated exactly; `None` if the rows are too few to spare
    /// some.
    pub held_out: Option<Trial>,
    /// Channels that provably changed nothing and were dropped.
    pub dead_channels: usize,
}

/// Quantises a chain with the smallest range of the logits that keeps it as good as asked.
///
/// A quarter of the rows is held out of the search if there are at least 64. It costs some hundred evaluations of the
/// rows, as products of matrices of 64-bit floats, which hold the integers of all but absurd scales exactly; the final
/// figures come from the exact interpreter.
///
/// # Errors
///
/// [`GraphError::CalibrationShape`] and [`GraphError::Calibration`] if the rows do not fit, [`GraphError::Accuracy`] if even
/// the widest weights are not good enough; the errors of [`Network::new`].
pub fn quantise(chain: &Chain, rows: &Rows, labels: Vec<String>, options: &Options) -> Result<Quantised, ModelError> {
    check(chain, rows)?;
    let (seen, unseen) = split(rows);
    let found = search::run(chain, &seen, options)?;
    let network = build::network(chain, &found.scales, rows, labels, options)?;
    let (network, dead_channels) = drop_dead_channels(&network)?;
    let (everything, gaps) = build::judge(&network, chain, rows, options)?;
    // 2^bits is 2 max|logit| + 1.
    let bound = everything.logit_bits.exp2();
    let network = if bound < 2_f64.powi(62) { network.with_logit_bound(bound.ceil() as u64) } else { network };
    let network = match gaps.tolerance().filter(|_| rows.len() >= MANY_ROWS) {
        Some(tolerance) => network.with_logit_tolerance(tolerance),
        None => network,
    };
    let held_out =
        unseen.map(|rows| Ok::<_, ModelError>(build::judge(&network, chain, &rows, options)?.0)).transpose()?;
    let trials = thin(found.trials);
    Ok(Quantised { network, trials, real_correct: found.real_correct, held_out, dead_channels })
}

fn check(chain: &Chain, rows: &Rows) -> Result<(), GraphError> {
    if rows.width() != chain.inputs() {
        let (found, expected, shape) = (rows.width(), chain.inputs(), chain.input.into());
        return Err(GraphError::CalibrationShape { found, expected, shape });
    }
    let outputs = chain.outputs();
    let strange = rows.labels().and_then(|labels| labels.iter().find(|&&label| label >= outputs));
    if let Some(label) = strange {
        let reason = alloc::format!("label {label} is none of the model's {outputs} classes, counted from 0");
        return Err(GraphError::Calibration { reason });
    }
    if rows.values().iter().all(|&value| value == 0.0) {
        return Err(GraphError::Calibration { reason: "all values are 0: give real inputs".into() });
    }
    Ok(())
}

/// Every fourth row is held out.
fn split(rows: &Rows) -> (Rows, Option<Rows>) {
    const FEW: usize = 64;
    if rows.len() < FEW {
        return (rows.clone(), None);
    }
    let part = |unseen: bool| {
        let chosen = (0..rows.len()).filter(|row| (row % 4 == 3) == unseen);
        let values = chosen.clone().flat_map(|row| rows.get(row).unwrap_or_default().iter().copied()).collect();
        let labels = rows.labels().map(|labels| chosen.map(|row| labels[row]).collect());
        Rows::new(rows.width(), values, labels).ok()
    };
    match (part(false), part(true)) {
        (Some(seen), unseen) => (seen, unseen),
        _ => (rows.clone(), None),
    }
}

/// Rows at least a bit apart, and the last.
fn thin(trials: Vec<Trial>) -> Vec<Trial> {
    let mut kept: Vec<Trial> = Vec::new();
    let last = trials.last().cloned();
    for trial in trials {
        if kept.last().is_none_or(|before| before.logit_bits - trial.logit_bits >= 1.0) {
            kept.push(trial);
        }
    }
    if let Some(last) = last.filter(|last| kept.last() != Some(last)) {
        kept.push(last);
    }
    kept
}

#[cfg(test)]
mod tests;
