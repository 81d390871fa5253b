//! Against the quotients of integers: sums modulo `Q·P` are those of hoisted rotations, which have tests of their own.

use super::*;
use crate::backend::Kernels;
use crate::params::{Params, Security};
use crate::rlwe::keyswitch::{KeyRequest, KeySwitchKey, Raised};
use crate::rlwe::{SecretKey, rotation_element};
use crate::sample::{Label, Seed, uniform_vartime};
use alloc::boxed::Box;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use num_bigint::BigUint;
use rand_core::SeedableRng;

const N: usize = 128;
const TOP: usize = 4;
const STEPS: [isize; 4] = [0, 1, 2, 3];

struct Fixture {
    params: Params,
    /// Of the highest level, and of each level.
    keys: Vec<EvaluationKeys>,
}

fn fixture(special: &[u32], kernels: Kernels) -> Fixture {
    let builder = Params::builder(N).ciphertext_bits(&[50, 40, 45, 40]).special_bits(special).kernels(kernels);
    let params = builder.security(Security::InsecureForTests).build().unwrap();
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let secret = SecretKey::generate(&params, &mut rng);
    let keys = (1..=TOP).map(|level| {
        let mut request = KeyRequest { relin: Some(level), ..KeyRequest::default() };
        STEPS[1..].iter().for_each(|&steps| request.need_galois(rotation_element(N, steps), level));
        EvaluationKeys::generate(&secret, &request, &mut rng).unwrap()
    });
    Fixture { keys: keys.collect(), params }
}

fn fixtures(kernels: Kernels) -> impl Iterator<Item = Fixture> {
    [&[50][..], &[50, 50], &[50, 50, 50]].into_iter().map(move |special| fixture(special, kernels))
}

impl Fixture {
    /// Uniform polynomials of a level.
    fn parts(&self, level: usize, stream: u8, count: u8) -> Box<[Poly<Eval>]> {
        let ring = self.params.key_ring().select(0..level);
        let seed = Seed::generate(&mut ChaCha20Rng::from_seed([5; 32]));
        let label = |part| Label::Ciphertext { stream: stream * 8 + part };
        (0..count).map(|part| uniform_vartime(&ring, &seed, label(part))).collect()
    }

    fn zeros(&self, level: usize) -> [Poly<Eval>; 2] {
        let ring = self.params.key_ring().select(0..level);
        [ring.zero(), ring.zero()]
    }

    fn keys(&self, level: usize, key_level: usize) -> impl Iterator<Item = Option<&GaloisKey>> + Clone {
        images(&self.keys[key_level - 1], level, STEPS.into_iter().map(|steps| rotation_element(N, steps)))
    }
}

/// `round(v / (P·D))` modulo what is left of `Q`, coefficient by coefficient, for the `v` that is there times `P^-1`.
fn quotient(params: &Params, mut raised: Raised, level: usize, drop: usize) -> [Poly<Eval>; 2] {
    let ring = params.key_ring().select(raised.gadget().key_limbs(params, level));
    let [special, divisor] =
        [level, level - drop].map(|start| ring.select(start..ring.basis().len()).basis().product());
    let left = ring.select(0..level - drop);
    let whole = ring.basis().product();
    let factors: Vec<u64> = ring.basis().decompose_vartime(&special);
    raised.parts_mut().each_mut().map(|part| {
        let mut values = part.clone();
        for (i, limb) in values.limbs_mut().enumerate().take(level) {
            let q = &ring.moduli()[i];
            limb.iter_mut().for_each(|x| *x = q.mul(*x, factors[i]));
        }
        let values = ring.inverse(values);
        let mut out = left.zero();
        for c in 0..N {
            let residues: Vec<u64> = values.limbs().map(|limb| limb[c]).collect();
            let v = ring.basis().compose_vartime(&residues);
            // For a centred `v`, and a divisor that is odd.
            let half = &divisor >> 1;
            let rounded = if &v * 2u32 < whole {
                (v + half) / &divisor
            } else {
                let modulus = left.basis().product();
                let minus: BigUint = ((&whole - v) + half) / &divisor;
                (&modulus - minus % &modulus) % modulus
            };
            let residues = left.basis().decompose_vartime(&rounded);
            out.limbs_mut().zip(residues).for_each(|(limb, x)| limb[c] = x);
        }
        left.forward(out)
    })
}

#[test]
fn sums_are_rounded_once() {
    let mut scratch = Scratch::new();
    for f in fixtures(Kernels::detect()) {
        for (level, key_level) in (1..=TOP).flat_map(|level| (level..=TOP).map(move |key_level| (level, key_level))) {
            let switcher = Switcher::new(&f.params, level);
            let gadget = Gadget::at(&f.params, key_level);
            let terms: Vec<_> = (0..3).map(|stream| f.parts(level, stream, 2)).collect();
            for drop in 0..level.min(2) {
                let mut sum: Option<Raised> = None;
                for parts in &terms {
                    let digits = switcher.decompose(&parts[1], gadget, &mut scratch);
                    for key in f.keys(level, key_level) {
                        let raised = switcher.rotate_raised(parts, &digits, key, &mut scratch);
                        match &mut sum {
                            Some(sum) => sum.add_assign(switcher.raised_ring(gadget), &raised),
                            None => sum = Some(raised),
                        }
                    }
                }
                let mut out = f.zeros(level - drop);
                let images = terms.iter().map(|parts| (&**parts, f.keys(level, key_level)));
                switcher.sum_images(&images, drop, &mut out, &mut scratch);
                assert!(out == quotient(&f.params, sum.unwrap(), level, drop), "{level} {key_level} {drop}");
            }
        }
    }
}

/// Rotations alone, of one ciphertext and of several; what is not rotated alone; and keys of several gadgets, whose sums
/// are divided one by one.
#[test]
fn sums_of_any_shape_are_sums_of_rotations() {
    let mut scratch = Scratch::new();
    for f in fixtures(Kernels::detect()) {
        let (level, ring) = (2, f.params.key_ring().select(0..2));
        let switcher = Switcher::new(&f.params, level);
        let terms: Vec<_> = (0..2).map(|stream| f.parts(level, stream, 2)).collect();
        let keys = |chosen: [&'static [(usize, usize)]; 2]| {
            let keys: Vec<Vec<Option<&GaloisKey>>> = chosen
                .iter()
                .map(|list| list.iter().map(|&(step, of)| f.keys(level, of).nth(step).unwrap()).collect())
                .collect();
            keys
        };
        // Steps and the levels of their keys.
        let shapes: [[&[(usize, usize)]; 2]; 6] = [
            [&[(1, 2)], &[]],
            [&[(1, 2), (2, 2)], &[(3, 2)]],
            [&[(0, 2), (0, 2), (1, 2)], &[(0, 2)]],
            [&[(0, 2), (1, 4), (2, 3), (3, 2)], &[]],
            [&[(2, 3)], &[(0, 2), (1, 4), (2, 2), (2, 4)]],
            [&[], &[(1, 3), (1, 2)]],
        ];
        for shape in shapes {
            let keys = keys(shape);
            let images = terms.iter().zip(&keys).map(|(parts, keys)| (&**parts, keys.iter().copied()));
            let switching = images.clone().flat_map(|(_, keys)| keys).flatten();
            let gadgets = [2, 3, 4].map(|key_level| Gadget::at(&f.params, key_level));
            let mut found: Vec<Gadget> = switching.clone().map(GaloisKey::gadget).collect();
            found.sort_by_key(|gadget| gadgets.iter().position(|other| other == gadget));
            found.dedup();
            assert_eq!(switcher.divisions(&switching), found.len());
            for drop in [0, 1] {
                let mut out = f.zeros(level - drop);
                switcher.sum_images(&images, drop, &mut out, &mut scratch);
                let mut expected = f.zeros(level - drop);
                for (number, &gadget) in found.iter().enumerate() {
                    let mut sum: Option<Raised> = None;
                    for (parts, keys) in images.clone() {
                        let digits = switcher.decompose(&parts[1], gadget, &mut scratch);
                        let here = |key: Option<&GaloisKey>| key.map_or(number == 0, |key| key.gadget() == gadget);
                        for key in keys.filter(|key| here(*key)) {
                            let raised = switcher.rotate_raised(parts, &digits, key, &mut scratch);
                            match &mut sum {
                                Some(sum) => sum.add_assign(switcher.raised_ring(gadget), &raised),
                                None => sum = Some(raised),
                            }
                        }
                    }
                    let part = quotient(&f.params, sum.unwrap(), level, drop);
                    let ring = ring.select(0..level - drop);
                    expected.iter_mut().zip(&part).for_each(|(sum, part)| ring.add_assign(sum, part));
                }
                assert!(out == expected, "{shape:?} {drop}");
            }
        }
    }
}

/// A product of three polynomials, relinearised and rescaled.
#[test]
fn relinearisation_and_rescaling_round_once() {
    let mut scratch = Scratch::new();
    for f in fixtures(Kernels::detect()) {
        for (level, key_level) in (1..=TOP).flat_map(|level| (level..=TOP).map(move |key_level| (level, key_level))) {
            let (switcher, gadget) = (Switcher::new(&f.params, level), Gadget::at(&f.params, key_level));
            let parts = f.parts(level, 0, 3);
            let relin: &KeySwitchKey = f.keys[key_level - 1].relin(level).unwrap();
            // A rotation by nothing that switches keys all the same.
            let still = GaloisKey::new(relin.clone(), (0..N as u32).collect());
            let product = [parts[0].clone(), parts[2].clone()];
            let digits = switcher.decompose(&product[1], gadget, &mut scratch);
            for drop in 0..level.min(2) {
                let mut raised = switcher.rotate_raised(&product, &digits, Some(&still), &mut scratch);
                let high = &mut raised.parts_mut()[1].residues_mut()[..level * N];
                for ((limb, y), q) in high.chunks_exact_mut(N).zip(parts[1].limbs()).zip(switcher.ring().moduli()) {
                    limb.iter_mut().zip(y).for_each(|(x, &y)| *x = q.add(*x, y));
                }
                let mut out = f.zeros(level - drop);
                switcher.switch_add([0, 1, 2].map(|i| &parts[i]), relin, drop, &mut out, &mut scratch);
                assert!(out == quotient(&f.params, raised, level, drop), "{level} {key_level} {drop}");
            }
        }
    }
}

#[test]
fn backends_agree_bit_for_bit() {
    let run = |kernels| -> Vec<u64> {
        let mut scratch = Scratch::new();
        let mut words = Vec::new();
        for f in fixtures(kernels) {
            for (level, drop) in [(1, 0), (2, 1), (TOP, 0), (TOP, 1)] {
                let switcher = Switcher::new(&f.params, level);
                let terms: Vec<_> = (0..3).map(|stream| f.parts(level, stream, 3)).collect();
                let mut out = f.zeros(level - drop);
                let images = terms.iter().map(|parts| (&parts[..2], f.keys(level, TOP)));
                switcher.sum_images(&images, drop, &mut out, &mut scratch);
                words.extend(out.iter().flat_map(Poly::residues));
                let relin = f.keys[TOP - 1].relin(level).unwrap();
                switcher.switch_add([0, 1, 2].map(|i| &terms[0][i]), relin, drop, &mut out, &mut scratch);
                words.extend(out.iter().flat_map(Poly::residues));
            }
        }
        words
    };
    let reference = run(Kernels::PORTABLE);
    assert!(Kernels::available().all(|kernels| run(kernels) == reference));
}
