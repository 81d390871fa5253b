//! Logits as horizontal bars around zero.

use tacit_model::argmax;

use super::units::grouped;
use crate::console::{ACCENT, Console, FAINT, STRONG};

/// Cells of the widest pair of bars.
const WIDTH: usize = 40;

/// A row per logit: label, bar, value; the largest stands out.
pub(crate) fn rows(console: &Console, labels: &[String], logits: &[i128]) -> Vec<String> {
    let best = argmax(logits);
    let scale = Scale::of(logits);
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let values: Vec<String> = logits.iter().map(|&logit| grouped(logit)).collect();
    let value_width = values.iter().map(String::len).max().unwrap_or(0);
    let block = if console.colour() { '█' } else { '#' };
    let row = |i: usize| {
        let (before, bar, after) = scale.cells(logits[i]);
        let [before, after] = [before, after].map(|cells| " ".repeat(cells));
        let bar: String = core::iter::repeat_n(block, bar).collect();
        let (style, mark) = if best == Some(i) { (ACCENT.bold(), "▶") } else { (FAINT, " ") };
        let text = format!("{mark} {:>width$}", labels[i]);
        let value = format!("{:>value_width$}", values[i]);
        let text = if best == Some(i) { console.paint(STRONG, text) } else { text };
        format!("  {text}  {before}{}{after}  {value}", console.paint(style, bar))
    };
    (0..logits.len().min(labels.len())).map(row).collect()
}

/// Where zero is, and how much a cell stands for.
struct Scale {
    left: usize,
    unit: f64,
}

impl Scale {
    fn of(logits: &[i128]) -> Self {
        // Drawings need no more precision than floats have.
        let low = logits.iter().copied().min().unwrap_or(0).min(0) as f64;
        let high = logits.iter().copied().max().unwrap_or(0).max(0) as f64;
        let unit = ((high - low) / WIDTH as f64).max(f64::MIN_POSITIVE);
        Self { left: (-low / unit).round() as usize, unit }
    }

    /// Cells before the bar, in it and after it.
    fn cells(&self, logit: i128) -> (usize, usize, usize) {
        let signed = logit as f64 / self.unit;
        let cells = (signed.abs().round() as usize).min(if signed < 0.0 { self.left } else { WIDTH - self.left });
        let before = if signed < 0.0 { self.left - cells } else { self.left };
        (before, cells, WIDTH - before - cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_start_at_zero_and_fill_the_width() {
        let scale = Scale::of(&[-10, 0, 30]);
        assert_eq!(scale.cells(-10), (0, 10, 30));
        assert_eq!(scale.cells(0), (10, 0, 30));
        assert_eq!(scale.cells(30), (10, 30, 0));
    }

    #[test]
    fn extremes_stay_within() {
        for logits in [vec![0, 0], vec![i128::MIN, i128::MAX], vec![-5, -5], vec![1], vec![]] {
            let scale = Scale::of(&logits);
            for &logit in &logits {
                let (before, bar, after) = scale.cells(logit);
                assert_eq!(before + bar + after, WIDTH, "{logits:?}");
            }
        }
    }
}
