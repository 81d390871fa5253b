//! Hoisted rotations against plain ones, sums modulo `Q·P` against integers, at secure parameters with one and with
//! several special primes; and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/party.rs"]
mod party;
#[path = "support/tracked.rs"]
mod tracked;

use party::{Party, request, rotated, swapped};
use tacit_core::bfv::RaisedMultiplicand;
use tacit_core::error::EvalError;
use tacit_core::params::Params;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, rotation_element, row_swap_element};
use tracked::Tracked;

/// Most measured: 3.02 for rotations, 3.95 for sums of products, whose terms' bounds add.
const ROTATION_SLACK: f64 = 3.5;
const SUM_SLACK: f64 = 4.5;

const STEPS: [isize; 5] = [0, 1, 2, -3, 64];

fn sets() -> [Params; 3] {
    let set = |degree, ciphertext: &[u32], special: &[u32], plain: &[u32]| {
        let builder = Params::builder(degree).ciphertext_bits(ciphertext).special_bits(special).plain_bits(plain);
        builder.build().unwrap()
    };
    [
        set(8192, &[49, 49, 49], &[50], &[20]),
        set(16384, &[49; 5], &[50; 3], &[20, 21]),
        set(16384, &[54, 54, 54, 53], &[54, 55], &[22]),
    ]
}

fn party(params: &Params, seed: u8) -> Party {
    Party::new(params, &request(params, &STEPS, params.max_level()), seed)
}

/// The same values, and the same bound, at every level, from keys of the highest and of that very level.
#[test]
fn hoisted_rotations_are_rotations() {
    for (params, seed) in sets().iter().zip(70..) {
        let mut p = party(params, seed);
        let mut scratch = Scratch::new();
        let x = p.fresh(15);
        for level in (2..=params.max_level()).rev() {
            let low = p.bfv.switch_to(&x.ciphertext, level).unwrap();
            let own = EvaluationKeys::generate(&p.secret, &request(params, &STEPS, level), &mut p.rng).unwrap();
            for (keys, key_level) in [(&p.keys, params.max_level()), (&own, level)] {
                let hoisted = p.bfv.hoist(&low, key_level, &mut scratch).unwrap();
                for steps in STEPS {
                    let ciphertext = hoisted.rotate(steps, keys, &mut scratch).unwrap();
                    assert_eq!(ciphertext.noise(), p.bfv.rotate_rows(&low, steps, keys).unwrap().noise());
                    if level < params.max_level() && steps != 0 {
                        let values = rotated(&x.values, steps);
                        p.check("hoisted rotation", &Tracked { ciphertext, values }, ROTATION_SLACK);
                    }
                }
                hoisted.recycle(&mut scratch);
            }
        }
    }
}

/// Digits do not depend on the automorphism: a hoisted rotation is the plain one bit for bit.
#[test]
fn many_rotations_are_each_rotation() {
    for (params, seed) in sets().iter().zip(73..) {
        let mut p = party(params, seed);
        let x = p.fresh(15).ciphertext;
        // Keys of two levels with other digits.
        let mut request = request(params, &STEPS[..3], params.max_level());
        request.need_galois(rotation_element(params.degree(), 5), params.max_level());
        let keys = EvaluationKeys::generate(&p.secret, &request, &mut p.rng).unwrap();
        let steps = [1, 0, 2, 5, 1];
        let many = p.bfv.rotate_many(&x, &steps, &keys, &mut Scratch::new()).unwrap();
        for (found, steps) in many.iter().zip(steps) {
            assert_eq!(*found, p.bfv.rotate_rows(&x, steps, &keys).unwrap(), "{steps}");
        }
    }
}

/// `Σ_j rotate(Σ_i p_ij·rotate(x, i), 8·j)`: baby steps are hoisted, their sums stay modulo `Q·P`, and each giant step
/// divides once.
#[test]
fn baby_steps_and_giant_steps() {
    const GIANT: [isize; 2] = [0, 64];
    for (params, seed) in sets().iter().zip(76..) {
        let mut p = party(params, seed);
        let (mut scratch, level) = (Scratch::new(), params.max_level());
        let x = p.fresh(6);
        let matrix = GIANT.map(|_| STEPS.map(|_| p.fresh(6).values));
        let hoisted = p.bfv.hoist(&x.ciphertext, level, &mut scratch).unwrap();
        let baby: Vec<_> = STEPS.map(|i| hoisted.rotate_raised(i, &p.keys, &mut scratch).unwrap()).into();
        let mut parts = Vec::new();
        let mut values = vec![0; x.values.len()];
        for (giant, diagonals) in GIANT.into_iter().zip(&matrix) {
            let factor = |slots: &Vec<i128>| -> RaisedMultiplicand {
                p.bfv.raised_multiplicand(&p.bfv.encode(slots).unwrap(), level, level).unwrap()
            };
            let mut sum = p.bfv.mul_raised(&baby[0], &factor(&diagonals[0]), &mut scratch).unwrap();
            for (rotation, slots) in baby.iter().zip(diagonals).skip(1) {
                p.bfv.mul_add_raised(&mut sum, rotation, &factor(slots)).unwrap();
            }
            let lowered = p.bfv.lower(sum, &mut scratch).unwrap();
            parts.push(p.bfv.rotate_rows(&lowered, giant, &p.keys).unwrap());
            let images: Vec<_> = STEPS.map(|steps| rotated(&x.values, steps)).into();
            let slot = |i: usize| images.iter().zip(diagonals).map(|(image, slots)| image[i] * slots[i]).sum();
            let inner: Vec<i128> = (0..values.len()).map(slot).collect();
            values.iter_mut().zip(rotated(&inner, giant)).for_each(|(sum, x)| *sum += x);
        }
        let ciphertext = p.bfv.add(&parts[0], &parts[1]).unwrap();
        p.check("matrix–vector product", &Tracked { ciphertext, values }, SUM_SLACK);
    }
}

/// Sums of rotations alone, and what is raised and lowered again.
#[test]
fn sums_of_rotations() {
    for (params, seed) in sets().iter().zip(79..) {
        let mut p = party(params, seed);
        let mut scratch = Scratch::new();
        let x = p.fresh(15);
        let hoisted = p.bfv.hoist(&x.ciphertext, params.max_level(), &mut scratch).unwrap();
        let same = p.bfv.lower(hoisted.rotate_raised(0, &p.keys, &mut scratch).unwrap(), &mut scratch).unwrap();
        p.check("raised and lowered", &Tracked { ciphertext: same, values: x.values.clone() }, f64::INFINITY);
        let mut sum = hoisted.rotate_raised(0, &p.keys, &mut scratch).unwrap();
        let mut values = x.values.clone();
        for steps in [1, 2, -3] {
            p.bfv.add_raised(&mut sum, &hoisted.rotate_raised(steps, &p.keys, &mut scratch).unwrap()).unwrap();
            values.iter_mut().zip(rotated(&x.values, steps)).for_each(|(sum, v)| *sum += v);
        }
        let ciphertext = p.bfv.lower(sum, &mut scratch).unwrap();
        p.check("sum of rotations", &Tracked { ciphertext, values }, SUM_SLACK);
    }
}

/// A fold by four and giant steps, with keys of the highest level, of the ciphertext's own and of both: the same values as
/// rotations and sums one by one, from fewer roundings.
#[test]
fn sums_that_are_divided_once() {
    for (params, seed) in sets().iter().zip(84..) {
        let mut p = party(params, seed);
        let mut scratch = Scratch::new();
        let (x, y) = (p.fresh(15), p.fresh(15));
        let top = params.max_level();
        for level in (2..=top).rev() {
            let low = [&x, &y].map(|t| p.bfv.switch_to(&t.ciphertext, level).unwrap());
            let own = EvaluationKeys::generate(&p.secret, &request(params, &STEPS, level), &mut p.rng).unwrap();
            let mut mixed = request(params, &STEPS[..3], level);
            STEPS[3..].iter().for_each(|&steps| mixed.need_galois(rotation_element(params.degree(), steps), top));
            let mixed = EvaluationKeys::generate(&p.secret, &mixed, &mut p.rng).unwrap();
            let shapes: [[&[isize]; 2]; 3] = [[&[0, 1, 2, -3], &[]], [&[0, 2], &[64]], [&[1], &[-3, 0, 64]]];
            for (keys, shape) in [&p.keys, &own, &mixed].into_iter().flat_map(|keys| shapes.map(|shape| (keys, shape)))
            {
                let terms = [(&low[0], shape[0]), (&low[1], shape[1])];
                let ciphertext = p.bfv.sum_rotated(&terms, keys, &mut scratch).unwrap();
                let images = [&x, &y].into_iter().zip(shape).flat_map(|(t, steps)| steps.iter().map(move |&s| (t, s)));
                let mut values = vec![0; x.values.len()];
                images.for_each(|(t, steps)| {
                    values.iter_mut().zip(rotated(&t.values, steps)).for_each(|(sum, v)| *sum += v);
                });
                let rotate =
                    |&(a, steps): &(_, &[isize])| p.bfv.rotate_many(a, steps, keys, &mut Scratch::new()).unwrap();
                let one_by_one: Vec<_> = terms.iter().flat_map(rotate).collect();
                let one_by_one = p.bfv.sum(&one_by_one.iter().collect::<Vec<_>>()).unwrap();
                // Bounds are rounded up at every step.
                assert!(ciphertext.noise().steps() <= one_by_one.noise().steps() + 8);
                assert_eq!((ciphertext.level(), ciphertext.size()), (level, 2));
                if level < top {
                    p.check("sum of rotations", &Tracked { ciphertext, values }, SUM_SLACK);
                }
            }
        }
        let swap = row_swap_element(params.degree());
        let mut out = p.bfv.zero(1);
        p.bfv.sum_galois_into(&[(&x.ciphertext, &[1, swap])], &p.keys, &mut out, &mut scratch).unwrap();
        let values = x.values.iter().zip(swapped(&x.values)).map(|(a, b)| a + b).collect();
        p.check("sum of rows", &Tracked { ciphertext: out, values }, f64::INFINITY);
        // Nothing switches keys: a sum.
        let twice = p.bfv.sum_rotated(&[(&x.ciphertext, &[0]), (&x.ciphertext, &[0])], &p.keys, &mut scratch);
        assert_eq!(twice, p.bfv.add(&x.ciphertext, &x.ciphertext));
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let params = &sets()[1];
    let mut p = party(params, 82);
    let mut scratch = Scratch::new();
    let x = p.fresh(15).ciphertext;
    let (low, product) = (p.bfv.switch_to(&x, 2).unwrap(), p.bfv.square(&x).unwrap());
    let element = rotation_element(params.degree(), 7);
    // At level 2, keys of level 2 have two special primes and those of level 5 three.
    let mut request = KeyRequest::default();
    request.need_galois(rotation_element(params.degree(), 1), 2);
    let narrow = EvaluationKeys::generate(&p.secret, &request, &mut p.rng).unwrap();
    let wide = p.bfv.hoist(&low, 5, &mut scratch).unwrap();
    let thin = p.bfv.hoist(&low, 2, &mut scratch).unwrap();

    let missing = |level| EvalError::MissingGaloisKey { element, level };
    assert_eq!(wide.rotate(7, &p.keys, &mut scratch), Err(missing(2)));
    assert_eq!(wide.rotate_raised(7, &p.keys, &mut scratch).err(), Some(missing(2)));
    assert_eq!(p.bfv.rotate_many(&x, &[1, 7], &p.keys, &mut scratch), Err(missing(5)));
    let sum = |terms: &[(&_, &[isize])]| p.bfv.sum_rotated(terms, &p.keys, &mut Scratch::new());
    assert_eq!(sum(&[(&x, &[1, 7])]), Err(missing(5)));
    assert_eq!(sum(&[(&x, &[1]), (&product, &[1])]), Err(EvalError::SizeMismatch { found: 3, needed: 2 }));
    assert_eq!(sum(&[(&x, &[1]), (&low, &[0])]), Err(EvalError::LevelMismatch { left: 5, right: 2 }));
    assert_eq!(sum(&[]), Err(EvalError::OperandCount { left: 0, right: 0 }));
    assert_eq!(sum(&[(&x, &[])]), Err(EvalError::OperandCount { left: 0, right: 0 }));
    let hoist = |a, level| p.bfv.hoist(a, level, &mut Scratch::new()).err();
    assert_eq!(hoist(&product, 5), Some(EvalError::SizeMismatch { found: 3, needed: 2 }));
    assert_eq!(hoist(&x, 0), Some(EvalError::NoSuchLevel { asked: 0, max: 5 }));
    assert_eq!(hoist(&x, 6), Some(EvalError::NoSuchLevel { asked: 6, max: 5 }));
    assert_eq!(hoist(&x, 4), Some(EvalError::LevelMismatch { left: 5, right: 4 }));
    let other_keys = EvalError::KeyLevelMismatch { left: 5, right: 2 };
    assert_eq!(wide.rotate(1, &narrow, &mut scratch), Err(other_keys.clone()));
    assert_eq!(wide.rotate_raised(1, &narrow, &mut scratch).err(), Some(other_keys.clone()));
    // Keys of level 2 are none for a ciphertext of level 5.
    let above = EvalError::MissingGaloisKey { element: rotation_element(params.degree(), 1), level: 5 };
    assert_eq!(p.bfv.rotate_rows(&x, 1, &narrow), Err(above));

    let mut sum = wide.rotate_raised(1, &p.keys, &mut scratch).unwrap();
    let other = thin.rotate_raised(1, &narrow, &mut scratch).unwrap();
    assert_eq!(p.bfv.add_raised(&mut sum, &other), Err(other_keys.clone()));
    let plaintext = p.bfv.encode(&[3]).unwrap();
    let factor = |level, key_level| p.bfv.raised_multiplicand(&plaintext, level, key_level);
    assert_eq!(p.bfv.mul_raised(&sum, &factor(2, 2).unwrap(), &mut scratch).err(), Some(other_keys.clone()));
    assert_eq!(p.bfv.mul_add_raised(&mut sum, &other, &factor(2, 2).unwrap()), Err(other_keys));
    let levels = EvalError::LevelMismatch { left: 2, right: 3 };
    assert_eq!(p.bfv.mul_raised(&sum, &factor(3, 5).unwrap(), &mut scratch).err(), Some(levels));
    assert_eq!(factor(0, 5).err(), Some(EvalError::NoSuchLevel { asked: 0, max: 5 }));
    assert_eq!(factor(3, 2).err(), Some(EvalError::LevelMismatch { left: 3, right: 2 }));
    let too_few = p.bfv.rotate_many_into(&x, &[1, 2], &p.keys, &mut [], &mut scratch);
    assert_eq!(too_few, Err(EvalError::OperandCount { left: 0, right: 2 }));
}

/// An exhausted bound is refused before anything is computed.
#[test]
fn exhausted_noise_is_refused() {
    let params = &sets()[0];
    let mut p = party(params, 83);
    let mut scratch = Scratch::new();
    let x = p.fresh(15).ciphertext;
    let slots = p.fresh(17).values;
    let hoisted = p.bfv.hoist(&x, 3, &mut scratch).unwrap();
    let factor = p.bfv.raised_multiplicand(&p.bfv.encode(&slots).unwrap(), 3, 3).unwrap();
    let mut product = hoisted.rotate_raised(1, &p.keys, &mut scratch).unwrap();
    let error = loop {
        match p.bfv.mul_raised(&product, &factor, &mut scratch) {
            Ok(next) => product = next,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, EvalError::NoiseExhausted { noise_bits, limit_bits } if noise_bits > limit_bits));
}
