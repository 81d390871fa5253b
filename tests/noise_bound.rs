//! The public noise bound against the noise measured with the key, at secure parameters: never below, and not far above.
//! The results are compared with integers throughout.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/party.rs"]
mod party;
#[path = "support/tracked.rs"]
mod tracked;

use party::{Party, request, rotated, swapped};
use tacit_core::params::Params;
use tacit_core::rlwe::PublicKey;
use tracked::Tracked;

/// Bits by which a bound may exceed the measured noise, by kind of program: the most that was measured over the sets
/// below (in the comments), and half a bit to a bit to spare.
///
/// A bound covers 14 standard deviations where the largest of `n` coefficients reaches 4 to 5, which alone is 1.5 bits;
/// sums add bounds where independent noises add as squares.
mod slack {
    /// 3.19: the rounding of a message counts as if it lined up with plaintext factors.
    pub(crate) const FRESH: f64 = 4.0;
    /// 3.85, for a sum with a plaintext.
    pub(crate) const LINEAR: f64 = 4.5;
    /// 3.19.
    pub(crate) const MUL_PLAIN: f64 = 4.0;
    /// 4.62; the factor for the shared secret is one bit of it.
    pub(crate) const MULTIPLY: f64 = 5.5;
    /// 2.49.
    pub(crate) const KEY_SWITCH: f64 = 3.0;
    /// 1.98.
    pub(crate) const SWITCH_DOWN: f64 = 2.5;
    /// 6.48: noises of up to 14 rotations add as if they were one and the same, and what a whole fold leaves of the first
    /// noise is in few coefficients, of which the largest varies much from key to key.
    pub(crate) const FOLD: f64 = 7.5;
    /// 4.74, with and without switches between the products: errors of the bound do not pile up.
    pub(crate) const SQUARINGS: f64 = 5.5;
    /// 3.28.
    pub(crate) const NETWORK: f64 = 4.0;
}

impl Party {
    /// The relinearised square, or nothing if the noise bound forbids it.
    fn square(&self, a: &Tracked) -> Option<Tracked> {
        let product = self.bfv.square(&a.ciphertext).ok()?;
        let ciphertext = self.bfv.relinearise(&product, &self.keys).ok()?;
        Some(Tracked { ciphertext, values: a.values.iter().map(|&x| self.centre(x * x)).collect() })
    }

    /// `a + rotate(a)`.
    fn fold_once(&self, a: &Tracked, steps: isize) -> Tracked {
        let image = self.bfv.rotate_rows(&a.ciphertext, steps, &self.keys).unwrap();
        let sum = self.bfv.add(&a.ciphertext, &image).unwrap();
        let values = a.values.iter().zip(rotated(&a.values, steps)).map(|(x, y)| self.centre(x + y));
        Tracked { ciphertext: sum, values: values.collect() }
    }
}

/// Rotations by every power of two of a row: what a fold needs.
fn fold_steps(degree: usize) -> Vec<isize> {
    (0..degree.ilog2() - 1).map(|i| 1 << i).collect()
}

/// 128-bit sets: ciphertext, special and plaintext sizes.
fn sets() -> Vec<Params> {
    let set = |degree, ciphertext: &[u32], special: &[u32], plain: &[u32]| {
        let builder = Params::builder(degree).ciphertext_bits(ciphertext).special_bits(special).plain_bits(plain);
        builder.build().unwrap()
    };
    vec![
        set(4096, &[36, 36], &[34], &[17]),
        set(4096, &[36, 36], &[34], &[16, 17]),
        set(8192, &[54, 53, 53], &[54], &[20]),
        set(8192, &[54, 53, 53], &[54], &[20, 21, 22]),
        set(16384, &[54, 54, 54, 53, 53, 53], &[54, 55], &[22]),
        set(16384, &[54, 54, 54, 53, 53, 53], &[54, 55], &[30, 31]),
    ]
}

/// A party for each set, with the rotations that the test needs.
fn parties(steps: impl Fn(usize) -> Vec<isize>) -> impl Iterator<Item = Party> {
    sets().into_iter().zip(40..).map(move |(params, seed)| {
        let request = request(&params, &steps(params.degree()), params.max_level());
        Party::new(&params, &request, seed)
    })
}

#[test]
fn fresh() {
    for mut p in parties(|_| vec![]) {
        let secret = p.fresh(15);
        p.check("fresh, secret key", &secret, slack::FRESH);
        let public = PublicKey::generate(&p.secret, &mut p.rng);
        let plaintext = p.bfv.encode(&secret.values).unwrap();
        let ciphertext = p.bfv.encrypt_public(&public, &plaintext, &mut p.rng).unwrap();
        p.check("fresh, public key", &Tracked { ciphertext, values: secret.values }, slack::FRESH);
    }
}

#[test]
fn linear() {
    for mut p in parties(|_| vec![]) {
        let (a, b) = (p.fresh(15), p.fresh(15));
        let zip = |f: fn(i128, i128) -> i128| a.values.iter().zip(&b.values).map(|(&x, &y)| f(x, y)).collect();
        let sum = p.bfv.add(&a.ciphertext, &b.ciphertext).unwrap();
        p.check("add", &Tracked { ciphertext: sum, values: zip(|x, y| x + y) }, slack::LINEAR);
        let difference = p.bfv.sub(&a.ciphertext, &b.ciphertext).unwrap();
        p.check("sub", &Tracked { ciphertext: difference, values: zip(|x, y| x - y) }, slack::LINEAR);
        let scaled = p.bfv.mul_scalar(&a.ciphertext, -1234).unwrap();
        p.check("scalar", &Tracked { ciphertext: scaled, values: zip(|x, _| -1234 * x) }, slack::LINEAR);
        let many = p.bfv.linear_combination(&[&a.ciphertext, &b.ciphertext, &a.ciphertext], &[31, -7, 0]).unwrap();
        p.check("combination", &Tracked { ciphertext: many, values: zip(|x, y| 31 * x - 7 * y) }, slack::LINEAR);
        let addend = p.bfv.addend(&p.bfv.encode(&b.values).unwrap(), p.params().max_level()).unwrap();
        let shifted = p.bfv.add_plain(&a.ciphertext, &addend).unwrap();
        p.check("add plaintext", &Tracked { ciphertext: shifted, values: zip(|x, y| x + y) }, slack::LINEAR);
    }
}

/// Multiplicands of all slots, of few slots, and of one and the same number in each slot.
#[test]
fn mul_plain() {
    for mut p in parties(|_| vec![]) {
        let (a, level) = (p.fresh(15), p.params().max_level());
        let dense = p.fresh(8).values;
        let sparse: Vec<i128> = (0..dense.len()).map(|i| if i % 977 == 0 { dense[i] } else { 0 }).collect();
        let constant = vec![-99; dense.len()];
        for (what, factor) in [("dense", dense), ("sparse", sparse), ("constant", constant)] {
            let multiplicand = p.bfv.multiplicand(&p.bfv.encode(&factor).unwrap(), level).unwrap();
            let ciphertext = p.bfv.mul_plain(&a.ciphertext, &multiplicand).unwrap();
            let values = a.values.iter().zip(&factor).map(|(x, y)| x * y).collect();
            p.check(&format!("mul_plain, {what}"), &Tracked { ciphertext, values }, slack::MUL_PLAIN);
        }
    }
}

#[test]
fn multiply_and_relinearise() {
    for mut p in parties(|_| vec![]) {
        let (a, b) = (p.fresh(15), p.fresh(15));
        let values: Vec<i128> = a.values.iter().zip(&b.values).map(|(x, y)| x * y).collect();
        let product = p.bfv.multiply(&a.ciphertext, &b.ciphertext).unwrap();
        let two = p.bfv.relinearise(&product, &p.keys).unwrap();
        p.check("multiply", &Tracked { ciphertext: product, values: values.clone() }, slack::MULTIPLY);
        p.check("relinearise", &Tracked { ciphertext: two, values }, slack::MULTIPLY);
        p.check("square", &p.square(&a).unwrap(), slack::MULTIPLY);
    }
}

#[test]
fn rotate_and_switch_down() {
    for mut p in parties(|_| vec![1, -3]) {
        let a = p.fresh(15);
        for level in (2..p.params().max_level()).rev() {
            let ciphertext = p.bfv.switch_to(&a.ciphertext, level).unwrap();
            p.check(
                &format!("switch to {level}"),
                &Tracked { ciphertext, values: a.values.clone() },
                slack::SWITCH_DOWN,
            );
        }
        let low = p.bfv.switch_to(&a.ciphertext, 2).unwrap();
        for steps in [1, -3] {
            let ciphertext = p.bfv.rotate_rows(&low, steps, &p.keys).unwrap();
            p.check("rotate", &Tracked { ciphertext, values: rotated(&a.values, steps) }, slack::KEY_SWITCH);
        }
        let ciphertext = p.bfv.rotate_columns(&low, &p.keys).unwrap();
        p.check("swap rows", &Tracked { ciphertext, values: swapped(&a.values) }, slack::KEY_SWITCH);
        let ciphertext = p.bfv.switch_to(&a.ciphertext, 1).unwrap();
        p.check("switch to 1", &Tracked { ciphertext, values: a.values.clone() }, slack::SWITCH_DOWN);
    }
}

/// The sum of all slots in every slot: the noise of the images is the same noise, rearranged, and does not average out.
#[test]
fn fold() {
    for mut p in parties(fold_steps) {
        let a = p.fresh(15);
        let mut sum = Tracked { ciphertext: p.bfv.switch_to(&a.ciphertext, 2).unwrap(), values: a.values };
        for steps in fold_steps(p.params().degree()) {
            sum = p.fold_once(&sum, steps);
        }
        let image = p.bfv.rotate_columns(&sum.ciphertext, &p.keys).unwrap();
        let ciphertext = p.bfv.add(&sum.ciphertext, &image).unwrap();
        let values = sum.values.iter().zip(swapped(&sum.values)).map(|(x, y)| x + y).collect();
        p.check("fold", &Tracked { ciphertext, values }, slack::FOLD);
    }
}

/// As many squarings as the modulus carries, each followed by a switch to the next level.
#[test]
fn squarings() {
    for mut p in parties(|_| vec![]) {
        let mut x = p.fresh(3);
        let mut depth = 0;
        while let Some(next) = p.square(&x) {
            x = next;
            depth += 1;
            p.check(&format!("depth {depth}"), &x, slack::SQUARINGS);
            let below = x.ciphertext.level() - 1;
            let Ok(ciphertext) = p.bfv.switch_to(&x.ciphertext, below) else { break };
            x.ciphertext = ciphertext;
        }
        assert!(depth >= 1);
    }
}

/// The same without switching: each product multiplies the noise, and the secret in all factors is the same one.
#[test]
fn squarings_at_one_level() {
    for mut p in parties(|_| vec![]) {
        let mut x = p.fresh(3);
        let mut depth = 0;
        while let Some(next) = p.square(&x) {
            x = next;
            depth += 1;
            p.check(&format!("depth {depth} at one level"), &x, slack::SQUARINGS);
        }
        assert!(depth >= 1);
    }
}

/// A small network: plaintext product, fold, square, plaintext product, fold.
#[test]
fn a_network() {
    for mut p in parties(fold_steps).skip(4) {
        let a = p.fresh(4);
        let weights = p.fresh(4).values;
        let layer = |x: &Tracked| {
            let level = x.ciphertext.level();
            let multiplicand = p.bfv.multiplicand(&p.bfv.encode(&weights).unwrap(), level).unwrap();
            let ciphertext = p.bfv.mul_plain(&x.ciphertext, &multiplicand).unwrap();
            let values = x.values.iter().zip(&weights).map(|(x, w)| p.centre(x * w)).collect();
            [1, 2, 4].into_iter().fold(Tracked { ciphertext, values }, |x, steps| p.fold_once(&x, steps))
        };
        let squared = p.square(&layer(&a)).unwrap();
        let ciphertext = p.bfv.switch_to(&squared.ciphertext, 4).unwrap();
        let output = layer(&Tracked { ciphertext, values: squared.values });
        p.check("network", &output, slack::NETWORK);
    }
}
