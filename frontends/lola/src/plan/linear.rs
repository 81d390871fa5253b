//! Linear layers between any two layouts: the diagonal method of Halevi and Shoup ("Algorithms in HElib", CRYPTO 2014) with
//! baby steps and giant steps, generalised to any placement of values.
//!
//! Output slot `s` needs the value of input slot `l`: the message is rotated by `r = l - s` and multiplied by a plaintext
//! that holds the weight in slot `s`. All pairs of slots with the same `r` share the rotation and the product. Where a value
//! has copies the nearest one is read, so that copies save rotations; where a sum is split over segments and folded
//! afterwards ([`Target`]) the nearest segment adds it.

use std::collections::{BTreeMap, BTreeSet};

use tacit_core::rlwe::MIN_TRACE_PERIOD;
use tacit_model::{Op as LayerOp, Shape};

use super::{AddendId, Builder, FactorId, MessageShape, Op, Packed, Register, Slots};
use crate::representation::{Cell, Layout, Place, Representation};

/// The most slots of all plaintexts of a layer: 2^27, a gigabyte of weights.
pub const MAX_SLOTS: usize = 1 << 27;

/// What a rotation of a message that is rotated more often costs, where the first costs 1: its digits are shared.
const HOISTED: f64 = 0.5;

/// A linear layer of a network with the shapes of its input and output.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    op: &'a LayerOp,
    input: Shape,
    output: Shape,
    /// Whether the client reads the outputs.
    last: bool,
}

/// Where the outputs of a linear layer go.
#[derive(Clone, Debug)]
pub enum Target {
    /// Where a layout says, by rotations alone.
    Place(Layout),
    /// Output `p` is summed in slots `p` of all segments of `period` slots at once; folds over the segments leave every
    /// output in each of them. If `paired`, two outputs share a slot.
    Across {
        /// Slots of a segment: a power of two.
        period: usize,
        /// Whether the second half of the outputs goes to the imaginary parts.
        paired: bool,
    },
    /// Output `c` is summed within segment `c` of `period` slots, and ends in its first slot.
    Within {
        /// Slots of a segment: a power of two.
        period: usize,
    },
}

impl<'a> Linear<'a> {
    /// A layer that maps values of shape `input` to `output`.
    #[must_use]
    pub const fn new(op: &'a LayerOp, input: Shape, output: Shape) -> Self {
        Self { op, input, output, last: false }
    }

    /// The same layer, whose outputs nobody reads but the client, who can sum slots without a key switch.
    #[must_use]
    pub const fn last(self) -> Self {
        Self { last: true, ..self }
    }

    /// Whether the client makes the sums over segments of `period` slots.
    const fn sums_are_read(&self, period: usize) -> bool {
        self.last && period >= MIN_TRACE_PERIOD
    }

    /// Values that it makes.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.output.iter().product()
    }

    fn bias(&self, output: usize) -> i128 {
        let [_, rows, columns] = self.output;
        match self.op {
            LayerOp::Conv2d(conv) => conv.bias[output / (rows * columns)],
            LayerOp::Dense(dense) => dense.bias[output],
            LayerOp::Square => 0,
        }
    }

    /// Calls `f(output, input, weight)` for every weight that is not 0, with inputs in their places.
    fn for_each(&self, mut f: impl FnMut(usize, usize, i64)) {
        match self.op {
            LayerOp::Conv2d(conv) => {
                let [maps, rows, columns] = self.output;
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                    let window: Vec<_> = conv.window(self.input, row, column).collect();
                    for (map, weights) in (0..maps).zip(conv.weights.chunks_exact(window.len())) {
                        let output = (map * rows + row) * columns + column;
                        let seen = window.iter().zip(weights).filter(|(_, weight)| **weight != 0);
                        seen.for_each(|(input, &weight)| input.iter().for_each(|&input| f(output, input, weight)));
                    }
                }
            }
            LayerOp::Dense(dense) => {
                for (output, row) in dense.weights.chunks_exact(dense.inputs.max(1)).enumerate() {
                    let weights = row.iter().enumerate().filter(|(_, weight)| **weight != 0);
                    weights.for_each(|(input, &weight)| f(output, input, weight));
                }
            }
            LayerOp::Square => {}
        }
    }
}

impl Builder {
    /// A linear layer: a product with a plaintext per diagonal, baby and giant steps, and the target's folds. On pairs of
    /// inputs the real part is taken at the end, by one conjugation. `None` if its plaintexts would be larger than
    /// [`MAX_SLOTS`].
    ///
    /// # Panics
    /// If pairs of inputs are to become pairs of outputs.
    #[must_use]
    pub fn linear(&mut self, x: &Packed<Layout>, layer: &Linear<'_>, target: &Target) -> Option<Packed<Layout>> {
        let (shape, paired) = (self.plan.shape, x.representation.is_paired());
        let diagonals = Diagonals::new(shape, &x.representation, layer, target)?;
        let mut registers: Vec<Register> = self.steps(x, diagonals);
        if paired {
            for register in &mut registers {
                let conjugate = self.push(Op::Conjugate { input: *register });
                *register = self.sum(vec![*register, conjugate]);
            }
        }
        let (layout, folds) = target.result(layer, shape);
        let folded: Vec<_> = registers.into_iter().map(|register| self.fold_by_four(register, folds.clone())).collect();
        let layout = layout.times(x.representation.factor * if paired { 2 } else { 1 });
        Some(self.with_bias(folded, layout, layer))
    }

    /// A linear layer in messages of one value each: sums with scalar weights, as in CryptoNets (Gilad-Bachrach and others,
    /// ICML 2016, section 3.1). No rotation, no plaintext product.
    #[must_use]
    pub fn batched(&mut self, x: &Packed<Layout>, layer: &Linear<'_>) -> Packed<Layout> {
        let mut rows: Vec<(Vec<Register>, Vec<i64>)> = vec![Default::default(); layer.outputs()];
        layer.for_each(|output, input, weight| {
            rows[output].0.push(x.registers[input]);
            rows[output].1.push(weight);
        });
        let factor = x.representation.factor;
        let mut addends: BTreeMap<i128, AddendId> = BTreeMap::new();
        let mut registers = Vec::with_capacity(rows.len());
        for (output, (mut terms, mut weights)) in rows.into_iter().enumerate() {
            // A value without weights is a sum like any other.
            if terms.is_empty() {
                (terms, weights) = (vec![x.registers[0]], vec![0]);
            }
            let sum = self.push(Op::LinearCombination { terms, weights });
            let bias = layer.bias(output) * factor;
            let plain = *addends.entry(bias).or_insert_with(|| self.addend(Slots::real(vec![bias])));
            registers.push(self.push(Op::AddPlain { input: sum, plain }));
        }
        Packed { representation: Layout::batched(layer.outputs()).times(factor), registers }
    }

    /// A linear layer of the *squares* of pairs: `Σ w_p·a_p² + v_p·b_p²` for slots that hold `z_p = a_p + i·b_p`. With
    /// `z·z̄ = a² + b²` and `Re(z²) = a² - b²` it is half the real part of `Σ z·((w - v)·z + (w + v)·z̄)`: one conjugation
    /// and one product of two messages, where two squares would need a message each. Output `c` is summed within segment
    /// `c` of `period` slots.
    #[must_use]
    pub fn squared_pairs(&mut self, x: &Packed<Layout>, layer: &Linear<'_>, period: usize) -> Packed<Layout> {
        let (shape, cells) = (self.plan.shape, &x.representation.cells()[0]);
        let half =
            x.representation.places().iter().filter(|places| places.iter().any(|place| !place.imaginary)).count();
        let mut weights = vec![[0, 0]; shape.slots()];
        layer.for_each(|output, input, weight| {
            let (slot, part) = if input < half { (input, 0) } else { (input - half, 1) };
            weights[output * period + slot][part] += weight;
        });
        debug_assert!(weights.iter().zip(cells).all(|(w, cell)| w[1] == 0 || cell.im().is_some()));
        let difference = self.factor(Slots::real(weights.iter().map(|[w, v]| w - v).collect()));
        let sum = self.factor(Slots::real(weights.iter().map(|[w, v]| w + v).collect()));
        let z = x.registers[0];
        let conjugate = self.push(Op::Conjugate { input: z });
        let mixed = self.push(Op::InnerProduct { terms: vec![z, conjugate], plains: vec![difference, sum] });
        let product = self.push(Op::Multiply { factors: [z, mixed] });
        let register = self.fold_by_four(product, 1..period);
        let factor = 2 * x.representation.factor.pow(2);
        let layout = within(layer, period, shape).times(factor);
        self.with_bias(vec![register], layout, layer)
    }

    /// Adds the bias wherever an output is.
    fn with_bias(&mut self, registers: Vec<Register>, layout: Layout, layer: &Linear<'_>) -> Packed<Layout> {
        let bias = |value: Option<usize>| value.map_or(0, |output| layer.bias(output) * layout.factor);
        let part = |of: fn(Cell) -> Option<usize>, cells: &[Cell]| cells.iter().map(|&cell| bias(of(cell))).collect();
        let (shape, trace) = (self.plan.shape, layout.trace_period());
        let add = |(register, cells): (Register, &Vec<Cell>)| {
            let re = trace.map_or_else(|| part(Cell::re, cells), |period| spread(part(Cell::re, cells), period, shape));
            let im = if layout.is_paired() { part(Cell::im, cells) } else { Vec::new() };
            let plain = self.addend(Slots { re, im });
            self.push(Op::AddPlain { input: register, plain })
        };
        let registers = registers.into_iter().zip(layout.cells()).map(add).collect();
        Packed { representation: layout, registers }
    }

    /// The sums of all diagonals, one register per output message.
    fn steps(&mut self, x: &Packed<Layout>, diagonals: Diagonals) -> Vec<Register> {
        let step = diagonals.giant_step(x.registers.len());
        let shape = self.plan.shape;
        let mut babies: BTreeMap<(usize, usize), Register> = BTreeMap::new();
        let mut giants: BTreeMap<(usize, usize), Vec<(Register, FactorId)>> = BTreeMap::new();
        for (message, rotation, source, slots) in diagonals.into_entries() {
            let (baby, giant) = (rotation % step, rotation - rotation % step);
            let rotated =
                *babies.entry((source, baby)).or_insert_with(|| self.rotate(x.registers[source], baby as isize));
            let factor = self.factor(shifted(shape, slots, giant));
            giants.entry((message, giant)).or_default().push((rotated, factor));
        }
        let mut parts: BTreeMap<usize, Vec<(Register, isize)>> = BTreeMap::new();
        for ((message, giant), products) in giants {
            let (terms, plains) = products.into_iter().unzip();
            let sum = self.push(Op::InnerProduct { terms, plains });
            parts.entry(message).or_default().push((sum, giant as isize));
        }
        parts.into_values().map(|parts| self.sum_rotations(parts)).collect()
    }
}

/// Outputs summed within segments, which the client reads alone if it can: of the last layer nothing else is shown. The
/// segments after the last output are empty, so that its sums of slots are the outputs still.
fn within(layer: &Linear<'_>, period: usize, shape: MessageShape) -> Layout {
    let layout = Layout::spaced(layer.outputs(), period, shape.slots());
    let all = (layer.outputs() * period).next_power_of_two();
    if layer.sums_are_read(all) && all < shape.row { layout.traced(all) } else { layout }
}

/// Values spread evenly over the slots that are summed to them, so that none is larger than the mean of a sum.
fn spread(values: Vec<i128>, period: usize, shape: MessageShape) -> Vec<i128> {
    let terms = (shape.row / period) as i128;
    let mut out = vec![0; values.len()];
    for (slot, value) in values.into_iter().enumerate().filter(|(_, value)| *value != 0) {
        let start = slot - slot % shape.row;
        for k in 0..terms {
            let other = start + (slot - start + k as usize * period) % shape.row;
            out[other] += value.div_euclid(terms) + i128::from(k < value.rem_euclid(terms));
        }
    }
    out
}

impl Target {
    /// The layout that comes out, and the widths to fold.
    fn result(&self, layer: &Linear<'_>, shape: MessageShape) -> (Layout, core::ops::Range<usize>) {
        let (outputs, slots) = (layer.outputs(), shape.slots());
        match self {
            // Rows are folded, segments are summed by the client.
            Self::Across { period, .. } if layer.sums_are_read(*period) => {
                (Layout::dense(outputs, slots).traced(*period), shape.row..slots)
            }
            Self::Place(layout) => (layout.clone(), slots..slots),
            Self::Across { period, paired } => (Layout::replicated(outputs, *period, slots, *paired), *period..slots),
            Self::Within { period } => (within(layer, *period, shape), 1..*period),
        }
    }

    /// How an input gets to a place of an output, from the nearest of its own places, which are in the order of slots; the
    /// sums of [`Target::Across`] and [`Target::Within`] choose the place.
    fn nearest(&self, shape: MessageShape, inputs: &[Place], half: usize, output: usize) -> Option<Step> {
        let to = |from: Place, slot: usize, imaginary: bool| {
            let rotation = (from.slot % shape.row + shape.row - slot % shape.row) % shape.row;
            let same_row = slot / shape.row == from.slot / shape.row;
            same_row.then_some(Step { message: 0, slot, rotation, imaginary, from })
        };
        let steps = inputs.iter().filter_map(|&from| match self {
            Self::Place(_) => None,
            Self::Across { period, paired } => {
                let imaginary = *paired && output >= half;
                let column = if imaginary { output - half } else { output };
                let rotation = (from.slot % period + period - column) % period;
                to(from, shape.rotated(from.slot, -(rotation as isize)), imaginary)
            }
            Self::Within { period } => to(from, output * period + from.slot % period, false),
        });
        steps.min_by_key(|step| step.rotation)
    }
}

/// How an input gets to a place: from the first of its own places, which are in the order of slots, that is there or to the
/// right of it, in the same row.
fn nearest_right(shape: MessageShape, inputs: &[Place], to: Place) -> Option<Step> {
    let row = to.slot / shape.row;
    let from = |least: usize| inputs.get(inputs.partition_point(|from| from.slot < least)).copied();
    let within = |from: &Place| from.slot / shape.row == row;
    let from = from(to.slot).filter(within).or_else(|| from(row * shape.row).filter(within))?;
    let rotation = (from.slot + shape.row - to.slot) % shape.row;
    Some(Step { message: to.message, slot: to.slot, rotation, imaginary: to.imaginary, from })
}

/// One product: an input's place, the slot of the output, and the rotation from one to the other.
#[derive(Clone, Copy)]
struct Step {
    message: usize,
    slot: usize,
    rotation: usize,
    imaginary: bool,
    from: Place,
}

/// The plaintexts of a layer before they are split into steps: for each output message, rotation and input message, the
/// weights in the output's slots.
struct Diagonals {
    shape: MessageShape,
    sources: usize,
    /// By output message, rotation and input message: the number of the plaintext.
    index: Vec<Option<usize>>,
    plains: Vec<Slots<i64>>,
}

impl Diagonals {
    fn new(shape: MessageShape, x: &Layout, layer: &Linear<'_>, target: &Target) -> Option<Self> {
        let outputs = layer.outputs();
        let result = target.result(layer, shape).0;
        let (mut inputs, places) =
            (x.places(), if let Target::Place(layout) = target { layout.places() } else { Vec::new() });
        let pairs = (x.is_paired(), result.is_paired());
        inputs.iter_mut().for_each(|places| places.sort_by_key(|place| (place.slot, place.message)));
        assert!(pairs != (true, true), "pairs of inputs become single outputs");
        let sources = x.cells().len();
        let keys = result.cells().len().checked_mul(shape.row)?.checked_mul(sources)?;
        if keys > MAX_SLOTS {
            return None;
        }
        let mut out = Self { shape, sources, index: vec![None; keys], plains: Vec::new() };
        let half = outputs.div_ceil(2);
        layer.for_each(|output, input, weight| match places.get(output) {
            Some(places) => {
                let steps = places.iter().filter_map(|&place| nearest_right(shape, &inputs[input], place));
                steps.for_each(|step| out.add(step, weight));
            }
            None => {
                let step = target.nearest(shape, &inputs[input], half, output);
                step.into_iter().for_each(|step| out.add(step, weight));
            }
        });
        (0..result.cells().len()).for_each(|message| out.ensure(message));
        (out.plains.len() * shape.slots() <= MAX_SLOTS).then_some(out)
    }

    /// A message whose weights are all 0 is a sum like any other.
    fn ensure(&mut self, message: usize) {
        let keys = self.shape.row * self.sources;
        if self.index[message * keys..][..keys].iter().all(Option::is_none) {
            self.index[message * keys] = Some(self.plains.len());
            self.plains.push(Slots::real(vec![0; self.shape.slots()]));
        }
    }

    fn add(&mut self, step: Step, weight: i64) {
        let key = (step.message * self.shape.row + step.rotation) * self.sources + step.from.message;
        if self.plains.len() * self.shape.slots() > MAX_SLOTS {
            return;
        }
        let number = *self.index[key].get_or_insert_with(|| {
            self.plains.push(Slots::real(vec![0; self.shape.slots()]));
            self.plains.len() - 1
        });
        let plain = &mut self.plains[number];
        // An imaginary input counts times -i, whose real part is the input; an imaginary output, times i.
        if !step.imaginary && !step.from.imaginary {
            plain.re[step.slot] += weight;
            return;
        }
        plain.im.resize(self.shape.slots(), 0);
        plain.im[step.slot] += if step.imaginary { weight } else { -weight };
    }

    /// Output message, rotation, input message, plaintext.
    fn into_entries(self) -> impl Iterator<Item = (usize, usize, usize, Slots<i64>)> {
        let Self { shape, sources, index, plains } = self;
        let mut plains: Vec<_> = plains.into_iter().map(Some).collect();
        let used = index.into_iter().enumerate().filter_map(|(key, number)| Some((key, number?)));
        used.filter_map(move |(key, number)| {
            let (place, source) = (key / sources, key % sources);
            Some((place / shape.row, place % shape.row, source, plains[number].take()?))
        })
    }

    /// The giant step with which rotations cost least: rotations of the inputs share their digits, those of sums do not.
    fn giant_step(&self, sources: usize) -> usize {
        let used = self.index.iter().enumerate().filter(|(_, number)| number.is_some());
        let rotations: BTreeSet<usize> = used.map(|(key, _)| key / self.sources % self.shape.row).collect();
        let messages = self.index.len() / (self.shape.row * self.sources);
        let turning = |steps: BTreeSet<usize>| steps.iter().filter(|step| **step > 0).count() as f64;
        let cost = |step: usize| {
            let babies = turning(rotations.iter().map(|r| r % step).collect());
            let giants = turning(rotations.iter().map(|r| r / step).collect());
            let first = if babies > 0.0 { 1.0 - HOISTED } else { 0.0 };
            (babies * HOISTED + first) * sources as f64 + giants * messages as f64
        };
        let largest = rotations.last().map_or(1, |&r| r + 1);
        // Long lists of rotations come in blocks, whose steps are powers of two.
        let all = |step: &usize| rotations.len() <= 256 || step.is_power_of_two() || *step == largest;
        (1..=largest).filter(all).min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(1)
    }
}

/// The plaintext for a sum that is rotated by `giant` afterwards.
fn shifted(shape: MessageShape, slots: Slots<i64>, giant: usize) -> Slots<i64> {
    let shift = |mut part: Vec<i64>| {
        part.chunks_exact_mut(shape.row).for_each(|row| row.rotate_right(giant));
        part
    };
    Slots { re: shift(slots.re), im: shift(slots.im) }
}
