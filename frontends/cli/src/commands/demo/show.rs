//! What the demonstration says.

use core::time::Duration;

use tacit_lola::evaluate::Progress;
use tacit_lola::{Deployment, Logits, Scheme, Spec};

use super::timed;
use crate::console::{ACCENT, BAD, Console, FAINT, GOOD, STRONG};
use crate::error::CliError;
use crate::picture;
use crate::report::units::{bytes, counted, time};
use crate::report::{bars, facts};
use crate::subject::Subject;
use crate::threads::Threads;

/// Columns before the text of a phase: margin, name, time, party.
const INDENT: usize = 2 + 10 + 9 + 2 + 8;

/// The running commentary. Silent with `--json` and `--quiet`, but for the answer in the second case.
pub(super) struct Show<'a> {
    console: &'a Console,
    results: bool,
    talk: bool,
}

impl<'a> Show<'a> {
    pub(super) const fn new(console: &'a Console, json: bool) -> Self {
        Self { console, results: !json, talk: !json && !console.quiet() }
    }

    /// Does one phase with a sign of life, and notes its time.
    pub(super) fn phase<T>(
        &self,
        name: &str,
        doing: &str,
        time: &mut Option<Duration>,
        work: impl FnOnce() -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let (result, took) = {
            let _sign = self.console.spinner(doing);
            timed(work)
        };
        *time = Some(took);
        let result = result?;
        self.head(name, took)?;
        Ok(result)
    }

    /// The server's computation, with a bar over the operations.
    pub(super) fn evaluation<T>(&self, deployment: &Deployment, work: impl FnOnce(Progress<'_>) -> T) -> T {
        let bar = self.console.bar("evaluating", "operations", deployment.lowered().plan().ops().len());
        work(&|done, _| bar.set(done))
    }

    pub(super) fn picture(&self, subject: &Subject, source: &str, pixels: &[u8]) -> Result<(), CliError> {
        let [_, _, columns] = subject.network.input().shape;
        self.talk(self.console.paint(STRONG, "A server labels a picture that it cannot see."))?;
        self.talk("")?;
        for row in picture::draw(pixels, columns, self.console.colour()) {
            self.talk(format_args!("    {row}").to_string().trim_end())?;
        }
        self.talk(format_args!("    {}", self.console.paint(FAINT, format_args!("{source}, as the client sees it"))))?;
        self.talk("")
    }

    pub(super) fn plan(&self, deployment: &Deployment, subject: &Subject) -> Result<(), CliError> {
        let cost = deployment.lowered().plan().cost();
        self.text("both", format_args!("network `{}` by plan `{}`:", subject.name, subject.plan))?;
        let [products, scalars] = [cost.plain_products, cost.scalar_products];
        self.more(format_args!("{} key switches, {products} + {scalars} products", cost.key_switches()))?;
        facts::parameters(deployment.spec().params()).iter().try_for_each(|line| self.more(line))
    }

    pub(super) fn keys(&self, spec: &Spec, length: usize) -> Result<(), CliError> {
        let request = spec.key_request();
        let count = request.galois.len() + request.relin.iter().count();
        let size = self.sent("→", length);
        self.text("client", format_args!("{count} evaluation keys, {size} server, once"))?;
        self.more("the secret key stays with the client")
    }

    pub(super) fn query(&self, length: usize) -> Result<(), CliError> {
        self.text("client", format_args!("query of {} server", self.sent("→", length)))
    }

    pub(super) fn prepared(&self) -> Result<(), CliError> {
        self.text("server", "weights encoded, keys read, once for all queries")
    }

    pub(super) fn evaluated(&self, deployment: &Deployment, took: Duration, threads: Threads) -> Result<(), CliError> {
        let threads = counted(threads.count(), "thread");
        let operations = deployment.lowered().plan().ops().len();
        self.head("evaluate", took)?;
        self.text("server", format_args!("{operations} operations on ciphertexts, {threads}"))
    }

    pub(super) fn decrypted(
        &self,
        deployment: &Deployment,
        length: usize,
        (noise, limit): (f64, f64),
    ) -> Result<(), CliError> {
        self.text("client", format_args!("answer of {} client", self.sent("→", length)))?;
        match deployment.spec().scheme() {
            Scheme::Bfv => self.more(format_args!("noise at most {noise:.1} of {limit:.1} bits: exact")),
            Scheme::Ckks => self.more(format_args!("error at most 2^{:.1} of the bound on logits", noise - limit)),
        }
    }

    /// The answer, and whether it is right.
    pub(super) fn answer(&self, subject: &Subject, logits: &Logits, clear: &[i128]) -> Result<(), CliError> {
        if !self.results {
            return Ok(());
        }
        let label = subject.label(logits);
        if !self.talk {
            return self.console.line(label);
        }
        self.talk("")?;
        for row in bars::rows(self.console, subject.network.labels(), &logits.integers()) {
            self.talk(row)?;
        }
        self.talk("")?;
        self.talk(format_args!("  The label is {}.", self.console.paint(ACCENT.bold(), label)))?;
        self.talk(if logits.agree_with(clear) {
            let verdict = self.console.paint(GOOD, "agrees");
            let equal = if logits.error().is_none() { "equal" } else { "equal up to the error bound" };
            format!("  The network evaluated without encryption {verdict}: all {} logits are {equal}.", clear.len())
        } else {
            let verdict = self.console.paint(BAD, "disagrees");
            format!(
                "  The network evaluated without encryption {verdict}: its label is {}.",
                subject.clear_label(clear)
            )
        })
    }

    /// Who knew what.
    pub(super) fn summary(&self, deployment: &Deployment) -> Result<(), CliError> {
        let spec = deployment.spec();
        let [query, keys] = [spec.query_len(), spec.evaluation_keys_len()].map(bytes);
        self.talk(format_args!("  The server saw bytes only, {query} of query and {keys} of evaluation keys:"))?;
        self.talk("  no pixel, no intermediate value, no label. It never held a secret key.")
    }

    fn sent(&self, arrow: &str, length: usize) -> String {
        format!("{} {arrow}", self.console.paint(STRONG, bytes(length)))
    }

    /// The beginning of a phase's first line waits for its text in `text`.
    fn head(&self, name: &str, took: Duration) -> Result<(), CliError> {
        let name = self.console.paint(ACCENT, format_args!("{name:<10}"));
        self.print(format_args!("  {name}{:>9}  ", time(took)))
    }

    fn text(&self, party: &str, text: impl core::fmt::Display) -> Result<(), CliError> {
        self.talk(format_args!("{} {text}", self.console.paint(FAINT, format_args!("{party:<7}"))))
    }

    fn more(&self, text: impl core::fmt::Display) -> Result<(), CliError> {
        self.talk(format_args!("{:INDENT$}{text}", ""))
    }

    fn talk(&self, text: impl core::fmt::Display) -> Result<(), CliError> {
        if self.talk { self.console.line(text) } else { Ok(()) }
    }

    fn print(&self, text: impl core::fmt::Display) -> Result<(), CliError> {
        if self.talk { self.console.print(text) } else { Ok(()) }
    }
}
