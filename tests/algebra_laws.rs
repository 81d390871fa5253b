//! Laws: random programs on ciphertexts against integers, transforms as ring homomorphisms, automorphisms as a group.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/party.rs"]
mod party;

use std::sync::LazyLock;

use party::{Party, request, rotated, swapped};
use proptest::collection::vec;
use proptest::prelude::*;
use tacit_core::backend::{Backend, Kernels};
use tacit_core::bfv::Ciphertext;
use tacit_core::error::EvalError;
use tacit_core::modulus::Modulus;
use tacit_core::ntt::NttPlan;
use tacit_core::params::{Params, Security};
use tacit_core::prime::ntt_primes_vartime;

const STEPS: [isize; 5] = [1, 2, 3, -1, 8];

/// Small rings, several plaintext moduli, one and two special primes. `T` stays below `2^62`, so that `i128` holds
/// every product.
static PARTIES: LazyLock<Vec<Party>> = LazyLock::new(|| {
    [
        (64, &[50, 50, 50, 50][..], &[50][..], &[17][..]),
        (128, &[50, 51, 52, 53], &[50, 54], &[17, 20]),
        (256, &[60, 60, 60, 60], &[60], &[17, 19, 21]),
    ]
    .into_iter()
    .zip(20..)
    .map(|((degree, ciphertext, special, plain), seed)| {
        let builder = Params::builder(degree).ciphertext_bits(ciphertext).special_bits(special).plain_bits(plain);
        let params = builder.security(Security::InsecureForTests).build().unwrap();
        Party::new(&params, &request(&params, &STEPS, params.max_level()), seed)
    })
    .collect()
});

/// One step on registers, which are named by numbers modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Add(usize, usize),
    Sub(usize, usize),
    Mul(usize, usize),
    Scalar(usize, i16),
    AddPlain(usize, i64),
    MulPlain(usize, i8),
    Rotate(usize, usize),
    Swap(usize),
    Switch(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let r = || 0usize..16;
    prop_oneof![
        (r(), r()).prop_map(|(a, b)| Step::Add(a, b)),
        (r(), r()).prop_map(|(a, b)| Step::Sub(a, b)),
        (r(), r()).prop_map(|(a, b)| Step::Mul(a, b)),
        (r(), any::<i16>()).prop_map(|(a, w)| Step::Scalar(a, w)),
        (r(), any::<i64>()).prop_map(|(a, x)| Step::AddPlain(a, x)),
        (r(), any::<i8>()).prop_map(|(a, x)| Step::MulPlain(a, x)),
        (r(), 0..STEPS.len()).prop_map(|(a, s)| Step::Rotate(a, s)),
        r().prop_map(Step::Swap),
        r().prop_map(Step::Switch),
    ]
}

/// A ciphertext and the clear values that it must hold.
type Register = (Ciphertext, Vec<i128>);

impl Party {
    /// Slots with edges of the range first, then numbers that follow from the seed.
    fn slots(&self, seed: u64) -> Vec<i128> {
        let half = self.modulus() / 2;
        let edges = [half, -half, 0, 1, -1];
        let mix =
            |i: usize| (seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(i as u32 % 64) ^ (i as u64) << 7;
        (0..self.params().degree())
            .map(
                |i| {
                    if seed.wrapping_add(i as u64).is_multiple_of(7) {
                        edges[i % 5]
                    } else {
                        self.centre(mix(i).into())
                    }
                },
            )
            .collect()
    }

    /// Brings both operands to the lower of their levels.
    fn levelled(&self, a: &Register, b: &Register) -> Result<[Ciphertext; 2], EvalError> {
        let level = a.0.level().min(b.0.level());
        Ok([self.bfv.switch_to(&a.0, level)?, self.bfv.switch_to(&b.0, level)?])
    }

    fn run(&self, registers: &[Register], step: &Step) -> Result<Register, EvalError> {
        let at = |i: usize| &registers[i % registers.len()];
        let zip = |a: usize, b: usize, f: fn(i128, i128) -> i128| -> Vec<i128> {
            at(a).1.iter().zip(&at(b).1).map(|(&x, &y)| self.centre(f(x, y))).collect()
        };
        let bfv = &self.bfv;
        let keys = &self.keys;
        Ok(match *step {
            Step::Add(a, b) => {
                let [x, y] = self.levelled(at(a), at(b))?;
                (bfv.add(&x, &y)?, zip(a, b, |x, y| x + y))
            }
            Step::Sub(a, b) => {
                let [x, y] = self.levelled(at(a), at(b))?;
                (bfv.sub(&x, &y)?, zip(a, b, |x, y| x - y))
            }
            Step::Mul(a, b) => {
                let [x, y] = self.levelled(at(a), at(b))?;
                (bfv.relinearise(&bfv.multiply(&x, &y)?, keys)?, zip(a, b, |x, y| x * y))
            }
            Step::Scalar(a, w) => {
                let values = at(a).1.iter().map(|x| self.centre(x * i128::from(w)));
                (bfv.mul_scalar(&at(a).0, w.into())?, values.collect())
            }
            Step::AddPlain(a, seed) => {
                let (x, plain) = (at(a), self.slots(seed as u64));
                let addend = bfv.addend(&bfv.encode(&plain)?, x.0.level())?;
                (bfv.add_plain(&x.0, &addend)?, x.1.iter().zip(&plain).map(|(x, y)| self.centre(x + y)).collect())
            }
            Step::MulPlain(a, seed) => {
                let (x, plain) = (at(a), self.slots(seed as u64));
                let factor = bfv.multiplicand(&bfv.encode(&plain)?, x.0.level())?;
                (bfv.mul_plain(&x.0, &factor)?, x.1.iter().zip(&plain).map(|(x, y)| self.centre(x * y)).collect())
            }
            Step::Rotate(a, s) => (bfv.rotate_rows(&at(a).0, STEPS[s], keys)?, rotated(&at(a).1, STEPS[s])),
            Step::Swap(a) => (bfv.rotate_columns(&at(a).0, keys)?, swapped(&at(a).1)),
            Step::Switch(a) => (bfv.switch_to(&at(a).0, at(a).0.level() - 1)?, at(a).1.clone()),
        })
    }
}

/// A fresh register with these slots, under randomness that does not matter to the laws.
fn encrypt(party: &Party, slots: Vec<i128>, seed: u8) -> Register {
    let plaintext = party.bfv.encode(&slots).unwrap();
    let seeded = party.bfv.encrypt(&party.secret, &plaintext, &mut party::rng(seed)).unwrap();
    (party.bfv.expand(&seeded), slots)
}

fn plan(bits: u32, log_n: u32) -> NttPlan {
    let prime = ntt_primes_vartime(bits, 1 << log_n, 1, &[]).unwrap()[0];
    NttPlan::new(Modulus::new(prime).unwrap(), 1 << log_n).unwrap()
}

fn any_plan() -> impl Strategy<Value = NttPlan> {
    (prop_oneof![Just(20u32), Just(31), Just(46), Just(50), Just(60)], 3u32..9).prop_map(|(bits, n)| plan(bits, n))
}

fn poly(plan: &NttPlan, seed: u64) -> Vec<u64> {
    let q = plan.modulus();
    let edges = [q.value() - 1, 0, 1];
    let word = |i: usize| q.reduce_wide(u128::from(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 + i as u128));
    (0..plan.degree()).map(|i| if (i as u64 ^ seed).is_multiple_of(5) { edges[i % 3] } else { word(i) }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every register decrypts to its clear twin, and a refused step is a noise or level matter and nothing else.
    #[test]
    fn programs_match_integers(
        which in 0usize..3,
        inputs in vec(any::<u64>(), 1..3),
        steps in vec(step(), 1..10),
    ) {
        let party = &PARTIES[which];
        let mut registers: Vec<_> =
            inputs.iter().zip(1..).map(|(&seed, i)| encrypt(party, party.slots(seed), i)).collect();
        for step in &steps {
            match party.run(&registers, step) {
                Ok(register) => registers.push(register),
                Err(error) => {
                    let expected = matches!(error, EvalError::NoiseExhausted { .. } | EvalError::NoSuchLevel { asked: 0, .. });
                    prop_assert!(expected, "{step:?}: {error}");
                }
            }
        }
        for (ciphertext, values) in &registers {
            prop_assert_eq!(&party.decrypt(ciphertext), values, "after {:?}", steps);
        }
    }

    /// Rotating by `a` and then by `b` is rotating by `a + b`; swapping twice is doing nothing; both commute.
    #[test]
    fn automorphisms_form_a_group(which in 0usize..3, seed in any::<u64>(), i in 0usize..5, j in 0usize..5) {
        let party = &PARTIES[which];
        let (x, values) = encrypt(party, party.slots(seed), 9);
        let rotate = |x: &Ciphertext, s: usize| party.bfv.rotate_rows(x, STEPS[s], &party.keys).unwrap();
        let swap = |x: &Ciphertext| party.bfv.rotate_columns(x, &party.keys).unwrap();
        let both = party.decrypt(&rotate(&rotate(&x, i), j));
        prop_assert_eq!(&both, &rotated(&values, STEPS[i] + STEPS[j]));
        prop_assert_eq!(&both, &party.decrypt(&rotate(&rotate(&x, j), i)));
        prop_assert_eq!(party.decrypt(&swap(&swap(&x))), values);
        prop_assert_eq!(party.decrypt(&swap(&rotate(&x, i))), party.decrypt(&rotate(&swap(&x), i)));
    }

    /// Rotations respect sums and products.
    #[test]
    fn automorphisms_respect_the_ring(which in 0usize..3, seeds in any::<[u64; 2]>(), i in 0usize..5) {
        let party = &PARTIES[which];
        let ((x, _), (y, _)) = (encrypt(party, party.slots(seeds[0]), 7), encrypt(party, party.slots(seeds[1]), 8));
        let bfv = &party.bfv;
        let rotate = |x: &Ciphertext| bfv.rotate_rows(x, STEPS[i], &party.keys).unwrap();
        let product = |x: &Ciphertext, y: &Ciphertext| bfv.relinearise(&bfv.multiply(x, y).unwrap(), &party.keys).unwrap();
        prop_assert_eq!(
            party.decrypt(&rotate(&bfv.add(&x, &y).unwrap())),
            party.decrypt(&bfv.add(&rotate(&x), &rotate(&y)).unwrap())
        );
        prop_assert_eq!(party.decrypt(&rotate(&product(&x, &y))), party.decrypt(&product(&rotate(&x), &rotate(&y))));
    }
}

proptest! {
    #[test]
    fn transforms_are_linear(plan in any_plan(), seeds in any::<[u64; 2]>(), w in any::<u64>()) {
        let q = plan.modulus();
        let (a, b, w) = (poly(&plan, seeds[0]), poly(&plan, seeds[1]), q.reduce(w));
        for kernels in Kernels::available() {
            let transform = |mut xs: Vec<u64>| {
                plan.forward(kernels, &mut xs);
                xs
            };
            let combined = transform(a.iter().zip(&b).map(|(&x, &y)| q.mul_add(w, x, y)).collect());
            let (fa, fb) = (transform(a.clone()), transform(b.clone()));
            prop_assert_eq!(combined, fa.iter().zip(&fb).map(|(&x, &y)| q.mul_add(w, x, y)).collect::<Vec<_>>());
            let mut back = fa;
            plan.inverse(kernels, &mut back);
            prop_assert_eq!(&back, &a);
        }
    }

    /// Pointwise products are convolutions that wrap around with a minus sign.
    #[test]
    fn products_are_negacyclic_convolutions(plan in any_plan(), seeds in any::<[u64; 2]>()) {
        let (q, n) = (plan.modulus(), plan.degree());
        let (a, b) = (poly(&plan, seeds[0]), poly(&plan, seeds[1]));
        let mut expected = std::vec![0; n];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                let (k, term) = ((i + j) % n, q.mul(x, y));
                expected[k] = if i + j < n { q.add(expected[k], term) } else { q.sub(expected[k], term) };
            }
        }
        for kernels in Kernels::available() {
            let (mut x, mut y) = (a.clone(), b.clone());
            plan.forward(kernels, &mut x);
            plan.forward(kernels, &mut y);
            kernels.mul(q, &mut x, &y);
            plan.inverse(kernels, &mut x);
            prop_assert_eq!(&x, &expected);
        }
    }
}
