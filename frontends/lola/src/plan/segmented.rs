//! Matrix–vector methods for messages in segments: few key switches, because every output is summed by the same folds.
//!
//! The diagonal method of Halevi and Shoup ("Algorithms in HElib", CRYPTO 2014) in every segment of a message at once,
//! with baby steps and giant steps. Each input value is wanted by all outputs, at as many slots as there are diagonals; the
//! client, or the layer before, puts copies there, which costs nothing.

use super::{Affine, Builder, Op, Packed, Register};
use crate::representation::{Replicated, Segmented, Spaced, Windows};

impl Builder {
    /// A convolution whose windows the client has laid out as the next layer wants its values: one product with a
    /// plaintext for each position of the window, no rotation.
    #[must_use]
    pub fn convolution_in_place(&mut self, x: &Packed<Windows>, maps: Affine<'_>) -> Packed<Segmented> {
        let Windows { window, positions, segments } = &x.representation;
        let rows: Vec<_> = maps.rows().collect();
        let spread = |value: &dyn Fn(usize) -> i128| segments.spread(|hidden| value(hidden / positions));
        let plains = (0..*window).map(|j| self.plain(spread(&|map| i128::from(rows[map].0[j])))).collect();
        let sum = self.push(Op::InnerProduct { terms: x.registers.clone(), plains });
        let plain = self.plain(spread(&|map| rows[map].1));
        Packed { representation: segments.clone(), registers: vec![self.push(Op::AddPlain { input: sum, plain })] }
    }

    /// A dense layer by diagonals: a product with a plaintext per diagonal, baby and giant steps within segments, and
    /// folds across them. Every segment of the result holds all outputs.
    #[must_use]
    pub fn segmented_diagonals(&mut self, x: &Packed<Segmented>, matrix: Affine<'_>) -> Packed<Replicated> {
        let segments = &x.representation;
        let Segmented { period, per_segment, .. } = *segments;
        let rows: Vec<_> = matrix.rows().map(|(row, _)| row).collect();
        // Diagonal i, moved to the right by the giant step that follows: at slot p + giant of segment c, the weight of
        // row p for the value that baby step i - giant brings there.
        let diagonal = |i: usize, giant: usize| {
            let mut slots = vec![0; self.plan.slots];
            for (c, segment) in slots.chunks_exact_mut(period).enumerate() {
                for (p, row) in rows.iter().enumerate() {
                    let hidden = per_segment * c + (p + i) % per_segment;
                    segment[p + giant] = row.get(hidden).map_or(0, |&w| i128::from(w));
                }
            }
            slots
        };
        let babies = baby_steps(per_segment);
        let giants: Vec<Vec<Vec<i128>>> = (0..per_segment)
            .step_by(babies)
            .map(|giant| (giant..per_segment.min(giant + babies)).map(|i| diagonal(i, giant)).collect())
            .collect();
        let rotated: Vec<Register> = (0..babies).map(|baby| self.rotate(x.registers[0], baby as isize)).collect();
        let mut parts = Vec::new();
        for (step, diagonals) in giants.into_iter().enumerate() {
            let terms = rotated[..diagonals.len()].to_vec();
            let plains = diagonals.into_iter().map(|slots| self.plain(slots)).collect();
            let sum = self.push(Op::InnerProduct { terms, plains });
            parts.push(self.rotate(sum, (step * babies) as isize));
        }
        let sum = self.sum(parts);
        let folded = self.fold_blocks(sum, period);
        let representation = Replicated { len: rows.len(), period };
        let bias = (0..self.plan.slots).map(|slot| matrix.bias.get(slot % period).copied().unwrap_or(0)).collect();
        let plain = self.plain(bias);
        Packed { representation, registers: vec![self.push(Op::AddPlain { input: folded, plain })] }
    }

    /// A dense layer on a vector that every segment holds: one product with a plaintext, which has one row per segment,
    /// and a sum within segments.
    ///
    /// # Panics
    /// If there are more rows than segments.
    #[must_use]
    pub fn replicated_rows(&mut self, x: &Packed<Replicated>, matrix: Affine<'_>) -> Packed<Spaced> {
        let period = x.representation.period;
        assert!(matrix.bias.len() * period <= self.plan.slots, "a row per segment");
        let (mut weights, mut bias) = (vec![0; self.plan.slots], vec![0; self.plan.slots]);
        for (c, (row, value)) in matrix.rows().enumerate() {
            for (slot, &weight) in weights[c * period..].iter_mut().zip(row) {
                *slot = i128::from(weight);
            }
            bias[c * period] = value;
        }
        let plain = self.plain(weights);
        let product = self.push(Op::MulPlain { input: x.registers[0], plain });
        let input = self.fold(product, period);
        let plain = self.plain(bias);
        let representation = Spaced { len: matrix.bias.len(), period };
        Packed { representation, registers: vec![self.push(Op::AddPlain { input, plain })] }
    }

    /// Every block of `period` slots becomes the sum of all blocks.
    fn fold_blocks(&mut self, mut register: Register, period: usize) -> Register {
        let mut steps = period;
        while steps < self.plan.slots {
            let rotated = self.rotate(register, steps as isize);
            register = self.sum(vec![register, rotated]);
            steps *= 2;
        }
        register
    }
}

/// How many diagonals share a giant step. Baby steps rotate one ciphertext, so that its decomposition is shared; giant
/// steps do not, and count for three of them.
fn baby_steps(diagonals: usize) -> usize {
    let cost = |babies: usize| (babies - 1) + 3 * (diagonals.div_ceil(babies) - 1);
    (1..=diagonals).min_by_key(|&babies| cost(babies)).unwrap_or(1)
}
