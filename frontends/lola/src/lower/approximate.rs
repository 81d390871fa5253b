//! Lowering to CKKS: values at scales that keep a stated precision.
//!
//! Every rounding, of the input, of a plaintext, after a rescaling, adds an error that the rest of the plan multiplies by a
//! known gain (`gains`). The error that the outputs may have is shared out over these sources, and each share, divided by
//! its gain, tells how fine that rounding must be: which gives the scale of the input and of each plaintext, and after each
//! product how many bits may be divided away. Those bits are the ciphertext primes (`design`). Parameters found so are
//! checked: the variance of the error is followed slot by slot through the lowered plan (`track`).
//!
//! Only the outputs must fit the modulus. Addition, multiplication, key switching and rescaling commute with reduction
//! modulo `Q`, so that a value between input and output that exceeds its modulus does no harm, with its error: ciphertexts
//! carry no bounds on the way. The bound on outputs is the network's own; where the client sums slots it is on their mean.

mod design;
mod errors;
mod gains;
mod precision;
mod sample;
mod track;

pub use precision::Precision;
pub use sample::Sample;

use tacit_core::backend::Kernels;
use tacit_core::params::{Params, Security};

use super::{Lowered, MAX_PRIME_BITS};
use crate::cost::{Sizes, Work};
use crate::error::PlanError;
use crate::plan::{Op, Plan};
use design::{Design, Divisions};
use gains::Gains;

/// Errors are below this many standard deviations, but for fewer than one slot in 2^46.
const DEVIATIONS: f64 = 8.0;

/// The least divisions to try, in bits.
const LEAST_DROPS: [f64; 3] = [20.0, 28.0, 36.0];

/// The largest primes to try, in bits.
const LARGEST_PRIMES: [u32; 6] = [MAX_PRIME_BITS, 46, 43, 40, 37, 34];

/// How often finer roundings are tried.
const ATTEMPTS: u32 = 4;

/// How many designs of least work are tried with their real primes.
const CANDIDATES: usize = 16;

/// Bits of precision beyond what is asked for to try, where there is room.
const FINER_BITS: [f64; 6] = [4.0, 3.0, 2.0, 1.5, 1.0, 0.5];

/// Parameters in a ring of this degree, whose slots the plan fills, and the plan lowered to them; `None` if that ring does
/// not hold it. `bound` is on the outputs in magnitude; eight deviations of their errors are within the precision of it.
///
/// # Errors
/// [`PlanError::Step`] for a plan that cannot be evaluated.
pub fn lower(
    plan: &Plan,
    degree: usize,
    sample: &Sample,
    bound: u128,
    precision: Precision,
    security: Security,
    kernels: Kernels,
) -> Result<Option<(Params, Lowered)>, PlanError> {
    let bound = bound.max(1);
    let ring = Ring { degree, limit: security.limit(degree).unwrap_or(0), security, kernels };
    let task = Task { plan, sample, bound, gains: Gains::new(plan, degree, sample), ring };
    // Shares add up, and rounding sizes to whole bits adds some more.
    let wanted = of_slots(plan, precision);
    let mut asked = wanted;
    for _ in 0..ATTEMPTS {
        let Some(found) = task.attempt(asked)? else { return Ok(None) };
        if found.error <= -wanted {
            return Ok(Some(task.finer(found, asked)?));
        }
        asked += found.error + wanted + 0.25;
    }
    Ok(None)
}

/// Bits of precision that slots need for logits to have theirs.
///
/// The error of a slot is complex, and that of a logit its real part. Noise prefers no direction (`E[e·e'] = 0` for any two
/// slots, since no slot is the conjugate of another), and products and sums keep that: the real part has half of the variance.
/// Only what is conjugated can bring both parts into one.
fn of_slots(plan: &Plan, precision: Precision) -> f64 {
    let conjugated = plan.ops().iter().any(|op| matches!(op, Op::Conjugate { .. }));
    if conjugated { precision.bits() } else { precision.bits() - 0.5 }
}

/// What is to be lowered, and to which ring.
struct Task<'a> {
    plan: &'a Plan,
    sample: &'a Sample,
    bound: u128,
    gains: Gains,
    ring: Ring,
}

struct Ring {
    degree: usize,
    /// Bits of the whole modulus.
    limit: u32,
    security: Security,
    kernels: Kernels,
}

/// A lowered plan with the error that was found for it.
struct Found {
    params: Params,
    lowered: Lowered,
    error: f64,
}

impl Task<'_> {
    /// The design of least work that asks for a precision and holds with its real primes; `None` if the ring holds none.
    fn attempt(&self, precision: f64) -> Result<Option<Found>, PlanError> {
        for (_, design, special) in self.designs(precision)? {
            let params = Params::builder(self.ring.degree)
                .ciphertext_bits(&design.primes)
                .special_bits(&special)
                .security(self.ring.security)
                .kernels(self.ring.kernels)
                .build();
            // There can be too few primes of a size, and short ones can be far from it.
            let Ok(params) = params else { continue };
            let primes = [params.ciphertext_primes(), params.special_primes()];
            let tracked = track::track(self.plan, self.ring.degree, self.sample, self.bound, &design, primes)?;
            if let Some((lowered, error)) = tracked {
                return Ok(Some(Found { params, lowered, error }));
            }
        }
        Ok(None)
    }

    /// Bits that the security bound leaves make values more precise where that takes no further prime.
    fn finer(&self, found: Found, asked: f64) -> Result<(Params, Lowered), PlanError> {
        let sizes = |params: &Params| (params.ciphertext_primes().len(), params.special_primes().len());
        for more in FINER_BITS {
            let Some(finer) = self.attempt(asked + more)? else { continue };
            if sizes(&finer.params) == sizes(&found.params) && finer.error < found.error {
                return Ok((finer.params, finer.lowered));
            }
        }
        Ok((found.params, found.lowered))
    }

    /// Designs with an error of `2^-precision` and their special primes, by sizes alone: those of least work, in order.
    fn designs(&self, precision: f64) -> Result<Vec<(f64, Design, Vec<u32>)>, PlanError> {
        let nominal = |bits: &[u32]| bits.iter().map(|&bits| 1u64 << bits).collect::<Vec<_>>();
        let mut found: Vec<(f64, Design, Vec<u32>)> = Vec::new();
        let divisions = LEAST_DROPS.iter().flat_map(|&least| LARGEST_PRIMES.map(|most| Divisions { least, most }));
        for divisions in divisions {
            let design = Design::new(self.plan, &self.gains, self.bound, precision, divisions);
            for special in design.special_bits(self.ring.limit) {
                let primes = [&nominal(&design.primes)[..], &nominal(&special)[..]];
                let lowered = track::levels(self.plan, self.ring.degree, self.sample, &design, primes)?;
                let sizes = Sizes::new(self.ring.degree, primes, 0);
                let work = Work::of(&lowered, &sizes).in_transforms();
                found.push((work, design.clone(), special));
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.dedup_by(|a, b| a.1.primes == b.1.primes && a.2 == b.2);
        found.truncate(CANDIDATES);
        Ok(found)
    }
}
