//! Why this plan: what the planner compared, and what the chosen plan will take.

use core::time::Duration;
use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use tacit_lola::Deployment;
use tacit_lola::plan::Op;

use super::{Report, STYLE};
use crate::args::PlanName;
use crate::console::{Console, STRONG};
use crate::error::CliError;
use crate::report::prediction::{Prediction, rounded};
use crate::report::units::{bytes, counted, grouped, measure, percent_of, time};

/// A way of computing the network that the planner compared.
#[derive(Serialize)]
pub(super) struct Way {
    name: String,
    ring_degree: usize,
    log2_qp: u64,
    levels: usize,
    key_switches: usize,
    plain_products: usize,
    messages: usize,
    upload_bytes: usize,
    /// The planner's estimate of the work, as a multiple of the chosen way's.
    relative_effort: f64,
    predicted_ms: f64,
}

/// Bytes in the server's memory, computed.
#[derive(Serialize)]
pub(super) struct Memory {
    weights: usize,
    keys: usize,
    ciphertexts: usize,
}

/// What `--explain` shows, and `--json` too.
#[derive(Serialize)]
pub(super) struct Explanation {
    predicted_ms: f64,
    /// Of which to read the query.
    reading_ms: f64,
    /// Eight deviations of an error are to be at most `2^-bits` of the bound on logits, if those are approximate.
    precision_bits: Option<f64>,
    memory_bytes: Memory,
    /// Steps of rotations, to the left or, below 0, to the right.
    rotations: Vec<isize>,
    /// Whether complex conjugation is among the automorphisms, or for exact values the exchange of rows.
    conjugation: bool,
    choices: Vec<Way>,
}

impl Explanation {
    pub(super) fn of(deployment: &Deployment, prediction: &Prediction) -> Self {
        let choices = deployment.choices();
        let chosen = choices.first().map_or(1.0, |choice| choice.effort);
        let way = |choice: &tacit_lola::planner::Choice| Way {
            name: choice.name.clone(),
            ring_degree: choice.degree,
            log2_qp: choice.log2_qp,
            levels: choice.levels,
            key_switches: choice.key_switches,
            plain_products: choice.plain_products,
            messages: choice.messages,
            upload_bytes: choice.upload,
            relative_effort: rounded(choice.effort / chosen),
            predicted_ms: prediction.of_choice(choice),
        };
        let (ops, memory) = (deployment.lowered().plan().ops(), deployment.memory());
        let row = deployment.sizes().degree() as isize >> 1;
        // The same by the shorter way.
        let shorter = |steps: isize| (steps + (row >> 1)).rem_euclid(row) - (row >> 1);
        let rotations: BTreeSet<isize> = ops.iter().flat_map(Op::rotations).map(|(_, steps)| shorter(steps)).collect();
        Self {
            predicted_ms: prediction.total,
            reading_ms: prediction.reading,
            precision_bits: deployment.precision().map(|precision| rounded(precision.bits())),
            memory_bytes: Memory { weights: memory.weights, keys: memory.keys, ciphertexts: memory.ciphertexts },
            rotations: rotations.into_iter().collect(),
            conjugation: ops.iter().any(|op| matches!(op, Op::Conjugate { .. })),
            choices: choices.iter().map(way).collect(),
        }
    }

    /// One line, for those who did not ask.
    pub(super) fn line(&self, batch: usize) -> String {
        let time = milliseconds(self.predicted_ms);
        let each = (batch > 1).then(|| format!(", {} for each input", milliseconds(self.predicted_ms / batch as f64)));
        format!("server    {time} predicted on one thread{}, by kernels timed just now", each.unwrap_or_default())
    }

    pub(super) fn print(&self, console: &Console, report: &Report<'_>, goal: PlanName) -> Result<(), CliError> {
        let heading = |text: &str| console.line(format_args!("\n{}", console.paint(STRONG, text)));
        heading("Why this plan")?;
        self.reasons(goal).iter().try_for_each(|line| console.line(line))?;
        console.line("")?;
        lines(console, &self.ways())?;
        console.line("upload    of residues alone; predicted: by kernels timed in the ring of the chosen one")?;
        if let Some(bits) = self.precision_bits {
            console.line(errors(bits, report.logit_tolerance))?;
        }
        heading("What the server will take")?;
        console.line("")?;
        lines(console, &self.times(report))?;
        let Memory { weights, keys, ciphertexts } = self.memory_bytes;
        let total = bytes(weights + keys + ciphertexts);
        let [weights, keys, ciphertexts] = [weights, keys, ciphertexts].map(bytes);
        console.line(format_args!(
            "memory    {total} computed: weights {weights}, a client's keys {keys}, ciphertexts {ciphertexts}"
        ))?;
        console.line(format_args!("rotations {}", self.rotated()))
    }

    /// What decided, and whether this machine agrees.
    fn reasons(&self, goal: PlanName) -> Vec<String> {
        let compared = counted(self.choices.len(), "way");
        let (Some(chosen), next) = (self.choices.first(), self.choices.get(1)) else { return Vec::new() };
        let first = match (goal, next) {
            (PlanName::Paper, _) => "The paper's plan was asked for: nothing else was compared.".into(),
            (PlanName::Throughput, None) => {
                "A message for each value of many inputs: nothing else was compared.".into()
            }
            (_, None) => "No other way fits a ring.".into(),
            (PlanName::Throughput, Some(_)) => "The goal is the least time for each of many inputs.".into(),
            (PlanName::Latency, Some(next)) => format!(
                "The goal is the least time on the server: of {compared}, the next is estimated at {:.2} times the work.",
                next.relative_effort
            ),
            (PlanName::Upload, Some(next)) if next.upload_bytes > chosen.upload_bytes => format!(
                "The goal is the smallest query: of {compared}, the next sends {} in place of {}.",
                bytes(next.upload_bytes),
                bytes(chosen.upload_bytes)
            ),
            (PlanName::Upload, Some(next)) => format!(
                "The goal is the smallest query: of {compared}, the next sends about as much and is estimated at {:.2} times the work.",
                next.relative_effort
            ),
        };
        let fastest = self.choices.iter().min_by(|a, b| a.predicted_ms.total_cmp(&b.predicted_ms));
        let faster = fastest.filter(|way| goal == PlanName::Latency && way.predicted_ms < chosen.predicted_ms);
        let second = faster.map(|way| {
            let time = milliseconds(way.predicted_ms);
            format!("Estimates do not know the machine: on this one, `{}` is predicted to take {time}.", way.name)
        });
        core::iter::once(first).chain(second).collect()
    }

    fn ways(&self) -> Table {
        let header = ["way", "degree", "log2(QP)", "levels", "key\nswitches", "plain\nproducts", "messages", "upload"];
        let rows = self.choices.iter().map(|way| {
            let name = if way.name.is_empty() { "-".into() } else { way.name.clone() };
            let Way { log2_qp, levels, key_switches, plain_products, messages, .. } = way;
            let counts = [*levels, *key_switches, *plain_products, *messages].map(|count| count.to_string());
            let ring = [name, grouped(way.ring_degree as i128), log2_qp.to_string()];
            let rest = [bytes(way.upload_bytes), format!("{:.2}", way.relative_effort), milliseconds(way.predicted_ms)];
            ring.into_iter().chain(counts).chain(rest).collect()
        });
        table(header.into_iter().chain(["estimate", "predicted"]), rows, 1)
    }

    fn times(&self, report: &Report<'_>) -> Table {
        let row = |layer: &str, method: &str, time: f64| {
            vec![layer.to_owned(), method.to_owned(), milliseconds(time), percent_of(time, self.predicted_ms)]
        };
        let stages = report.stages.iter().map(|stage| row(stage.layer, stage.method, stage.milliseconds));
        let rows = core::iter::once(row("query", "reading", self.reading_ms)).chain(stages);
        let rows = rows.chain([row("total", "", self.predicted_ms)]);
        table(["layer", "method", "predicted,\none thread", "share"].into_iter(), rows, 2)
    }

    fn rotated(&self) -> String {
        let steps: Vec<String> = self.rotations.iter().map(ToString::to_string).collect();
        let by = if steps.is_empty() { "none".into() } else { format!("by {}", steps.join(", ")) };
        if self.conjugation { format!("{by}; and conjugation") } else { by }
    }
}

/// How small errors are to be, and why.
fn errors(bits: f64, tolerance: Option<f64>) -> String {
    let reason = match tolerance {
        Some(deviation) => format!("the network's labels bear a deviation of {}", measure(deviation)),
        None => "the default, for the network does not say what its labels bear".into(),
    };
    format!("errors    eight deviations below 2^-{bits:.1} of the bound on logits: {reason}")
}

/// Texts to the left, numbers to the right.
fn table<'a>(header: impl Iterator<Item = &'a str>, rows: impl Iterator<Item = Vec<String>>, texts: usize) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Trailing blanks are of no use to anybody.
pub(super) fn lines(console: &Console, table: &Table) -> Result<(), CliError> {
    table.lines().try_for_each(|line| console.line(line.trim_end()))
}

fn milliseconds(milliseconds: f64) -> String {
    Duration::try_from_secs_f64(milliseconds / 1000.0).map_or_else(|_| "–".into(), time)
}
