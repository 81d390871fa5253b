//! Every operation against complex arithmetic; every bound against the error that is measured.

use super::*;
use crate::backend::{Backend, Kernels};
use crate::params::Security;
use crate::poly::Scratch;
use crate::rlwe::{EvaluationKeys, KeyRequest, PublicKey, SecretKey, rotation_element, row_swap_element};
use alloc::vec;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand_core::{Rng, SeedableRng};

const N: usize = 128;
const SLOTS: usize = N / 2;
const TOP: usize = 5;

/// Bits by which a bound may exceed the measured error: of `n/2` slots the largest reaches about 2.5 standard deviations,
/// where a bound covers 10 of one polynomial and 52 of a product of two; the roundings of an encoding never line up.
const SLACK_BITS: f64 = 5.5;

struct Fixture {
    ckks: Ckks,
    secret: SecretKey,
    keys: EvaluationKeys,
    rng: ChaCha20Rng,
}

fn params(special: &[u32], kernels: Kernels) -> Params {
    let builder = Params::builder(N).ciphertext_bits(&[50, 40, 40, 40, 40]).special_bits(special).kernels(kernels);
    builder.security(Security::InsecureForTests).build().unwrap()
}

fn fixture_on(special: &[u32], kernels: Kernels) -> Fixture {
    let params = params(special, kernels);
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let secret = SecretKey::generate(&params, &mut rng);
    let mut request = KeyRequest::default();
    request.need_relin(TOP);
    for steps in [1, 3, -1, 16] {
        request.need_galois(rotation_element(N, steps), TOP);
    }
    request.need_galois(row_swap_element(N), TOP);
    let keys = EvaluationKeys::generate(&secret, &request, &mut rng).unwrap();
    Fixture { ckks: Ckks::new(&params), secret, keys, rng }
}

fn fixture(special: &[u32]) -> Fixture {
    fixture_on(special, Kernels::detect())
}

/// One special prime and digits of one prime; two and digits of two, the last of them alone.
fn fixtures() -> impl Iterator<Item = Fixture> {
    [&[50][..], &[50, 50]].into_iter().map(fixture)
}

fn scale(bits: u32) -> Scale {
    Scale::from_bits(bits).unwrap()
}

fn encoding(level: usize, bits: u32, bound: f64) -> Encoding {
    Encoding { level, scale: scale(bits), bound }
}

impl Fixture {
    /// Numbers in the disc of this radius; the first few at its edges.
    fn values(&mut self, radius: f64) -> Vec<Complex> {
        let edges = [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1e-9, -1e-12)];
        let mut unit = || self.rng.next_u64() as f64 / 2f64.powi(63) - 1.0;
        let random = (0..SLOTS).map(|_| Complex::new(unit(), unit()).times(core::f64::consts::FRAC_1_SQRT_2));
        let values: Vec<Complex> = random.collect();
        (0..SLOTS).map(|i| edges.get(i).map_or(values[i], |&(x, y)| Complex::new(x, y)).times(radius)).collect()
    }

    fn plaintext(&self, values: &[Complex], encoding: &Encoding) -> Plaintext {
        self.ckks.encode_complex(values, encoding).unwrap()
    }

    fn encrypt(&mut self, values: &[Complex], encoding: &Encoding) -> Ciphertext {
        let plaintext = self.plaintext(values, encoding);
        self.ckks.expand(&self.ckks.encrypt(&self.secret, &plaintext, &mut self.rng).unwrap())
    }

    /// The error is within the bound, and the bound within the stated slack of the error.
    #[track_caller]
    fn check(&self, what: &str, ciphertext: &Ciphertext, expected: impl Fn(usize) -> Complex) {
        self.check_within(SLACK_BITS, what, ciphertext, expected);
    }

    #[track_caller]
    fn check_within(&self, slack: f64, what: &str, ciphertext: &Ciphertext, expected: impl Fn(usize) -> Complex) {
        let bounds = ciphertext.bounds();
        let noise = self.ckks.measured_noise_log2(&self.secret, ciphertext, &expected).unwrap();
        let bound = bounds.noise.log2();
        assert!(noise <= bound && bound <= noise + slack, "{what}: error {noise:.2}, bound {bound:.2}");
        let largest = (0..SLOTS).map(|i| expected(i).abs()).fold(0.0, f64::max) * ciphertext.scale().value();
        assert!(libm::log2(largest) <= bounds.message.log2(), "{what}: message");
    }
}

#[test]
fn fresh_ciphertexts_decrypt() {
    for mut f in fixtures() {
        let a = f.values(3.0);
        for level in 1..=TOP {
            let x = f.encrypt(&a, &encoding(level, 40, 3.0));
            assert_eq!((x.level(), x.size(), x.scale()), (level, 2, scale(40)));
            f.check("fresh", &x, |i| a[i]);
        }
        let public = PublicKey::generate(&f.secret, &mut f.rng);
        for level in [1, TOP] {
            let plaintext = f.plaintext(&a, &encoding(level, 40, 3.0));
            let x = f.ckks.encrypt_public(&public, &plaintext, &mut f.rng).unwrap();
            f.check("public", &x, |i| a[i]);
        }
    }
}

#[test]
fn sums() {
    for mut f in fixtures() {
        let (a, b) = (f.values(2.0), f.values(3.0));
        let e = encoding(3, 40, 3.0);
        let (x, y) = (f.encrypt(&a, &e), f.encrypt(&b, &e));
        f.check("add", &f.ckks.add(&x, &y).unwrap(), |i| a[i] + b[i]);
        f.check("sub", &f.ckks.sub(&x, &y).unwrap(), |i| a[i] - b[i]);
        f.check("neg", &f.ckks.neg(&x), |i| -a[i]);
        f.check("sum", &f.ckks.sum(&[&x, &y, &x, &x]).unwrap(), |i| a[i].times(3.0) + b[i]);
        f.check("integer", &f.ckks.mul_integer(&x, -77).unwrap(), |i| a[i].times(-77.0));
        let combined = f.ckks.linear_combination(&[&x, &y, &x], &[5, -7, 0]).unwrap();
        f.check("linear combination", &combined, |i| a[i].times(5.0) + b[i].times(-7.0));
        let separate = f.ckks.add(&f.ckks.mul_integer(&x, 5).unwrap(), &f.ckks.mul_integer(&y, -7).unwrap()).unwrap();
        assert_eq!(combined.parts, separate.parts);
        let count = EvalError::OperandCount { left: 1, right: 2 };
        assert_eq!(f.ckks.linear_combination(&[&x], &[1, 2]), Err(count));
        assert_eq!(f.ckks.linear_combination(&[], &[]), Err(EvalError::OperandCount { left: 0, right: 0 }));
        let low = f.ckks.drop_to(&x, 2).unwrap();
        let levels = EvalError::LevelMismatch { left: 3, right: 2 };
        assert_eq!(f.ckks.linear_combination(&[&x, &low], &[1, 1]), Err(levels));
        f.check("add plain", &f.ckks.add_plain(&x, &f.plaintext(&b, &e)).unwrap(), |i| a[i] + b[i]);
        let zero = f.ckks.mul_integer(&x, 0).unwrap();
        assert_eq!(f.ckks.measured_noise_log2(&f.secret, &zero, |_| Complex::default()), Ok(f64::NEG_INFINITY));
    }
}

#[test]
fn products_with_plaintexts() {
    for mut f in fixtures() {
        let (a, b) = (f.values(2.0), f.values(1.0));
        let (x, y) = (f.encrypt(&a, &encoding(3, 40, 2.0)), f.encrypt(&b, &encoding(3, 40, 1.0)));
        let (p, q) = (f.plaintext(&b, &encoding(3, 30, 1.0)), f.plaintext(&a, &encoding(3, 30, 2.0)));
        let product = f.ckks.mul_plain(&x, &p).unwrap();
        assert_eq!(product.scale(), scale(70));
        f.check("mul_plain", &product, |i| a[i] * b[i]);
        f.check("rescaled", &f.ckks.rescale(&product).unwrap(), |i| a[i] * b[i]);
        let dot = f.ckks.dot_plain(&[&x, &y], &[&p, &q]).unwrap();
        f.check("dot", &dot, |i| (a[i] * b[i]).times(2.0));
        let many = vec![&x; 300];
        let dot = f.ckks.dot_plain(&many, &vec![&p; 300]).unwrap();
        f.check("long dot", &dot, |i| (a[i] * b[i]).times(300.0));
        for factor in [-0.37, 1.0, 1e6, 1e-6] {
            let scaled = f.ckks.mul_scalar(&x, factor, scale(40)).unwrap();
            f.check("scalar", &scaled, |i| a[i].times(factor));
        }
        let unit = Complex::new(0.0, 1.0);
        f.check("i", &f.ckks.mul_i(&x), |i| a[i] * unit);
        assert_eq!(f.ckks.mul_i(&f.ckks.mul_i(&x)), f.ckks.neg(&x));
    }
}

/// Terms at a scale of a prime, so that the rescaled sum has the scale of the operand.
#[test]
fn a_factor_at_the_scale_of_the_prime_keeps_the_scale() {
    let mut f = fixture(&[50]);
    let (a, b) = (f.values(2.0), f.values(1.0));
    let x = f.encrypt(&a, &encoding(3, 40, 2.0));
    let p = f.plaintext(&b, &Encoding { level: 3, scale: f.ckks.prime_scale(3).unwrap(), bound: 1.0 });
    let y = f.ckks.rescale(&f.ckks.mul_plain(&x, &p).unwrap()).unwrap();
    assert!(y.scale().matches(scale(40)));
    let sum = f.ckks.add(&y, &f.ckks.drop_to(&x, 2).unwrap()).unwrap();
    f.check("sum over levels", &sum, |i| a[i] * b[i] + a[i]);
}

#[test]
fn products_before_and_after_relinearisation() {
    for mut f in fixtures() {
        let (a, b) = (f.values(2.0), f.values(3.0));
        let (x, y) = (f.encrypt(&a, &encoding(TOP, 40, 2.0)), f.encrypt(&b, &encoding(TOP, 40, 3.0)));
        let product = f.ckks.multiply(&x, &y).unwrap();
        assert_eq!((product.size(), product.scale()), (3, scale(80)));
        f.check("multiply", &product, |i| a[i] * b[i]);
        let square = f.ckks.square(&x).unwrap();
        f.check("square", &square, |i| a[i] * a[i]);
        let lazy = f.ckks.add(&product, &square).unwrap();
        let two = f.ckks.relinearise(&lazy, &f.keys).unwrap();
        let expected = |i: usize| a[i] * (a[i] + b[i]);
        f.check("relinearise", &two, expected);
        f.check("rescale", &f.ckks.rescale(&two).unwrap(), expected);
        // Rescaling three polynomials: the square of the secret stretches the rounding, and its bound the more.
        f.check_within(9.0, "rescale of three", &f.ckks.rescale(&lazy).unwrap(), expected);
    }
}

/// The bound of a key switch is that of the noisiest key that may serve the level: the key that does is a little better.
const KEYS_OF_ANY_LEVEL: f64 = 7.0;

#[test]
fn rotations_and_conjugation() {
    for mut f in fixtures() {
        let a = f.values(2.0);
        for level in [1, 2, TOP] {
            let x = f.encrypt(&a, &encoding(level, 40, 2.0));
            for steps in [0isize, 1, 3, -1, 16] {
                let rotated = f.ckks.rotate(&x, steps, &f.keys).unwrap();
                let source = |i: usize| a[(i as isize + steps).rem_euclid(SLOTS as isize) as usize];
                f.check_within(KEYS_OF_ANY_LEVEL, "rotate", &rotated, source);
            }
            let conjugate = f.ckks.conjugate(&x, &f.keys).unwrap();
            f.check_within(KEYS_OF_ANY_LEVEL, "conjugate", &conjugate, |i| a[i].conjugate());
        }
    }
}

/// Rotations and conjugation in place, with digits in common, one by one or in a list: the same bits.
#[test]
fn hoisted_rotations_are_rotations() {
    for mut f in fixtures() {
        let a = f.values(2.0);
        let elements = [rotation_element(N, 1), 1, row_swap_element(N), rotation_element(N, -1)];
        let mut scratch = Scratch::new();
        for level in [1, 2, TOP] {
            let x = f.encrypt(&a, &encoding(level, 40, 2.0));
            let expected = elements.map(|element| f.ckks.apply_galois(&x, element, &f.keys).unwrap());
            // Of another shape than the results, to be given theirs.
            let mut out = elements.map(|_| f.ckks.zero(TOP));
            f.ckks.apply_galois_many_into(&x, &elements, &f.keys, &mut out, &mut scratch).unwrap();
            assert_eq!(out, expected);
            let steps = [1, 0, 3, -1];
            let many = f.ckks.rotate_many(&x, &steps, &f.keys, &mut scratch).unwrap();
            let hoisted = f.ckks.hoist(&x, TOP, &mut scratch).unwrap();
            for (steps, found) in steps.into_iter().zip(many) {
                assert_eq!(found, f.ckks.rotate(&x, steps, &f.keys).unwrap(), "{steps}");
                assert_eq!(found, hoisted.rotate(steps, &f.keys, &mut scratch).unwrap(), "{steps}");
            }
            hoisted.recycle(&mut scratch);
        }
    }
}

/// Keys of levels with other digits in one list.
#[test]
fn rotations_with_keys_of_several_levels() {
    let mut f = fixture(&[50, 50]);
    let a = f.values(2.0);
    let mut request = KeyRequest::default();
    request.need_galois(rotation_element(N, 1), TOP);
    request.need_galois(rotation_element(N, 3), 1);
    f.keys = EvaluationKeys::generate(&f.secret, &request, &mut f.rng).unwrap();
    let x = f.encrypt(&a, &encoding(1, 40, 2.0));
    let steps = [1, 3, 3, 0, 1];
    let many = f.ckks.rotate_many(&x, &steps, &f.keys, &mut Scratch::new()).unwrap();
    for (steps, found) in steps.into_iter().zip(many) {
        assert_eq!(found, f.ckks.rotate(&x, steps, &f.keys).unwrap(), "{steps}");
    }
    let hoisted = f.ckks.hoist(&x, TOP, &mut Scratch::new()).unwrap();
    let others = hoisted.rotate(3, &f.keys, &mut Scratch::new());
    assert_eq!(others, Err(EvalError::KeyLevelMismatch { left: TOP, right: 1 }));
}

/// Outputs that held something else, of another shape, get what the allocating operations return.
#[test]
fn operations_in_place_are_the_operations() {
    for mut f in fixtures() {
        let (a, b) = (f.values(1.0), f.values(1.0));
        let e = encoding(TOP, 40, 1.0);
        let (x, y, p) = (f.encrypt(&a, &e), f.encrypt(&b, &e), f.plaintext(&b, &e));
        let (ckks, keys) = (&f.ckks, &f.keys);
        let product = ckks.multiply(&x, &y).unwrap();
        let relinearised = ckks.relinearise(&product, keys).unwrap();
        let mut scratch = Scratch::new();
        type Operation<'a> = &'a dyn Fn(&mut Ciphertext, &mut Scratch) -> Result<(), EvalError>;
        let operations: [(Operation<'_>, Ciphertext); 9] = [
            (&|out, s| ckks.sum_into(&[&x, &y, &x], out, s), ckks.add(&ckks.add(&x, &y).unwrap(), &x).unwrap()),
            (&|out, s| ckks.add_plain_into(&x, &p, out, s), ckks.add_plain(&x, &p).unwrap()),
            (&|out, s| ckks.mul_plain_into(&x, &p, out, s), ckks.mul_plain(&x, &p).unwrap()),
            (&|out, s| ckks.multiply_into(&x, &y, out, s), product.clone()),
            (&|out, s| ckks.relinearise_into(&product, keys, out, s), relinearised.clone()),
            (&|out, s| ckks.multiply_relinearise_into(&x, &y, keys, out, s), relinearised.clone()),
            (
                &|out, s| ckks.square_relinearise_into(&x, keys, out, s),
                ckks.relinearise(&ckks.square(&x).unwrap(), keys).unwrap(),
            ),
            (&|out, s| ckks.rescale_into(&relinearised, out, s), ckks.rescale(&relinearised).unwrap()),
            (&|out, s| ckks.drop_to_into(&x, 2, out, s), ckks.drop_to(&x, 2).unwrap()),
        ];
        for (i, (operation, expected)) in operations.into_iter().enumerate() {
            for mut out in [ckks.zero(TOP), ckks.zero(1), product.clone()] {
                operation(&mut out, &mut scratch).unwrap();
                assert_eq!(out, expected, "operation {i}");
            }
        }
        let mut sum = x.clone();
        ckks.add_assign(&mut sum, &y).unwrap();
        assert_eq!(sum, ckks.add(&x, &y).unwrap());
        f.check("sum in place", &sum, |i| a[i] + b[i]);
    }
}

/// More terms than one reduction takes.
#[test]
fn long_sums_of_products() {
    let mut f = fixture(&[50]);
    let (a, b) = (f.values(1.0), f.values(1.0));
    let (x, p) = (f.encrypt(&a, &encoding(3, 40, 1.0)), f.plaintext(&b, &encoding(3, 40, 1.0)));
    let count = 2 * crate::backend::MAX_TERMS + 3;
    let sum = f.ckks.dot_plain(&vec![&x; count], &vec![&p; count]).unwrap();
    let expected = f.ckks.mul_integer(&f.ckks.mul_plain(&x, &p).unwrap(), count as i64).unwrap();
    assert_eq!(sum.parts, expected.parts);
}

/// `Σ_i p_i·rotate(x, i)` modulo `Q·P`, divided once; and the conjugate on top.
#[test]
fn raised_sums_are_divided_once() {
    for mut f in fixtures() {
        let (a, mut scratch) = (f.values(1.0), Scratch::new());
        let factors = [0isize, 1, 3, -1].map(|steps| (steps, f.values(1.0)));
        for level in [2, TOP] {
            let x = f.encrypt(&a, &encoding(level, 30, 1.0));
            let plaintexts = factors.each_ref().map(|(_, b)| f.plaintext(b, &encoding(level, 30, 1.0)));
            let raised = plaintexts.each_ref().map(|p| f.ckks.raised_plaintext(p, TOP).unwrap());
            let hoisted = f.ckks.hoist(&x, TOP, &mut scratch).unwrap();
            let rotated = factors.each_ref().map(|(i, _)| hoisted.rotate_raised(*i, &f.keys, &mut scratch).unwrap());
            let mut sum = f.ckks.mul_raised(&rotated[0], &raised[0], &mut scratch).unwrap();
            for (rotated, raised) in rotated.iter().zip(&raised).skip(1) {
                f.ckks.mul_add_raised(&mut sum, rotated, raised).unwrap();
            }
            let source = |i: usize, steps: isize| (i as isize + steps).rem_euclid(SLOTS as isize) as usize;
            let expected =
                |i: usize| factors.iter().fold(Complex::default(), |sum, (steps, b)| sum + b[i] * a[source(i, *steps)]);
            let lowered = f.ckks.lower(sum, &mut scratch).unwrap();
            f.check_within(KEYS_OF_ANY_LEVEL, "raised sum", &lowered, expected);
            let mut sum = hoisted.apply_galois_raised(row_swap_element(N), &f.keys, &mut scratch).unwrap();
            f.ckks.add_raised(&mut sum, &rotated[1]).unwrap();
            let lowered = f.ckks.lower(sum, &mut scratch).unwrap();
            let expected = |i: usize| a[i].conjugate() + a[source(i, 1)];
            f.check_within(KEYS_OF_ANY_LEVEL, "sum of images", &lowered, expected);
        }
    }
}

#[test]
fn misuse_of_hoisting_has_its_error() {
    let mut f = fixture(&[50, 50]);
    let mut scratch = Scratch::new();
    let (a, e) = (f.values(1.0), encoding(3, 40, 1.0));
    let (x, p) = (f.encrypt(&a, &e), f.plaintext(&a, &e));
    let (low, square) = (f.ckks.drop_to(&x, 1).unwrap(), f.ckks.square(&x).unwrap());
    let hoist = |a, level| f.ckks.hoist(a, level, &mut Scratch::new()).err();
    assert_eq!(hoist(&square, 5), Some(EvalError::SizeMismatch { found: 3, needed: 2 }));
    assert_eq!(hoist(&x, 6), Some(EvalError::NoSuchLevel { asked: 6, max: TOP }));
    assert_eq!(hoist(&x, 2), Some(EvalError::LevelMismatch { left: 3, right: 2 }));
    let raised = |level| f.ckks.raised_plaintext(&p, level);
    assert_eq!(raised(2).err(), Some(EvalError::LevelMismatch { left: 3, right: 2 }));
    let hoisted = f.ckks.hoist(&x, TOP, &mut scratch).unwrap();
    let missing = EvalError::MissingGaloisKey { element: rotation_element(N, 2), level: 3 };
    assert_eq!(hoisted.rotate(2, &f.keys, &mut scratch), Err(missing));
    let mut sum = hoisted.rotate_raised(1, &f.keys, &mut scratch).unwrap();
    let product = f.ckks.mul_raised(&sum, &raised(TOP).unwrap(), &mut scratch).unwrap();
    let scales = EvalError::ScaleMismatch { left: scale(40), right: scale(80) };
    assert_eq!(f.ckks.add_raised(&mut sum, &product), Err(scales));
    let other = f.ckks.hoist(&low, 1, &mut scratch).unwrap().rotate_raised(0, &f.keys, &mut scratch).unwrap();
    assert_eq!(f.ckks.add_raised(&mut sum, &other), Err(EvalError::LevelMismatch { left: 3, right: 1 }));
    let levels = EvalError::LevelMismatch { left: 1, right: 3 };
    assert_eq!(f.ckks.mul_raised(&other, &raised(TOP).unwrap(), &mut scratch).err(), Some(levels));
    let mut high = f.ckks.hoist(&low, TOP, &mut scratch).unwrap().rotate_raised(0, &f.keys, &mut scratch).unwrap();
    assert_eq!(f.ckks.add_raised(&mut high, &other), Err(EvalError::KeyLevelMismatch { left: TOP, right: 1 }));
    let too_few = f.ckks.rotate_many_into(&x, &[1, 3], &f.keys, &mut [], &mut scratch);
    assert_eq!(too_few, Err(EvalError::OperandCount { left: 0, right: 2 }));
}

/// What the caller vouches for is what the rules go on with.
#[test]
fn misuse_of_fused_operations_has_its_error() {
    let mut f = fixture(&[50, 50]);
    let a = f.values(1.0);
    let x = f.encrypt(&a, &encoding(TOP, 40, 1.0));
    let (low, bottom) = (f.ckks.drop_to(&x, 2).unwrap(), f.encrypt(&a, &encoding(1, 20, 1.0)));
    let (product, other) = (f.ckks.square(&x).unwrap(), f.encrypt(&a, &encoding(TOP, 30, 1.0)));
    let sum = |terms: &[(&Ciphertext, &[isize])]| f.ckks.sum_rotated(terms, &f.keys, &mut Scratch::new());
    let missing = EvalError::MissingGaloisKey { element: rotation_element(N, 2), level: TOP };
    assert_eq!(sum(&[(&x, &[0, 2])]), Err(missing));
    assert_eq!(sum(&[(&product, &[1])]), Err(EvalError::SizeMismatch { found: 3, needed: 2 }));
    assert_eq!(sum(&[(&x, &[1]), (&low, &[1])]), Err(EvalError::LevelMismatch { left: TOP, right: 2 }));
    assert!(matches!(sum(&[(&x, &[1]), (&other, &[0])]), Err(EvalError::ScaleMismatch { .. })));
    assert_eq!(sum(&[(&x, &[])]), Err(EvalError::OperandCount { left: 0, right: 0 }));
    let large = x.clone().with_bounds(x.bounds().scaled(libm::exp2(f.ckks.rules(TOP).limit_log2() - 42.0)));
    assert!(matches!(sum(&[(&large, &[0, 1, 3, -1])]), Err(EvalError::MessageTooLarge { .. })));

    let (mut out, mut scratch) = (f.ckks.zero(1), Scratch::new());
    let no_prime = EvalError::NoSuchLevel { asked: 0, max: 1 };
    for steps in [&[0, 1][..], &[0]] {
        let terms = [(&bottom, steps)];
        assert_eq!(f.ckks.sum_rotated_rescale_into(&terms, &f.keys, &mut out, &mut scratch), Err(no_prime.clone()));
        let too_small = f.ckks.sum_rotated_rescale_into(&[(&other, steps)], &f.keys, &mut out, &mut scratch);
        assert!(matches!(too_small, Err(EvalError::ScaleOutOfRange { .. })));
    }
    let mut merged = |a, b, keys| f.ckks.multiply_relinearise_rescale_into(a, b, keys, &mut out, &mut scratch);
    assert_eq!(merged(&bottom, &bottom, &f.keys), Err(no_prime));
    assert_eq!(merged(&x, &low, &f.keys), Err(EvalError::LevelMismatch { left: TOP, right: 2 }));
    let none = EvaluationKeys::generate(&f.secret, &KeyRequest::default(), &mut f.rng).unwrap();
    assert_eq!(merged(&x, &x, &none), Err(EvalError::MissingRelinKey { level: TOP }));
}

/// Without a rotation there is nothing to switch, and the division is that of rescaling.
#[test]
fn sums_without_rotations_are_sums() {
    let mut f = fixture(&[50]);
    let a = f.values(1.0);
    let x = f.encrypt(&a, &encoding(3, 50, 1.0));
    let (terms, mut scratch) = ([(&x, &[0, 0][..])], Scratch::new());
    let twice = f.ckks.add(&x, &x).unwrap();
    assert_eq!(f.ckks.sum_rotated(&terms, &f.keys, &mut scratch).unwrap(), twice);
    let mut out = f.ckks.zero(1);
    f.ckks.sum_rotated_rescale_into(&terms, &f.keys, &mut out, &mut scratch).unwrap();
    assert_eq!(out, f.ckks.rescale(&twice).unwrap());
}

#[test]
fn bounds_can_be_vouched_for() {
    let mut f = fixture(&[50]);
    let a = f.values(1.0);
    let x = f.encrypt(&a, &encoding(TOP, 40, 1.0));
    let tighter = Bounds { message: x.bounds().message.times(0.25), noise: x.bounds().noise };
    let y = x.clone().with_bounds(tighter);
    assert_eq!((y.bounds(), &y.parts), (tighter, &x.parts));
    assert_eq!(f.ckks.square(&y).unwrap().bounds(), tighter.times(tighter));
}

/// From the top level to the lowest: each bound stays above its error, and errors of bounds do not pile up.
#[test]
fn squarings_to_the_lowest_level() {
    for mut f in fixtures() {
        let mut a = f.values(1.0);
        let mut x = f.encrypt(&a, &encoding(TOP, 40, 1.0));
        for level in (1..TOP).rev() {
            x = f.ckks.rescale(&f.ckks.relinearise(&f.ckks.square(&x).unwrap(), &f.keys).unwrap()).unwrap();
            a.iter_mut().for_each(|z| *z = *z * *z);
            assert_eq!(x.level(), level);
            f.check("squaring", &x, |i| a[i]);
        }
        assert_eq!(f.ckks.rescale(&x), Err(EvalError::NoSuchLevel { asked: 0, max: 1 }));
        assert!(x.precision() > 20.0, "{}", x.precision());
    }
}

#[test]
fn plaintexts_round_trip_at_every_size() {
    let mut f = fixture(&[50]);
    for (bits, radius) in [(1, 1.0), (20, 1e-3), (40, 1.0), (40, 1e6), (60, 1.0), (80, 100.0), (20, 1e20)] {
        let a = f.values(radius);
        let x = f.encrypt(&a, &encoding(TOP, bits, radius));
        let noise = f.ckks.measured_noise_log2(&f.secret, &x, |i| a[i]).unwrap();
        assert!(noise <= x.bounds().noise.log2(), "{bits}, {radius}: {noise}");
    }
    let x = f.encrypt(&[], &encoding(1, 30, 0.0));
    f.check("no values", &x, |_| Complex::default());
    let x = f.encrypt(&[Complex::from(5.0)], &encoding(1, 30, 5.0));
    f.check("one value", &x, |i| Complex::from(if i == 0 { 5.0 } else { 0.0 }));
}

#[test]
fn real_values_are_complex_ones() {
    let f = fixture(&[50]);
    let values: Vec<f64> = (0..SLOTS).map(|i| i as f64 - 31.5).collect();
    let complex: Vec<Complex> = values.iter().map(|&x| x.into()).collect();
    let e = encoding(2, 35, 32.0);
    assert_eq!(f.ckks.encode(&values, &e).unwrap().poly, f.ckks.encode_complex(&complex, &e).unwrap().poly);
}

/// By the slots as they are, across ciphertexts, negative values too; the first of equals.
#[test]
fn the_largest_is_found_before_rounding() {
    let decrypted = |values: &[f64]| Decrypted::of(values.iter().map(|&x| Complex::from(x)).collect());
    let [a, b] = [decrypted(&[-3.0, 1.0, 1.0 + 1e-9]), decrypted(&[1.0 + 1e-9, -0.5])];
    let largest = |slots: &[(&Decrypted, usize)]| Decrypted::release_largest(slots.iter().copied());
    assert_eq!(largest(&[]), None);
    assert_eq!(largest(&[(&a, 0)]), Some(0));
    assert_eq!(largest(&[(&a, 0), (&a, 1), (&a, 2), (&b, 0)]), Some(2));
    assert_eq!(largest(&[(&b, 1), (&a, 0)]), Some(0));
    assert_eq!(largest(&[(&a, 0), (&b, 1)]), Some(1));
}

#[test]
fn release_rounds_to_what_the_bound_vouches_for() {
    let mut f = fixture(&[50]);
    let a = f.values(2.0);
    let x = f.encrypt(&a, &encoding(2, 40, 2.0));
    let decrypt = || f.ckks.decrypt(&f.secret, &x).unwrap();
    let available = decrypt().available_bits();
    assert!((25..35).contains(&available) && decrypt().error() <= libm::exp2(-f64::from(available)));
    let error = EvalError::TooPrecise { asked: available + 1, available };
    assert_eq!(decrypt().release(available + 1), Err(error));
    for bits in [available, 10, 0, -1] {
        let unit = libm::exp2(-f64::from(bits));
        for (z, w) in decrypt().release(bits).unwrap().iter().zip(&a) {
            assert!((z.re / unit).fract() == 0.0 && (z.im / unit).fract() == 0.0);
            assert!((z.re - w.re).abs() <= 0.5 * unit + decrypt().error());
        }
    }
    let real = decrypt().release_real(10).unwrap();
    assert!(real.iter().zip(decrypt().release(10).unwrap()).all(|(x, z)| *x == z.re));
    assert_eq!(alloc::format!("{:?}", decrypt()), "Decrypted(..)");
}

#[test]
fn misuse_has_its_error() {
    let mut f = fixture(&[50]);
    let a = f.values(1.0);
    let x = f.encrypt(&a, &encoding(3, 40, 1.0));
    let (low, other) = (f.ckks.drop_to(&x, 2).unwrap(), f.encrypt(&a, &encoding(3, 41, 1.0)));
    let plaintext = f.plaintext(&a, &encoding(3, 40, 1.0));
    let mismatch = Err(EvalError::LevelMismatch { left: 3, right: 2 });
    assert_eq!(f.ckks.add(&x, &low), mismatch);
    assert_eq!(f.ckks.multiply(&x, &low), mismatch);
    assert_eq!(f.ckks.mul_plain(&low, &plaintext), Err(EvalError::LevelMismatch { left: 2, right: 3 }));
    let mismatch = Err(EvalError::ScaleMismatch { left: scale(40), right: scale(41) });
    assert_eq!(f.ckks.add(&x, &other), mismatch);
    assert_eq!(f.ckks.sub(&x, &other), mismatch);
    assert_eq!(
        f.ckks.add_plain(&other, &plaintext),
        Err(EvalError::ScaleMismatch { left: scale(41), right: scale(40) })
    );
    let mismatch = Err(EvalError::ScaleMismatch { left: scale(80), right: scale(81) });
    assert_eq!(f.ckks.dot_plain(&[&x, &other], &[&plaintext, &plaintext]), mismatch);
    assert_eq!(f.ckks.dot_plain(&[], &[]), Err(EvalError::OperandCount { left: 0, right: 0 }));
    assert_eq!(f.ckks.dot_plain(&[&x], &[]), Err(EvalError::OperandCount { left: 1, right: 0 }));
    assert_eq!(f.ckks.sum(&[]), Err(EvalError::OperandCount { left: 0, right: 0 }));
    let square = f.ckks.square(&x).unwrap();
    assert_eq!(f.ckks.add(&x, &square), Err(EvalError::SizeMismatch { found: 3, needed: 2 }));
    assert_eq!(f.ckks.square(&square), Err(EvalError::SizeMismatch { found: 3, needed: 2 }));
    assert_eq!(f.ckks.relinearise(&x, &f.keys), Err(EvalError::SizeMismatch { found: 2, needed: 3 }));
    assert_eq!(f.ckks.rotate(&square, 1, &f.keys), Err(EvalError::SizeMismatch { found: 3, needed: 2 }));
    let missing = EvalError::MissingGaloisKey { element: rotation_element(N, 2), level: 3 };
    assert_eq!(f.ckks.rotate(&x, 2, &f.keys), Err(missing));
    let none = EvaluationKeys::generate(&f.secret, &KeyRequest::default(), &mut f.rng).unwrap();
    assert_eq!(f.ckks.relinearise(&square, &none), Err(EvalError::MissingRelinKey { level: 3 }));
    assert_eq!(f.ckks.drop_to(&low, 3), Err(EvalError::NoSuchLevel { asked: 3, max: 2 }));
    assert_eq!(f.ckks.drop_to(&low, 0), Err(EvalError::NoSuchLevel { asked: 0, max: 2 }));
    assert_eq!(f.ckks.prime_scale(6), Err(EvalError::NoSuchLevel { asked: 6, max: 5 }));
    let small = f.encrypt(&a, &encoding(2, 30, 1.0));
    assert_eq!(f.ckks.rescale(&small), Err(EvalError::ScaleOutOfRange { log2: -9 }));
    let nan = f.ckks.mul_scalar(&x, f64::NAN, scale(10));
    assert_eq!(nan, Err(EvalError::NotFinite { index: 0 }));
}

#[test]
fn values_that_do_not_fit_have_their_error() {
    let f = fixture(&[50]);
    let encode = |values: &[f64], level, bits, bound| f.ckks.encode(values, &encoding(level, bits, bound)).err();
    assert_eq!(
        encode(&[0.0; SLOTS + 1], 1, 20, 1.0),
        Some(EvalError::TooManyValues { given: SLOTS + 1, slots: SLOTS })
    );
    assert_eq!(encode(&[0.0, f64::NAN], 1, 20, 1.0), Some(EvalError::NotFinite { index: 1 }));
    assert_eq!(encode(&[9.0, 0.0, f64::INFINITY], 1, 20, 1.0), Some(EvalError::NotFinite { index: 2 }));
    assert_eq!(encode(&[0.5, -1.0, 1.0000001], 1, 20, 1.0), Some(EvalError::AboveBound { index: 2 }));
    assert_eq!(encode(&[1.0, -1.0], 1, 20, 1.0), None);
    for bound in [f64::NAN, f64::INFINITY, -1.0] {
        assert_eq!(encode(&[0.0], 1, 20, bound), Some(EvalError::NotFinite { index: 0 }), "{bound}");
    }
    assert_eq!(encode(&[0.0], 0, 20, 1.0), Some(EvalError::NoSuchLevel { asked: 0, max: TOP }));
    assert_eq!(encode(&[0.0], 6, 20, 1.0), Some(EvalError::NoSuchLevel { asked: 6, max: TOP }));
    // The lowest prime has 50 bits, one of them for the sign.
    assert!(encode(&[1.0], 1, 48, 1.0).is_none());
    assert_eq!(encode(&[1.0], 1, 50, 1.0), Some(EvalError::MessageTooLarge { message_bits: 51, limit_bits: 48 }));
    assert_eq!(encode(&[1.0], TOP, 88, 2.0), Some(EvalError::MessageTooLarge { message_bits: 89, limit_bits: 88 }));
    assert!(encode(&[1.0], TOP, 88, 1.0).is_none());
    let corner = Complex::new(0.8, 0.8);
    let error = f.ckks.encode_complex(&[corner], &encoding(1, 20, 1.0)).err();
    assert_eq!(error, Some(EvalError::AboveBound { index: 0 }));
}

#[test]
fn a_message_that_may_wrap_around_is_refused() {
    let mut f = fixture(&[50]);
    let a = f.values(1.0);
    let mut x = f.encrypt(&a, &encoding(TOP, 40, 1.0));
    assert!(matches!(f.ckks.drop_to(&f.ckks.square(&x).unwrap(), 1), Err(EvalError::MessageTooLarge { .. })));
    for _ in 0..2 {
        x = f.ckks.relinearise(&f.ckks.square(&x).unwrap(), &f.keys).unwrap();
    }
    let error = f.ckks.square(&x).unwrap_err();
    assert!(matches!(error, EvalError::MessageTooLarge { message_bits: 321.., limit_bits: 208 }), "{error:?}");
}

/// Integer kernels are exact and doubles are scalar, so that ciphertexts are the same bits on every backend.
#[test]
fn backends_agree_bit_for_bit() {
    let program = |kernels: Kernels| {
        let mut f = fixture_on(&[50, 50], kernels);
        let (a, b) = (f.values(1.0), f.values(1.0));
        let e = encoding(TOP, 40, 1.0);
        let (x, p) = (f.encrypt(&a, &e), f.plaintext(&b, &e));
        let y = f.ckks.rescale(&f.ckks.dot_plain(&[&x, &x], &[&p, &p]).unwrap()).unwrap();
        let y = f.ckks.rescale(&f.ckks.relinearise(&f.ckks.square(&y).unwrap(), &f.keys).unwrap()).unwrap();
        let y = f.ckks.mul_i(&f.ckks.conjugate(&f.ckks.rotate(&y, 3, &f.keys).unwrap(), &f.keys).unwrap());
        let slots = f.ckks.decrypt(&f.secret, &y).unwrap().exposed().to_vec();
        (x, y, slots)
    };
    let expected = program(Kernels::PORTABLE);
    for kernels in Kernels::available() {
        assert!(program(kernels) == expected, "{}", kernels.name());
    }
}

fn slots(radius: f64) -> impl Strategy<Value = Vec<Complex>> {
    let part = -radius..radius;
    proptest::collection::vec((part.clone(), part).prop_map(|(re, im)| Complex::new(re, im)), 0..=SLOTS)
}

fn at(values: &[Complex], i: usize) -> Complex {
    values.get(i).copied().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Sums commute exactly; products distribute over them, rotations over products, up to the bounds of both sides.
    #[test]
    fn laws(a in slots(1.0), b in slots(1.0), steps in prop_oneof![Just(1isize), Just(3), Just(-1), Just(16)]) {
        let mut f = fixture(&[50]);
        let e = encoding(3, 40, 1.5);
        let (x, y) = (f.encrypt(&a, &e), f.encrypt(&b, &e));
        prop_assert_eq!(f.ckks.add(&x, &y).unwrap().parts, f.ckks.add(&y, &x).unwrap().parts);
        let product = |u: &Ciphertext, v: &Ciphertext| {
            f.ckks.rescale(&f.ckks.relinearise(&f.ckks.multiply(u, v).unwrap(), &f.keys).unwrap()).unwrap()
        };
        let close = |u: &Ciphertext, v: &Ciphertext, expected: &dyn Fn(usize) -> Complex| {
            [u, v].map(|c| f.ckks.measured_noise_log2(&f.secret, c, expected).unwrap() <= c.bounds().noise.log2()) == [true; 2]
        };
        let sum = f.ckks.add(&x, &y).unwrap();
        let (left, right) = (product(&sum, &x), f.ckks.add(&product(&x, &x), &product(&y, &x)).unwrap());
        prop_assert!(close(&left, &right, &|i| (at(&a, i) + at(&b, i)) * at(&a, i)));
        let rotate = |u: &Ciphertext| f.ckks.rotate(u, steps, &f.keys).unwrap();
        let (left, right) = (rotate(&product(&x, &y)), product(&rotate(&x), &rotate(&y)));
        let source = |i: usize| (i as isize + steps).rem_euclid(SLOTS as isize) as usize;
        prop_assert!(close(&left, &right, &|i| at(&a, source(i)) * at(&b, source(i))));
        let conjugate = |u: &Ciphertext| f.ckks.conjugate(u, &f.keys).unwrap();
        let (left, right) = (conjugate(&f.ckks.mul_i(&x)), f.ckks.neg(&f.ckks.mul_i(&conjugate(&x))));
        prop_assert!(close(&left, &right, &|i| Complex::new(-at(&a, i).im, -at(&a, i).re)));
    }
}
