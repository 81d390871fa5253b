//! `tacit demo`: the whole way of a picture, with everything there is to see.

mod show;

use core::time::Duration;

use rand::RngExt;
use serde::Serialize;
use tacit_lola::{Deployment, Logits, RunError};

use super::{picture, sample, timed};
use crate::args::{DemoArgs, PictureArgs};
use crate::console::Console;
use crate::error::{CliError, Mismatch};
use crate::random;
use crate::report::facts::Facts;
use crate::report::{millis, peak_memory};
use crate::subject::Subject;
use crate::threads::Threads;
use show::Show;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    version: &'a str,
    net: &'a str,
    scheme: &'a str,
    plan: String,
    picture: &'a str,
    label: &'a str,
    labels: &'a [String],
    logits: Vec<i128>,
    /// The bound on the error of approximate logits.
    error: Option<f64>,
    clear_label: &'a str,
    clear_logits: &'a [i128],
    agrees: bool,
    threads: usize,
    #[serde(flatten)]
    facts: Facts,
    #[serde(flatten)]
    times: Times,
    peak_rss_bytes: Option<u64>,
}

/// How long each phase took.
#[derive(Default, Serialize)]
struct Times {
    #[serde(rename = "plan_ms", serialize_with = "millis")]
    plan: Option<Duration>,
    #[serde(rename = "keygen_ms", serialize_with = "millis")]
    keygen: Option<Duration>,
    #[serde(rename = "encrypt_ms", serialize_with = "millis")]
    encrypt: Option<Duration>,
    #[serde(rename = "prepare_ms", serialize_with = "millis")]
    prepare: Option<Duration>,
    #[serde(rename = "server_ms", serialize_with = "millis")]
    server: Option<Duration>,
    #[serde(rename = "decrypt_ms", serialize_with = "millis")]
    decrypt: Option<Duration>,
}

pub(crate) fn run(args: &DemoArgs, console: &Console) -> Result<(), CliError> {
    let show = Show::new(console, args.json);
    let threads = Threads::new(args.threads.asked());
    let subject = Subject::load(&args.net)?;
    let (source, pixels) = pixels(&args.picture)?;
    let input = subject.quantise(&pixels)?;
    show.picture(&subject, &source, &pixels)?;

    let mut times = Times::default();
    let deployment = show.phase("plan", "planning", &mut times.plan, || subject.deploy())?;
    show.plan(&deployment, &subject)?;
    let logits = exchange(&show, &subject, &deployment, &input, threads, &mut times)?;

    let clear = subject.network.evaluate(&input)?.logits;
    show.answer(&subject, &logits, &clear)?;
    show.summary(&deployment)?;
    if args.json {
        console.json(&Report::new(&subject, &source, &logits, &clear, threads, Facts::of(&deployment), times))?;
    }
    if logits.agree_with(&clear) { Ok(()) } else { Err(CliError::Mismatch(mismatch(&subject, &logits, &clear)?)) }
}

impl<'a> Report<'a> {
    fn new(
        subject: &'a Subject,
        picture: &'a str,
        logits: &'a Logits,
        clear_logits: &'a [i128],
        threads: Threads,
        facts: Facts,
        times: Times,
    ) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            net: &subject.name,
            scheme: subject.scheme.name(),
            plan: subject.plan.to_string(),
            picture,
            label: subject.label(logits),
            labels: subject.network.labels(),
            logits: logits.integers(),
            error: logits.error(),
            clear_label: subject.clear_label(clear_logits),
            clear_logits,
            agrees: logits.agree_with(clear_logits),
            threads: threads.count(),
            facts,
            times,
            peak_rss_bytes: peak_memory(),
        }
    }
}

fn mismatch(subject: &Subject, logits: &Logits, clear: &[i128]) -> Result<Mismatch, CliError> {
    let bound = subject.bound()?;
    Ok(Mismatch {
        images: 1,
        logits: 1,
        labels: usize::from(subject.label(logits) != subject.clear_label(clear)),
        beyond: usize::from(clear.iter().any(|logit| logit.unsigned_abs() > bound)),
        bound,
    })
}

/// The five steps between two parties. What crosses from one to the other is bytes.
fn exchange(
    show: &Show<'_>,
    subject: &Subject,
    deployment: &Deployment,
    input: &[i64],
    threads: Threads,
    times: &mut Times,
) -> Result<Logits, CliError> {
    let spec = deployment.spec();
    let mut rng = random::generator()?;
    let (client, key_bytes) = show.phase("keys", "making keys", &mut times.keygen, || {
        let client = spec.client(&mut rng);
        let keys = client.evaluation_keys(&mut rng).map_err(CliError::run("evaluation keys"))?;
        Ok((client, keys))
    })?;
    show.keys(spec, key_bytes.len())?;
    let query = show.phase("encrypt", "encrypting", &mut times.encrypt, || {
        client.encrypt(input, &mut rng).map_err(CliError::run("encryption"))
    })?;
    show.query(query.len())?;
    let (server, keys) = show.phase("prepare", "encoding weights, reading keys", &mut times.prepare, || {
        let server = deployment.server().map_err(|error| subject.plan_error(error))?;
        let keys =
            server.read_keys(&key_bytes).map_err(CliError::run::<tacit_lola::MessageError>("evaluation keys"))?;
        Ok((server, keys))
    })?;
    show.prepared()?;
    let (answer, time) =
        show.evaluation(deployment, |progress| timed(|| server.evaluate(&keys, &query, &threads, progress)));
    times.server = Some(time);
    let answer = answer.map_err(CliError::run("evaluation"))?;
    show.evaluated(deployment, time, threads)?;
    let logits = show.phase("decrypt", "decrypting", &mut times.decrypt, || {
        client.decrypt(&answer).map_err(CliError::run::<RunError>("decryption"))
    })?;
    show.decrypted(deployment, answer.len(), server.answer_noise())?;
    logits.release().map_err(CliError::run("decryption"))
}

/// The picture asked for, and what to call it. Without a wish, chance chooses.
fn pixels(args: &PictureArgs) -> Result<(String, Vec<u8>), CliError> {
    if let Some(file) = &args.image {
        return Ok((crate::files::shown(file), picture(file)?));
    }
    let digit = match args.digit {
        Some(digit) => digit,
        None => random::generator()?.random_range(0..10),
    };
    Ok((format!("sample digit {digit}"), sample(digit)?))
}
