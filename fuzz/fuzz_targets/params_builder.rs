//! Any choice of parameters is refused with an error, or is a set within the security table that works.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tacit_core::bfv::Bfv;
use tacit_core::params::{MAX_PRIMES, Params, Security};
use tacit_core::rlwe::SecretKey;
use tacit_core::rns::bits_of_product;
use tacit_fuzz::rng;

#[derive(Arbitrary, Debug)]
enum Primes {
    Bits(Vec<u8>),
    Values(Vec<u64>),
    /// Small multiples of `2n`, plus one: some are NTT primes.
    Near(Vec<u16>),
}

#[derive(Arbitrary, Debug)]
struct Input {
    log_degree: u8,
    odd_degree: u8,
    ciphertext: Primes,
    special: Primes,
    plain: Primes,
    security: u8,
    small: bool,
}

/// Given by size or by value.
enum List {
    Bits(Vec<u32>),
    Values(Vec<u64>),
}

fn list(primes: Primes, degree: usize) -> List {
    // More primes than allowed are an error already; more than that are only slow.
    match primes {
        Primes::Bits(bits) => List::Bits(bits.into_iter().take(MAX_PRIMES + 1).map(|b| u32::from(b & 63)).collect()),
        Primes::Values(values) => List::Values(values.into_iter().take(MAX_PRIMES + 1).collect()),
        Primes::Near(factors) => {
            let near = factors.into_iter().take(MAX_PRIMES + 1).map(|k| 2 * degree as u64 * u64::from(k) + 1);
            List::Values(near.collect())
        }
    }
}

fuzz_target!(|input: Input| {
    // Tables of degrees above 4096 take too long for a fuzzer.
    let degree = (1usize << (input.log_degree % 13)) + usize::from(input.odd_degree.saturating_sub(250));
    let security =
        if input.small { Security::InsecureForTests } else { Security::ALL[usize::from(input.security) % 6] };
    let mut builder = Params::builder(degree).security(security);
    builder = match list(input.ciphertext, degree) {
        List::Bits(bits) => builder.ciphertext_bits(&bits),
        List::Values(values) => builder.ciphertext_primes(&values),
    };
    builder = match list(input.special, degree) {
        List::Bits(bits) => builder.special_bits(&bits),
        List::Values(values) => builder.special_primes(&values),
    };
    builder = match list(input.plain, degree) {
        List::Bits(bits) => builder.plain_bits(&bits),
        List::Values(values) => builder.plain_moduli(&values),
    };
    let params = match builder.build() {
        Ok(params) => params,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let key_primes = params.ciphertext_primes().iter().chain(params.special_primes()).copied();
    assert_eq!(params.log2_qp(), bits_of_product(key_primes));
    if security != Security::InsecureForTests {
        let limit = security.limit(degree).expect("a degree without a limit was accepted");
        assert!(params.log2_qp() <= u64::from(limit));
    }
    // Many primes and large rings are only slow.
    if params.max_level() > 4 || degree > 256 {
        return;
    }
    let Ok(bfv) = Bfv::new(&params) else { return };
    let mut rng = rng(5);
    let secret = SecretKey::generate(&params, &mut rng);
    let half = (params.composer().product() / 2) as i128;
    let values = [half, -half, 0, 1, -1];
    let plaintext = bfv.encode(&values).expect("in range");
    if let Ok(seeded) = bfv.encrypt(&secret, &plaintext, &mut rng) {
        let decrypted = bfv.decrypt(&secret, &bfv.expand(&seeded)).expect("fresh noise fits").release();
        assert_eq!(bfv.decode(&decrypted)[..5], values);
    }
});
