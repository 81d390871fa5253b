//! The search for scales.

use alloc::vec::Vec;

use super::batch::Batch;
use super::{Options, Trial};
use crate::graph::GraphError;
use crate::leveled::{Chain, RealLayer};
use crate::network::Op;
use crate::rows::Rows;

/// What the input and the weights of each linear layer are multiplied by before they are rounded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scales {
    pub(super) input: f64,
    pub(super) weights: Vec<f64>,
}

/// The scales found, and the way to them.
pub(super) struct Found {
    pub(super) scales: Scales,
    pub(super) trials: Vec<Trial>,
    pub(super) real_correct: Option<usize>,
}

/// How much smaller a scale becomes in one step: coarse first.
const STEPS: [f64; 4] = [4.0, 2.0, core::f64::consts::SQRT_2, 1.125];

pub(super) fn run(chain: &Chain, rows: &Rows, options: &Options) -> Result<Found, GraphError> {
    let judge = Judge::new(chain, rows);
    let mut scales = judge.widest(options);
    let mut best = judge.trial(&scales);
    if !judge.accepts(&best, options.loss) {
        let agreement = best.share();
        let wanted = judge.wanted(options.loss);
        return Err(GraphError::Accuracy { bits: options.weight_bits, agreement, wanted });
    }
    let mut trials = alloc::vec![best.clone()];
    for step in STEPS {
        loop {
            let candidates = (0..=scales.weights.len()).filter_map(|place| judge.narrower(&scales, place, step));
            let tried = candidates.map(|scales| (judge.trial(&scales), scales));
            let good =
                tried.filter(|(trial, _)| judge.accepts(trial, options.loss) && trial.logit_bits < best.logit_bits);
            // Bits saved for each decision that is lost.
            let gain = |trial: &Trial| {
                let lost = best.good().saturating_sub(trial.good()) as f64;
                (best.logit_bits - trial.logit_bits) / (1.0 + lost)
            };
            let Some((trial, narrower)) = good.max_by(|(a, _), (b, _)| gain(a).total_cmp(&gain(b))) else { break };
            (best, scales) = (trial, narrower);
            trials.push(best.clone());
        }
    }
    Ok(Found { scales, trials, real_correct: judge.real_correct })
}

impl Trial {
    /// What counts: right labels if they are known, agreement if not.
    fn good(&self) -> usize {
        self.correct.unwrap_or(self.agree)
    }

    fn share(&self) -> f64 {
        self.good() as f64 / self.rows as f64
    }
}

struct Judge<'a> {
    chain: &'a Chain,
    rows: &'a Rows,
    input: Batch,
    /// The classes of the real network.
    classes: Vec<usize>,
    real_correct: Option<usize>,
}

impl<'a> Judge<'a> {
    fn new(chain: &'a Chain, rows: &'a Rows) -> Self {
        let input = Batch { shape: chain.input, values: rows.values().iter().map(|&value| value.into()).collect() };
        let logits =
            chain.layers.iter().fold(input.clone(), |batch, layer| batch.through(layer, &layer.weights, &layer.bias));
        let classes = logits.classes();
        let real_correct = rows.labels().map(|labels| equal(&classes, labels));
        Self { chain, rows, input, classes, real_correct }
    }

    fn wanted(&self, loss: f64) -> f64 {
        self.real_correct.map_or(1.0, |correct| correct as f64 / self.rows.len() as f64) - loss
    }

    fn accepts(&self, trial: &Trial, loss: f64) -> bool {
        // A share of rows is a quotient of integers: leave room for its rounding.
        trial.share() >= self.wanted(loss) - 1e-12 && trial.logit_bits < f64::from(u32::MAX)
    }

    fn linear(&self) -> impl Iterator<Item = &RealLayer> {
        self.chain.layers.iter().filter(|layer| !matches!(layer.form, Op::Square))
    }

    /// The widest scales allowed.
    fn widest(&self, options: &Options) -> Scales {
        let reach = |bits: u32, largest: f64| (f64::from(bits).exp2() - 1.0) / largest.max(f64::MIN_POSITIVE);
        let largest =
            |layer: &RealLayer| layer.weights.iter().fold(0.0_f64, |largest, weight| weight.abs().max(largest));
        let weights = self.linear().map(|layer| match largest(layer) {
            0.0 => 1.0,
            largest => reach(options.weight_bits.clamp(2, 24) - 1, largest),
        });
        Scales { input: reach(options.input_bits.clamp(1, 24), self.input.largest()), weights: weights.collect() }
    }

    /// A scale made smaller, unless nothing would be left of what it scales. Place 0 is the input.
    fn narrower(&self, scales: &Scales, place: usize, step: f64) -> Option<Scales> {
        let mut scales = scales.clone();
        let (scale, largest) = match place.checked_sub(1) {
            None => (&mut scales.input, self.input.largest()),
            Some(layer) => {
                let weights = &self.linear().nth(layer)?.weights;
                (&mut scales.weights[layer], weights.iter().fold(0.0_f64, |largest, weight| weight.abs().max(largest)))
            }
        };
        *scale /= step;
        (*scale * largest >= 0.75).then_some(scales)
    }

    fn trial(&self, scales: &Scales) -> Trial {
        let mut batch = self.input.clone();
        batch.values.iter_mut().for_each(|value| *value = (*value * scales.input).round_ties_even());
        let input_bits = bits(batch.largest());
        let (mut sum, mut weight_bits, mut factors) = (scales.input, Vec::new(), scales.weights.iter());
        for layer in &self.chain.layers {
            if matches!(layer.form, Op::Square) {
                sum *= sum;
                batch = batch.through(layer, &[], &[]);
                continue;
            }
            let factor = factors.next().copied().unwrap_or(1.0);
            sum *= factor;
            let weights = rounded(&layer.weights, factor);
            weight_bits.push(bits(weights.iter().fold(0.0, |largest, weight: &f64| weight.abs().max(largest))) + 1);
            batch = batch.through(layer, &weights, &rounded(&layer.bias, sum));
        }
        let classes = batch.classes();
        let correct = self.rows.labels().map(|labels| equal(&classes, labels));
        let logit_bits = (2.0 * batch.largest() + 1.0).log2();
        Trial {
            input_bits,
            weight_bits,
            correct,
            agree: equal(&classes, &self.classes),
            rows: self.rows.len(),
            logit_bits,
        }
    }
}

pub(super) fn rounded(values: &[f64], scale: f64) -> Vec<f64> {
    values.iter().map(|value| (value * scale).round_ties_even()).collect()
}

/// Bits of an integer without its sign.
pub(super) fn bits(magnitude: f64) -> u32 {
    u128::BITS - (magnitude as u128).leading_zeros()
}

pub(super) fn equal(a: &[usize], b: &[usize]) -> usize {
    a.iter().zip(b).filter(|(a, b)| a == b).count()
}
