//! Every operation against integers in slots, or against schoolbook polynomials; every noise bound against the noise.

use super::*;
use crate::error::EvalError;
use crate::params::Security;
use crate::poly::Coeff;
use crate::rlwe::NoiseBound;
use crate::rlwe::{EvaluationKeys, KeyRequest, PublicKey, SecretKey, rotation_element, row_swap_element};
use alloc::vec;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand_core::{Rng, SeedableRng};

const N: usize = 64;

/// Bits by which a bound may exceed the noise after one operation on fresh ciphertexts.
const SLACK_BITS: f64 = 7.0;

struct Fixture {
    bfv: Bfv,
    secret: SecretKey,
    keys: EvaluationKeys,
    rng: ChaCha20Rng,
}

fn fixture(plain_bits: &[u32], special_bits: &[u32]) -> Fixture {
    let params = Params::builder(N)
        .ciphertext_bits(&[50, 50, 50, 50, 50])
        .special_bits(special_bits)
        .plain_bits(plain_bits)
        .security(Security::InsecureForTests)
        .build()
        .unwrap();
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let secret = SecretKey::generate(&params, &mut rng);
    let mut request = KeyRequest::default();
    request.need_relin(5);
    for steps in [1, 3, -1, 16] {
        request.need_galois(rotation_element(N, steps), 5);
    }
    request.need_galois(row_swap_element(N), 2);
    let keys = EvaluationKeys::generate(&secret, &request, &mut rng).unwrap();
    Fixture { bfv: Bfv::new(&params).unwrap(), secret, keys, rng }
}

impl Fixture {
    fn modulus(&self) -> i128 {
        self.bfv.params().composer().product() as i128
    }

    fn centre(&self, x: i128) -> i128 {
        let t = self.modulus();
        let r = x.rem_euclid(t);
        if r > t / 2 { r - t } else { r }
    }

    fn values(&mut self) -> Vec<i128> {
        let t = self.modulus();
        let edges = [0, 1, -1, t / 2, -(t / 2)];
        let random: Vec<i128> =
            (0..N).map(|_| i128::from(self.rng.next_u64()) * i128::from(self.rng.next_u64() >> 2)).collect();
        (0..N).map(|i| edges.get(i).copied().unwrap_or_else(|| self.centre(random[i]))).collect()
    }

    fn encrypt(&mut self, values: &[i128]) -> Ciphertext {
        let plaintext = self.bfv.encode(values).unwrap();
        let seeded = self.bfv.encrypt(&self.secret, &plaintext, &mut self.rng).unwrap();
        self.bfv.expand(&seeded)
    }

    /// Decrypts, and checks that the bound is above the noise by no more than the stated slack.
    fn decrypt(&self, ciphertext: &Ciphertext) -> Vec<i128> {
        let (bound, noise) = (ciphertext.noise().log2(), self.bfv.measured_noise_log2(&self.secret, ciphertext));
        assert!(noise <= bound && bound <= noise + SLACK_BITS, "noise {noise:.2}, bound {bound:.2}");
        let plaintext = self.bfv.decrypt(&self.secret, ciphertext).unwrap();
        self.bfv.decode(&plaintext.release()).to_vec()
    }

    fn check(&self, ciphertext: &Ciphertext, expected: impl Fn(usize) -> i128) {
        let expected: Vec<i128> = (0..N).map(|i| self.centre(expected(i))).collect();
        assert_eq!(self.decrypt(ciphertext), expected);
    }
}

/// One small modulus, one large one, and two or three together; one and two special primes.
fn fixtures() -> impl Iterator<Item = Fixture> {
    [(&[17][..], &[50][..]), (&[45], &[50, 51]), (&[20, 20], &[50, 50]), (&[17, 20, 24], &[52])]
        .into_iter()
        .map(|(plain, special)| fixture(plain, special))
}

#[test]
fn fresh_ciphertexts_decrypt() {
    for mut f in fixtures() {
        let values = f.values();
        let ciphertext = f.encrypt(&values);
        f.check(&ciphertext, |i| values[i]);
        let public = PublicKey::generate(&f.secret, &mut f.rng);
        let plaintext = f.bfv.encode(&values).unwrap();
        let ciphertext = f.bfv.encrypt_public(&public, &plaintext, &mut f.rng).unwrap();
        f.check(&ciphertext, |i| values[i]);
    }
}

#[test]
fn linear_operations() {
    for mut f in fixtures() {
        let (a, b) = (f.values(), f.values());
        let (x, y) = (f.encrypt(&a), f.encrypt(&b));
        f.check(&f.bfv.add(&x, &y).unwrap(), |i| a[i] + b[i]);
        f.check(&f.bfv.sub(&x, &y).unwrap(), |i| a[i] - b[i]);
        f.check(&f.bfv.mul_scalar(&x, -77).unwrap(), |i| -77 * a[i]);
        f.check(&f.bfv.linear_combination(&[&x, &y, &x], &[3, -5, 0]).unwrap(), |i| 3 * a[i] - 5 * b[i]);
        let plaintext = f.bfv.encode(&b).unwrap();
        f.check(&f.bfv.add_plain(&x, &f.bfv.addend(&plaintext, 5).unwrap()).unwrap(), |i| a[i] + b[i]);
        let small: Vec<i128> = b.iter().map(|b| b % 1000).collect();
        let plaintext = f.bfv.encode(&small).unwrap();
        let product = f.bfv.mul_plain(&x, &f.bfv.multiplicand(&plaintext, 5).unwrap()).unwrap();
        f.check(&product, |i| a[i] * small[i]);
    }
}

#[test]
fn products_before_and_after_relinearisation() {
    for mut f in fixtures() {
        let (a, b) = (f.values(), f.values());
        let small: Vec<i128> = b.iter().map(|b| b % 1_000_000).collect();
        let (x, y) = (f.encrypt(&a), f.encrypt(&small));
        let product = f.bfv.multiply(&x, &y).unwrap();
        assert_eq!(product.size(), 3);
        f.check(&product, |i| a[i] * small[i]);
        f.check(&f.bfv.relinearise(&product, &f.keys).unwrap(), |i| a[i] * small[i]);
        let square = f.bfv.relinearise(&f.bfv.square(&y).unwrap(), &f.keys).unwrap();
        f.check(&square, |i| small[i] * small[i]);
    }
}

#[test]
fn rotations_within_and_between_rows() {
    for mut f in fixtures() {
        let a = f.values();
        let x = f.encrypt(&a);
        for steps in [0isize, 1, 3, -1, 16] {
            let rotated = f.bfv.rotate_rows(&x, steps, &f.keys).unwrap();
            f.check(&rotated, |i| a[(i & 32) | (i as isize + steps).rem_euclid(32) as usize]);
        }
        let low = f.bfv.switch_to(&x, 2).unwrap();
        f.check(&f.bfv.rotate_columns(&low, &f.keys).unwrap(), |i| a[i ^ 32]);
    }
}

#[test]
fn modulus_switching_keeps_the_message() {
    for mut f in fixtures() {
        let a = f.values();
        let x = f.encrypt(&a);
        for level in (2..=5).rev() {
            let low = f.bfv.switch_to(&x, level).unwrap();
            assert_eq!(low.level(), level);
            f.check(&low, |i| a[i]);
            // Keys made for level 5 serve every level below.
            f.check(&f.bfv.rotate_rows(&low, 1, &f.keys).unwrap(), |i| a[(i & 32) | ((i + 1) & 31)]);
        }
    }
}

/// A deeper program: the bound stays above the noise, and within three slacks of it.
#[test]
fn bounds_hold_through_a_program() {
    let mut f = fixture(&[20], &[50, 50]);
    let a: Vec<i128> = (0..N as i128).map(|i| i - 30).collect();
    let mut x = f.encrypt(&a);
    let mut expected = a.clone();
    for level in [5, 4, 3] {
        x = f.bfv.relinearise(&f.bfv.square(&x).unwrap(), &f.keys).unwrap();
        x = f.bfv.add(&x, &f.bfv.rotate_rows(&x, 16, &f.keys).unwrap()).unwrap();
        let squares: Vec<i128> = expected.iter().map(|v| f.centre(v * v)).collect();
        expected = (0..N).map(|i| f.centre(squares[i] + squares[i ^ 16])).collect();
        let (bound, noise) = (x.noise().log2(), f.bfv.measured_noise_log2(&f.secret, &x));
        assert!(noise <= bound && bound <= noise + 3.0 * SLACK_BITS, "noise {noise:.2}, bound {bound:.2}");
        let plaintext = f.bfv.decrypt(&f.secret, &x).unwrap().release();
        assert_eq!(*f.bfv.decode(&plaintext), expected);
        x = f.bfv.switch_to(&x, level - 1).unwrap();
    }
}

/// Slots are evaluations, so a slot-wise product is the negacyclic product of the coefficient polynomials.
#[test]
fn products_match_schoolbook_polynomials() {
    let mut f = fixture(&[20], &[50]);
    let (a, b) = (f.values(), f.values());
    let (pa, pb) = (f.bfv.encode(&a).unwrap(), f.bfv.encode(&b).unwrap());
    let t = f.bfv.plain_rings[0].moduli()[0];
    let expected = crate::ntt::tests::negacyclic_product(&t, pa.streams[0].residues(), pb.streams[0].residues());
    let (x, y) = (f.encrypt(&a), f.encrypt(&b));
    let product = f.bfv.decrypt(&f.secret, &f.bfv.multiply(&x, &y).unwrap()).unwrap().release();
    assert_eq!(product.streams[0].residues(), expected);
}

#[test]
fn misuse_has_its_error() {
    let mut f = fixture(&[20], &[50]);
    let a = f.values();
    let x = f.encrypt(&a);
    let low = f.bfv.switch_to(&x, 3).unwrap();
    let plaintext = f.bfv.encode(&a).unwrap();
    let factor = f.bfv.multiplicand(&plaintext, 5).unwrap();
    let product = f.bfv.square(&x).unwrap();
    let mismatch = |left, right| Err(EvalError::LevelMismatch { left, right });
    assert_eq!(f.bfv.add(&x, &low), mismatch(5, 3));
    assert_eq!(f.bfv.mul_plain(&low, &factor), mismatch(3, 5));
    assert_eq!(f.bfv.square(&product), Err(EvalError::SizeMismatch { found: 3, needed: 2 }));
    assert_eq!(f.bfv.relinearise(&x, &f.keys), Err(EvalError::SizeMismatch { found: 2, needed: 3 }));
    assert_eq!(f.bfv.switch_to(&low, 4), Err(EvalError::NoSuchLevel { asked: 4, max: 3 }));
    assert_eq!(f.bfv.switch_to(&low, 0), Err(EvalError::NoSuchLevel { asked: 0, max: 3 }));
    assert_eq!(f.bfv.linear_combination(&[], &[]), Err(EvalError::OperandCount { left: 0, right: 0 }));
    assert_eq!(f.bfv.linear_combination(&[&x], &[1, 2]), Err(EvalError::OperandCount { left: 1, right: 2 }));
    let missing = EvalError::MissingGaloisKey { element: rotation_element(N, 2), level: 5 };
    assert_eq!(f.bfv.rotate_rows(&x, 2, &f.keys), Err(missing));
    let missing = EvalError::MissingGaloisKey { element: row_swap_element(N), level: 5 };
    assert_eq!(f.bfv.rotate_columns(&x, &f.keys), Err(missing));
    let none = EvaluationKeys::generate(&f.secret, &KeyRequest::default(), &mut f.rng).unwrap();
    assert_eq!(f.bfv.relinearise(&product, &none), Err(EvalError::MissingRelinKey { level: 5 }));
    let mut too_high = KeyRequest::default();
    too_high.need_relin(6);
    let error = EvaluationKeys::generate(&f.secret, &too_high, &mut f.rng).unwrap_err();
    assert_eq!(error, EvalError::NoSuchLevel { asked: 6, max: 5 });
    for element in [0, 1, 2, 2 * N, 2 * N + 1] {
        let mut request = KeyRequest::default();
        request.need_galois(element, 1);
        let error = EvaluationKeys::generate(&f.secret, &request, &mut f.rng).unwrap_err();
        assert_eq!(error, EvalError::BadGaloisElement { element, degree: N });
    }
    assert!(f.bfv.multiplicand(&plaintext, 0).is_err() && f.bfv.addend(&plaintext, 6).is_err());
    assert_eq!(f.bfv.encode(&[0; N + 1]).err(), Some(EvalError::TooManyValues { given: N + 1, slots: N }));
    let half = f.modulus() / 2;
    let range = |index| Some(EvalError::OutOfRange { index, bits: 20 });
    assert_eq!(f.bfv.encode(&[0, half + 1]).err(), range(1));
    assert_eq!(f.bfv.encode(&[-half - 1]).err(), range(0));
    assert_eq!(f.bfv.encode(&[i128::MIN, i128::MAX]).err(), range(1));
    assert!(f.bfv.encode(&[half, -half]).is_ok());
}

#[test]
fn exhausted_noise_is_an_error_and_not_a_wrong_answer() {
    let mut f = fixture(&[30], &[50]);
    let a = f.values();
    let mut x = f.encrypt(&a);
    for _ in 0..10 {
        let next = f.bfv.square(&x).and_then(|product| f.bfv.relinearise(&product, &f.keys));
        match next {
            Ok(next) => x = next,
            Err(error) => {
                assert!(
                    matches!(error, EvalError::NoiseExhausted { noise_bits, limit_bits } if noise_bits > limit_bits)
                );
                return;
            }
        }
    }
    panic!("ten squarings cannot fit");
}

#[test]
fn private_values_do_not_print() {
    let mut f = fixture(&[20], &[50]);
    let a = f.values();
    let x = f.encrypt(&a);
    let plaintext = f.bfv.decrypt(&f.secret, &x).unwrap();
    assert_eq!(alloc::format!("{plaintext:?} {:?}", f.secret), "Private(..) SecretKey { .. }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn decode_inverts_encode(raw in proptest::collection::vec(any::<i64>(), 0..=N)) {
        let f = fixture(&[30, 35], &[50]);
        let values: Vec<i128> = raw.iter().map(|&x| i128::from(x) >> 1).collect();
        let mut expected = vec![0; N];
        expected[..values.len()].copy_from_slice(&values);
        prop_assert_eq!(&*f.bfv.decode(&f.bfv.encode(&values).unwrap()), &expected);
    }
}

/// The largest noise for which the first primes are said to be enough, with either sign, at the edges of the messages.
#[test]
fn as_many_primes_decide_a_message_as_the_bound_says() {
    for f in fixtures() {
        let (rules, at) = (f.bfv.rules(5), f.bfv.level(5));
        for (stream, plain) in at.streams.iter().zip(&f.bfv.plain_rings) {
            let t = plain.moduli()[0].value();
            let mut message = plain.zero::<Coeff>();
            for (x, m) in message.residues_mut().iter_mut().zip([0, 1, t >> 1, (t >> 1) + 1, t - 1].into_iter().cycle())
            {
                *x = m;
            }
            for needed in 1..5 {
                let log2_product = f.bfv.params().log2_q(needed);
                let steps = (0..(log2_product * 1024.0) as u32).rev();
                let Some(bound) =
                    steps.map(NoiseBound::from_steps).find(|&bound| rules.decryption_level(bound) == needed)
                else {
                    continue;
                };
                let (whole, fraction) = (libm::floor(bound.log2()), bound.log2() - libm::floor(bound.log2()));
                let noise = (BigUint::from((libm::exp2(fraction + 40.0)) as u64) << whole as usize) >> 40usize;
                for sign in [1, -1] {
                    let mut phase = at.scale_up(stream, &message);
                    for (limb, q) in phase.limbs_mut().zip(at.ring.moduli()) {
                        let e = crate::rns::residue_vartime(&noise, q);
                        limb.iter_mut().for_each(|x| *x = if sign == 1 { q.add(*x, e) } else { q.sub(*x, e) });
                    }
                    let first = phase.select(0..needed);
                    let mut decided = plain.zero::<Coeff>();
                    stream.scale_down[needed - 1].convert(plain.kernels(), first.residues(), decided.residues_mut());
                    assert_eq!(decided, message, "{needed} primes, t = {t}, sign {sign}");
                }
            }
        }
    }
}
