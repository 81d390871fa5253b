//! The security table, cell by cell, through the builder: the limit is accepted, one bit more is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use tacit_core::error::ParamError;
use tacit_core::params::{MAX_PRIMES, Params, Security};
use tacit_core::prime::is_prime_vartime;
use tacit_core::rns::bits_of_product;

const LEVELS: [Security; 6] = [
    Security::Classical128,
    Security::Classical192,
    Security::Classical256,
    Security::Quantum128,
    Security::Quantum192,
    Security::Quantum256,
];

/// The largest `log2(Q·P)` per degree and level, typed from the sources and not from the code under test: 0 where they
/// have no entry.
///
/// Classical: Bossuat et al., "Security Guidelines for Implementing Homomorphic Encryption", ePrint 2024/463, Table 5.2
/// (`RNS-CKKS-examples/lattigo/parameters/tables.go` of <https://github.com/gong-cr/FHE-Security-Guidelines>), ternary
/// secrets. Quantum: the authors' script with the cost model of Chailloux and Loyer, as tabulated in
/// `Security/README.md` of <https://github.com/HomomorphicEncryption/SparseLWEkit>.
const PUBLISHED: [(usize, [u32; 6]); 8] = [
    (1024, [26, 0, 0, 20, 0, 0]),
    (2048, [53, 36, 27, 40, 29, 22]),
    (4096, [106, 73, 56, 80, 59, 47]),
    (8192, [214, 147, 114, 161, 119, 95]),
    (16384, [430, 297, 230, 322, 239, 192]),
    (32768, [868, 597, 462, 644, 479, 385]),
    (65536, [1747, 1199, 929, 1289, 959, 773]),
    (131_072, [3523, 2411, 1866, 2578, 1920, 0]),
];

/// Cells below the smallest parameter set of their degree: it has the second NTT prime for ciphertexts and the first as
/// special prime and plaintext modulus, which is 28 bits at degree 1024 and 29 bits at degree 2048.
const OUT_OF_REACH: [(usize, u32); 4] = [(1024, 26), (1024, 20), (2048, 27), (2048, 22)];

/// Primes that are 1 modulo `2n`, ascending.
fn ntt_primes(degree: usize) -> impl Iterator<Item = u64> {
    (1..).map(move |k| 2 * degree as u64 * k + 1).filter(|&q| is_prime_vartime(q))
}

/// Primes for ciphertexts, and last the special one, whose product has exactly `total` bits.
///
/// For large totals the sizes are spread evenly and the largest primes of each size taken, so that the product stays
/// just below `2^total`. For small ones a pair is searched among the smallest primes.
fn primes_of_product(degree: usize, total: u32) -> Option<Vec<u64>> {
    let exact = |primes: &[u64]| bits_of_product(primes.iter().copied()) == u64::from(total);
    if total <= 48 {
        let small: Vec<u64> = ntt_primes(degree).take(300).collect();
        // Ciphertext primes lie above the plaintext modulus, which is the smallest prime of all.
        let pairs = small[1..].iter().flat_map(|&q| small.iter().map(move |&p| vec![q, p]));
        return pairs.into_iter().find(|pair| pair[0] != pair[1] && exact(pair));
    }
    let count = total.div_ceil(58).max(2);
    let mut primes = Vec::new();
    for i in 0..count {
        let bits = total / count + u32::from(i < total % count);
        let step = 2 * degree as u64;
        let top = (((1 << bits) - 1) & !(step - 1)) | 1;
        primes.extend((0..).map(|k| top - step * k).find(|q| is_prime_vartime(*q) && !primes.contains(q)));
    }
    Some(primes).filter(|primes| exact(primes))
}

/// Numbers whose product has exactly `total` bits, and no primes: the bound is checked before they are looked at.
fn numbers_of_product(total: u32) -> Vec<u64> {
    vec![3, (1 << (total - 2)) - 1]
}

/// Builds with the last prime as the special one and the smallest NTT prime as plaintext modulus.
fn build(degree: usize, security: Security, plain: u64, primes: &[u64]) -> Result<Params, ParamError> {
    let (special, ciphertext) = primes.split_last().unwrap();
    assert!(ciphertext.len() <= MAX_PRIMES);
    Params::builder(degree)
        .ciphertext_primes(ciphertext)
        .special_primes(&[*special])
        .plain_moduli(&[plain])
        .security(security)
        .build()
}

/// Checks the cells of one degree; returns how many were accepted at their limit.
fn check_degree(degree: usize) -> usize {
    let (_, limits) = PUBLISHED.iter().find(|(n, _)| *n == degree).unwrap();
    let plain = ntt_primes(degree).next().unwrap();
    let mut accepted = 0;
    for (security, &limit) in LEVELS.into_iter().zip(limits) {
        // Where the table has no entry, any set is refused.
        let asked = if limit == 0 { 32 } else { limit + 1 };
        let over = primes_of_product(degree, asked).unwrap_or_else(|| numbers_of_product(asked));
        let error = build(degree, security, plain, &over).unwrap_err();
        assert_eq!(error, ParamError::Insecure { degree, bits: asked.into(), limit, security: security.bits() });
        check_text(&error.to_string(), degree, asked, limit, security.bits());
        if limit == 0 {
            continue;
        }
        if OUT_OF_REACH.contains(&(degree, limit)) {
            assert_eq!(primes_of_product(degree, limit), None, "degree {degree}, limit {limit} is in reach");
            assert_eq!(security.check(degree, limit.into()), Ok(()));
            continue;
        }
        let primes = primes_of_product(degree, limit).expect("primes that meet the limit");
        let params = build(degree, security, plain, &primes).unwrap();
        assert_eq!((params.log2_qp(), params.security()), (u64::from(limit), security));
        accepted += 1;
    }
    accepted
}

fn check_text(text: &str, degree: usize, asked: u32, limit: u32, security: u32) {
    assert!(text.contains(&format!("degree {degree}")), "{text}");
    assert!(text.contains(&security.to_string()), "{text}");
    if limit == 0 {
        assert!(text.contains("no entry"), "{text}");
    } else {
        assert!(text.contains(&format!("is {asked} bits")) && text.contains(&format!("at most {limit} ")), "{text}");
    }
}

#[test]
fn small_degrees() {
    assert_eq!([1024, 2048, 4096, 8192].map(check_degree), [0, 4, 6, 6]);
}

#[test]
fn middle_degrees() {
    assert_eq!([16384, 32768].map(check_degree), [6, 6]);
}

#[test]
fn large_degrees() {
    assert_eq!(check_degree(65536), 6);
}

#[test]
fn largest_degree() {
    assert_eq!(check_degree(131_072), 5);
}

#[test]
fn the_levels_are_all_there_are() {
    assert_eq!(Security::ALL, LEVELS);
    for (degree, limits) in PUBLISHED {
        assert_eq!(LEVELS.map(|level| level.limit(degree).unwrap_or(0)), limits);
    }
    for degree in [8, 512, 1 << 18] {
        assert!(LEVELS.iter().all(|level| level.limit(degree).is_none()), "{degree}");
    }
}

/// 128-bit security is what one gets without asking, and degrees below the table are never secure.
#[test]
fn the_default_is_checked() {
    let over = Params::builder(4096).ciphertext_bits(&[36, 36]).special_bits(&[35]).plain_bits(&[20]).build();
    assert!(matches!(over, Err(ParamError::Insecure { degree: 4096, bits: 107, limit: 106, security: 128 })));
    let small = Params::builder(512).ciphertext_bits(&[20]).special_bits(&[20]).plain_bits(&[14]).build();
    assert!(matches!(small, Err(ParamError::Insecure { degree: 512, limit: 0, .. })), "{small:?}");
}

/// The special primes count: keys are encrypted modulo `Q·P`.
#[test]
fn the_special_primes_are_part_of_the_bound() {
    let set = |special: &[u32]| {
        Params::builder(8192).ciphertext_bits(&[50, 50, 50]).special_bits(special).plain_bits(&[20]).build()
    };
    assert_eq!(set(&[50]).map(|params| params.log2_qp()), Ok(200));
    assert!(matches!(set(&[50, 50]), Err(ParamError::Insecure { bits: 250, limit: 214, .. })));
}

/// Sizes of primes add up to more than the bits of their product: the product decides, not the sum.
#[test]
fn the_product_is_exact() {
    let small: Vec<u64> = ntt_primes(2048).skip(1).take(3).collect();
    let sum: u32 = small.iter().map(|q| u64::BITS - q.leading_zeros()).sum();
    let params = build(2048, Security::Classical128, 12289, &small).unwrap();
    assert!(params.log2_qp() < u64::from(sum), "{} of {sum}", params.log2_qp());
}
