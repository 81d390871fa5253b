//! Lowering to BFV: values modulo plaintext primes.
//!
//! A ciphertext is switched down as soon as that costs no noise, because every later operation is cheaper with fewer
//! primes.

use std::sync::Arc;

use tacit_core::backend::Kernels;
use tacit_core::bfv::{Bfv, NoiseRules, Plaintext};
use tacit_core::ckks::Bounds;
use tacit_core::params::{Params, Security};
use tacit_core::prime::next_ntt_prime_vartime;
use tacit_core::rlwe::NoiseBound;

use super::{Encoded, Lowered, MAX_PRIME_BITS, SIZE, State, centre};
use crate::error::PlanError;
use crate::plan::{Op, Plan, Register, Slots, Stage};

/// Bits that a switch may add to the noise, relative to the modulus.
const FREE_SWITCH_BITS: f64 = 0.2;

/// The noise rules of every level, level 1 first.
fn rules(degree: usize, plain: &[u64], ciphertext: &[u64], special: &[u64]) -> Vec<NoiseRules> {
    (1..=ciphertext.len()).map(|level| NoiseRules::new(degree, plain, ciphertext, special, level)).collect()
}

/// Parameters in a ring of this degree for a plan whose outputs are below `logit_bound` in magnitude, and the plan lowered
/// to them, with that many plaintext moduli; `None` if the ring does not hold the noise.
///
/// Each plaintext modulus has ciphertexts of its own, so that more and smaller ones need a smaller ciphertext modulus.
///
/// # Errors
/// [`PlanError::LogitsTooWide`].
pub fn lower(
    plan: &Plan,
    logit_bound: u128,
    degree: usize,
    moduli: u32,
    security: Security,
    kernels: Kernels,
) -> Result<Option<(Params, Lowered)>, PlanError> {
    debug_assert_eq!(plan.answer().factor, 1, "only complex slots make factors");
    let Some(plain) = plain_moduli(logit_bound, degree, moduli)? else { return Ok(None) };
    // A ciphertext prime, and a special one above it, must exceed every plaintext modulus.
    let longest = plain.iter().map(|t| u64::BITS - t.leading_zeros()).max().unwrap_or(0);
    if 2 * (longest + 1) > security.limit(degree).unwrap_or(0) {
        return Ok(None);
    }
    let norms = plain_norms(plan, degree, &plain)?;
    lower_at(plan, degree, &plain, &norms, security, kernels)
}

/// The refusal of a plan that no ring up to this degree holds.
pub(crate) fn too_deep(logit_bound: u128, degree: usize, security: Security) -> PlanError {
    let plain_bits = bits(logit_bound);
    let limit_bits = security.limit(degree).unwrap_or(0).saturating_sub(MAX_PRIME_BITS + 1);
    PlanError::TooDeep { degree, limit_bits, plain_bits, security: security.bits() }
}

/// Bits of values up to `bound` in magnitude, sign included.
const fn bits(bound: u128) -> u32 {
    u128::BITS - bound.leading_zeros() + 1
}

/// So many plaintext moduli that hold values up to `bound` in magnitude, each the next prime from the root of what their
/// product must be; `None` if one of that many would be too long.
fn plain_moduli(bound: u128, degree: usize, count: u32) -> Result<Option<Vec<u64>>, PlanError> {
    const MAX_PLAIN_BITS: u32 = 50;
    let bits = bits(bound);
    if bits > 120 {
        return Err(PlanError::LogitsTooWide { bits });
    }
    let least = 2 * bound + 1;
    if bits.div_ceil(count) > MAX_PLAIN_BITS {
        return Ok(None);
    }
    if count == 1 {
        return Ok(Some(vec![next_ntt_prime_vartime(least as u64, degree)?]));
    }
    let mut least_prime = root(least, count);
    let mut moduli = Vec::new();
    for _ in 0..count {
        let prime = next_ntt_prime_vartime(least_prime, degree)?;
        least_prime = prime + 1;
        moduli.push(prime);
    }
    Ok(Some(moduli))
}

/// The least number whose power is at least `value`, or a little more.
fn root(value: u128, power: u32) -> u64 {
    // Doubles are off by less than one part in 2^40.
    let guess = (value as f64).powf(1.0 / f64::from(power));
    (guess * (1.0 + (-40f64).exp2())).ceil() as u64
}

/// The norm of each plaintext of the plan: how much it multiplies noise. Independent of the ciphertext modulus.
fn plain_norms(plan: &Plan, degree: usize, plain: &[u64]) -> Result<Vec<f64>, PlanError> {
    // The norm is that of the plaintext alone; the ring must be a secure one all the same.
    let bits = MAX_PRIME_BITS.min(Security::Classical128.limit(degree).unwrap_or(0) / 2);
    let params = Params::builder(degree).ciphertext_bits(&[bits]).special_bits(&[bits]).plain_moduli(plain).build()?;
    let bfv = Bfv::new(&params)?;
    let norm = |values: &Slots<i64>| {
        let plaintext = encode_factor(&bfv, values).map_err(|error| PlanError::Step { step: 0, error })?;
        Ok(bfv.norm(&plaintext))
    };
    plan.plains().factors().iter().map(norm).collect()
}

/// The real parts of a factor.
pub(crate) fn encode_factor(bfv: &Bfv, values: &Slots<i64>) -> Result<Plaintext, tacit_core::error::EvalError> {
    encode(bfv, &values.re.iter().map(|&value| value.into()).collect::<Vec<_>>())
}

/// Values modulo `T`, from the first slot on.
pub(crate) fn encode(bfv: &Bfv, values: &[i128]) -> Result<Plaintext, tacit_core::error::EvalError> {
    let modulus = bfv.params().composer().product() as i128;
    let reduced: Vec<i128> = values.iter().map(|&value| centre(value, modulus)).collect();
    bfv.encode(&reduced)
}

/// The shortest ciphertext modulus of this degree that works, with as few primes as possible.
fn lower_at(
    plan: &Plan,
    degree: usize,
    plain: &[u64],
    norms: &[f64],
    security: Security,
    kernels: Kernels,
) -> Result<Option<(Params, Lowered)>, PlanError> {
    let limit = security.limit(degree).unwrap_or(0);
    let smallest = plain.iter().map(|t| u64::BITS - t.leading_zeros()).max().unwrap_or(0) + 1;
    for count in 1..=(limit / smallest) as usize {
        let feasible = |bits: u32| {
            let special = special_bits(count, bits, limit)?;
            let nominal = |bits: &[u32]| bits.iter().map(|&b| 1u64 << b).collect::<Vec<_>>();
            let rules = rules(degree, plain, &nominal(&vec![bits; count]), &nominal(&special));
            place_switches(plan, norms, &rules).ok().map(|_| special)
        };
        for bits in smallest..=MAX_PRIME_BITS {
            let Some(special) = feasible(bits) else { continue };
            let params = Params::builder(degree)
                .ciphertext_bits(&vec![bits; count])
                .special_bits(&special)
                .plain_moduli(plain)
                .security(security)
                .kernels(kernels)
                .build();
            // Real primes are a little below their nominal size: the next size up is tried if that was too little.
            let Ok(params) = params else { continue };
            let rules = rules(degree, plain, params.ciphertext_primes(), params.special_primes());
            if let Ok(lowered) = place_switches(plan, norms, &rules) {
                return Ok(Some((params, lowered)));
            }
        }
    }
    Ok(None)
}

/// As many special primes as the security bound leaves room for: fewer digits make key switching cheaper. Where there is no
/// room for one above the ciphertext primes, a shorter one: key switching then adds more noise, which matters little where
/// there is more already. `None` if there is no room for one at all.
fn special_bits(count: usize, bits: u32, limit: u32) -> Option<Vec<u32>> {
    const SHORTEST: u32 = 20;
    let room = limit.checked_sub(count as u32 * bits)?;
    let special = (room / (bits + 1)).clamp(1, count as u32);
    let bits = room.min(bits + 1);
    (bits >= SHORTEST).then(|| vec![bits; special as usize])
}

/// Follows the noise through the plan and switches down wherever that is free.
fn place_switches(plan: &Plan, norms: &[f64], rules: &[NoiseRules]) -> Result<Lowered, PlanError> {
    let mut lowering = Lowering {
        rules,
        norms,
        out: Lowered {
            plan: Plan {
                ops: Vec::new(),
                stages: Vec::new(),
                outputs: Vec::new(),
                plains: Arc::clone(&plan.plains),
                ..plan.clone()
            },
            states: vec![state(rules, rules.len(), rules[rules.len() - 1].fresh_secret()); plan.inputs()],
            factors: Vec::new(),
        },
        renamed: (0..plan.inputs()).map(Register).collect(),
    };
    for stage in plan.stages() {
        let start = lowering.out.plan.ops.len();
        for step in stage.ops.clone() {
            lowering.op(&plan.ops()[step])?;
        }
        let ops = start..lowering.out.plan.ops.len();
        lowering.out.plan.stages.push(Stage { ops, ..stage.clone() });
    }
    lowering.outputs(plan.outputs())?;
    Ok(lowering.out)
}

fn state(rules: &[NoiseRules], level: usize, noise: NoiseBound) -> State {
    let limit = rules[level - 1].limit_log2();
    State { level, noise, limit, encoded: Encoded::EXACT, bounds: Bounds { message: noise, noise } }
}

struct Lowering<'a> {
    rules: &'a [NoiseRules],
    norms: &'a [f64],
    out: Lowered,
    /// For each register of the original plan, the lowered one; it moves when that one is switched down.
    renamed: Vec<Register>,
}

impl Lowering<'_> {
    fn op(&mut self, op: &Op) -> Result<(), PlanError> {
        let inputs: Vec<Register> = op.inputs().to_vec();
        let level = inputs.iter().map(|&input| self.free_level(self.renamed[input.0])).min().unwrap_or(1);
        for &input in &inputs {
            self.switch(input, level)?;
        }
        let mut lowered = op.clone();
        lowered.inputs_mut().iter_mut().for_each(|input| *input = self.renamed[input.0]);
        let register = self.push(lowered, level)?;
        self.renamed.push(register);
        Ok(())
    }

    /// Every answer goes down as far as it still decrypts.
    fn outputs(&mut self, outputs: &[Register]) -> Result<(), PlanError> {
        let level = outputs.iter().map(|&output| self.least_level(self.renamed[output.0])).max().unwrap_or(1);
        for &output in outputs {
            self.switch(output, level)?;
            let output = self.renamed[output.0];
            self.out.plan.outputs.push(output);
        }
        if let Some(last) = self.out.plan.stages.last_mut() {
            last.ops.end = self.out.plan.ops.len();
        }
        Ok(())
    }

    /// The lowest level that costs no noise.
    fn free_level(&self, register: Register) -> usize {
        self.descend(register, |rules, before, after| {
            after.log2() <= before.log2() - rules.last_prime_log2() + FREE_SWITCH_BITS
        })
    }

    /// The lowest level that still decrypts.
    fn least_level(&self, register: Register) -> usize {
        self.descend(register, |_, _, _| true)
    }

    fn descend(&self, register: Register, accept: impl Fn(&NoiseRules, NoiseBound, NoiseBound) -> bool) -> usize {
        let (mut level, mut noise) = (self.out.level(register), self.out.state(register).noise);
        while level > 1 {
            let rules = &self.rules[level - 1];
            let after = rules.drop_prime(noise, SIZE);
            if !accept(rules, noise, after) || self.rules[level - 2].check(after).is_err() {
                break;
            }
            (level, noise) = (level - 1, after);
        }
        level
    }

    fn switch(&mut self, original: Register, level: usize) -> Result<(), PlanError> {
        let input = self.renamed[original.0];
        if self.out.level(input) > level {
            self.renamed[original.0] = self.push(Op::SwitchTo { input, level }, level)?;
        }
        Ok(())
    }

    fn push(&mut self, op: Op, level: usize) -> Result<Register, PlanError> {
        let noise = self.noise(&op, level);
        let step = self.out.plan.ops.len();
        let noise = self.rules[level - 1].check(noise).map_err(|error| PlanError::Step { step, error })?;
        self.out.states.push(state(self.rules, level, noise));
        self.out.plan.ops.push(op);
        Ok(self.out.plan.defined_by(step))
    }

    /// The bound on the noise of a result at a level.
    fn noise(&self, op: &Op, level: usize) -> NoiseBound {
        let rules = &self.rules[level - 1];
        let of = |register: &Register| self.out.state(*register).noise;
        let drop = |noise: NoiseBound, from: usize| {
            (level..from).rev().fold(noise, |noise, l| self.rules[l].drop_prime(noise, SIZE))
        };
        match op {
            Op::LinearCombination { terms, weights } => {
                rules.linear_combination(terms.iter().map(of).zip(weights.iter().copied()))
            }
            Op::Sum { terms } => rules.linear_combination(terms.iter().map(|term| (of(term), 1))),
            Op::AddPlain { input, .. } => rules.add_plain(of(input)),
            Op::InnerProduct { terms, plains } => {
                let products =
                    terms.iter().zip(plains).map(|(term, p)| (rules.mul_plain(of(term), self.norms[p.0]), 1));
                rules.linear_combination(products)
            }
            Op::Rotate { input, .. } | Op::Conjugate { input } => rules.key_switch(of(input)),
            // Keys of several levels may divide each on their own.
            Op::SumRotations { .. } => {
                let rotated = |(register, steps): (Register, isize)| match steps {
                    0 => (of(&register), 1),
                    _ => (rules.key_switch(of(&register)), 1),
                };
                rules.linear_combination(op.images().map(rotated))
            }
            Op::Square { input } => rules.key_switch(rules.multiply(of(input), of(input))),
            Op::Multiply { factors: [a, b] } => rules.key_switch(rules.multiply(of(a), of(b))),
            Op::SwitchTo { input, .. } | Op::Rescale { input, .. } => drop(of(input), self.out.level(*input)),
            Op::Rescaled { op, .. } => {
                let from = op.inputs().first().map_or(level, |&input| self.out.level(input));
                drop(self.noise(op, from), from)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Whether the noise of the bundled network's paper plan fits a ring under these plaintext moduli.
    fn fits(degree: usize, plain: &[u64]) -> bool {
        let (plan, _) = crate::paper::plan(&tacit_model::mnist().unwrap()).unwrap();
        let norms = plain_norms(&plan, degree, plain).unwrap();
        lower_at(&plan, degree, plain, &norms, Security::Classical128, Kernels::detect()).unwrap().is_some()
    }

    /// Every size of logits has moduli, of every number that is not too few; their product holds the logits.
    #[test]
    fn moduli_hold_every_bound() {
        for (shift, count) in (0..118).flat_map(|shift| (1..=3).map(move |count| (shift, count))) {
            for bound in [1u128 << shift, (1 << shift) + ((1 << shift) >> 1), (1 << (shift + 1)) - 1] {
                let moduli = plain_moduli(bound, 8192, count).unwrap();
                assert_eq!(moduli.is_none(), bits(bound).div_ceil(count) > 50, "{bound} in {count}");
                let Some(moduli) = moduli else { continue };
                assert_eq!(moduli.len(), count as usize);
                let product = moduli.iter().try_fold(1u128, |product, &t| product.checked_mul(t.into()));
                assert!(product.is_none_or(|product| product > 2 * bound), "{bound}: {moduli:?}");
            }
        }
    }

    /// This follows the noise only: in the smaller ring a message of 8192 slots would take both rows. The smallest plaintext
    /// modulus there fits, but does not hold the logits; two do both, one that holds them needs the larger ring.
    #[test]
    fn one_modulus_that_holds_the_logits_needs_the_larger_ring() {
        let bound = tacit_model::mnist().unwrap().logit_bound().unwrap();
        let one = |degree| plain_moduli(bound, degree, 1).unwrap().unwrap();
        let smallest = 65537;
        assert!(u128::from(smallest) < 2 * bound && fits(8192, &[smallest]));
        assert!(fits(8192, &[smallest, 114_689]));
        assert!(!fits(8192, &one(8192)));
        assert!(fits(16384, &one(16384)));
    }
}
