//! Programs on ciphertexts against integers: a step succeeds and is right, or is refused for its noise or its level.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tacit_core::bfv::Ciphertext;
use tacit_core::error::EvalError;
use tacit_fuzz::{DEGREE, STEPS, World};

static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// The length of programs: every register is decrypted at the end.
const MAX_STEPS: usize = 12;

#[derive(Arbitrary, Debug)]
enum Step {
    Add(u8, u8),
    Sub(u8, u8),
    Multiply(u8, u8),
    Square(u8),
    Scalar(u8, i64),
    Combine(u8, u8, i32, i32),
    AddPlain(u8, [i32; 8]),
    MulPlain(u8, [i32; 8]),
    Rotate(u8, u8),
    SwapRows(u8),
    Switch(u8, u8),
}

#[derive(Arbitrary, Debug)]
struct Input {
    values: [i32; 8],
    steps: Vec<Step>,
}

/// A ciphertext and the clear values that it must hold.
type Register = (Ciphertext, Vec<i128>);

/// Slots that repeat a few words.
fn slots(words: &[i32; 8]) -> Vec<i128> {
    (0..DEGREE).map(|i| WORLD.centre(words[i % 8].rotate_left(i as u32 / 8).into())).collect()
}

fn zip(a: &[i128], b: &[i128], f: impl Fn(i128, i128) -> i128) -> Vec<i128> {
    a.iter().zip(b).map(|(&x, &y)| WORLD.centre(f(x, y))).collect()
}

fn run(registers: &[Register], step: &Step) -> Result<Register, EvalError> {
    let (bfv, keys) = (&WORLD.bfv, &WORLD.keys);
    let at = |i: u8| &registers[usize::from(i) % registers.len()];
    Ok(match *step {
        Step::Add(a, b) => (bfv.add(&at(a).0, &at(b).0)?, zip(&at(a).1, &at(b).1, |x, y| x + y)),
        Step::Sub(a, b) => (bfv.sub(&at(a).0, &at(b).0)?, zip(&at(a).1, &at(b).1, |x, y| x - y)),
        Step::Multiply(a, b) => {
            let product = bfv.multiply(&at(a).0, &at(b).0)?;
            (bfv.relinearise(&product, keys)?, zip(&at(a).1, &at(b).1, |x, y| x * y))
        }
        // Left with three polynomials: further steps must cope or refuse.
        Step::Square(a) => (bfv.square(&at(a).0)?, zip(&at(a).1, &at(a).1, |x, y| x * y)),
        Step::Scalar(a, w) => (bfv.mul_scalar(&at(a).0, w)?, zip(&at(a).1, &at(a).1, |x, _| x * i128::from(w))),
        Step::Combine(a, b, v, w) => {
            let sum = bfv.linear_combination(&[&at(a).0, &at(b).0], &[v.into(), w.into()])?;
            (sum, zip(&at(a).1, &at(b).1, |x, y| x * i128::from(v) + y * i128::from(w)))
        }
        Step::AddPlain(a, words) => {
            let (x, plain) = (at(a), slots(&words));
            let addend = bfv.addend(&bfv.encode(&plain)?, x.0.level())?;
            (bfv.add_plain(&x.0, &addend)?, zip(&x.1, &plain, |x, y| x + y))
        }
        Step::MulPlain(a, words) => {
            let (x, plain) = (at(a), slots(&words));
            let factor = bfv.multiplicand(&bfv.encode(&plain)?, x.0.level())?;
            (bfv.mul_plain(&x.0, &factor)?, zip(&x.1, &plain, |x, y| x * y))
        }
        Step::Rotate(a, s) => {
            let (x, steps) = (at(a), STEPS[usize::from(s) % STEPS.len()]);
            let row = DEGREE as isize / 2;
            let source = |i: isize| (i / row) * row + (i % row + steps).rem_euclid(row);
            let values = (0..DEGREE as isize).map(|i| x.1[source(i) as usize]).collect();
            (bfv.rotate_rows(&x.0, steps, keys)?, values)
        }
        Step::SwapRows(a) => {
            let x = at(a);
            (bfv.rotate_columns(&x.0, keys)?, (0..DEGREE).map(|i| x.1[i ^ (DEGREE / 2)]).collect())
        }
        Step::Switch(a, level) => (bfv.switch_to(&at(a).0, usize::from(level % 4))?, at(a).1.clone()),
    })
}

fuzz_target!(|input: Input| {
    let values = slots(&input.values);
    let mut registers = vec![(WORLD.encrypt(&values, input.values[0] as u8), values)];
    for step in input.steps.iter().take(MAX_STEPS) {
        match run(&registers, step) {
            Ok(register) => registers.push(register),
            Err(
                EvalError::NoiseExhausted { .. }
                | EvalError::NoSuchLevel { .. }
                | EvalError::LevelMismatch { .. }
                | EvalError::SizeMismatch { .. }
                // The row-swap key was made for level 2.
                | EvalError::MissingGaloisKey { level: 3, .. },
            ) => {}
            Err(error) => panic!("{step:?}: {error}"),
        }
    }
    for (ciphertext, values) in &registers {
        let (noise, bound) = (WORLD.bfv.measured_noise_log2(&WORLD.secret, ciphertext), ciphertext.noise().log2());
        assert!(noise <= bound, "noise {noise}, bound {bound}");
        assert_eq!(&WORLD.decrypt(ciphertext), values);
    }
});
