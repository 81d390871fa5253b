//! The `tacit` command: private neural-network inference from the shell.
//!
//! A client encrypts a picture, a server labels what it cannot see, the client decrypts the label. `tacit demo` shows
//! all of it; `keygen`, `encrypt`, `evaluate` and `decrypt` do it stage by stage through files; `eval` measures it on a
//! data set; `plan` prints what the server computes. Every command is a thin layer over [`tacit_lola`] and
//! [`tacit_model`]: files, threads, clocks and terminals live here, and nothing else does.
//!
//! Results go to the standard output, talk and progress to the standard error. Exit codes:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failure: a file, a network, a query, … |
//! | 2 | the command line is not understood |
//! | 3 | encrypted and clear results differ |
//! | 4 | insecure or unsupported parameters or plan |
//! | 6 | the noise budget is exhausted |
//! | 130 | interrupted |
//!
//! | module | holds |
//! |---|---|
//! | `args` | the command line |
//! | `commands` | one module per command |
//! | `examples` | inputs from a data set |
//! | `subject` | the network and plan that a command is about |
//! | `console` | standard output and error, colour, progress |
//! | `report`, `picture` | tables, bars, units; a picture in a terminal |
//! | `drawing` | a plan as a picture |
//! | `files` | reading, atomic writing, secret files |
//! | `threads`, `random`, `interrupt` | what else the operating system gives |
//! | `error` | refusals and their exit codes |

mod args;
mod commands;
mod console;
mod drawing;
mod error;
mod examples;
mod files;
mod interrupt;
mod picture;
mod random;
mod report;
mod subject;
mod threads;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::console::Console;
use crate::error::CliError;

fn main() -> ExitCode {
    interrupt::install();
    let cli = Cli::parse();
    let console = Console::new(cli.quiet);
    match commands::run(cli.command, &console).and_then(|()| console.flush()) {
        // Whoever read the output had enough: no reason to complain.
        Ok(()) | Err(CliError::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            console.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
