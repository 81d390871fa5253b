//! The public bounds of CKKS against the error measured with the key, at secure parameters: never below, and not far above.
//! The results are compared with complex arithmetic throughout.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tacit_core::ckks::{Ciphertext, Ckks, Complex, Encoding, Scale};
use tacit_core::params::Params;
use tacit_core::poly::Scratch;
use tacit_core::rlwe::{EvaluationKeys, KeyRequest, PublicKey, SecretKey, rotation_element, row_swap_element};

/// Bits by which a bound may exceed the measured error, by kind of program: the most that was measured over the sets below
/// (in the comments), and half a bit to a bit to spare.
///
/// Of `n/2` slots the largest reaches three standard deviations where a bound covers ten, and about five where a bound
/// covers 52 for a product with the secret.
mod slack {
    /// 3.47: the roundings of an encoding count as if they lined up.
    pub(crate) const FRESH: f64 = 4.0;
    /// 3.81.
    pub(crate) const LINEAR: f64 = 4.5;
    /// 6.23, for a factor that is 0 almost everywhere: its bound counts for every slot.
    pub(crate) const PRODUCT: f64 = 7.0;
    /// 3.77.
    pub(crate) const KEY_SWITCH: f64 = 4.5;
    /// 3.93.
    pub(crate) const RESCALE: f64 = 4.5;
    /// 4.80.
    pub(crate) const SUM: f64 = 5.5;
    /// 12.02: errors of rotated images add as if they were one and the same.
    pub(crate) const FOLD: f64 = 13.0;
    /// 4.21: errors of the bound do not pile up.
    pub(crate) const SQUARINGS: f64 = 5.0;
}

const BITS: u32 = 40;

/// A ciphertext and the values that it must hold.
struct Tracked {
    ciphertext: Ciphertext,
    values: Vec<Complex>,
}

struct Party {
    ckks: Ckks,
    secret: SecretKey,
    keys: EvaluationKeys,
    rng: ChaCha20Rng,
}

/// 128-bit sets: ciphertext and special sizes.
fn parties(steps: impl Fn(usize) -> Vec<isize>) -> impl Iterator<Item = Party> {
    let sets: [(usize, &[u32], &[u32]); 4] = [
        (8192, &[50, 40, 40], &[50]),
        (8192, &[48, 40], &[50, 50]),
        (16384, &[50, 40, 40, 40, 40, 40, 40, 40], &[50]),
        (16384, &[50, 40, 40, 40, 40, 40], &[50, 50, 50]),
    ];
    sets.into_iter().zip(60..).map(move |((degree, ciphertext, special), seed)| {
        let params = Params::builder(degree).ciphertext_bits(ciphertext).special_bits(special).build().unwrap();
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let secret = SecretKey::generate(&params, &mut rng);
        let mut request = KeyRequest::default();
        request.need_relin(params.max_level());
        request.need_galois(row_swap_element(degree), 2);
        steps(degree).into_iter().for_each(|steps| request.need_galois(rotation_element(degree, steps), 2));
        let keys = EvaluationKeys::generate(&secret, &request, &mut rng).unwrap();
        Party { ckks: Ckks::new(&params), secret, keys, rng }
    })
}

impl Party {
    fn values(&mut self) -> Vec<Complex> {
        let mut unit = || self.rng.next_u64() as f64 / 2f64.powi(63) - 1.0;
        let mut value = || Complex::new(unit(), unit()).times(0.7);
        (0..self.ckks.slot_count()).map(|_| value()).collect()
    }

    fn encoding(&self, level: usize) -> Encoding {
        Encoding { level, scale: Scale::from_bits(BITS).unwrap(), bound: 1.0 }
    }

    fn fresh(&mut self, level: usize) -> Tracked {
        let values = self.values();
        self.encrypt(values, level)
    }

    fn encrypt(&mut self, values: Vec<Complex>, level: usize) -> Tracked {
        let plaintext = self.ckks.encode_complex(&values, &self.encoding(level)).unwrap();
        let seeded = self.ckks.encrypt(&self.secret, &plaintext, &mut self.rng).unwrap();
        Tracked { ciphertext: self.ckks.expand(&seeded), values }
    }

    fn top(&self) -> usize {
        self.ckks.params().max_level()
    }

    #[track_caller]
    fn check(&self, what: &str, tracked: &Tracked, slack: f64) {
        let at = |i: usize| tracked.values[i];
        let noise = self.ckks.measured_noise_log2(&self.secret, &tracked.ciphertext, at).unwrap();
        let bound = tracked.ciphertext.bounds().noise.log2();
        println!(
            "{what}: n = {}, error {noise:.2}, bound {bound:.2}, slack {:.2}",
            2 * tracked.values.len(),
            bound - noise
        );
        assert!(noise <= bound && bound <= noise + slack, "{what}: error {noise:.2}, bound {bound:.2}");
        let largest = tracked.values.iter().map(|z| z.abs()).fold(0.0, f64::max);
        let message = tracked.ciphertext.bounds().message.log2() - tracked.ciphertext.scale().log2();
        assert!(largest.log2() <= message, "{what}: message {largest}, bound 2^{message}");
    }

    fn square(&self, a: &Tracked) -> Tracked {
        let product = self.ckks.square(&a.ciphertext).unwrap();
        let ciphertext = self.ckks.relinearise(&product, &self.keys).unwrap();
        Tracked { ciphertext, values: a.values.iter().map(|&z| z * z).collect() }
    }
}

fn rotated(values: &[Complex], steps: isize) -> Vec<Complex> {
    let count = values.len() as isize;
    (0..count).map(|i| values[(i + steps).rem_euclid(count) as usize]).collect()
}

fn zip(a: &Tracked, b: &Tracked, f: impl Fn(Complex, Complex) -> Complex) -> Vec<Complex> {
    a.values.iter().zip(&b.values).map(|(&x, &y)| f(x, y)).collect()
}

#[test]
fn fresh() {
    for mut p in parties(|_| vec![]) {
        for level in [1, p.top()] {
            let x = p.fresh(level);
            p.check("fresh, secret key", &x, slack::FRESH);
        }
        let public = PublicKey::generate(&p.secret, &mut p.rng);
        let values = p.values();
        let plaintext = p.ckks.encode_complex(&values, &p.encoding(2)).unwrap();
        let ciphertext = p.ckks.encrypt_public(&public, &plaintext, &mut p.rng).unwrap();
        p.check("fresh, public key", &Tracked { ciphertext, values }, slack::KEY_SWITCH);
    }
}

#[test]
fn linear() {
    for mut p in parties(|_| vec![]) {
        let (a, b) = (p.fresh(2), p.fresh(2));
        let ciphertext = p.ckks.add(&a.ciphertext, &b.ciphertext).unwrap();
        p.check("add", &Tracked { ciphertext, values: zip(&a, &b, |x, y| x + y) }, slack::LINEAR);
        let ciphertext = p.ckks.sub(&a.ciphertext, &b.ciphertext).unwrap();
        p.check("sub", &Tracked { ciphertext, values: zip(&a, &b, |x, y| x - y) }, slack::LINEAR);
        let ciphertext = p.ckks.mul_scalar(&a.ciphertext, -0.123, Scale::from_bits(30).unwrap()).unwrap();
        p.check("scalar", &Tracked { ciphertext, values: zip(&a, &b, |x, _| x.times(-0.123)) }, slack::LINEAR);
        let ciphertext = p.ckks.mul_i(&a.ciphertext);
        let values = zip(&a, &b, |x, _| Complex::new(-x.im, x.re));
        p.check("times i", &Tracked { ciphertext, values }, slack::LINEAR);
    }
}

/// Factors in all slots, in few, and one and the same in each slot; a sum of products rescaled once.
#[test]
fn products_with_plaintexts() {
    for mut p in parties(|_| vec![]) {
        let level = p.top();
        let (a, b) = (p.fresh(level), p.fresh(level));
        let dense = p.values();
        let sparse: Vec<Complex> = (0..dense.len()).map(|i| if i % 977 == 0 { dense[i] } else { 0.0.into() }).collect();
        let constant = vec![Complex::from(-0.99); dense.len()];
        for (what, factor) in [("dense", dense), ("sparse", sparse), ("constant", constant)] {
            let plaintext = p.ckks.encode_complex(&factor, &p.encoding(level)).unwrap();
            let dot = p.ckks.dot_plain(&[&a.ciphertext, &b.ciphertext], &[&plaintext; 2]).unwrap();
            let values = zip(&a, &b, |x, y| x + y).iter().zip(&factor).map(|(&z, &w)| z * w).collect();
            let dot = Tracked { ciphertext: dot, values };
            p.check(&format!("dot_plain, {what}"), &dot, slack::PRODUCT);
            let ciphertext = p.ckks.rescale(&dot.ciphertext).unwrap();
            p.check(&format!("rescale, {what}"), &Tracked { ciphertext, ..dot }, slack::RESCALE);
        }
    }
}

#[test]
fn products_rotations_conjugates() {
    for mut p in parties(|_| vec![1, -3]) {
        let (a, b) = (p.fresh(p.top()), p.fresh(p.top()));
        let product = p.ckks.multiply(&a.ciphertext, &b.ciphertext).unwrap();
        let values = zip(&a, &b, |x, y| x * y);
        let two = p.ckks.relinearise(&product, &p.keys).unwrap();
        p.check("multiply", &Tracked { ciphertext: product, values: values.clone() }, slack::PRODUCT);
        p.check("relinearise", &Tracked { ciphertext: two, values }, slack::PRODUCT);
        let low = p.fresh(2);
        for steps in [1, -3] {
            let ciphertext = p.ckks.rotate(&low.ciphertext, steps, &p.keys).unwrap();
            p.check("rotate", &Tracked { ciphertext, values: rotated(&low.values, steps) }, slack::KEY_SWITCH);
        }
        let ciphertext = p.ckks.conjugate(&low.ciphertext, &p.keys).unwrap();
        let values = low.values.iter().map(|z| z.conjugate()).collect();
        p.check("conjugate", &Tracked { ciphertext, values }, slack::KEY_SWITCH);
    }
}

/// Operations that divide once, against the operations one by one.
#[test]
fn fused() {
    for mut p in parties(|_| vec![1, -3, 7]) {
        let (mut out, mut scratch, top) = (p.ckks.zero(1), Scratch::new(), p.top());
        let (a, b) = (p.fresh(top), p.fresh(top));
        let (x, y) = (&a.ciphertext, &b.ciphertext);
        p.ckks.multiply_relinearise_rescale_into(x, y, &p.keys, &mut out, &mut scratch).unwrap();
        let two = p.ckks.relinearise(&p.ckks.multiply(x, y).unwrap(), &p.keys).unwrap();
        let two = p.ckks.rescale(&two).unwrap();
        assert_eq!((out.level(), out.scale(), out.size()), (two.level(), two.scale(), 2));
        assert!(out.bounds().noise <= two.bounds().noise && out.bounds().message == two.bounds().message);
        p.check("product", &Tracked { ciphertext: out.clone(), values: zip(&a, &b, |x, y| x * y) }, slack::SQUARINGS);

        let (a, b) = (p.fresh(2), p.fresh(2));
        let terms: [(&Ciphertext, &[isize]); 2] = [(&a.ciphertext, &[0, 1, -3, 7]), (&b.ciphertext, &[1])];
        let images = [0, 1, -3, 7].map(|steps| rotated(&a.values, steps));
        let of_b = rotated(&b.values, 1);
        let values: Vec<_> = (0..of_b.len()).map(|i| images.iter().fold(of_b[i], |sum, v| sum + v[i])).collect();
        let ciphertext = p.ckks.sum_rotated(&terms, &p.keys, &mut scratch).unwrap();
        let mut images = p.ckks.rotate_many(&a.ciphertext, &[0, 1, -3, 7], &p.keys, &mut scratch).unwrap();
        images.push(p.ckks.rotate(&b.ciphertext, 1, &p.keys).unwrap());
        let one_by_one = p.ckks.sum(&images.iter().collect::<Vec<_>>()).unwrap();
        assert!(ciphertext.bounds().noise < one_by_one.bounds().noise && ciphertext.scale() == one_by_one.scale());
        p.check("sum", &Tracked { ciphertext, values: values.clone() }, slack::SUM);

        // At a scale that leaves one.
        let product = p.ckks.mul_scalar(&a.ciphertext, 1.0, p.ckks.prime_scale(2).unwrap()).unwrap();
        p.ckks.sum_rotated_rescale_into(&[(&product, &[0, 1, -3])], &p.keys, &mut out, &mut scratch).unwrap();
        let sum = p.ckks.sum_rotated(&[(&product, &[0, 1, -3])], &p.keys, &mut scratch).unwrap();
        let sum = p.ckks.rescale(&sum).unwrap();
        assert_eq!((out.level(), out.scale()), (1, sum.scale()));
        assert!(out.bounds().noise <= sum.bounds().noise);
        let images = [0, 1, -3].map(|steps| rotated(&a.values, steps));
        let values = (0..of_b.len()).map(|i| images[0][i] + images[1][i] + images[2][i]).collect();
        p.check("rescaled sum", &Tracked { ciphertext: out, values }, slack::SUM);
    }
}

/// The sum of all slots in every slot.
#[test]
fn fold() {
    let steps = |degree: usize| (0..degree.ilog2() - 1).map(|i| 1isize << i).collect::<Vec<_>>();
    for mut p in parties(steps) {
        let mut sum = p.fresh(2);
        for steps in steps(p.ckks.params().degree()) {
            let image = p.ckks.rotate(&sum.ciphertext, steps, &p.keys).unwrap();
            let ciphertext = p.ckks.add(&sum.ciphertext, &image).unwrap();
            let values = sum.values.iter().zip(rotated(&sum.values, steps)).map(|(&x, y)| x + y).collect();
            // The bound on the message grows to n/2 and stays within a prime of 48 bits.
            sum = Tracked { ciphertext, values };
        }
        p.check("fold", &sum, slack::FOLD);
    }
}

/// As many squarings as there are primes, each rescaled.
#[test]
fn squarings() {
    for mut p in parties(|_| vec![]) {
        // On the unit circle, where squares do not get smaller than their bound.
        let values = p.values().into_iter().map(|z| z.times((1.0 - 1e-6) / z.abs())).collect();
        let mut x = p.encrypt(values, p.top());
        while x.ciphertext.level() > 1 {
            let square = p.square(&x);
            x = Tracked { ciphertext: p.ckks.rescale(&square.ciphertext).unwrap(), ..square };
            p.check(&format!("level {}", x.ciphertext.level()), &x, slack::SQUARINGS);
        }
    }
}
