//! How errors spread: variances of the error in each slot, in units of the plan's integers.

use super::sample::{Complex, norm, permuted, real};
use crate::plan::{Op, Plan};

/// What an operation adds to the variances of its operands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Added {
    /// In every slot.
    pub(super) slot: f64,
    /// For each product with a plaintext, times the square of the other factor.
    pub(super) factor: f64,
}

/// The variances of a result. Operands are given by their place in the operation's list, with values and variances.
pub(super) fn spread(plan: &Plan, op: &Op, operands: &[(&[Complex], &[f64])], added: Added) -> Vec<f64> {
    let shape = plan.shape();
    let slots = 0..shape.slots();
    let more = |variances: Vec<f64>| variances.into_iter().map(|variance| variance + added.slot).collect();
    match op {
        Op::LinearCombination { weights, .. } => {
            let term = |i: usize| {
                let terms = operands.iter().zip(weights);
                terms.map(|((_, variances), &weight)| (weight as f64).powi(2) * variances[i]).sum::<f64>()
            };
            more(slots.map(term).collect())
        }
        Op::Sum { .. } => more(slots.map(|i| operands.iter().map(|(_, variances)| variances[i]).sum()).collect()),
        Op::InnerProduct { plains, .. } => {
            let mut out = vec![added.slot; slots.len()];
            for ((values, variances), plain) in operands.iter().zip(plains) {
                let factor = &plan.plains().factors()[plain.0];
                for (i, out) in out.iter_mut().enumerate() {
                    *out += norm(&real(factor, i)) * variances[i] + norm(&values[i]) * added.factor;
                }
            }
            out
        }
        Op::Rotate { steps, .. } => more(permuted(operands[0].1, |slot| shape.rotated(slot, *steps))),
        Op::SumRotations { terms, steps } => {
            let mut out = vec![added.slot; slots.len()];
            for (number, steps) in (0..terms.len()).zip(steps).flat_map(|(i, list)| list.iter().map(move |s| (i, *s))) {
                let image = permuted(operands[number].1, |slot| shape.rotated(slot, steps));
                out.iter_mut().zip(image).for_each(|(out, variance)| *out += variance);
            }
            out
        }
        Op::Rescaled { op, .. } => spread(plan, op, operands, added),
        Op::Square { .. } => more(product(operands[0], operands[0], 4.0, 2.0)),
        Op::Multiply { .. } => more(product(operands[0], operands[1], 2.0, 1.0)),
        Op::AddPlain { .. } | Op::Conjugate { .. } | Op::SwitchTo { .. } | Op::Rescale { .. } => {
            more(operands[0].1.to_vec())
        }
    }
}

/// The largest variance of what the client reads in an output: of its slots, or of their sums.
pub(super) fn of_values(plan: &Plan, variances: &[f64]) -> f64 {
    let sums = 0..plan.answer().period.unwrap_or(variances.len());
    let sum = |slot| plan.answer().slots_of(plan.shape(), slot).map(|slot| variances[slot]).sum::<f64>();
    sums.map(sum).fold(0.0, f64::max)
}

/// `Var(ab) = |a|²·v_b + |b|²·v_a + v_a·v_b` for independent errors, which those of a square are not.
fn product(a: (&[Complex], &[f64]), b: (&[Complex], &[f64]), single: f64, both: f64) -> Vec<f64> {
    let mixed = |i: usize| norm(&a.0[i]) * b.1[i] + norm(&b.0[i]) * a.1[i];
    (0..a.1.len()).map(|i| single / 2.0 * mixed(i) + both * a.1[i] * b.1[i]).collect()
}
