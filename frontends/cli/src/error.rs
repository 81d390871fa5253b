//! Refusals: one line each, and the exit code that goes with it.

use core::fmt;
use std::io;
use std::path::PathBuf;

use tacit_core::error::EvalError;
use tacit_lola::error::{MessageKind, Named};
use tacit_lola::{MessageError, PlanError, RunError};
use tacit_model::{GraphError, ModelError};

use crate::files::shown;

/// Why a command failed: what was asked, what is wrong, what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A network, an input or a data set; names its file if it is one.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model that encryption cannot compute.
    #[error("{}: {error}", .file.display())]
    Import { file: PathBuf, error: GraphError },
    /// Neither a network that comes with the command nor a file.
    #[error("there is no network or model file {}: the networks that come with this command are {}", .file.display(), known())]
    NoNetwork { file: PathBuf },
    /// A model of another framework in the place of a network.
    #[error("{} is an ONNX model: make a network of it first, with `tacit import`", .file.display())]
    NotImported { file: PathBuf },
    /// Inputs without labels where these are needed.
    #[error("{} has no labels to judge by: add a column of classes to a table, or give --labels", .file.display())]
    NoLabels { file: PathBuf },
    /// A picture that cannot be used.
    #[error("{}: {error}", shown(.file))]
    Picture { file: PathBuf, error: ModelError },
    /// No plan or parameters for the network.
    #[error("network {network:?}: {error}")]
    Plan { network: String, error: PlanError },
    /// A key or message file that cannot be used.
    #[error("{}: {error}{}", shown(.file), advice(.error))]
    Message { file: PathBuf, error: RunError },
    /// A computation that failed.
    #[error("{doing}: {error}")]
    Run { doing: &'static str, error: RunError },
    /// A file that cannot be read.
    #[error("cannot read {}: {error}", shown(.file))]
    Read { file: PathBuf, error: io::Error },
    /// A file that cannot be written.
    #[error("cannot write {}: {error}", shown(.file))]
    Write { file: PathBuf, error: io::Error },
    /// More bytes than any sensible file of its kind has.
    #[error("{}: larger than the limit of {limit} bytes: is it the right file?", shown(.file))]
    TooLarge { file: PathBuf, limit: u64 },
    /// An output folder that is not there.
    #[error("cannot write {}: there is no folder {}: create it first", shown(.file), .folder.display())]
    NoFolder { file: PathBuf, folder: PathBuf },
    /// An output that is a folder.
    #[error("cannot write {}: it is a folder: name a file in it", shown(.file))]
    IsFolder { file: PathBuf },
    /// An output that exists.
    #[error("{} exists already: use --force to replace it, or choose another folder", shown(.file))]
    Exists { file: PathBuf },
    /// An output in the place of a secret key.
    #[error("{} is a secret key, which this command does not overwrite: choose another output", shown(.file))]
    KeyInTheWay { file: PathBuf },
    /// A secret key that others can read.
    #[error(
        "{} can be read by others (mode {mode:03o}): run `chmod 600 {}`, and make new keys if others had access",
        shown(.file), shown(.file)
    )]
    Exposed { file: PathBuf, mode: u32 },
    /// Binary output to a terminal.
    #[error("the output is binary and would garble the terminal: redirect it, or name a file with --out")]
    BinaryToTerminal,
    /// Two inputs from the standard input.
    #[error("only one input can be `-`, the standard input: name a file for the other")]
    TwiceStdin,
    /// Images beyond the data set.
    #[error(
        "{} {split} images from number {skip} on were asked for, but {} has {available}: {}",
        .count, .folder.display(), range_advice(*.skip, *.available)
    )]
    Beyond { folder: PathBuf, split: &'static str, count: usize, skip: usize, available: usize },
    /// No such image in the data set.
    #[error("there is no {split} image number {index}: {} has {available}, counted from 0", .folder.display())]
    NoImage { folder: PathBuf, split: &'static str, index: usize, available: usize },
    /// No key folder.
    #[error("there is no secret key {}: make one with `tacit keygen --out {}`", .file.display(), .folder.display())]
    NoKey { file: PathBuf, folder: PathBuf },
    /// The operating system gives no randomness.
    #[error("the operating system's random generator failed: {0}; no key or query can be made without it")]
    Random(rand::rngs::SysError),
    /// A picture of a digit for a network that reads something else.
    #[error(
        "network {network:?} reads {expected} values, a picture of a digit has {found}: give it its own data, with `tacit \
         eval --images` or `tacit encrypt --images --index`"
    )]
    NoPictures { network: String, expected: usize, found: usize },
    /// A command between two parties, without encryption.
    #[error("`--scheme clear` encrypts nothing: it is for `tacit eval`; use bfv or ckks here")]
    NotEncrypted,
    /// The encrypted evaluation and the clear one differ.
    #[error("the encrypted logits differ from the clear interpreter's: {0}")]
    Mismatch(Mismatch),
    /// The standard output cannot be written.
    #[error("cannot write to the standard output: {0}")]
    Output(io::Error),
    /// The reader of the standard output is gone. Not an error to talk about.
    #[error("the standard output was closed")]
    Closed,
}

/// How many images came out differently.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mismatch {
    pub(crate) images: usize,
    /// Images whose logits differ.
    pub(crate) logits: usize,
    /// Images whose label differs.
    pub(crate) labels: usize,
    /// Images whose true logits are beyond the bound.
    pub(crate) beyond: usize,
    /// The bound of the logits that the plaintexts have room for.
    pub(crate) bound: u128,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, logits, labels, beyond, bound } = self;
        write!(f, "logits of {logits} and labels of {labels} of {images} images; ")?;
        if beyond < logits {
            return write!(f, "do not trust these answers, and report this");
        }
        write!(
            f,
            "their logits are beyond the {bound} that the model file allows for: use pictures like those it learnt \
             from, or declare a larger bound"
        )
    }
}

impl CliError {
    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        const EXHAUSTED: u8 = 6;
        match self {
            Self::Mismatch(_) => 3,
            Self::Run { error: RunError::Eval(EvalError::NoiseExhausted { .. }), .. }
            | Self::Message { error: RunError::Eval(EvalError::NoiseExhausted { .. }), .. }
            | Self::Plan { error: PlanError::Step { error: EvalError::NoiseExhausted { .. }, .. }, .. } => EXHAUSTED,
            Self::Plan { error: PlanError::Model(_), .. } => 1,
            Self::Plan { .. } | Self::Import { .. } => 4,
            _ => 1,
        }
    }

    /// For `map_err`: a message from `file`.
    pub(crate) fn message<E: Into<RunError>>(file: &std::path::Path) -> impl FnOnce(E) -> Self {
        move |error| Self::Message { file: file.into(), error: error.into() }
    }

    /// For `map_err`: a computation.
    pub(crate) fn run<E: Into<RunError>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Run { doing, error: error.into() }
    }
}

impl From<io::Error> for CliError {
    /// Of the standard output: files have errors that name them.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Output(error) }
    }
}

/// The names of the networks that come with the command.
fn known() -> String {
    tacit_model::NAMED.map(|network| network.name).join(", ")
}

/// A secret key where a server expects public keys is more than a mix-up of files.
fn advice(error: &RunError) -> &'static str {
    match error {
        RunError::Message(MessageError::Kind { expected: Named(expected), found })
            if *found == MessageKind::SecretKey as u8 && *expected != MessageKind::SecretKey =>
        {
            "; a secret key belongs to the client alone, and no server may ever hold it"
        }
        _ => "",
    }
}

fn range_advice(skip: usize, available: usize) -> String {
    match available.saturating_sub(skip) {
        0 => "use a smaller --skip".into(),
        most => format!("use --count {most} or less"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhausted_noise_has_its_own_code_wherever_it_shows() {
        let noise = || EvalError::NoiseExhausted { noise_bits: 50, limit_bits: 40 };
        let errors = [
            CliError::Run { doing: "evaluation", error: noise().into() },
            CliError::Message { file: "answer".into(), error: noise().into() },
            CliError::Plan { network: "n".into(), error: PlanError::Step { step: 1, error: noise() } },
        ];
        assert!(errors.iter().all(|error| error.exit_code() == 6));
    }

    #[test]
    fn a_mismatch_says_whether_the_bound_explains_it() {
        let explained = Mismatch { images: 9, logits: 2, labels: 1, beyond: 2, bound: 77 };
        assert_eq!(CliError::Mismatch(explained).exit_code(), 3);
        assert!(explained.to_string().contains("beyond the 77"));
        assert!(Mismatch { beyond: 1, ..explained }.to_string().contains("do not trust"));
    }

    #[test]
    fn a_closed_output_is_told_apart_from_a_full_one() {
        assert!(matches!(io::Error::from(io::ErrorKind::BrokenPipe).into(), CliError::Closed));
        assert!(matches!(io::Error::from(io::ErrorKind::StorageFull).into(), CliError::Output(_)));
    }
}
