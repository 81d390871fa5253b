//! The matrix–vector methods of the paper (section 5), each from one representation to another.

use core::ops::Range;
use std::sync::Arc;

use super::{AddendId, Answer, FactorId, MessageShape, Op, Plains, Plan, Register, Slots, Stage};
use crate::representation::{
    Convolution, Dense, DenseMaps, Interleaved, InterleavedParts, Representation, Sparse, Stacked,
};

/// A vector in some representation: its registers, one per message.
#[derive(Clone, Debug)]
pub struct Packed<R> {
    /// Where the values are.
    pub representation: R,
    pub(crate) registers: Vec<Register>,
}

/// A matrix of weights, row-major, and a bias per row.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// Row-major weights.
    pub weights: &'a [i64],
    /// One per row.
    pub bias: &'a [i128],
}

impl<'a> Affine<'a> {
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = (&'a [i64], i128)> + use<'a> {
        let columns = self.weights.len() / self.bias.len().max(1);
        self.weights.chunks_exact(columns.max(1)).zip(self.bias.iter().copied())
    }
}

/// Collects operations.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(super) plan: Plan,
    plains: Plains,
}

impl Builder {
    /// An empty plan for messages of this shape, with the messages of the input as its first registers.
    #[must_use]
    pub fn new<R: Representation>(name: &str, shape: MessageShape, input: R) -> (Self, Packed<R>) {
        let inputs = input.messages();
        let plan = Plan {
            name: name.into(),
            shape,
            inputs,
            ops: Vec::new(),
            plains: Arc::default(),
            stages: Vec::new(),
            outputs: Vec::new(),
            answer: Answer::default(),
        };
        let registers = (0..inputs).map(Register).collect();
        (Self { plan, plains: Plains::default() }, Packed { representation: input, registers })
    }

    /// The plan whose answer is `output`, of which every value is `factor` times the network's.
    #[must_use]
    pub fn finish<R: Representation>(mut self, output: &Packed<R>, factor: i128) -> Plan {
        self.plan.outputs.clone_from(&output.registers);
        let places = (0..output.representation.len()).map(|i| output.representation.locate(i)).collect();
        self.plan.answer = Answer { places, period: output.representation.trace_period(), factor };
        self.plan.plains = Arc::new(self.plains);
        self.plan
    }

    /// Marks what was done since the last stage as one stage.
    pub fn stage<A: Representation, B: Representation>(&mut self, layer: &str, method: &str, from: &A, to: &B) {
        let start = self.plan.stages.last().map_or(0, |stage| stage.ops.end);
        self.plan.stages.push(Stage {
            layer: layer.into(),
            method: method.into(),
            from: from.to_string(),
            to: to.to_string(),
            ops: start..self.plan.ops.len(),
        });
    }

    /// Convolution vector – row major: each map is a linear combination of the messages with scalar weights. The maps
    /// come out dense.
    #[must_use]
    pub fn convolution_row_major(&mut self, x: &Packed<Convolution>, maps: Affine<'_>) -> Packed<DenseMaps> {
        let len = x.representation.positions;
        let map = |(weights, bias): (&[i64], i128)| {
            let sum = self.push(Op::LinearCombination { terms: x.registers.clone(), weights: weights.to_vec() });
            self.add(sum, vec![bias; len])
        };
        let registers: Vec<_> = maps.rows().map(map).collect();
        Packed { representation: DenseMaps { maps: registers.len(), len }, registers }
    }

    /// The maps one behind the other in one message: a rotation for each but the first.
    #[must_use]
    pub fn concatenate(&mut self, x: &Packed<DenseMaps>) -> Packed<Dense> {
        let len = x.representation.len;
        let maps = x.registers.iter().enumerate();
        let moved = maps.map(|(map, &register)| self.rotate(register, -((map * len) as isize))).collect();
        Packed { representation: Dense { len: x.representation.len() }, registers: vec![self.sum(moved)] }
    }

    /// Copies of a dense vector in one message: a rotation for each but the first.
    #[must_use]
    pub fn stack(&mut self, x: &Packed<Dense>, copies: usize) -> Packed<Stacked> {
        let len = x.representation.len;
        let block = len.next_power_of_two();
        let moved = (0..copies).map(|copy| self.rotate(x.registers[0], -((copy * block) as isize))).collect();
        Packed { representation: Stacked { len, block, copies }, registers: vec![self.sum(moved)] }
    }

    /// Slot-wise square, in any representation.
    #[must_use]
    pub fn square<R: Clone>(&mut self, x: &Packed<R>) -> Packed<R> {
        let registers = x.registers.iter().map(|&input| self.push(Op::Square { input })).collect();
        Packed { representation: x.representation.clone(), registers }
    }

    /// Dense vector – row major: per row one product with a plaintext and a sum over all slots.
    #[must_use]
    pub fn dense_row_major(&mut self, x: &Packed<Dense>, matrix: Affine<'_>) -> Packed<Sparse> {
        self.row_major(x.registers[0], &x.representation, matrix)
    }

    /// Sparse vector – column major: per column one product with a plaintext; no rotation.
    #[must_use]
    pub fn sparse_column_major(&mut self, x: &Packed<Sparse>, matrix: Affine<'_>) -> Packed<Dense> {
        let len = matrix.bias.len();
        let columns = x.registers.iter().enumerate().map(|(j, &input)| {
            let column = matrix.rows().map(|(row, _)| row[j]).collect();
            self.multiply_plain(input, column)
        });
        let columns = columns.collect();
        let sum = self.sum(columns);
        Packed { representation: Dense { len }, registers: vec![self.add(sum, matrix.bias.to_vec())] }
    }

    /// Stacked vector – row major: as many rows at a time as there are copies, each summed within its block.
    #[must_use]
    pub fn stacked_row_major(&mut self, x: &Packed<Stacked>, matrix: Affine<'_>) -> Packed<InterleavedParts> {
        let Stacked { block, copies, .. } = x.representation;
        let rows: Vec<_> = matrix.rows().map(|(row, _)| row).collect();
        let registers = rows.chunks(copies).map(|group| {
            let mut values = vec![0; self.plan.shape.slots()];
            for (copy, row) in group.iter().enumerate() {
                values[copy * block..][..row.len()].copy_from_slice(row);
            }
            let product = self.multiply_plain(x.registers[0], values);
            self.fold(product, 1..block)
        });
        let registers = registers.collect();
        Packed { representation: InterleavedParts { len: rows.len(), block, per_message: copies }, registers }
    }

    /// The parts in one message: each is masked and moved by its number, then the bias is added.
    #[must_use]
    pub fn interleave(&mut self, parts: &Packed<InterleavedParts>, bias: &[i128]) -> Packed<Interleaved> {
        let InterleavedParts { len, block, per_message } = parts.representation;
        let mut mask = vec![0; self.plan.shape.slots()];
        mask.iter_mut().step_by(block).take(per_message).for_each(|slot| *slot = 1);
        let mask = self.factor(Slots::real(mask));
        let moved = parts.registers.iter().enumerate().map(|(number, &input)| {
            let kept = self.push(Op::InnerProduct { terms: vec![input], plains: vec![mask] });
            self.rotate(kept, -(number as isize))
        });
        let moved = moved.collect();
        let sum = self.sum(moved);
        let representation = Interleaved { len, block, width: per_message };
        let bias = self.spread(&representation, bias.iter().copied());
        Packed { representation, registers: vec![self.add(sum, bias)] }
    }

    /// Interleaved vector – row major: per row one product with a plaintext and a sum over all slots.
    #[must_use]
    pub fn interleaved_row_major(&mut self, x: &Packed<Interleaved>, matrix: Affine<'_>) -> Packed<Sparse> {
        self.row_major(x.registers[0], &x.representation, matrix)
    }

    fn row_major(&mut self, input: Register, at: &impl Representation, matrix: Affine<'_>) -> Packed<Sparse> {
        let row = |(row, bias): (&[i64], i128)| {
            let weights = self.spread(at, row.iter().copied());
            let product = self.multiply_plain(input, weights);
            let slots = self.plan.shape.slots();
            let sum = self.fold(product, 1..slots);
            self.add(sum, vec![bias; slots])
        };
        let registers = matrix.rows().map(row).collect();
        Packed { representation: Sparse { len: matrix.bias.len() }, registers }
    }

    /// Each slot becomes the sum of the slots at all multiples of `widths.start` up to `widths.end` from it, for powers of
    /// two: one rotation and one addition for each factor of two. The whole of two rows takes an exchange of rows.
    pub(super) fn fold(&mut self, mut register: Register, widths: Range<usize>) -> Register {
        let mut steps = widths.end / 2;
        while steps >= widths.start {
            let crosses = steps >= self.plan.shape.row;
            let moved = if crosses {
                self.push(Op::Conjugate { input: register })
            } else {
                self.rotate(register, steps as isize)
            };
            register = self.sum(vec![register, moved]);
            steps /= 2;
        }
        register
    }

    /// As [`Builder::fold`], two widths at a time: three rotations of one message share its digits and one division, which
    /// costs less than two rotations of two messages.
    pub(super) fn fold_by_four(&mut self, mut register: Register, mut widths: Range<usize>) -> Register {
        let row = self.plan.shape.row;
        if widths.end > row && widths.end > widths.start {
            register = self.fold(register, row..widths.end);
            widths.end = row;
        }
        let steps: Vec<isize> = core::iter::successors(Some(widths.end / 2), |steps| Some(steps / 2))
            .take_while(|steps| *steps >= widths.start.max(1))
            .map(|steps| steps as isize)
            .collect();
        steps.chunks(2).fold(register, |input, steps| {
            let images = match *steps {
                [a, b] => vec![0, a, b, a + b],
                [a] => vec![0, a],
                _ => vec![0],
            };
            self.push(Op::SumRotations { terms: vec![input], steps: vec![images] })
        })
    }

    /// The sum of rotations, which is divided once; without any, of what is there.
    pub(super) fn sum_rotations(&mut self, terms: Vec<(Register, isize)>) -> Register {
        if terms.iter().all(|(_, steps)| *steps == 0) {
            return self.sum(terms.into_iter().map(|(term, _)| term).collect());
        }
        let (terms, steps) = terms.into_iter().map(|(term, steps)| (term, vec![steps])).unzip();
        self.push(Op::SumRotations { terms, steps })
    }

    /// A rotation, unless it is by nothing.
    pub(super) fn rotate(&mut self, input: Register, steps: isize) -> Register {
        if steps == 0 { input } else { self.push(Op::Rotate { input, steps }) }
    }

    /// A sum, unless it is of one term.
    pub(super) fn sum(&mut self, terms: Vec<Register>) -> Register {
        if let [term] = terms[..] { term } else { self.push(Op::Sum { terms }) }
    }

    fn multiply_plain(&mut self, input: Register, weights: Vec<i64>) -> Register {
        let plain = self.factor(Slots::real(weights));
        self.push(Op::InnerProduct { terms: vec![input], plains: vec![plain] })
    }

    fn add(&mut self, input: Register, values: Vec<i128>) -> Register {
        let plain = self.addend(Slots::real(values));
        self.push(Op::AddPlain { input, plain })
    }

    /// Slots with values where a representation of one message has them, and zeros elsewhere.
    fn spread<T: Copy + Default>(&self, at: &impl Representation, values: impl Iterator<Item = T>) -> Vec<T> {
        let mut slots = vec![T::default(); self.plan.shape.slots()];
        for (i, value) in values.enumerate() {
            slots[at.locate(i).1] = value;
        }
        slots
    }

    pub(super) fn factor(&mut self, slots: Slots<i64>) -> FactorId {
        self.plains.factors.push(slots);
        FactorId(self.plains.factors.len() - 1)
    }

    pub(super) fn addend(&mut self, slots: Slots<i128>) -> AddendId {
        self.plains.addends.push(slots);
        AddendId(self.plains.addends.len() - 1)
    }

    pub(super) fn push(&mut self, op: Op) -> Register {
        self.plan.ops.push(op);
        self.plan.defined_by(self.plan.ops.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::evaluate::{Clear, Sequential, run};

    /// A plan of one message, made by `steps`, on numbers that tell slots apart; and its rotations.
    fn folded(shape: MessageShape, steps: impl Fn(&mut Builder, Register) -> Register) -> (Vec<(i128, i128)>, usize) {
        let (mut b, x) = Builder::new("test", shape, Dense { len: shape.slots() });
        let out = steps(&mut b, x.registers[0]);
        let rotations = b.plan.ops.iter().map(|op| op.rotations().count()).sum();
        let plan = b.finish(&Packed { representation: Dense { len: 1 }, registers: vec![out] }, 1);
        let clear = Clear::new(&plan, (1 << 61) - 1);
        let values: Vec<_> = (0..shape.slots() as i64).map(|i| (i * i + 1, -i)).collect();
        let outputs = run(&plan, &clear, vec![clear.message(&values)], &Sequential, &|_, _| {}).unwrap();
        (outputs.into_iter().next().unwrap(), rotations)
    }

    #[test]
    fn folds_by_four_are_folds() {
        for rows in [1, 2] {
            let shape = MessageShape { rows, row: 32 };
            let powers = || (0..=6).map(|log| 1 << log).filter(|&width| width <= shape.slots());
            for (start, end) in powers().flat_map(|start| powers().map(move |end| (start, end))) {
                let (expected, two) = folded(shape, |b, x| b.fold(x, start..end));
                let (found, four) = folded(shape, |b, x| b.fold_by_four(x, start..end));
                assert_eq!(found, expected, "{start}..{end} of {rows} rows");
                assert_eq!(four, two / 2 * 3 + two % 2, "{start}..{end} of {rows} rows");
            }
        }
    }

    /// Terms that are rotated and terms that are not; without any rotation, a plain sum.
    #[test]
    fn sums_of_rotations_are_sums() {
        let shape = MessageShape { rows: 1, row: 16 };
        let one_by_one = |steps: &[isize]| {
            folded(shape, |b, x| {
                let images = steps.iter().map(|&steps| b.rotate(x, steps)).collect();
                b.sum(images)
            })
        };
        for steps in [&[0][..], &[0, 0], &[3], &[0, 1, 5], &[2, -1]] {
            let found = folded(shape, |b, x| b.sum_rotations(steps.iter().map(|&steps| (x, steps)).collect()));
            assert_eq!(found, one_by_one(steps), "{steps:?}");
        }
    }
}
