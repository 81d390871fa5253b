//! The commands, each a thin layer over the library.

mod decrypt;
mod demo;
mod encrypt;
mod eval;
mod evaluate;
mod import;
mod keygen;
mod plan;

use core::time::Duration;
use std::path::Path;
use std::time::Instant;

use tacit_lola::error::MessageKind;
use tacit_lola::{Client, Spec};
use tacit_model::{DIGITS, read_picture};

use crate::args::Command;
use crate::console::Console;
use crate::error::CliError;
use crate::files::{self, Output};

/// The client's secret key within a key folder.
const SECRET_KEY: &str = "secret.key";

/// The evaluation keys within a key folder.
const EVALUATION_KEY: &str = "evaluation.key";

/// Runs a command.
pub(crate) fn run(command: Command, console: &Console) -> Result<(), CliError> {
    match command {
        Command::Demo(args) => demo::run(&args, console),
        Command::Eval(args) => eval::run(&args, console),
        Command::Keygen(args) => keygen::run(&args, console),
        Command::Encrypt(args) => encrypt::run(&args, console),
        Command::Evaluate(args) => evaluate::run(&args, console),
        Command::Decrypt(args) => decrypt::run(&args, console),
        Command::Plan(args) => plan::run(&args, console),
        Command::Import(args) => import::run(&args, console),
    }
}

/// A result and the time that it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// The pixels of a picture file.
fn picture(file: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = files::read(file, files::MAX_PICTURE)?;
    read_picture(&bytes).map_err(|error| CliError::Picture { file: file.into(), error })
}

/// The pixels of a sample digit.
fn sample(digit: u8) -> Result<Vec<u8>, CliError> {
    Ok(read_picture(DIGITS[usize::from(digit) % DIGITS.len()])?)
}

/// The client whose secret key lies in a key folder.
fn client<'a>(spec: &'a Spec, keys: &Path) -> Result<Client<'a>, CliError> {
    let file = keys.join(SECRET_KEY);
    if !file.exists() {
        return Err(CliError::NoKey { file, folder: keys.into() });
    }
    let bytes = files::read_secret(&file)?;
    spec.client_with_key(&bytes).map_err(CliError::message(&file))
}

/// Refuses an output that would replace a secret key: what was encrypted for it would be lost.
fn spare_secret_key(output: &Output) -> Result<(), CliError> {
    const HEAD: usize = 64;
    match MessageKind::of(&output.existing_head(HEAD)) {
        Some(MessageKind::SecretKey) => Err(CliError::KeyInTheWay { file: output.name().into() }),
        _ => Ok(()),
    }
}
