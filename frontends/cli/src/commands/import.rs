//! `tacit import`: a model of another framework becomes a network of integers.

mod report;

use std::path::Path;
use std::time::Instant;

use tacit_model::calibrate::{self, Quantised};
use tacit_model::leveled::{self, Chain};
use tacit_model::{Dataset, Graph, Rows, Tensor, onnx};

use crate::args::ImportArgs;
use crate::console::Console;
use crate::error::CliError;
use crate::files::{Access, Output};
use report::{Clear, Report};

pub(crate) fn run(args: &ImportArgs, console: &Console) -> Result<(), CliError> {
    let output = args.out.as_ref().map(|out| Output::new(out, Access::Public, true)).transpose()?;
    let graph = {
        let _sign = console.spinner("reading the model");
        onnx::open(&args.model)?
    };
    if args.clear {
        let clear = args.calibrate.as_ref().map(|data| clear(args, data, &graph, console)).transpose()?;
        return Report::clear(&graph, clear).show(args, console);
    }
    let mut chain = leveled::lower(&graph, leveled::Options { collapse: args.collapse })
        .map_err(|error| CliError::Import { file: args.model.clone(), error })?;
    // Logits are compared with each other, so what they have in common only takes room.
    chain.centre();
    let quantised = args.calibrate.as_ref().map(|data| quantise(args, data, &chain, console)).transpose()?;
    let report = Report::new(&graph, &chain, quantised.as_ref());
    report.show(args, console)?;
    let Some(Quantised { network, .. }) = &quantised else {
        console.remark("give data with --calibrate, and a file with --out, to make a network of integers of it");
        return Ok(());
    };
    if let (Some(output), Some(file)) = (output, &args.out) {
        output.write(&network.to_bytes()?)?;
        console.remark(format_args!("{}: to be used with --net", file.display()));
    }
    Ok(())
}

/// The rows to calibrate with, and what a pixel of 1 is to the model if they are images.
fn rows(args: &ImportArgs, data: &Path, width: usize, names: &[String]) -> Result<(Rows, Option<f64>), CliError> {
    let count = args.count.get();
    if data.is_file() {
        let rows = Rows::open(data, width, names)?;
        let rows = args.labels.as_ref().map_or(Ok(rows.clone()), |labels| rows.with_labels(labels))?;
        return Ok((rows.truncated(count), None));
    }
    let dataset = Dataset::open(data, args.split.part())?;
    let pixel = args.pixel_scale;
    Ok((Rows::from_dataset(&dataset, pixel as f32).truncated(count), Some(pixel)))
}

fn quantise(args: &ImportArgs, data: &Path, chain: &Chain, console: &Console) -> Result<Quantised, CliError> {
    let names = names(args, chain.outputs());
    let (rows, pixel_scale) = rows(args, data, chain.inputs(), &names)?;
    let _sign = console.spinner("searching for scales");
    let options = calibrate::Options { loss: args.loss / 100.0, pixel_scale, ..calibrate::Options::default() };
    Ok(calibrate::quantise(chain, &rows, names, &options)?)
}

/// The names of the classes: those given, or their numbers.
fn names(args: &ImportArgs, outputs: usize) -> Vec<String> {
    match &args.names {
        Some(names) => names.split(',').map(|name| name.trim().to_owned()).collect(),
        None => (0..outputs).map(|class| class.to_string()).collect(),
    }
}

/// The model as it is, in floating point, on the data.
fn clear(args: &ImportArgs, data: &Path, graph: &Graph, console: &Console) -> Result<Clear, CliError> {
    let outputs = graph.output_shape().iter().product();
    let (rows, _) = rows(args, data, graph.input_shape().iter().product(), &names(args, outputs))?;
    let bar = console.bar("evaluating", "rows", rows.len());
    let (start, mut correct) = (Instant::now(), 0);
    for (index, row) in rows.iter().enumerate() {
        let input = Tensor::new(graph.input_shape().into(), row.into()).map_err(tacit_model::ModelError::from)?;
        let output = graph.evaluate(&input).map_err(tacit_model::ModelError::from)?;
        let values = output.data();
        let class = (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best });
        correct += usize::from(rows.labels().and_then(|labels| labels.get(index)) == Some(&class));
        bar.step();
    }
    let correct = rows.labels().map(|_| correct);
    Ok(Clear { rows: rows.len(), correct, time: start.elapsed() / rows.len() as u32 })
}
