//! `tacit decrypt`: an answer becomes a label.

use serde::Serialize;

use super::client;
use crate::args::DecryptArgs;
use crate::console::{Console, STRONG};
use crate::error::CliError;
use crate::files;
use crate::report::bars;
use crate::subject::Subject;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    net: &'a str,
    label: &'a str,
    class: Option<usize>,
    labels: &'a [String],
    logits: &'a [i128],
    /// The bound on the error of approximate logits.
    error: Option<f64>,
}

pub(crate) fn run(args: &DecryptArgs, console: &Console) -> Result<(), CliError> {
    let subject = Subject::load(&args.net)?;
    let deployment = {
        let _sign = console.spinner("planning");
        subject.deploy()?
    };
    let client = client(deployment.spec(), &args.keys)?;
    let answer = files::read(&args.answer, files::MAX_MESSAGE)?;
    let private = client.decrypt(&answer).map_err(CliError::message(&args.answer))?;
    let logits = private.release().map_err(CliError::message(&args.answer))?;
    let (label, labels, values) = (subject.label(&logits), subject.network.labels(), logits.integers());
    if args.json {
        let (class, error) = (logits.argmax(), logits.error());
        return console.json(&Report { net: &subject.name, label, class, labels, logits: &values, error });
    }
    if console.quiet() {
        return console.line(label);
    }
    console.line(format_args!("label {}", console.paint(STRONG, label)))?;
    bars::rows(console, labels, &values).iter().try_for_each(|row| console.line(row))
}
