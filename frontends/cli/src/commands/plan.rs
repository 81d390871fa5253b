//! `tacit plan`: what the server computes, and what it costs.

mod explain;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;
use tacit_lola::plan::{Op, Plan, Register, Stage};
use tacit_lola::{Deployment, Scheme};

use crate::args::PlanArgs;
use crate::console::{Console, STRONG};
use crate::drawing::{Drawing, DrawnStage};
use crate::error::CliError;
use crate::files::{Access, Output, is_stream};
use crate::report::facts::{self, Facts};
use crate::report::prediction::Prediction;
use crate::report::units::bytes;
use crate::subject::Subject;
use explain::{Explanation, lines};

/// A rule under the header and one at the end.
pub(super) const STYLE: TableStyle = {
    let rule = LineStyle::none().fill('─').junction('─');
    TableStyle::new().header_separator(rule).bottom_border(rule)
};

/// A row of the table.
#[derive(Serialize)]
struct Row<'a> {
    layer: &'a str,
    method: &'a str,
    from: &'a str,
    to: &'a str,
    key_switches: usize,
    plain_products: usize,
    scalar_products: usize,
    level_from: usize,
    level_to: usize,
    noise_bits: f64,
    noise_limit_bits: f64,
    /// Predicted, on one thread.
    milliseconds: f64,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    net: &'a str,
    plan: String,
    fingerprint: String,
    /// The standard deviation of errors that the network's labels bear, if it says so.
    logit_tolerance: Option<f64>,
    #[serde(flatten)]
    facts: Facts,
    #[serde(flatten)]
    explanation: Explanation,
    stages: Vec<Row<'a>>,
}

pub(crate) fn run(args: &PlanArgs, console: &Console) -> Result<(), CliError> {
    let file = args.svg.as_ref().filter(|file| !is_stream(file));
    let file = file.map(|file| Output::new(file, Access::Public, true)).transpose()?;
    let subject = Subject::load(&args.net())?;
    let (deployment, prediction) = {
        let _sign = console.spinner("planning");
        let deployment = subject.deploy()?;
        let prediction = Prediction::of(&deployment)?;
        (deployment, prediction)
    };
    let plan = deployment.lowered().plan();
    let stages = plan.stages().iter().zip(&prediction.stages);
    let report = Report {
        net: &subject.name,
        plan: subject.plan.to_string(),
        fingerprint: deployment.spec().fingerprint().to_string(),
        logit_tolerance: subject.network.logit_tolerance(),
        facts: Facts::of(&deployment),
        explanation: Explanation::of(&deployment, &prediction),
        stages: stages.map(|(stage, &milliseconds)| row(&deployment, stage, milliseconds)).collect(),
    };
    if args.svg.is_some() {
        let picture = drawing(&deployment, &report).svg();
        let Some(file) = file else { return console.print(picture) };
        file.write(picture.as_bytes())?;
        console.remark(format_args!("{}: the plan as a picture", file.name().display()));
    }
    match args {
        PlanArgs { ops: true, .. } => return console.line(plan),
        PlanArgs { json: true, .. } => return console.json(&report),
        _ => print(console, &deployment, &report)?,
    }
    if args.explain { report.explanation.print(console, &report, subject.plan) } else { Ok(()) }
}

fn drawing(deployment: &Deployment, report: &Report<'_>) -> Drawing {
    let stage = |row: &Row<'_>| DrawnStage {
        layer: row.layer.into(),
        method: row.method.into(),
        from: row.from.into(),
        to: row.to.into(),
        key_switches: row.key_switches,
        products: row.plain_products + row.scalar_products,
        levels: [row.level_from, row.level_to],
        noise_bits: row.noise_bits,
        limit_bits: row.noise_limit_bits,
        milliseconds: Some(row.milliseconds),
    };
    Drawing {
        title: title(report),
        notes: facts::parameters(deployment.spec().params()).into_iter().chain([facts::traffic(deployment)]).collect(),
        stages: report.stages.iter().map(stage).collect(),
    }
}

fn title(report: &Report<'_>) -> String {
    format!("Network `{}`, plan `{}`", report.net, report.plan)
}

fn print(console: &Console, deployment: &Deployment, report: &Report<'_>) -> Result<(), CliError> {
    console.line(format_args!("{}, deployment {}", console.paint(STRONG, title(report)), report.fingerprint))?;
    for line in facts::parameters(deployment.spec().params()) {
        console.line(line)?;
    }
    console.line("")?;
    lines(console, &table(deployment, &report.stages))?;
    let spec = deployment.spec();
    let (request, cost) = (spec.key_request(), deployment.lowered().plan().cost());
    console.line("")?;
    console.line(match spec.scheme() {
        Scheme::Bfv => "noise     proved bound after the stage / largest that still decrypts, in bits",
        Scheme::Ckks => "noise     eight deviations of the error after the stage / a typical value, in bits",
    })?;
    let (relin, rotation) = (request.relin.iter().count(), request.galois.len());
    let size = bytes(spec.evaluation_keys_len());
    console.line(format_args!("keys      {rotation} for rotations, {relin} for squares, {size}"))?;
    console.line(format_args!("messages  {}", facts::traffic(deployment)))?;
    console.line(report.explanation.line(spec.batch()))?;
    console.line(format_args!(
        "switches  {} of {} operations are modulus switches; the answer is at level {}",
        cost.modulus_switches,
        deployment.lowered().plan().ops().len(),
        spec.answer_level()
    ))
}

/// The table, with as many lines to a row as it takes to fit the terminal.
fn table(deployment: &Deployment, rows: &[Row<'_>]) -> Table {
    let wide = layout(deployment, rows, wide_names, 1);
    let Some(width) = Console::width() else { return wide };
    if wide.lines().all(|line| line.trim_end().chars().count() <= usize::from(width)) {
        return wide;
    }
    let mut narrow = layout(deployment, rows, narrow_names, 0);
    narrow.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    narrow
}

fn layout(deployment: &Deployment, rows: &[Row<'_>], names: fn(&Row<'_>) -> Vec<String>, padding: u16) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    let texts = rows.first().map_or(0, |row| names(row).len());
    let headers = ["layer", "method", "from → to"].into_iter().take(texts);
    let counts = ["key\nswitches", "plain\nproducts", "scalar\nproducts", "level", "noise/\nlimit"];
    table.set_header(headers.chain(counts));
    table.add_rows(rows.iter().map(|row| names(row).into_iter().chain(numbers(row))));
    let cost = deployment.lowered().plan().cost();
    let counts = [cost.key_switches(), cost.plain_products, cost.scalar_products].map(|count| count.to_string());
    let blank = core::iter::repeat_n(String::new(), texts.saturating_sub(1));
    table.add_row(core::iter::once("total".to_owned()).chain(blank).chain(counts));
    for (number, column) in table.column_iter_mut().enumerate() {
        column.set_padding((1, padding));
        if number >= texts {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn wide_names(row: &Row<'_>) -> Vec<String> {
    vec![row.layer.into(), row.method.into(), format!("{} → {}", row.from, row.to)]
}

fn narrow_names(row: &Row<'_>) -> Vec<String> {
    let method = row.method.replace(" – ", " –\n");
    vec![row.layer.into(), format!("{method}\n{}\n→ {}", row.from, row.to)]
}

fn numbers(row: &Row<'_>) -> [String; 5] {
    let levels = if row.level_from == row.level_to {
        row.level_to.to_string()
    } else {
        format!("{} → {}", row.level_from, row.level_to)
    };
    [
        row.key_switches.to_string(),
        row.plain_products.to_string(),
        row.scalar_products.to_string(),
        levels,
        format!("{:.1}/{:.1}", row.noise_bits, row.noise_limit_bits),
    ]
}

fn row<'a>(deployment: &Deployment, stage: &'a Stage, milliseconds: f64) -> Row<'a> {
    let lowered = deployment.lowered();
    let plan = lowered.plan();
    let cost = plan.stage_cost(stage);
    let inputs = plan.ops()[stage.ops.clone()].iter().flat_map(Op::inputs);
    let results = results(plan, stage);
    let (noise_bits, noise_limit_bits) = facts::noise(deployment, &results);
    let lowest = results.iter().map(|&register| lowered.level(register)).min();
    let highest = inputs.map(|&register| lowered.level(register)).max();
    Row {
        layer: &stage.layer,
        method: &stage.method,
        from: &stage.from,
        to: &stage.to,
        key_switches: cost.key_switches(),
        plain_products: cost.plain_products,
        scalar_products: cost.scalar_products,
        level_from: highest.unwrap_or_default(),
        level_to: lowest.unwrap_or_default(),
        noise_bits,
        noise_limit_bits,
        milliseconds,
    }
}

/// The registers that a stage defines and that something after it reads.
fn results(plan: &Plan, stage: &Stage) -> Vec<Register> {
    let later = plan.ops()[stage.ops.end..].iter().flat_map(Op::inputs).chain(plan.outputs());
    let later: std::collections::BTreeSet<&Register> = later.collect();
    stage.ops.clone().map(|op| plan.defined_by(op)).filter(|register| later.contains(register)).collect()
}
