//! The standard output for results, the standard error for talk and progress.

use core::fmt::Display;
use core::time::Duration;
use std::env;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::error::CliError;

/// Bold.
pub(crate) const STRONG: Style = Style::new().bold();
/// Secondary text.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Good news.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Bad news.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// The answer, and what belongs to it.
pub(crate) const ACCENT: Style = AnsiColor::Cyan.on_default();

/// Between two frames of a spinner.
const TICK: Duration = Duration::from_millis(100);

/// Where a command speaks.
#[derive(Debug)]
pub(crate) struct Console {
    quiet: bool,
    progress: bool,
    colour: bool,
    colour_stderr: bool,
}

impl Console {
    /// Looks at the terminal and at `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM`.
    pub(crate) fn new(quiet: bool) -> Self {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            quiet,
            progress: !quiet && !dumb && io::stderr().is_terminal(),
            colour: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            colour_stderr: AutoStream::choice(&io::stderr()) != ColorChoice::Never,
        }
    }

    /// Whether results are in colour.
    pub(crate) const fn colour(&self) -> bool {
        self.colour
    }

    /// Whether only results are wanted.
    pub(crate) const fn quiet(&self) -> bool {
        self.quiet
    }

    /// Columns of the terminal that results go to, if they go to one.
    pub(crate) fn width() -> Option<u16> {
        terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0)
    }

    /// `text` in a style, if results are in colour.
    pub(crate) fn paint(&self, style: Style, text: impl Display) -> String {
        painted(self.colour, style, text)
    }

    /// A result.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), CliError> {
        Ok(writeln!(io::stdout(), "{text}")?)
    }

    /// The beginning of a line of results.
    pub(crate) fn print(&self, text: impl Display) -> Result<(), CliError> {
        Ok(write!(io::stdout(), "{text}")?)
    }

    /// The result as one JSON object on one line.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(io::Error::from)?;
        self.line(text)
    }

    /// Makes sure that results have left the process.
    pub(crate) fn flush(&self) -> Result<(), CliError> {
        Ok(io::stdout().flush()?)
    }

    /// A remark beside the results.
    pub(crate) fn remark(&self, text: impl Display) {
        if !self.quiet {
            // Talk that nobody can hear is no failure.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// An error, on one line whatever names and texts are in it.
    pub(crate) fn error(&self, error: &CliError) {
        let line: String = error.to_string().chars().map(printable).collect();
        let _ = writeln!(io::stderr(), "{} {line}", painted(self.colour_stderr, BAD, "error:"));
    }

    /// A sign of life while something takes its time. Cleared when dropped.
    pub(crate) fn spinner(&self, doing: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(None, self.target()).with_message(doing.to_owned());
        bar.set_style(style("  {spinner} {msg} {elapsed}"));
        if self.progress {
            bar.enable_steady_tick(TICK);
        }
        Progress(bar)
    }

    /// A bar of `count` steps. Cleared when dropped.
    pub(crate) fn bar(&self, doing: &str, unit: &str, count: usize) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(count as u64), self.target()).with_message(doing.to_owned());
        let colour = if self.colour_stderr { ".cyan" } else { "" };
        let template = format!("  {{msg}} {{bar:24{colour}}} {{pos}}/{{len}} {unit}, {{eta}} left");
        bar.set_style(style(&template).progress_chars("━╸─"));
        if self.progress {
            bar.enable_steady_tick(TICK);
        }
        Progress(bar)
    }

    fn target(&self) -> ProgressDrawTarget {
        if self.progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
    }
}

/// A spinner or bar that disappears when it is dropped, also on the way out of an error.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// So many steps are done.
    pub(crate) fn set(&self, done: usize) {
        self.0.set_position(done as u64);
    }

    /// One more step is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn painted(colour: bool, style: Style, text: impl Display) -> String {
    if colour { format!("{style}{text}{style:#}") } else { text.to_string() }
}

/// File names and damaged files must not write on the screen.
fn printable(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}
