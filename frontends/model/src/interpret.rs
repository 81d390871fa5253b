//! The clear interpreter: exact integers, the oracle of every encrypted evaluation.

use alloc::vec::Vec;

use crate::apply::apply;
use crate::error::ModelError;
use crate::network::{Layer, Network, Op, Shape};

/// The answer of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The exact outputs of the last layer, one per label.
    pub logits: Vec<i128>,
    /// The index of the largest logit, the first of them if several are equal.
    pub class: usize,
}

/// Every value of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    values: Vec<Vec<i128>>,
}

impl Trace {
    /// The input, then the output of each layer: as [`Network::shapes`].
    pub fn values(&self) -> &[Vec<i128>] {
        &self.values
    }

    /// What [`Network::evaluate`] answers.
    pub fn evaluation(mut self) -> Evaluation {
        Evaluation::new(self.values.pop().unwrap_or_default())
    }
}

impl Evaluation {
    fn new(logits: Vec<i128>) -> Self {
        let class = argmax(&logits).unwrap_or_default();
        Self { logits, class }
    }
}

impl Network {
    /// The exact outputs for `input`, in the order of the input's shape.
    ///
    /// The input may be any integers, not only those that [`Network::quantise`] gives.
    ///
    /// # Errors
    ///
    /// [`ModelError::InputLength`] unless there is a value per input; [`ModelError::Overflow`], naming the layer, if a
    /// value leaves `i128`.
    pub fn evaluate(&self, input: &[i64]) -> Result<Evaluation, ModelError> {
        let mut values = self.widen(input)?;
        for step in 0..self.layers().len() {
            values = self.step(step, &values)?;
        }
        Ok(Evaluation::new(values))
    }

    /// As [`Self::evaluate`], and keeps the values of every layer.
    ///
    /// # Errors
    ///
    /// Those of [`Self::evaluate`].
    pub fn evaluate_traced(&self, input: &[i64]) -> Result<Trace, ModelError> {
        let mut trace = Vec::with_capacity(self.shapes().len());
        let mut values = self.widen(input)?;
        for step in 0..self.layers().len() {
            let next = self.step(step, &values)?;
            trace.push(values);
            values = next;
        }
        trace.push(values);
        Ok(Trace { values: trace })
    }

    /// Quantises the pixels of an image and evaluates.
    ///
    /// # Errors
    ///
    /// Those of [`Self::quantise`] and [`Self::evaluate`].
    pub fn classify(&self, pixels: &[u8]) -> Result<Evaluation, ModelError> {
        self.evaluate(&self.quantise(pixels)?)
    }

    fn widen(&self, input: &[i64]) -> Result<Vec<i128>, ModelError> {
        if input.len() != self.inputs() {
            return Err(ModelError::InputLength { expected: self.inputs(), found: input.len() });
        }
        Ok(input.iter().map(|&value| value.into()).collect())
    }

    fn step(&self, step: usize, values: &[i128]) -> Result<Vec<i128>, ModelError> {
        let Layer { name, op } = &self.layers()[step];
        let output = run(op, self.bounds()[step], self.shapes()[step], values);
        output.ok_or_else(|| ModelError::Overflow { layer: name.clone() })
    }
}

/// The index of the largest value, the first of them if several are equal; `None` if there is no value.
pub fn argmax(values: &[i128]) -> Option<usize> {
    let later_wins_only_if_larger = |best, index| if values[index] > values[best] { index } else { best };
    (0..values.len()).reduce(later_wins_only_if_larger)
}

/// How far a linear layer can carry its input: every partial sum of every output is at most
/// `gain * max|input| + offset` in absolute value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinearBound {
    /// The largest sum of the absolute weights of an output; below 2^64 * 2^63 whatever the weights.
    gain: u128,
    /// The largest absolute bias.
    offset: u128,
}

impl LinearBound {
    pub(crate) fn of(op: &Op) -> Self {
        let Some((weights, bias)) = op.parameters() else { return Self { gain: 0, offset: 0 } };
        let row = (weights.len() / bias.len().max(1)).max(1);
        let norm = |row: &[i64]| row.iter().map(|weight| u128::from(weight.unsigned_abs())).sum();
        Self { gain: weights.chunks(row).map(norm).max().unwrap_or(0), offset: largest(bias) }
    }

    /// Whether the layer, and its input, stay within `i64`.
    fn fits_i64(self, input: &[i128]) -> bool {
        let reach = largest(input).checked_mul(self.gain.max(1)).and_then(|reach| reach.checked_add(self.offset));
        reach.is_some_and(|reach| reach <= u128::from(i64::MAX.unsigned_abs()))
    }
}

fn largest(values: &[i128]) -> u128 {
    values.iter().map(|value| value.unsigned_abs()).max().unwrap_or(0)
}

/// Linear layers run on `i64` where the bound allows: this is several times faster than checked `i128`.
fn run(op: &Op, bound: LinearBound, shape: Shape, values: &[i128]) -> Option<Vec<i128>> {
    if matches!(op, Op::Square) || !bound.fits_i64(values) {
        return apply(op, shape, values);
    }
    run_narrow(op, shape, values)
}

fn run_narrow(op: &Op, shape: Shape, values: &[i128]) -> Option<Vec<i128>> {
    let narrow: Vec<i64> = values.iter().map(|&value| value.try_into().ok()).collect::<Option<_>>()?;
    let output = apply(op, shape, &narrow)?;
    Some(output.into_iter().map(i128::from).collect())
}

#[cfg(test)]
mod tests;
