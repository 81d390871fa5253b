//! `tacit eval`: accuracy and time on a data set, value by value against the clear interpreter.

mod report;

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use rand::rngs::ChaCha20Rng;
use tacit_lola::evaluate::Progress;
use tacit_lola::{Client, ClientKeys, Executor, Logits, Server};
use tacit_model::{Evaluation, ModelError};

use super::timed;
use crate::args::{EvalArgs, SchemeName};
use crate::console::Console;
use crate::error::{CliError, Mismatch};
use crate::examples::Examples;
use crate::random;
use crate::report::facts::Facts;
use crate::report::prediction::Prediction;
use crate::subject::Subject;
use crate::threads::Threads;
use report::{Once, Report};

/// What was counted and measured over the images.
#[derive(Debug, Default)]
struct Tally {
    correct: usize,
    clear_correct: usize,
    disagreements: usize,
    logit_mismatches: usize,
    /// Images whose true logits the plaintexts have no room for.
    beyond_bound: usize,
    /// The largest difference of approximate logits to the true ones, and the bound on it.
    error: Option<(f64, f64)>,
    clear: Vec<Duration>,
    encrypt: Vec<Duration>,
    server: Vec<Duration>,
    decrypt: Vec<Duration>,
}

pub(crate) fn run(args: &EvalArgs, console: &Console) -> Result<(), CliError> {
    let threads = Threads::new(args.threads.asked());
    let subject = Subject::load(&args.net)?;
    let examples = Examples::open(&args.images, args.split, args.labels.as_ref(), &subject.network)?;
    let images = images(&examples, &subject, args)?;
    let (tally, once, facts) = match subject.scheme {
        SchemeName::Clear => (clear(&subject, &images, threads, console)?, Once::default(), Facts::default()),
        SchemeName::Bfv | SchemeName::Ckks => encrypted(&subject, &images, threads, console)?,
    };
    let mismatch = Mismatch {
        images: images.len(),
        logits: tally.logit_mismatches,
        labels: tally.disagreements,
        beyond: tally.beyond_bound,
        bound: subject.bound()?,
    };
    let report = Report::new(args, &subject, tally, once, facts, threads);
    if args.json {
        console.json(&report)?;
    } else {
        report.print(console)?;
    }
    if mismatch.logits > 0 { Err(CliError::Mismatch(mismatch)) } else { Ok(()) }
}

/// What the network reads, and the right answer.
type Image = (Vec<i64>, usize);

fn images(examples: &Examples, subject: &Subject, args: &EvalArgs) -> Result<Vec<Image>, CliError> {
    let (skip, count, available) = (args.skip, args.count.get(), examples.len());
    if skip.checked_add(count).is_none_or(|end| end > available) {
        let (folder, split) = (args.images.clone(), args.split.name());
        return Err(CliError::Beyond { folder, split, count, skip, available });
    }
    let unlabelled = || CliError::NoLabels { file: args.images.clone() };
    let image = |index: usize| {
        let input = examples.input(&subject.network, index)?.unwrap_or_default();
        Ok((input, examples.label(index).ok_or_else(unlabelled)?))
    };
    (skip..skip + count).map(image).collect()
}

/// All images by the interpreter, as many at a time as there are threads.
fn clear(subject: &Subject, images: &[Image], threads: Threads, console: &Console) -> Result<Tally, CliError> {
    type Timed = (Result<Evaluation, ModelError>, Duration);
    let bar = console.bar("evaluating", "images", images.len());
    let results: Vec<Mutex<Option<Timed>>> = images.iter().map(|_| Mutex::new(None)).collect();
    threads.for_each(images.len(), &|i| {
        let result = timed(|| subject.network.evaluate(&images[i].0));
        *results[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        bar.step();
    });
    let (mut tally, bound) = (Tally::default(), subject.bound()?);
    for (&(_, label), result) in images.iter().zip(results) {
        let Some((evaluation, time)) = result.into_inner().unwrap_or_else(PoisonError::into_inner) else { continue };
        tally.clear.push(time);
        let clear = evaluation?.logits;
        tally.count(label, bound, &clear, &Logits::Exact(clear.clone()));
    }
    Ok(tally)
}

/// Each query encrypted, one after the other, and each of its images by the interpreter: what a single query takes.
fn encrypted(
    subject: &Subject,
    images: &[Image],
    threads: Threads,
    console: &Console,
) -> Result<(Tally, Once, Facts), CliError> {
    let mut once = Once::default();
    let deployment = phase(console, "planning", &mut once.plan, || subject.deploy())?;
    let mut rng = random::generator()?;
    let (client, keys) = phase(console, "making keys", &mut once.keygen, || {
        let client = deployment.client(&mut rng);
        let keys = client.evaluation_keys(&mut rng).map_err(CliError::run("evaluation keys"))?;
        Ok((client, keys))
    })?;
    let (server, keys) = phase(console, "encoding weights, reading keys", &mut once.prepare, || {
        let server = deployment.server().map_err(|error| subject.plan_error(error))?;
        let keys = server.read_keys(&keys).map_err(CliError::run("evaluation keys"))?;
        Ok((server, keys))
    })?;
    // Next to what it is compared with, and for what it predicts: one thread.
    if threads.count() == 1 {
        once.predicted_ms = Some(Prediction::of(&deployment)?.total);
    }
    let parties = Parties { client, server, keys, threads };
    let (batch, operations) = (deployment.spec().batch(), deployment.lowered().plan().ops().len());
    let queries: Vec<&[Image]> = images.chunks(batch).collect();
    // A query of many images takes long enough to watch its operations.
    let bar = match batch {
        1 => console.bar("evaluating", "images", images.len()),
        _ => console.bar("evaluating", "operations", operations * queries.len()),
    };
    let (mut tally, bound) = (Tally::default(), subject.bound()?);
    for (number, images) in queries.into_iter().enumerate() {
        let inputs: Vec<&[i64]> = images.iter().map(|(input, _)| input.as_slice()).collect();
        let progress = |done: usize, _| {
            if batch > 1 {
                bar.set(number * operations + done);
            }
        };
        let logits = parties.query(&inputs, &mut rng, &mut tally, &progress)?;
        for ((input, label), logits) in images.iter().zip(logits) {
            let (clear, time) = timed(|| subject.network.evaluate(input));
            tally.clear.push(time);
            tally.count(*label, bound, &clear?.logits, &logits);
        }
        if batch == 1 {
            bar.step();
        }
    }
    Ok((tally, once, Facts::of(&deployment)))
}

/// Does something that is done once, with a sign of life, and notes its time.
fn phase<T>(
    console: &Console,
    doing: &str,
    time: &mut Option<Duration>,
    work: impl FnOnce() -> Result<T, CliError>,
) -> Result<T, CliError> {
    let _sign = console.spinner(doing);
    let (result, took) = timed(work);
    *time = Some(took);
    result
}

/// Both sides, ready for queries.
struct Parties<'a> {
    client: Client<'a>,
    server: Server<'a>,
    keys: ClientKeys,
    threads: Threads,
}

impl Parties<'_> {
    /// The decrypted logits of the inputs of one query; the time of each step goes to the tally.
    fn query(
        &self,
        inputs: &[&[i64]],
        rng: &mut ChaCha20Rng,
        tally: &mut Tally,
        progress: Progress<'_>,
    ) -> Result<Vec<Logits>, CliError> {
        let (query, encrypt) = timed(|| self.client.encrypt_batch(inputs, rng));
        let query = query.map_err(CliError::run("encryption"))?;
        let (answer, serve) = timed(|| self.server.evaluate(&self.keys, &query, &self.threads, progress));
        let answer = answer.map_err(CliError::run("evaluation"))?;
        let (logits, decrypt) = timed(|| self.client.decrypt(&answer)?.release_batch(inputs.len()));
        tally.encrypt.push(encrypt);
        tally.server.push(serve);
        tally.decrypt.push(decrypt);
        logits.map_err(CliError::run("decryption"))
    }
}

impl Tally {
    /// One image: what the interpreter found, and what decryption found.
    fn count(&mut self, label: usize, bound: u128, clear: &[i128], logits: &Logits) {
        let (class, clear_class) = (logits.argmax(), tacit_model::argmax(clear));
        self.correct += usize::from(class == Some(label));
        self.clear_correct += usize::from(clear_class == Some(label));
        self.disagreements += usize::from(class != clear_class);
        self.logit_mismatches += usize::from(!logits.agree_with(clear));
        if let Some(error) = logits.error() {
            let (largest, bound) = self.error.unwrap_or_default();
            self.error = Some((largest.max(logits.largest_difference(clear)), bound.max(error)));
        }
        self.beyond_bound += usize::from(clear.iter().any(|logit| logit.unsigned_abs() > bound));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_counted() {
        let mut tally = Tally::default();
        let exact = |values: [i128; 2]| Logits::Exact(values.to_vec());
        tally.count(1, 5, &[0, 5], &exact([0, 5]));
        tally.count(1, 5, &[0, 5], &exact([0, 6]));
        tally.count(1, 5, &[0, 5], &exact([9, 5]));
        tally.count(0, 4, &[0, 5], &exact([0, 5]));
        tally.count(1, 5, &[0, 5], &Logits::Approximate { values: vec![0.1, 4.8], error: 0.25, largest: Some(1) });
        let counts =
            [tally.correct, tally.clear_correct, tally.disagreements, tally.logit_mismatches, tally.beyond_bound];
        assert_eq!(counts, [3, 4, 1, 2, 1]);
        assert!(tally.error.is_some_and(|(largest, bound)| (0.1..0.25).contains(&largest) && bound == 0.25));
    }
}
