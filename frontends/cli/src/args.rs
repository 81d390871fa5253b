//! The command line.

mod help;

use core::num::NonZero;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, value_parser};
use tacit_core::backend::{Backend, Kernels};
use tacit_model::{Named, Split};

/// Private neural-network inference: a server labels a picture that it cannot see
///
/// The client encrypts a picture, the server evaluates its network on the ciphertexts, the client decrypts the answer.
/// The server holds no secret key. Start with `tacit demo`.
#[derive(Debug, Parser)]
#[command(name = "tacit", version, arg_required_else_help = true, after_help = help::TOP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// No progress and no remarks: results and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it all: a picture, encrypted, labelled blindly, decrypted; needs no file
    Demo(DemoArgs),
    /// Measure accuracy and time on a data set, against the clear interpreter
    Eval(EvalArgs),
    /// Client: make a secret key, and evaluation keys for the server
    Keygen(KeygenArgs),
    /// Client: encrypt a picture to a query
    Encrypt(EncryptArgs),
    /// Server: evaluate the network on a query; takes no secret key
    Evaluate(EvaluateArgs),
    /// Client: decrypt an answer to a label and logits
    Decrypt(DecryptArgs),
    /// Print what the server computes, with its cost, levels and noise
    Plan(PlanArgs),
    /// Make a network of integers of an ONNX model
    Import(ImportArgs),
}

/// The network and how to evaluate it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetArgs {
    #[arg(long, value_name = "NAME|FILE", default_value = "mnist", help = help::net())]
    pub(crate) net: NetSource,
    /// What the plan is for: the least time, the smallest query, the most inputs a second, or Table 1 of the LoLa paper
    /// [default: latency, or upload for networks whose paper sends one message]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) plan: Option<PlanName>,
    /// How to encrypt: bfv, exact; ckks, approximate and faster; clear, not at all (`eval` only)
    #[arg(long, value_enum, value_name = "NAME", default_value_t = SchemeName::Bfv)]
    pub(crate) scheme: SchemeName,
    /// The kernels to compute with; all give the same bytes [default: the fastest of this machine]
    #[arg(long, value_name = "NAME", value_parser = backend)]
    pub(crate) backend: Option<Kernels>,
}

/// A backend that this machine can run.
fn backend(name: &str) -> Result<Kernels, String> {
    let names = || Kernels::available().map(Kernels::name).collect::<Vec<_>>().join(", ");
    let found = Kernels::available().find(|kernels| kernels.name() == name);
    found.ok_or_else(|| format!("this machine can run: {}", names()))
}

/// Where a network comes from.
#[derive(Clone, Debug)]
pub(crate) enum NetSource {
    /// One that comes with this command.
    Named(&'static Named),
    /// A model file.
    File(PathBuf),
}

impl From<OsString> for NetSource {
    fn from(text: OsString) -> Self {
        let named = text.to_str().and_then(tacit_model::named);
        named.map_or_else(|| Self::File(text.into()), Self::Named)
    }
}

/// The plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanName {
    /// That of Table 1 of the LoLa paper
    Paper,
    /// The least time on the server
    Latency,
    /// The smallest query
    Upload,
    /// The least time for each of many inputs, thousands to a query
    Throughput,
}

// The values below have no doc comments: each would stretch `--help` by several lines. The argument explains them.

/// How to evaluate: encrypted by BFV or CKKS, or in the clear by the exact integer interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemeName {
    Bfv,
    Ckks,
    Clear,
}

impl SchemeName {
    /// As the command line calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bfv => "bfv",
            Self::Ckks => "ckks",
            Self::Clear => "clear",
        }
    }
}

/// How much of the machine the server takes.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ThreadArgs {
    /// Threads of the server, 1 to 1024 [default: all that the machine runs at once]
    #[arg(long, value_name = "T", value_parser = value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl ThreadArgs {
    pub(crate) fn asked(self) -> Option<NonZero<u16>> {
        self.threads.and_then(NonZero::new)
    }
}

/// A sample digit or a picture file.
#[derive(Args, Debug)]
pub(crate) struct PictureArgs {
    /// A sample digit that comes with this command
    #[arg(long, value_name = "0..9", value_parser = value_parser!(u8).range(0..=9), group = "picture")]
    pub(crate) digit: Option<u8>,
    /// A PNG or JPEG picture of a digit, or `-` for the standard input
    #[arg(long, value_name = "FILE", group = "picture")]
    pub(crate) image: Option<PathBuf>,
}

/// Part of a data set: the images that networks are judged by, or those that they learn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitName {
    #[default]
    Test,
    Train,
}

impl SplitName {
    /// As the library calls it.
    pub(crate) const fn part(self) -> Split {
        match self {
            Self::Test => Split::Test,
            Self::Train => Split::Train,
        }
    }

    /// As the command line calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Train => "train",
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = help::DEMO)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) picture: PictureArgs,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
    /// One JSON object instead of the show
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) net: NetArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::EVAL)]
pub(crate) struct EvalArgs {
    /// The data set: a folder of images (IDX, CIFAR-10) or of features; a file of CIFAR-10 records (.bin), a NumPy file of
    /// rows (.npy), or a table of them (CSV)
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) images: PathBuf,
    /// NumPy file with the class of each row of a NumPy file
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// How many images
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) count: NonZero<usize>,
    /// Images to leave out at the beginning
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip: usize,
    /// Part of the data set: to judge networks by, or to train them with
    #[arg(long, value_enum, default_value_t)]
    pub(crate) split: SplitName,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) net: NetArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::KEYGEN)]
pub(crate) struct KeygenArgs {
    /// Folder for `secret.key` and `evaluation.key`; made if its parent is there
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace existing keys: what was made with them can no longer be decrypted
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) net: NetArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::ENCRYPT)]
#[command(group = ArgGroup::new("source").args(["digit", "image", "images"]).required(true))]
pub(crate) struct EncryptArgs {
    /// Folder with `secret.key`
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: PathBuf,
    #[command(flatten)]
    pub(crate) picture: PictureArgs,
    /// A data set (a folder or a file, as for `eval`), for the input with --index
    #[arg(long, value_name = "DIR|FILE", requires = "index")]
    pub(crate) images: Option<PathBuf>,
    /// Number of the image or row in the data set, from 0
    #[arg(long, value_name = "I", requires = "images")]
    pub(crate) index: Option<usize>,
    /// Part of the data set: to judge networks by, or to train them with
    #[arg(long, value_enum, default_value_t, requires = "images")]
    pub(crate) split: SplitName,
    /// The query, or `-` for the standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) net: NetArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::EVALUATE)]
pub(crate) struct EvaluateArgs {
    /// The client's evaluation keys, or `-` for the standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) eval_keys: PathBuf,
    /// The client's query, or `-` for the standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) query: PathBuf,
    /// The answer, or `-` for the standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) threads: ThreadArgs,
    #[command(flatten)]
    pub(crate) net: NetArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::DECRYPT)]
pub(crate) struct DecryptArgs {
    /// Folder with `secret.key`
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: PathBuf,
    /// The server's answer, or `-` for the standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) answer: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) net: NetArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::PLAN)]
pub(crate) struct PlanArgs {
    /// The network, as `--net` takes it
    #[arg(value_name = "NAME|FILE", conflicts_with = "net")]
    network: Option<NetSource>,
    /// Why this plan: what else was compared, and the time of every stage as predicted for this machine
    #[arg(long, conflicts_with = "ops")]
    pub(crate) explain: bool,
    /// Every operation, instead of a table of stages
    #[arg(long, conflicts_with = "json")]
    pub(crate) ops: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the stages, with their cost and noise, to a file too; `-`: to the standard output, without the table
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    #[command(flatten)]
    net: NetArgs,
}

impl PlanArgs {
    /// The network, wherever it was named.
    pub(crate) fn net(&self) -> NetArgs {
        let net = self.network.as_ref().unwrap_or(&self.net.net).clone();
        NetArgs { net, ..self.net.clone() }
    }
}

#[derive(Args, Debug)]
#[command(after_help = help::IMPORT)]
pub(crate) struct ImportArgs {
    /// The ONNX model
    #[arg(value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// Data to choose the integers by: a folder of images, a NumPy file of rows, or a table of them (CSV)
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) calibrate: Option<PathBuf>,
    /// NumPy file with the class of each row of a NumPy file
    #[arg(long, value_name = "FILE", requires = "calibrate")]
    pub(crate) labels: Option<PathBuf>,
    /// Part of a folder of images
    #[arg(long, value_enum, default_value_t = SplitName::Train)]
    pub(crate) split: SplitName,
    /// The most rows to calibrate with
    #[arg(long, value_name = "N", default_value = "2000")]
    pub(crate) count: NonZero<usize>,
    /// The most accuracy that integers may cost, in percent of the rows; agreement, if there are no labels
    #[arg(long, value_name = "PERCENT", default_value = "0.1", value_parser = percentage)]
    pub(crate) loss: f64,
    /// What the model reads for a pixel of 1 where pixels are 0 to 255: 1 for a model that reads pixels as they are
    #[arg(long, value_name = "S", default_value = "0.00392156862745098", value_parser = positive)]
    pub(crate) pixel_scale: f64,
    /// Names of the classes, separated by commas [default: their numbers]
    #[arg(long, value_name = "A,B,…")]
    pub(crate) names: Option<String>,
    /// Multiply adjacent linear layers together even if the product has more weights
    #[arg(long)]
    pub(crate) collapse: bool,
    /// Only show the model, and evaluate it in floating point on the data: for models that encryption cannot compute
    #[arg(long, conflicts_with = "out")]
    pub(crate) clear: bool,
    /// The model file to write, or `-` for the standard output
    #[arg(long, value_name = "FILE", requires = "calibrate")]
    pub(crate) out: Option<PathBuf>,
    /// One JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

fn percentage(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok().filter(|value| (0.0..=100.0).contains(value));
    value.ok_or_else(|| "expected a number from 0 to 100".into())
}

fn positive(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0);
    value.ok_or_else(|| "expected a number above 0".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
