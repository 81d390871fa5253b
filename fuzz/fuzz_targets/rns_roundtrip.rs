//! Composition, base conversion and exact scaling against big integers; what is decomposed and converted comes back.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use num_bigint::{BigInt, BigUint, Sign};
use std::sync::LazyLock;
use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;
use tacit_core::prime::ntt_primes_vartime;
use tacit_core::rns::{BaseConverter, CrtComposer, RnsBasis, Scaler};

#[derive(Arbitrary, Debug)]
struct Input {
    /// Which primes make the basis; the others are the targets.
    choice: u16,
    value: [u8; 80],
    multiplier: u128,
}

/// Two primes of each size class.
static PRIMES: LazyLock<Vec<Modulus>> = LazyLock::new(|| {
    let sizes = [17, 30, 31, 46, 50, 51, 59, 60];
    let primes = sizes.into_iter().flat_map(|bits| ntt_primes_vartime(bits, 64, 2, &[]).expect("enough primes"));
    primes.map(|q| Modulus::new(q).expect("a valid modulus")).collect()
});

fn modulo(x: &BigInt, p: &Modulus) -> u64 {
    let remainder = x % p.value();
    let residue = if remainder.sign() == Sign::Minus { remainder + p.value() } else { remainder };
    u64::try_from(residue).expect("a residue is a word")
}

/// `[-Q/2, Q/2)`; `Q` is odd.
fn centred(x: &BigUint, product: &BigUint) -> BigInt {
    let x = BigInt::from(x % product);
    if &x * 2 > BigInt::from(product.clone()) { x - BigInt::from(product.clone()) } else { x }
}

/// Whether a fraction of `Q` is so close to one half that either representative is allowed: `3k·2^-64`, `k ≤ 16`.
fn near_half(x: &BigUint, product: &BigUint) -> bool {
    let distance = BigInt::from(x % product * 2u32) - BigInt::from(product.clone());
    (distance.magnitude() << 58u32) <= *product
}

fuzz_target!(|input: Input| {
    let chosen = |i: usize| (input.choice >> i) & 1 == 1;
    let pick = |side: bool| (0..PRIMES.len()).filter(|&i| chosen(i) == side).map(|i| PRIMES[i]).collect::<Vec<_>>();
    let (from, to) = (pick(true), pick(false));
    if from.is_empty() || to.is_empty() {
        return;
    }
    let basis = RnsBasis::new(&from).expect("distinct");
    let product = basis.product();
    let value = BigUint::from_bytes_le(&input.value) % &product;
    let residues = basis.decompose_vartime(&value);
    assert_eq!(basis.compose_vartime(&residues), value);
    if let Ok(composer) = CrtComposer::new(&basis) {
        assert_eq!(BigInt::from(composer.compose(&residues)), centred(&value, &product));
    } else {
        assert!(product.bits() > CrtComposer::MAX_BITS);
    }

    let columns = |row: &[u64]| row.iter().flat_map(|&x| [x; 8]).collect::<Vec<_>>();
    let expect = |x: &BigInt| columns(&to.iter().map(|p| modulo(x, p)).collect::<Vec<_>>());
    let multiplier = BigUint::from(input.multiplier);
    let scaled = &multiplier * &value;
    for kernels in Kernels::available() {
        let mut out = vec![0; 8 * to.len()];
        if !near_half(&value, &product) {
            BaseConverter::new(&basis, &to).convert(kernels, &columns(&residues), &mut out);
            assert_eq!(out, expect(&centred(&value, &product)), "conversion, {}", kernels.name());
            // A wider basis holds the value whole.
            let wide = RnsBasis::new(&to).expect("distinct");
            if wide.product() > &product << 1u32 {
                let mut back = vec![0; 8 * from.len()];
                BaseConverter::new(&wide, &from).convert(kernels, &out, &mut back);
                assert_eq!(back, columns(&residues), "conversion there and back, {}", kernels.name());
            }
        }
        if !near_half(&scaled, &product) {
            let scaler = Scaler::new(&multiplier, &basis, &to);
            let mut remainder = vec![0; 8 * to.len()];
            scaler.remainder(kernels, &columns(&residues), &mut remainder);
            let mut quotient = expect(&BigInt::from(value.clone()));
            scaler.divide(kernels, &mut quotient, &mut remainder);
            let rounded = (&scaled * 2u32 + &product) / (&product * 2u32);
            assert_eq!(quotient, expect(&rounded.into()), "scaling, {}", kernels.name());
        }
    }
});
