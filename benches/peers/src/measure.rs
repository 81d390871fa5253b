//! Medians of contestants that take turns.

use std::time::{Duration, Instant};

/// What was measured so far.
pub struct Table {
    /// The lines.
    pub rows: Vec<Row>,
    /// One round each: to see that everything runs.
    pub smoke: bool,
}

/// One line of the table. Times are microseconds.
pub struct Row {
    /// What was measured.
    pub op: &'static str,
    /// The degree, or the number of residues.
    pub n: usize,
    /// The size of the moduli.
    pub bits: String,
    /// By backend, as `Kernels::available` lists them.
    pub ours: Vec<f64>,
    /// The crate.
    pub peer: &'static str,
    /// Its time.
    pub theirs: f64,
}

/// A sample repeats its operation for at least so long, so that reading the clock costs nothing.
const SAMPLE: Duration = Duration::from_millis(1);
/// What the samples of one operation may take together, unless `MIN_ROUNDS` take longer.
const BUDGET: Duration = Duration::from_millis(1500);
const MIN_ROUNDS: usize = 21;
const MAX_ROUNDS: usize = 101;

impl Table {
    /// The median time of one run of each contestant, in microseconds. They take turns sample by sample, so that a change
    /// of clock rate or a busy neighbour meets all of them alike.
    pub fn medians(&self, contestants: &mut [Box<dyn FnMut() + '_>]) -> Vec<f64> {
        let repeats: Vec<u32> = contestants.iter_mut().map(|run| if self.smoke { 1 } else { repeats(run) }).collect();
        let round = |contestants: &mut [Box<dyn FnMut() + '_>]| -> Vec<Duration> {
            contestants.iter_mut().zip(&repeats).map(|(run, &repeats)| sample(run, repeats)).collect()
        };
        let warm: Duration = round(contestants).iter().sum();
        let rounds = (BUDGET.as_secs_f64() / warm.as_secs_f64()) as usize;
        let rounds = if self.smoke { 1 } else { rounds.clamp(MIN_ROUNDS, MAX_ROUNDS) };
        let samples: Vec<_> = (0..rounds).map(|_| round(contestants)).collect();
        let median = |(i, &repeats): (usize, &u32)| {
            let mut times: Vec<_> = samples.iter().map(|round| round[i]).collect();
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64() * 1e6 / f64::from(repeats)
        };
        repeats.iter().enumerate().map(median).collect()
    }
}

/// Doubles the repetitions until a sample is long enough.
fn repeats(run: &mut dyn FnMut()) -> u32 {
    let mut repeats = 1;
    while sample(run, repeats) < SAMPLE {
        repeats *= 2;
    }
    repeats
}

fn sample(run: &mut dyn FnMut(), repeats: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..repeats {
        run();
    }
    start.elapsed()
}
