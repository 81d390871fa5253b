//! How much error the logits bear before labels change.
//!
//! The *logit tolerance* of a network is the largest standard deviation of independent normal errors, one per logit, at which
//! the expected number of changed labels is at most one in 10,000 over the validation inputs. Approximate encryption is
//! planned by it: a finer answer costs time and changes no label.
//!
//! It is computed in closed form, from the gaps between each input's largest logit and its others. The difference of two errors
//! of deviation `σ` is normal of deviation `σ√2`, so that by the union bound
//!
//! ```text
//! P(another label) ≤ Σ Q(gap / (σ√2)),    Q(x) = erfc(x / √2) / 2
//! ```
//!
//! over the logits below the largest. Inputs whose two largest logits are equal do not count: no answer is lost there. The
//! bound grows with `σ`, and bisection finds where its mean over the inputs is 1/10,000.

use alloc::vec::Vec;

use crate::error::ModelError;

/// Inputs of which errors within the tolerance change the label of one.
const INPUTS_PER_CHANGE: f64 = 10_000.0;

/// Beyond this many deviations nothing happens: `erfc(30) < 2^-1000`.
const FAR: f64 = 30.0;

/// A standard deviation of the logits' errors: positive and finite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Tolerance(f64);

/// What is equal to itself: no tolerance is NaN.
impl Eq for Tolerance {}

impl Tolerance {
    /// A tolerance in units of the logits.
    ///
    /// # Errors
    ///
    /// [`ModelError::Tolerance`] unless it is positive and finite.
    pub fn new(deviation: f64) -> Result<Self, ModelError> {
        if deviation.is_finite() && deviation > 0.0 {
            Ok(Self(deviation))
        } else {
            Err(ModelError::Tolerance { deviation })
        }
    }

    /// The standard deviation in units of the logits: in `(0, ∞)`.
    #[must_use]
    pub const fn deviation(self) -> f64 {
        self.0
    }
}

/// The gaps between logits of the inputs seen so far.
///
/// ```
/// use tacit_model::tolerance::Gaps;
///
/// let mut gaps = Gaps::default();
/// gaps.add(&[70, 120, -4]);
/// gaps.add(&[33, 33, 20]); // a tie: it does not count
/// // Q(3.719) = 1/10,000: an error of this deviation, times √2, is 3.719 times below the gap of 50.
/// assert_eq!(gaps.tolerance().map(|tolerance| tolerance.deviation()), Some(9.507));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Gaps {
    inputs: usize,
    gaps: Vec<f64>,
}

impl Gaps {
    /// Takes the logits of an input.
    pub fn add(&mut self, logits: &[i128]) {
        let Some(&top) = logits.iter().max() else { return };
        if logits.iter().filter(|&&logit| logit == top).count() > 1 {
            return;
        }
        self.inputs += 1;
        // Not more than 2^128 either way.
        let others = logits.iter().filter(|&&logit| logit != top);
        self.gaps.extend(others.map(|&logit| top.abs_diff(logit) as f64));
    }

    /// The tolerance by these inputs, to four digits; `None` if no label of theirs can change: a single output, or ties only.
    #[must_use]
    pub fn tolerance(mut self) -> Option<Tolerance> {
        self.gaps.sort_by(f64::total_cmp);
        let (least, most) = (*self.gaps.first()?, *self.gaps.last()?);
        // Nothing changes at the lower end, a seventh or more of all labels at the upper one.
        let (mut low, mut high) = (least / (2.0 * FAR), most);
        while high > low * (1.0 + 1e-9) {
            let middle = (low * high).sqrt();
            if self.changed(middle) * INPUTS_PER_CHANGE <= 1.0 { low = middle } else { high = middle }
        }
        let digits = alloc::format!("{low:.3e}").parse().ok()?;
        Tolerance::new(digits).ok()
    }

    /// The bound on the share of labels that errors of this deviation change. The gaps are in ascending order.
    fn changed(&self, deviation: f64) -> f64 {
        let near = self.gaps.iter().map(|gap| gap / (2.0 * deviation)).take_while(|&distance| distance < FAR);
        near.map(libm::erfc).sum::<f64>() / 2.0 / self.inputs as f64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn tolerance(rows: &[&[i128]]) -> Option<f64> {
        let mut gaps = Gaps::default();
        rows.iter().for_each(|row| gaps.add(row));
        gaps.tolerance().map(Tolerance::deviation)
    }

    /// Quantiles of the normal distribution from tables: `Q(3.71902) = 10^-4`, `Q(3.54008) = 2·10^-4`, `Q(3.89059) = 10^-4/2`.
    #[test]
    fn known_quantiles() {
        let close = |found: Option<f64>, gap: f64, quantile: f64| {
            let expected = gap / (quantile * 2_f64.sqrt());
            assert!((found.unwrap() / expected - 1.0).abs() < 1e-3, "{found:?}, expected {expected}");
        };
        close(tolerance(&[&[0, 1000]]), 1000.0, 3.719_02);
        close(tolerance(&[&[0, 1000, 0]]), 1000.0, 3.890_59);
        // Of two inputs, one that never changes and one that does twice as often.
        close(tolerance(&[&[0, 1000], &[1 << 100, 0]]), 1000.0, 3.540_08);
        close(tolerance(&[&[i128::MIN, i128::MAX]]), 128_f64.exp2(), 3.719_02);
    }

    #[test]
    fn what_cannot_change_has_no_tolerance() {
        assert_eq!(tolerance(&[]), None);
        assert_eq!(tolerance(&[&[], &[5], &[7, 7], &[9, 1, 9]]), None);
        assert_eq!(tolerance(&[&[7, 7], &[1, 9]]), tolerance(&[&[9, 1]]));
    }

    #[test]
    fn only_positive_finite_numbers_are_tolerances() {
        for deviation in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = Tolerance::new(deviation).unwrap_err().to_string();
            assert!(error.contains("logit_tolerance") && error.contains("positive"), "{error}");
        }
        for deviation in [f64::MIN_POSITIVE, 5e-324, f64::MAX] {
            assert_eq!(Tolerance::new(deviation).unwrap().deviation().to_bits(), deviation.to_bits());
        }
    }

    /// Labels that change in a simulation, against the closed form: at a deviation large enough to count them.
    #[test]
    fn the_closed_form_bounds_what_happens() {
        let rows: Vec<[i128; 3]> = (0..50).map(|i| [0, 40 + 3 * i, 90 - i]).collect();
        let mut gaps = Gaps::default();
        rows.iter().for_each(|row| gaps.add(row));
        gaps.gaps.sort_by(f64::total_cmp);
        let (deviation, trials, mut random) = (15.0, 2000, Normal(1));
        let mut changed = 0_usize;
        for row in rows.iter().cycle().take(50 * trials) {
            let noisy = row.map(|logit| logit as f64 + deviation * random.next());
            let label = |row: [f64; 3]| (0..3).fold(0, |best, i| if row[i] > row[best] { i } else { best });
            changed += usize::from(label(noisy) != label(row.map(|logit| logit as f64)));
        }
        let (simulated, bound) = (changed as f64 / (50 * trials) as f64, gaps.changed(deviation));
        assert!(simulated < 1.01 * bound && simulated > 0.95 * bound, "{simulated} of {bound}");
    }

    /// Normal numbers by the sum of twelve uniform ones.
    struct Normal(u64);

    impl Normal {
        fn next(&mut self) -> f64 {
            let mut uniform = || {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (self.0 >> 11) as f64 / 53_f64.exp2()
            };
            (0..12).map(|_| uniform()).sum::<f64>() - 6.0
        }
    }
}
