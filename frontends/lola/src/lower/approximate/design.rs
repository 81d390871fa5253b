//! Scales and primes for a stated precision.

use std::collections::BTreeMap;

use super::gains::{Gains, Growth, Source, each};
use super::{DEVIATIONS, MAX_PRIME_BITS};
use crate::plan::{Op, Plan, Register};

/// Shorter primes are hard to come by.
const MIN_PRIME_BITS: u32 = 20;

/// Room between the bound on outputs and half the modulus, in bits: for the error, and for primes below their size.
const MARGIN_BITS: f64 = 0.25;

/// The least share of the error for a source, however little a finer rounding would cost there.
const LEAST_SHARE: f64 = 0.02;

/// How a plan is to be encoded.
#[derive(Clone, Debug)]
pub(super) struct Design {
    /// `log2` of the scale of the input's integers.
    pub(super) input_bits: f64,
    /// `log2` of the scale of each factor's integers, and of its growth's largest integer, rounded up.
    pub(super) factors: Vec<(f64, i32)>,
    /// The size of the prime that each growth divides by, if it does.
    pub(super) drops: BTreeMap<Growth, Option<u32>>,
    /// Sizes of all primes, in the order of the chain: those that are left, then those that go, the first one last.
    pub(super) primes: Vec<u32>,
}

/// What decides between designs of the same precision: which divisions are worth while, in bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Divisions {
    /// Fewer primes, against an earlier descent.
    pub(super) least: f64,
    /// Primes of equal size, against fewer primes.
    pub(super) most: u32,
}

/// The scales of all sources, as `log2`.
type Scales = BTreeMap<Source, f64>;

impl Design {
    /// The design in which the outputs' errors are `2^-precision` of the bound on them.
    ///
    /// A bit more for one source costs the modulus as many bits as squares make of it until it is divided away; the
    /// variances at the outputs are shared out in this proportion, which makes the modulus shortest.
    pub(super) fn new(plan: &Plan, gains: &Gains, bound: u128, precision: f64, divisions: Divisions) -> Self {
        let largest = bound as f64 * plan.answer().factor as f64;
        let total = (largest * (-precision).exp2() / DEVIATIONS).powi(2);
        // Sums that the client makes are means in the ciphertext.
        let largest = largest / plan.answer().terms(plan.shape()) as f64;
        let scales = |shares: &BTreeMap<Source, f64>| -> Scales {
            shares.iter().map(|(&source, share)| (source, gains.scale(source, total * share))).collect()
        };
        let bits = |scales: &Scales| divide(plan, scales, largest, divisions).bits;
        let count = gains.sources().count() as f64;
        let mut shares: BTreeMap<Source, f64> = gains.sources().map(|source| (source, 1.0 / count)).collect();
        for _ in 0..2 {
            let now = scales(&shares);
            let slope = |source: &Source| {
                let mut finer = now.clone();
                finer.entry(*source).and_modify(|scale| *scale += 1.0);
                (bits(&finer) - bits(&now)).max(0.0)
            };
            let slopes: BTreeMap<Source, f64> = shares.keys().map(|source| (*source, slope(source))).collect();
            let sum = slopes.values().sum::<f64>().max(f64::MIN_POSITIVE);
            let share = |slope: f64| LEAST_SHARE + (1.0 - LEAST_SHARE * count) * slope / sum;
            shares = slopes.into_iter().map(|(source, slope)| (source, share(slope))).collect();
        }
        let scales = scales(&shares);
        let Chain { drops, dropped, outputs, .. } = divide(plan, &scales, largest, divisions);
        let count = (outputs / f64::from(MAX_PRIME_BITS)).ceil().max(1.0);
        let mut primes = vec![((outputs / count).ceil() as u32).max(MIN_PRIME_BITS); count as usize];
        primes.extend(dropped.iter().rev());
        Self { input_bits: scales[&Source::Input], factors: factors(plan, gains, &scales), drops, primes }
    }

    /// Sizes of special primes to try: one, or more where the security bound leaves room, which makes fewer digits.
    pub(super) fn special_bits(&self, limit: u32) -> Vec<Vec<u32>> {
        let (total, largest) = (self.primes.iter().sum::<u32>(), self.primes.iter().copied().max().unwrap_or(0));
        let bits = largest + 1;
        let fits = |count: &usize| total + *count as u32 * bits <= limit;
        (1..=self.primes.len()).take_while(fits).map(|count| vec![bits; count]).collect()
    }
}

/// Where primes are dropped.
struct Chain {
    drops: BTreeMap<Growth, Option<u32>>,
    /// In the order of dropping.
    dropped: Vec<u32>,
    /// Bits that are left for the outputs.
    outputs: f64,
    /// Bits of the whole modulus.
    bits: f64,
}

/// Divides after each growth what is more than the scale wanted there.
fn divide(plan: &Plan, scales: &Scales, largest: f64, divisions: Divisions) -> Chain {
    let scale = |source: Source| scales.get(&source).copied().unwrap_or(0.0);
    let mut units: Vec<f64> = vec![scale(Source::Input); plan.inputs()];
    let (mut drops, mut dropped): (BTreeMap<_, Option<u32>>, Vec<u32>) = (BTreeMap::new(), Vec::new());
    for (growth, op) in each(plan) {
        let of = |register: &Register| units[register.0];
        let unit = match (op, growth) {
            (Op::InnerProduct { terms, .. }, Some(growth)) => of(&terms[0]) + scale(Source::Factor(growth)),
            (Op::Multiply { factors: [a, b] }, _) => of(a) + of(b),
            (Op::Square { input }, _) => 2.0 * of(input),
            (other, _) => other.inputs().first().map_or(0.0, of),
        };
        let prime = growth.and_then(|growth| {
            *drops.entry(growth).or_insert_with(|| {
                // What exceeds one prime waits for the next growth.
                let spare = unit - scale(Source::After(growth));
                let prime = (spare >= divisions.least).then(|| (spare as u32).clamp(MIN_PRIME_BITS, divisions.most));
                dropped.extend(prime);
                prime
            })
        });
        units.push(unit - prime.map_or(0.0, f64::from));
    }
    let unit = plan.outputs().iter().map(|output| units[output.0]).fold(f64::MIN, f64::max);
    let outputs = largest.log2() + unit + 1.0 + MARGIN_BITS;
    let bits = outputs + dropped.iter().map(|&bits| f64::from(bits)).sum::<f64>();
    Chain { drops, dropped, outputs, bits }
}

/// The scale of each factor, and the size of the largest weight of its growth.
fn factors(plan: &Plan, gains: &Gains, scales: &Scales) -> Vec<(f64, i32)> {
    let mut out = vec![(0.0, 0); plan.plains().factors().len()];
    for (growth, op) in each(plan) {
        let (Some(growth), Op::InnerProduct { plains, .. }) = (growth, op) else { continue };
        let bits = scales.get(&Source::Factor(growth)).copied().unwrap_or(0.0);
        plains.iter().for_each(|plain| out[plain.0] = (bits, gains.exponent(growth)));
    }
    out
}
