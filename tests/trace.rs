//! Traces against sums over slots in the clear, at every level and period, under secure parameters.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tacit_core::bfv::Bfv;
use tacit_core::ckks::{self, Bounds, Ckks, Complex, Encoding, Scale};
use tacit_core::error::EvalError;
use tacit_core::params::Params;
use tacit_core::rlwe::{MIN_TRACE_PERIOD, NoiseBound, SecretKey};
use tacit_core::wire::Wire;

fn params(plain_bits: &[u32]) -> Params {
    let builder = Params::builder(8192).ciphertext_bits(&[45, 44, 43]).special_bits(&[46]);
    builder.plain_bits(plain_bits).build().unwrap()
}

fn periods(row: usize) -> impl Iterator<Item = usize> {
    core::iter::successors(Some(MIN_TRACE_PERIOD), |period| Some(2 * period)).take_while(move |&period| period <= row)
}

/// Each sum is exact, in both rows and under two plaintext moduli, and stands in every slot that it is of.
#[test]
fn exact_sums_of_slots() {
    let params = params(&[17, 18]);
    let (bfv, mut rng) = (Bfv::new(&params).unwrap(), ChaCha20Rng::from_seed([1; 32]));
    let secret = SecretKey::generate(&params, &mut rng);
    let row = bfv.slot_count() / 2;
    let values: Vec<i128> = (0..2 * row).map(|_| i128::from(rng.next_u32() % 2001) - 1000).collect();
    let fresh = bfv.expand(&bfv.encrypt(&secret, &bfv.encode(&values).unwrap(), &mut rng).unwrap());
    for level in 1..=params.max_level() {
        let ciphertext = bfv.switch_to(&fresh, level).unwrap();
        for period in periods(row) {
            let traced = bfv.trace(&ciphertext, period).unwrap();
            assert_eq!((traced.level(), traced.period(), traced.noise()), (level, period, ciphertext.noise()));
            let slots = bfv.decode(&bfv.decrypt_traced(&secret, &traced).unwrap().release());
            for (slot, &sum) in slots.iter().enumerate() {
                let terms = values[slot / row * row..][..row].iter().skip(slot % period).step_by(period);
                assert_eq!(sum, terms.sum::<i128>(), "level {level}, period {period}, slot {slot}");
            }
        }
    }
}

/// Complex sums, within the bound on the error, which counts each term's.
#[test]
fn approximate_sums_of_slots() {
    let params = params(&[]);
    let (ckks, mut rng) = (Ckks::new(&params), ChaCha20Rng::from_seed([2; 32]));
    let secret = SecretKey::generate(&params, &mut rng);
    let slots = ckks.slot_count();
    let mut part = || f64::from(rng.next_u32()) / f64::from(u32::MAX) - 0.5;
    let values: Vec<Complex> = (0..slots).map(|_| Complex::new(part(), part())).collect();
    let encoding = Encoding { level: params.max_level(), scale: Scale::new(2f64.powi(35)).unwrap(), bound: 1.0 };
    let plaintext = ckks.encode_complex(&values, &encoding).unwrap();
    let fresh = ckks.expand(&ckks.encrypt(&secret, &plaintext, &mut rng).unwrap());
    for level in 1..=params.max_level() {
        let ciphertext = ckks.drop_to(&fresh, level).unwrap();
        for period in periods(slots) {
            let traced = ckks.trace(&ciphertext, period).unwrap();
            let decrypted = ckks.decrypt_traced(&secret, &traced).unwrap();
            assert_eq!(decrypted.exposed().len(), period);
            for (i, &sum) in decrypted.exposed().iter().enumerate() {
                let terms = values.iter().skip(i).step_by(period);
                let expected = terms.fold(Complex::default(), |sum, &term| sum + term);
                let error = (sum - expected).abs();
                assert!(error <= decrypted.error(), "period {period}, sum {i}: {error} above {}", decrypted.error());
            }
            let typical = decrypted.exposed()[0].abs() * 2f64.powi(-20) + 1e-3;
            assert!(decrypted.error() < typical * slots as f64, "the bound is of use");
        }
    }
}

/// Only the sums have to fit the modulus: of slots that are far too large but cancel, the sums come out.
#[test]
fn what_is_not_summed_may_wrap_around() {
    let params = params(&[]);
    let (ckks, mut rng) = (Ckks::new(&params), ChaCha20Rng::from_seed([3; 32]));
    let secret = SecretKey::generate(&params, &mut rng);
    let (slots, period) = (ckks.slot_count(), 16);
    let large = 2f64.powi(35);
    let value = |slot: usize| if slot < slots / 2 { large } else { 1.0 - large };
    let values: Vec<f64> = (0..slots).map(value).collect();
    let encoding = Encoding { level: 2, scale: Scale::new(2f64.powi(30)).unwrap(), bound: large };
    let fresh = ckks.expand(&ckks.encrypt(&secret, &ckks.encode(&values, &encoding).unwrap(), &mut rng).unwrap());
    // 65 bits in slots, 45 in the modulus, 30 in the means.
    let bounds = Bounds { message: NoiseBound::from_log2(31.0), ..fresh.bounds() };
    let low = ckks.drop_to(&fresh.with_bounds(bounds), 1).unwrap();
    let decrypted = ckks.decrypt_traced(&secret, &ckks.trace(&low, period).unwrap()).unwrap();
    let expected = (slots / period / 2) as f64;
    for sum in decrypted.exposed() {
        assert!((*sum - Complex::from(expected)).abs() < 1e-3, "{sum:?}");
    }
}

/// Bytes, about half of those of a ciphertext, and back.
#[test]
fn the_rest_of_a_message_is_not_sent() {
    let params = params(&[17]);
    let (bfv, ckks, mut rng) = (Bfv::new(&params).unwrap(), Ckks::new(&params), ChaCha20Rng::from_seed([4; 32]));
    let secret = SecretKey::generate(&params, &mut rng);
    let exact = bfv.expand(&bfv.encrypt(&secret, &bfv.encode(&[1, 2]).unwrap(), &mut rng).unwrap());
    let traced = bfv.trace(&exact, 16).unwrap();
    let bytes = traced.to_bytes(&params);
    // 32 of 8192 coefficients, and the other half.
    assert!(256 * 2 * bytes.len() < 258 * exact.to_bytes(&params).len());
    assert_eq!(tacit_core::bfv::TracedCiphertext::from_bytes(&params, &bytes).unwrap(), traced);
    let approximate = ckks.trace(&ckks.zero(2), 128).unwrap();
    let bytes = approximate.to_bytes(&params);
    assert_eq!(ckks::TracedCiphertext::from_bytes(&params, &bytes).unwrap(), approximate);
}

#[test]
fn refusals() {
    let params = params(&[17]);
    let (bfv, ckks) = (Bfv::new(&params).unwrap(), Ckks::new(&params));
    for period in [0, 1, 2, 3, 12, 8192] {
        let refusal = EvalError::BadPeriod { period, least: 4, most: 4096 };
        assert_eq!(bfv.trace(&bfv.zero(3), period).unwrap_err(), refusal);
        assert_eq!(ckks.trace(&ckks.zero(3), period).unwrap_err(), refusal);
    }
    let product = bfv.multiply(&bfv.zero(3), &bfv.zero(3)).unwrap();
    assert_eq!(bfv.trace(&product, 16).unwrap_err(), EvalError::SizeMismatch { found: 3, needed: 2 });
    let product = ckks.square(&ckks.zero(3)).unwrap();
    assert_eq!(ckks.trace(&product, 16).unwrap_err(), EvalError::SizeMismatch { found: 3, needed: 2 });
}
