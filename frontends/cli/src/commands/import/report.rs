//! What the import reports.

use core::time::Duration;

use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use tacit_model::Graph;
use tacit_model::calibrate::{MANY_ROWS, Quantised, Trial};
use tacit_model::leveled::Chain;
use tacit_model::pass::Folding;

use crate::args::ImportArgs;
use crate::commands::plan::STYLE;
use crate::console::{Console, STRONG};
use crate::error::CliError;
use crate::report::millis;
use crate::report::units::{counted, grouped, measure, percent, time};

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    model: String,
    input: Vec<usize>,
    output: Vec<usize>,
    parameters: usize,
    nodes: Vec<NodeRow>,
    folded: Vec<FoldedRow>,
    layers: Option<Vec<LayerRow>>,
    trade_off: Option<Vec<TrialRow>>,
    held_out: Option<TrialRow>,
    real_accuracy: Option<f64>,
    dead_channels: Option<usize>,
    logit_bound: Option<u64>,
    logit_tolerance: Option<f64>,
    clear: Option<Clear>,
}

#[derive(Debug, Serialize)]
struct NodeRow {
    node: String,
    operator: &'static str,
    shape: Vec<usize>,
    parameters: usize,
}

#[derive(Debug, Serialize)]
struct FoldedRow {
    node: String,
    operator: &'static str,
    into: Option<String>,
}

#[derive(Debug, Serialize)]
struct LayerRow {
    layer: String,
    kind: &'static str,
    parameters: usize,
}

#[derive(Debug, Serialize)]
struct TrialRow {
    input_bits: u32,
    weight_bits: Vec<u32>,
    rows: usize,
    accuracy: Option<f64>,
    agreement: f64,
    logit_bits: f64,
}

/// The model in floating point.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Clear {
    pub(super) rows: usize,
    pub(super) correct: Option<usize>,
    #[serde(rename = "ms", serialize_with = "some_millis")]
    pub(super) time: Duration,
}

fn some_millis<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    millis(&Some(*time), serializer)
}

impl Report {
    /// Of a model that is only evaluated as it is.
    pub(super) fn clear(graph: &Graph, clear: Option<Clear>) -> Self {
        let nodes = graph.nodes().iter().map(|node| NodeRow {
            node: node.name.clone(),
            operator: node.operator.name(),
            shape: node.shape().into(),
            parameters: node.operator.parameters(),
        });
        Self {
            model: graph.name().into(),
            input: graph.input_shape().into(),
            output: graph.output_shape().into(),
            parameters: graph.parameters(),
            nodes: nodes.collect(),
            folded: Vec::new(),
            layers: None,
            trade_off: None,
            held_out: None,
            real_accuracy: None,
            dead_channels: None,
            logit_bound: None,
            logit_tolerance: None,
            clear,
        }
    }

    /// Of a model that was lowered, and quantised if there were data.
    pub(super) fn new(graph: &Graph, chain: &Chain, quantised: Option<&Quantised>) -> Self {
        let folded = chain.foldings.iter().map(|Folding { node, operator, into }| FoldedRow {
            node: node.clone(),
            operator,
            into: into.clone(),
        });
        let layers = chain.layers.iter().map(|layer| LayerRow {
            layer: layer.name.clone(),
            kind: layer.form.kind(),
            parameters: layer.weights.len() + layer.bias.len(),
        });
        let real = |quantised: &Quantised| {
            let rows = quantised.trials.first()?.rows;
            quantised.real_correct.map(|correct| correct as f64 / rows as f64)
        };
        Self {
            folded: folded.collect(),
            layers: Some(layers.collect()),
            trade_off: quantised.map(|quantised| quantised.trials.iter().map(TrialRow::from).collect()),
            held_out: quantised.and_then(|quantised| quantised.held_out.as_ref().map(TrialRow::from)),
            real_accuracy: quantised.and_then(real),
            dead_channels: quantised.map(|quantised| quantised.dead_channels),
            logit_bound: quantised.and_then(|quantised| quantised.network.declared_logit_bound()),
            logit_tolerance: quantised.and_then(|quantised| quantised.network.logit_tolerance()),
            ..Self::clear(graph, None)
        }
    }

    pub(super) fn show(&self, args: &ImportArgs, console: &Console) -> Result<(), CliError> {
        if args.json {
            return console.json(self);
        }
        let title = format!("Model `{}`", printable(&self.model));
        let (input, output) = (&self.input, &self.output);
        let facts = format!("{input:?} → {output:?}, {}", counted(self.parameters, "parameter"));
        console.line(format_args!("{}, {facts}\n", console.paint(STRONG, title)))?;
        print(console, &self.graph())?;
        self.show_folded(console)?;
        if let Some(layers) = &self.layers {
            console.line(format_args!("\n{}", console.paint(STRONG, "Layers under encryption")))?;
            print(console, &layer_table(layers))?;
        }
        self.show_trials(console)?;
        match &self.clear {
            Some(clear) => {
                let accuracy = clear.correct.map_or_else(String::new, |correct| {
                    format!("{} right ({correct} of {}), ", percent(correct, clear.rows), clear.rows)
                });
                console.line(format_args!("\nfloating point  {accuracy}{} per row", time(clear.time)))
            }
            None => Ok(()),
        }
    }

    fn graph(&self) -> Table {
        let mut table = table(["node", "operator", "shape", "parameters"], 3);
        table.add_rows(self.nodes.iter().map(|row| {
            [printable(&row.node), row.operator.into(), format!("{:?}", row.shape), grouped(row.parameters as i128)]
        }));
        table
    }

    fn show_folded(&self, console: &Console) -> Result<(), CliError> {
        for FoldedRow { node, operator, into } in &self.folded {
            let node = printable(node);
            match into {
                Some(into) => console.line(format_args!("folded   {operator} `{node}` into `{}`", printable(into)))?,
                None => console.line(format_args!("dropped  {operator} `{node}`"))?,
            }
        }
        Ok(())
    }

    fn show_trials(&self, console: &Console) -> Result<(), CliError> {
        let Some(trials) = &self.trade_off else { return Ok(()) };
        console.line(format_args!("\n{}", console.paint(STRONG, "Trade-off: the last row was chosen")))?;
        let mut table = table(["input", "weights", "accuracy", "agreement", "logits"], 0);
        table.add_rows(trials.iter().map(TrialRow::cells));
        print(console, &table)?;
        if let Some(accuracy) = self.real_accuracy {
            console.line(format_args!("real weights     {:.2} % right on the same rows", 100.0 * accuracy))?;
        }
        if let Some(held_out) = &self.held_out {
            let [_, _, accuracy, agreement, logits] = held_out.cells();
            let right = held_out.accuracy.map_or_else(String::new, |_| format!("{accuracy} right, "));
            console.line(format_args!(
                "rows held out    {right}{agreement} agree, logits of {logits}, over {} (exact integers)",
                counted(held_out.rows, "row")
            ))?;
        }
        console.line(match self.logit_tolerance.map(measure) {
            Some(deviation) => format!("tolerance        errors of deviation {deviation} change one label in 10,000"),
            None => {
                format!("tolerance        not measured: it takes {} with different logits", counted(MANY_ROWS, "row"))
            }
        })?;
        match self.dead_channels {
            Some(count) if count > 0 => {
                console.line(format_args!("{} that changed nothing dropped", counted(count, "channel")))
            }
            _ => Ok(()),
        }
    }
}

impl From<&Trial> for TrialRow {
    fn from(trial: &Trial) -> Self {
        let share = |count: usize| count as f64 / trial.rows as f64;
        Self {
            input_bits: trial.input_bits,
            weight_bits: trial.weight_bits.clone(),
            rows: trial.rows,
            accuracy: trial.correct.map(share),
            agreement: share(trial.agree),
            logit_bits: trial.logit_bits,
        }
    }
}

impl TrialRow {
    fn cells(&self) -> [String; 5] {
        let share = |share: f64| format!("{:.2} %", 100.0 * share);
        let weights: Vec<String> = self.weight_bits.iter().map(u32::to_string).collect();
        let accuracy = self.accuracy.map_or_else(|| "–".into(), share);
        let logits = format!("{:.2} bits", self.logit_bits);
        [format!("{} bits", self.input_bits), weights.join("/") + " bits", accuracy, share(self.agreement), logits]
    }
}

fn layer_table(layers: &[LayerRow]) -> Table {
    let mut table = table(["layer", "kind", "parameters"], 2);
    table.add_rows(layers.iter().map(|row| [printable(&row.layer), row.kind.into(), grouped(row.parameters as i128)]));
    table
}

/// A table whose columns from `numbers` on are numbers.
fn table<const N: usize>(header: [&str; N], numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn print(console: &Console, table: &Table) -> Result<(), CliError> {
    // Trailing blanks are of no use to anybody.
    table.lines().try_for_each(|line| console.line(line.trim_end()))
}

/// Names come from files, and must not write on the screen.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
