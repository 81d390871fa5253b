//! The report of an evaluation.

use core::time::Duration;

use serde::Serialize;

use super::Tally;
use crate::args::{EvalArgs, SchemeName};
use crate::console::{BAD, Console, GOOD, STRONG};
use crate::error::CliError;
use crate::report::facts::Facts;
use crate::report::units::{bytes, counted, grouped, percent, time};
use crate::report::{median, millis, peak_memory};
use crate::subject::Subject;
use crate::threads::Threads;

/// What is done once, not for each image.
#[derive(Debug, Default, Serialize)]
pub(super) struct Once {
    #[serde(rename = "plan_ms", serialize_with = "millis")]
    pub(super) plan: Option<Duration>,
    #[serde(rename = "keygen_ms", serialize_with = "millis")]
    pub(super) keygen: Option<Duration>,
    #[serde(rename = "prepare_ms", serialize_with = "millis")]
    pub(super) prepare: Option<Duration>,
    /// What the server is predicted to take for an image, if it has one thread.
    pub(super) predicted_ms: Option<f64>,
}

/// What `--json` prints. Fields that only encryption has are null without it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: &'static str,
    net: String,
    scheme: &'static str,
    plan: Option<String>,
    split: &'static str,
    skip: usize,
    images: usize,
    correct: usize,
    accuracy: f64,
    clear_correct: usize,
    disagreements: usize,
    logit_mismatches: usize,
    beyond_bound: usize,
    /// Of approximate logits: the largest found, and the bound.
    logit_error: Option<f64>,
    logit_error_bound: Option<f64>,
    threads: usize,
    #[serde(flatten)]
    facts: Facts,
    #[serde(flatten)]
    once: Once,
    #[serde(rename = "encrypt_ms", serialize_with = "millis")]
    encrypt: Option<Duration>,
    #[serde(rename = "server_ms", serialize_with = "millis")]
    server: Option<Duration>,
    #[serde(rename = "decrypt_ms", serialize_with = "millis")]
    decrypt: Option<Duration>,
    #[serde(rename = "clear_ms", serialize_with = "millis")]
    clear: Option<Duration>,
    peak_rss_bytes: Option<u64>,
}

impl Report {
    pub(super) fn new(
        args: &EvalArgs,
        subject: &Subject,
        mut tally: Tally,
        once: Once,
        facts: Facts,
        threads: Threads,
    ) -> Self {
        let images = args.count.get();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            net: subject.name.clone(),
            scheme: subject.scheme.name(),
            plan: (subject.scheme != SchemeName::Clear).then(|| subject.plan.to_string()),
            split: args.split.name(),
            skip: args.skip,
            images,
            correct: tally.correct,
            accuracy: tally.correct as f64 / images as f64,
            clear_correct: tally.clear_correct,
            disagreements: tally.disagreements,
            logit_mismatches: tally.logit_mismatches,
            beyond_bound: tally.beyond_bound,
            logit_error: tally.error.map(|(largest, _)| largest),
            logit_error_bound: tally.error.map(|(_, bound)| bound),
            threads: threads.count(),
            facts,
            once,
            encrypt: median(&mut tally.encrypt),
            server: median(&mut tally.server),
            decrypt: median(&mut tally.decrypt),
            clear: median(&mut tally.clear),
            peak_rss_bytes: peak_memory(),
        }
    }

    pub(super) fn print(&self, console: &Console) -> Result<(), CliError> {
        let count = |number: usize| grouped(number as i128);
        let row = |name: &str, text: String| console.line(format_args!("{name:<12}{text}"));
        let from = if self.skip > 0 { format!(", from number {}", self.skip) } else { String::new() };
        row("images", format!("{} of the {} images{from}", count(self.images), self.split))?;
        let share = console.paint(STRONG, percent(self.correct, self.images));
        row("accuracy", format!("{share} ({} correct)", count(self.correct)))?;
        if self.plan.is_none() {
            row("scheme", format!("clear: nothing is encrypted; network `{}`", self.net))?;
            return row("time", format!("{} per image", self.clear.map_or_else(String::new, time)));
        }
        self.print_encrypted(console, &row)
    }

    fn print_encrypted(
        &self,
        console: &Console,
        row: &dyn Fn(&str, String) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let (style, verdict) = if self.logit_mismatches == 0 { (GOOD, "agrees") } else { (BAD, "differs") };
        let verdict = console.paint(style, verdict);
        let [labels, images] = [self.disagreements, self.logit_mismatches].map(|number| counted(number, "image"));
        let differences =
            if let (0, Some(error), Some(bound)) = (self.logit_mismatches, self.logit_error, self.logit_error_bound) {
                let labels = counted(self.disagreements, "image");
                format!("logits differ by at most {error:.0} of {bound:.0} allowed, labels of {labels}")
            } else if self.logit_mismatches == 0 {
                "no logit of any image differs".into()
            } else {
                format!("logits of {images} differ, labels of {labels}")
            };
        row("interpreter", format!("{verdict}: {differences}"))?;
        let count = |number: usize| grouped(number as i128);
        let shown = |duration: Option<Duration>| duration.map_or_else(String::new, time);
        let plan = self.plan.as_deref().unwrap_or_default();
        row("plan", format!("network `{}`, plan `{plan}`, scheme {}", self.net, self.scheme))?;
        let [encrypt, server, decrypt] = [self.encrypt, self.server, self.decrypt].map(shown);
        let batch = self.facts.batch.unwrap_or(1);
        let per = if batch > 1 { "per query" } else { "per image" };
        row(per, format!("encrypt {encrypt}, server {server}, decrypt {decrypt} (medians)"))?;
        if batch > 1 {
            let share = self.server.map(|server| server.div_f64(batch as f64));
            row("per image", format!("server {} with all {} to a query", shown(share), count(batch)))?;
        }
        if let Some(predicted) = self.once.predicted_ms {
            let predicted = Duration::try_from_secs_f64(predicted / 1000.0).ok();
            row("predicted", format!("server {}, by kernels timed before", shown(predicted)))?;
        }
        let [planning, keygen, prepare] = [self.once.plan, self.once.keygen, self.once.prepare].map(shown);
        row("once", format!("plan {planning}, keys {keygen}, prepare {prepare}"))?;
        let Facts { upload_bytes, download_bytes, key_bytes, .. } = self.facts;
        let [up, down, keys] = [upload_bytes, download_bytes, key_bytes].map(|count| bytes(count.unwrap_or_default()));
        row("bytes", format!("query {up}, answer {down}, evaluation keys {keys}"))?;
        let memory =
            self.peak_rss_bytes.map_or_else(String::new, |peak| format!(", peak memory {}", bytes(peak as usize)));
        row(
            "machine",
            format!("{}, backend {}{memory}", counted(self.threads, "thread"), self.facts.backend.unwrap_or_default()),
        )
    }
}
