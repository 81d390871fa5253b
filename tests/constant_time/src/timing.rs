//! Whether running times tell a fixed secret from a random one: Welch's t-test on interleaved measurements (Reparaz,
//! Balasch and Verbauwhede, "dude, is my code constant time?", 2017).
//!
//! Both classes draw from pools of one size and are copied before the clock starts, so that caches cannot tell them
//! apart. A small `t` shows nothing but that this many measurements on this machine saw nothing; a large one on a quiet machine is a leak. For that reason no test runs this.

use core::convert::Infallible;
use core::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use chacha20::ChaCha20Rng;
use rand_core::utils::next_word_via_fill;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use tacit_core::backend::{Backend, Kernels};
use tacit_core::rlwe::SecretKey;
use tacit_core::sample;

use crate::cases::scheme;
use crate::kernels::{Data, KERNELS, Public};

/// Values of `t` beyond which the classes differ: what the paper calls a leak for certain is 500 measurements above it.
const ALARM: f64 = 10.0;
const MEASUREMENTS: usize = 20_000;
/// Interrupts make long measurements: the test is made on those up to each of these quantiles, and the worst counts.
const QUANTILES: [f64; 4] = [1.0, 0.9, 0.7, 0.5];
const DEGREE: usize = 1024;
/// Inputs of each class.
const POOL: usize = 64;

/// Measures everything and prints a table; fails if a leak is seen, or if one made on purpose is not.
pub fn report() -> ExitCode {
    println!(
        "{:<12} {:<20} {:>9}  verdict, |t| against {ALARM} in {MEASUREMENTS} measurements",
        "backend", "function", "t"
    );
    let mut good = true;
    for (name, leak) in CONTROLS {
        good &= line("control", name, words(leak), true);
    }
    good &=
        line("any", "ternary", sampler(|rng| drop(black_box(sample::ternary(Kernels::detect(), DEGREE, rng)))), false);
    good &= line("any", "noise", sampler(|rng| drop(black_box(sample::noise(Kernels::detect(), DEGREE, rng)))), false);
    for kernels in Kernels::available() {
        let backend = kernels.name();
        let public = Public::new(50, DEGREE, DEGREE);
        for (name, kernel) in KERNELS.iter().filter(|(name, _)| ["ntt_forward", "ntt_inverse", "mul"].contains(name)) {
            let factors = vec![public.q.value() - 2; DEGREE];
            let (a, rows, key) = (&factors, &[], &[]);
            let t = words(|out| {
                let mut data = Data { out, a, b: a, more: [&mut [], &mut []], rows, small: &mut [], key };
                public.run(kernels, *kernel, &mut data);
            });
            good &= line(backend, name, t, false);
        }
        good &= line(backend, "encode", encode(kernels), false);
        good &= line(backend, "decrypt, decode", decrypt(kernels), false);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn line(backend: &str, function: &str, t: f64, leaks: bool) -> bool {
    let (seen, good) = (t.abs() > ALARM, (t.abs() > ALARM) == leaks);
    let verdict = match (leaks, seen) {
        (true, true) => "leak on purpose, seen",
        (true, false) => "NOT SEEN, although it leaks on purpose",
        (false, true) => "LEAK",
        (false, false) => "nothing seen",
    };
    println!("{backend:<12} {function:<20} {t:>9.2}  {verdict}");
    good
}

type Leak = fn(&mut [u64]);

/// On words in `[0, 2^49)`, of which the fixed class is zero.
const CONTROLS: &[(&str, Leak)] = &[("early exit", early_exit), ("reduction by branch", reduction_by_branch)];

fn early_exit(xs: &mut [u64]) {
    black_box(xs.iter().all(|&x| x == 0));
}

fn reduction_by_branch(xs: &mut [u64]) {
    for x in xs {
        if *x >= 1 << 48 {
            *x = black_box(*x - (1 << 48));
        }
    }
}

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// The worst `t` of the times of inputs from two pools.
fn compare<T>([fixed, random]: &[Vec<T>; 2], mut measure: impl FnMut(&T) -> f64) -> f64 {
    let mut coin = rng(1);
    let next = |i: usize| {
        let is_random = coin.next_u32() & 1 == 1;
        (is_random, measure(if is_random { &random[i % POOL] } else { &fixed[i % POOL] }))
    };
    let warm_up = MEASUREMENTS / 10;
    let times: Vec<_> = (0..warm_up + MEASUREMENTS).map(next).skip(warm_up).collect();
    let mut sorted: Vec<_> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let largest = |quantile: f64| sorted[(quantile * (MEASUREMENTS - 1) as f64) as usize];
    let at = |quantile| {
        let class = |random| times.iter().filter(move |(r, time)| *r == random && *time <= largest(quantile));
        welch(class(true).map(|(_, time)| *time), class(false).map(|(_, time)| *time))
    };
    QUANTILES.map(at).into_iter().max_by(|x, y| x.abs().total_cmp(&y.abs())).unwrap_or(0.0)
}

/// The difference of two means in units of its standard error.
fn welch(xs: impl Iterator<Item = f64> + Clone, ys: impl Iterator<Item = f64> + Clone) -> f64 {
    let ((mean_x, error_x), (mean_y, error_y)) = (moments(xs), moments(ys));
    let error = (error_x + error_y).sqrt();
    if error > 0.0 { (mean_x - mean_y) / error } else { 0.0 }
}

/// Mean, and the variance of the mean.
fn moments(xs: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = xs.clone().count() as f64;
    let mean = xs.clone().sum::<f64>() / n;
    (mean, xs.map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0) / n)
}

fn timed<T>(run: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(run());
    start.elapsed().as_nanos() as f64
}

/// A kernel on words below `2^49`, which are residues of every prime of 50 bits: zeros or random ones.
fn words(mut kernel: impl FnMut(&mut [u64])) -> f64 {
    let mut rng = rng(2);
    let random = (0..POOL).map(|_| (0..DEGREE).map(|_| rng.next_u64() >> 15).collect());
    let inputs = [vec![vec![0; DEGREE]; POOL], random.collect()];
    let mut work = vec![0; DEGREE];
    compare(&inputs, |input| {
        work.copy_from_slice(input);
        // The copy is over, and where it came from forgotten, before the clock starts.
        black_box(work.iter().fold(0, |all, x| all ^ x));
        timed(|| kernel(black_box(&mut work)))
    })
}

/// A generator that gives what was laid before it.
struct Tape<'a>(&'a [u8]);

impl TryRng for Tape<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let (now, later) = self.0.split_at(out.len());
        out.copy_from_slice(now);
        self.0 = later;
        Ok(())
    }
}

impl TryCryptoRng for Tape<'_> {}

/// A sampler on zeros or random bytes.
fn sampler(mut draw: impl FnMut(&mut Tape<'_>)) -> f64 {
    let mut rng = rng(3);
    let mut inputs = [vec![[0; 8 * DEGREE]; POOL], vec![[0; 8 * DEGREE]; POOL]];
    inputs[1].iter_mut().for_each(|bytes| rng.fill_bytes(bytes));
    let mut work = [0; 8 * DEGREE];
    compare(&inputs, |input| {
        work.copy_from_slice(input);
        timed(|| draw(&mut Tape(black_box(&work))))
    })
}

/// Slots: zeros and random ones.
fn messages(count: usize) -> [Vec<Vec<i128>>; 2] {
    let mut rng = rng(4);
    let random = (0..POOL).map(|_| (0..count).map(|_| i128::from(rng.next_u32() as i32)).collect());
    [vec![vec![0; count]; POOL], random.collect()]
}

fn encode(kernels: Kernels) -> f64 {
    let bfv = scheme(kernels);
    let mut work = vec![0; bfv.slot_count()];
    compare(&messages(bfv.slot_count()), |input| {
        work.copy_from_slice(input);
        timed(|| bfv.encode(black_box(&work)))
    })
}

/// Ciphertexts of the same message, or of random ones, under one key.
fn decrypt(kernels: Kernels) -> f64 {
    let bfv = scheme(kernels);
    let mut rng = rng(5);
    let secret = SecretKey::generate(bfv.params(), &mut rng);
    let mut encrypt = |message: &Vec<i128>| {
        let plaintext = bfv.encode(message).expect("in range");
        bfv.expand(&bfv.encrypt(&secret, &plaintext, &mut rng).expect("little noise"))
    };
    let inputs = messages(bfv.slot_count()).map(|pool| pool.iter().map(&mut encrypt).collect());
    compare(&inputs, |input| {
        let work = black_box(input.clone());
        timed(|| bfv.decode(&bfv.decrypt(&secret, &work).expect("little noise").release()))
    })
}
