//! The planner: from a network and a goal to layouts, steps and parameters.
//!
//! Every layer is one of a few [`Builder`] methods between two [`Layout`]s. The planner builds the network's plan for each
//! way of laying out its input, and for each way of summing its dense layers, lowers each to the smallest parameters that
//! hold it, counts the work, and takes the best by the goal. Nothing here knows a network by name.

use tacit_core::backend::Kernels;
use tacit_core::params::{Params, Security};
use tacit_core::rlwe::MIN_TRACE_PERIOD;
use tacit_model::{Network, Op};

use crate::cost::{Sizes, Work};
use crate::error::PlanError;
use crate::lower::approximate::{self, Precision};
use crate::lower::{Lowered, exact};
use crate::paper;
use crate::plan::{Builder, Linear, MessageShape, Packed, Plan, Register, Target};
use crate::representation::{Grid, Layout};
use crate::spec::Scheme;

/// Ring degrees that are tried, smallest first.
const DEGREES: [usize; 5] = [2048, 4096, 8192, 16384, 32768];

/// The most plaintext moduli that are tried.
const MAX_MODULI: u32 = 3;

/// The most products of weights and values in a layer: more would take minutes to lay out.
const MAX_PRODUCTS: usize = 1 << 28;

/// The most products of scalars and messages in a layer: each takes about a tenth of a millisecond, and is a term of the plan.
const MAX_SCALAR_PRODUCTS: usize = 1 << 20;

/// The most messages that the values of a dense first layer are spread over.
const MAX_SPREAD: usize = 16;

const SECURITY: Security = Security::Classical128;

/// The first message of a query.
pub(crate) const FIRST_INPUT: Register = Register(0);

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Goal {
    /// The plan of the paper's Table 1, made by hand.
    Paper,
    /// The least time on the server.
    Latency,
    /// The fewest bytes in a query, but for a twentieth; then the least time.
    Upload,
    /// The least time for an input where there are many: each query is of as many inputs as a message has slots.
    Throughput,
}

/// One way of computing a network that the planner looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// How the input is laid out, and how dense layers are summed.
    pub name: String,
    /// Degree of the ring.
    pub degree: usize,
    /// `log2(Q·P)`.
    pub log2_qp: u64,
    /// Ciphertext primes.
    pub levels: usize,
    /// Key switches.
    pub key_switches: usize,
    /// Products with plaintexts.
    pub plain_products: usize,
    /// Messages of a query.
    pub messages: usize,
    /// Inputs of a query.
    pub batch: usize,
    /// Bytes of the residues of a query.
    pub upload: usize,
    /// Kernel calls.
    pub work: Work,
    /// An estimate of the time in transforms of 8192 coefficients, by which ways are compared before anything is measured.
    pub effort: f64,
    /// The time of a transform in its ring, as a multiple of one of 8192 coefficients.
    pub relative: f64,
}

/// A plan, the layout of its input, and parameters that hold it.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) layout: Layout,
    pub(crate) params: Params,
    pub(crate) lowered: Lowered,
    pub(crate) choice: Choice,
}

/// The best plan by the goal, and all that were compared, the best first.
pub(crate) fn plan(
    network: &Network,
    goal: Goal,
    scheme: Scheme,
    kernels: Kernels,
) -> Result<(Planned, Vec<Choice>), PlanError> {
    let limit = if goal == Goal::Throughput { MAX_SCALAR_PRODUCTS } else { MAX_PRODUCTS };
    if let Some(layer) = network.describe().into_iter().find(|layer| layer.products > limit) {
        let (layer, products) = (layer.name.to_string(), layer.products);
        return Err(PlanError::TooLarge { layer, products, limit });
    }
    let mut refusal = None;
    let mut found: Vec<Planned> = Vec::new();
    for way in Way::all(network, goal, scheme) {
        match way.smallest(network, scheme, kernels) {
            Ok(planned) => found.extend(planned),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    let least = found.iter().map(|planned| planned.choice.upload).min().unwrap_or(0);
    // Precision that is there to spare makes a modulus a bit longer, which is not what the goal is about.
    let key = |planned: &Planned| match goal {
        Goal::Upload if planned.choice.upload > least + least / 20 => (planned.choice.upload, planned.choice.effort),
        _ => (0, planned.choice.effort),
    };
    found.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(core::cmp::Ordering::Equal));
    let choices = found.iter().map(|planned| planned.choice.clone()).collect();
    match found.into_iter().next() {
        Some(best) => Ok((best, choices)),
        None => Err(refusal.map_or_else(|| too_deep(network, scheme), Ok)?),
    }
}

/// No ring holds any plan.
fn too_deep(network: &Network, scheme: Scheme) -> Result<PlanError, PlanError> {
    let degree = DEGREES[DEGREES.len() - 1];
    Ok(match scheme {
        Scheme::Bfv => exact::too_deep(network.logit_bound()?, degree, SECURITY),
        Scheme::Ckks => {
            let squares = network.layers().iter().filter(|layer| matches!(layer.op, Op::Square)).count();
            let limit_bits = SECURITY.limit(degree).unwrap_or(0);
            let precision_bits = Precision::of(network)?.bits().ceil() as u32;
            PlanError::TooManySquares { squares, precision_bits, degree, limit_bits, security: SECURITY.bits() }
        }
    })
}

/// How the client lays the input out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// By the paper's plan.
    Paper,
    /// A message per position of the first convolution's window, or per two.
    Windows { paired: bool },
    /// For a dense first layer, in segments of so many messages.
    Segments { messages: usize },
    /// The picture itself, in blocks.
    Blocks,
    /// A message per value, of many inputs.
    Batched,
}

/// One way of computing a network.
#[derive(Clone, Copy, Debug)]
struct Way {
    input: Input,
    /// Two outputs of a dense layer to a slot, where that is possible.
    pairs: bool,
}

impl Way {
    fn all(network: &Network, goal: Goal, scheme: Scheme) -> Vec<Self> {
        if goal == Goal::Paper {
            return vec![Self { input: Input::Paper, pairs: false }];
        }
        if goal == Goal::Throughput {
            return vec![Self { input: Input::Batched, pairs: false }];
        }
        let complex = scheme == Scheme::Ckks;
        let inputs: Vec<Input> = match network.layers().first().map(|layer| &layer.op) {
            Some(Op::Conv2d(_)) => {
                let paired = complex.then_some(Input::Windows { paired: true });
                [Input::Windows { paired: false }, Input::Blocks].into_iter().chain(paired).collect()
            }
            _ => {
                let messages = core::iter::successors(Some(1), |messages| Some(2 * messages));
                messages.take_while(|&m| m <= MAX_SPREAD).map(|messages| Input::Segments { messages }).collect()
            }
        };
        let pairs: &[bool] = if complex { &[true, false] } else { &[false] };
        let ways = inputs.into_iter().flat_map(|input| pairs.iter().map(move |&pairs| Self { input, pairs }));
        // Where there is nothing to pair, both ways are one.
        let dense = |layer: &usize| matches!(network.layers()[*layer].op, Op::Dense(_));
        let some = |way: &Self| (0..network.layers().len()).filter(dense).any(|layer| way.paired(network, layer));
        ways.filter(|way| !way.pairs || some(way)).collect()
    }

    /// The plan in the smallest rings that hold it, the best of them.
    fn smallest(self, network: &Network, scheme: Scheme, kernels: Kernels) -> Result<Option<Planned>, PlanError> {
        let bound = network.logit_bound()?;
        let mut found: Vec<Planned> = Vec::new();
        let mut open: Vec<u32> = if scheme == Scheme::Bfv { (1..=MAX_MODULI).collect() } else { vec![1] };
        for degree in DEGREES {
            // A ring costs more than twice as much as one of half its degree.
            let enough = found.iter().any(|planned| degree > 2 * planned.choice.degree);
            if open.is_empty() || enough {
                break;
            }
            let shape = self.shape(network, scheme, degree);
            // Exact values take half of a ring or all of it; approximate ones, as many slots as there are.
            let other = scheme == Scheme::Ckks && !shape.is_batched() && shape.row != degree / 2;
            if shape.row > degree / 2 || other {
                continue;
            }
            let Some((plan, layout)) = self.build(network, shape)? else { continue };
            for moduli in core::mem::take(&mut open) {
                let lowered = match scheme {
                    Scheme::Bfv => exact::lower(&plan, bound, degree, moduli, SECURITY, kernels)?,
                    Scheme::Ckks => {
                        let sample = approximate::Sample::new(&plan, &layout, &typical_input(network));
                        approximate::lower(&plan, degree, &sample, bound, Precision::of(network)?, SECURITY, kernels)?
                    }
                };
                match lowered {
                    Some((params, lowered)) => {
                        let choice = self.choice(scheme, &layout, &params, &lowered);
                        found.push(Planned { layout: layout.clone(), params, lowered, choice });
                    }
                    None => open.push(moduli),
                }
            }
        }
        Ok(found.into_iter().min_by(|a, b| a.choice.effort.total_cmp(&b.choice.effort)))
    }

    fn shape(self, network: &Network, scheme: Scheme, degree: usize) -> MessageShape {
        match (self.input, scheme) {
            (Input::Paper, _) => MessageShape { rows: 1, row: paper::slots(network) },
            (Input::Batched, _) => MessageShape::BATCHED,
            // Segments do not cross rows, so that a message may be both; blocks are read across all slots.
            (Input::Windows { .. } | Input::Segments { .. }, Scheme::Bfv) => MessageShape { rows: 2, row: degree / 2 },
            _ => MessageShape { rows: 1, row: degree / 2 },
        }
    }

    fn choice(self, scheme: Scheme, layout: &Layout, params: &Params, lowered: &Lowered) -> Choice {
        let (cost, streams) = (lowered.plan().cost(), params.plain_moduli().len().max(1));
        let (degree, messages) = (params.degree(), layout.cells().len());
        let sizes = Sizes::from(params);
        let work = Work::of(lowered, &sizes);
        Choice {
            name: format!("{layout}{}", if self.pairs { ", pairs" } else { "" }),
            degree,
            log2_qp: params.log2_qp(),
            levels: params.max_level(),
            key_switches: cost.key_switches(),
            plain_products: cost.plain_products,
            messages,
            batch: match (self.input, scheme) {
                (Input::Batched, Scheme::Bfv) => degree,
                (Input::Batched, Scheme::Ckks) => degree / 2,
                _ => 1,
            },
            upload: messages * streams * (params.log2_q(params.max_level()) as usize * degree).div_ceil(8),
            effort: work.in_transforms() * sizes.relative(),
            relative: sizes.relative(),
            work,
        }
    }

    /// The plan on messages of a shape; `None` if the network does not fit them, or cannot be computed this way.
    fn build(self, network: &Network, shape: MessageShape) -> Result<Option<(Plan, Layout)>, PlanError> {
        if self.input == Input::Paper {
            return paper::plan(network).map(Some);
        }
        let Some(layout) = self.input_layout(network, shape) else { return Ok(None) };
        let name = if shape.is_batched() { "throughput" } else { "latency" };
        let (b, x) = Builder::new(name, shape, layout.clone());
        let walk = Walk { network, way: self, shape, b, x, pending: None };
        Ok(walk.run().map(|plan| (plan, layout)))
    }

    fn input_layout(self, network: &Network, shape: MessageShape) -> Option<Layout> {
        let (slots, shapes) = (shape.slots(), network.shapes());
        match (self.input, &network.layers().first()?.op) {
            (Input::Windows { paired }, Op::Conv2d(conv)) => {
                let outputs = self.windows_target(network, shape)?;
                Some(Layout::windows(conv, shapes[0], shapes[1], &outputs, paired))
            }
            (Input::Segments { messages }, Op::Dense(dense)) => {
                Layout::segmented(dense.inputs, self.share(network, 0, dense.outputs), slots, messages)
            }
            (Input::Blocks, Op::Conv2d(_)) => Layout::grid(shapes[0], grid(network, 0)?, slots),
            (Input::Batched, _) => Some(Layout::batched(network.inputs())),
            _ => None,
        }
    }

    /// Where the outputs of the first convolution go: where the next dense layer wants them.
    fn windows_target(self, network: &Network, shape: MessageShape) -> Option<Layout> {
        let values = network.shapes()[1].iter().product();
        let next = network.layers().iter().enumerate().skip(1).find(|(_, layer)| !matches!(layer.op, Op::Square));
        match next.map(|(i, layer)| (i, &layer.op)) {
            Some((i, Op::Dense(dense))) => {
                Layout::segmented(values, self.share(network, i, dense.outputs), shape.slots(), 1)
            }
            Some(_) => None,
            None => Layout::segmented(values, 1, shape.slots(), 1),
        }
    }

    /// Slots that the outputs of a dense layer take.
    fn share(self, network: &Network, layer: usize, outputs: usize) -> usize {
        if self.paired(network, layer) { outputs.div_ceil(2) } else { outputs }
    }

    /// Whether the outputs of a dense layer come out in pairs: their squares must be summed next. The imaginary parts of
    /// those sums are of no use, so that nothing may be squared after.
    fn paired(self, network: &Network, layer: usize) -> bool {
        let next = network.layers().iter().skip(layer + 1).map(|layer| &layer.op);
        let squared = matches!(next.clone().take(2).collect::<Vec<_>>()[..], [Op::Square, Op::Dense(_)]);
        let last = next.skip(2).all(|op| !matches!(op, Op::Square));
        // Pairs of inputs do not become pairs.
        let single = layer > 0 || matches!(self.input, Input::Segments { .. });
        self.pairs && squared && last && single
    }
}

/// An input within the range that the network reads, the same at every call.
fn typical_input(network: &Network) -> Vec<i64> {
    let range = network.input_range();
    let [low, high] = [range.low(), range.high()].map(|end| end.clamp(i64::MIN.into(), i64::MAX.into()));
    let span = high - low + 1;
    // Multiples of the golden ratio modulo 1: spread evenly, and in no step with rows and columns.
    let value = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    (0..network.inputs()).map(|i| (low + i128::from(value(i)) % span) as i64).collect()
}

/// Blocks for the values before a layer: phases for all strides from there on, and room for the largest feature map.
fn grid(network: &Network, layer: usize) -> Option<Grid> {
    let stride = |layer: usize| match &network.layers()[layer].op {
        Op::Conv2d(conv) => conv.stride,
        _ => [1, 1],
    };
    let count = network.layers().len();
    let phases = |from: usize| (from..count).map(stride).fold([1, 1], |[a, b], [c, d]| [a * c, b * d]);
    let maps = (0..count).filter(|&layer| matches!(network.layers()[layer].op, Op::Conv2d(_)));
    let sizes = maps.flat_map(|layer| [layer, layer + 1]).map(|i| {
        let ([_, rows, columns], [down, across]) = (network.shapes()[i], phases(i));
        [rows.div_ceil(down), columns.div_ceil(across)]
    });
    let [rows, pitch] = sizes.reduce(|[a, b], [c, d]| [a.max(c), b.max(d)])?;
    Some(Grid { phases: phases(layer), pitch, block: (rows * pitch).next_power_of_two() })
}

/// A network being turned into a plan, layer by layer.
struct Walk<'a> {
    network: &'a Network,
    way: Way,
    shape: MessageShape,
    b: Builder,
    x: Packed<Layout>,
    /// A square of pairs that the next layer does.
    pending: Option<&'a str>,
}

impl<'a> Walk<'a> {
    fn run(mut self) -> Option<Plan> {
        for (i, layer) in self.network.layers().iter().enumerate() {
            match &layer.op {
                Op::Square if self.x.representation.is_paired() => self.pending = Some(&layer.name),
                Op::Square => self.square(&layer.name),
                op => self.linear(i, &layer.name, op)?,
            }
        }
        let factor = self.x.representation.factor;
        Some(self.b.finish(&self.x, factor))
    }

    fn square(&mut self, name: &str) {
        let mut y = self.b.square(&self.x);
        y.representation = y.representation.squared();
        self.b.stage(name, "square", &self.x.representation, &y.representation);
        self.x = y;
    }

    fn linear(&mut self, i: usize, name: &'a str, op: &Op) -> Option<()> {
        let layer = Linear::new(op, self.network.shapes()[i], self.network.shapes()[i + 1]);
        let layer = if i + 1 == self.network.layers().len() { layer.last() } else { layer };
        if let Some(square) = self.pending.take() {
            let period = self.x.representation.period()?;
            let y = self.b.squared_pairs(&self.x, &layer, period);
            self.b.stage(name, &format!("{square} and a row per segment"), &self.x.representation, &y.representation);
            self.x = y;
            return Some(());
        }
        if self.shape.is_batched() {
            let y = self.b.batched(&self.x, &layer);
            self.b.stage(name, "sums with scalar weights", &self.x.representation, &y.representation);
            self.x = y;
            return Some(());
        }
        let (target, method) = self.target(i, op, &layer)?;
        let y = self.b.linear(&self.x, &layer, &target)?;
        self.b.stage(name, method, &self.x.representation, &y.representation);
        self.x = y;
        Some(())
    }

    fn target(&self, i: usize, op: &Op, layer: &Linear<'_>) -> Option<(Target, &'static str)> {
        let slots = self.shape.slots();
        match op {
            Op::Conv2d(_) if i == 0 && matches!(self.way.input, Input::Windows { .. }) => {
                let layout = self.way.windows_target(self.network, self.shape)?;
                Some((Target::Place(layout), "convolution in place"))
            }
            Op::Conv2d(_) => {
                let layout = Layout::grid(self.network.shapes()[i + 1], grid(self.network, i + 1)?, slots)?;
                Some((Target::Place(layout), "diagonals of blocks"))
            }
            _ => {
                let outputs = layer.outputs();
                let paired = self.way.paired(self.network, i);
                let period = self.x.representation.period();
                if let Some(period) =
                    period.filter(|period| self.x.representation.is_replicated() && outputs * period <= slots)
                {
                    return Some((Target::Within { period }, "a row per segment"));
                }
                let least = self.way.share(self.network, i, outputs).next_power_of_two().max(MIN_TRACE_PERIOD);
                let period = period.filter(|_| self.x.representation.is_segmented()).unwrap_or(least);
                // The rows of the squares of pairs need a segment each.
                let rows = self.network.shapes().get(i + 3).map_or(1, |shape| shape.iter().product());
                let fits = period <= self.shape.row && (!paired || rows * period <= slots);
                fits.then_some((Target::Across { period, paired }, "diagonals, folded"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
