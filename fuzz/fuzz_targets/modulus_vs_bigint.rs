//! Arithmetic on single words, and the slice kernels of every backend, against big integers.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use num_bigint::{BigInt, BigUint};
use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;

#[derive(Arbitrary, Debug)]
struct Input {
    modulus: u64,
    /// Bits to drop from the modulus, so that every size class is met.
    shift: u8,
    words: [u64; 3],
    wide: u128,
    signed: i128,
    exponent: u64,
}

fuzz_target!(|input: Input| {
    let value = input.modulus >> (input.shift & 63);
    let Ok(q) = Modulus::new(value) else {
        assert!(value < 3 || value & 1 == 0 || value >> 60 != 0, "{value} refused");
        return;
    };
    let big = |x: u64| BigUint::from(x);
    let modulo = |x: BigUint| u64::try_from(x % value).unwrap();
    let [a, b, c] = input.words.map(|x| modulo(big(x)));
    assert_eq!(input.words.map(|x| q.reduce(x)), [a, b, c]);
    assert_eq!(q.reduce_wide(input.wide), modulo(BigUint::from(input.wide)));

    let remainder = BigInt::from(input.signed) % value;
    let residue = if remainder < BigInt::from(0) { remainder + value } else { remainder };
    assert_eq!(BigInt::from(q.reduce_signed(input.signed)), residue);
    assert_eq!(q.reduce_signed(q.center(a).into()), a);
    assert!(2 * i128::from(q.center(a)).abs() <= value.into());

    assert_eq!(q.add(a, b), modulo(big(a) + b));
    assert_eq!(q.sub(a, b), modulo(big(a) + value - b));
    assert_eq!(q.neg(a), modulo(big(value) - a));
    assert_eq!(q.mul(a, b), modulo(big(a) * b));
    assert_eq!(q.mul_add(a, b, c), modulo(big(a) * b + c));
    assert_eq!(q.shoup(a).mul(input.words[1], value), modulo(big(a) * input.words[1]));
    let m = q.montgomery();
    assert_eq!(m.leave(m.mul(m.enter(a), m.enter(b))), modulo(big(a) * b));
    assert_eq!(big(q.pow_vartime(a, input.exponent)), big(a).modpow(&big(input.exponent), &big(value)));
    if let Some(inverse) = q.inverse(a) {
        assert_eq!(q.mul(a, inverse), 1);
    }

    for kernels in Kernels::available() {
        // Odd lengths reach the remainders behind whole vectors.
        let (x, y, z) = ([a; 19], [b; 19], [c; 19]);
        let run = |f: &dyn Fn(&mut [u64])| {
            let mut out = z;
            f(&mut out);
            assert_eq!(out, [out[0]; 19], "{}", kernels.name());
            out[0]
        };
        assert_eq!(run(&|out| kernels.add(&q, out, &x)), q.add(c, a));
        assert_eq!(run(&|out| kernels.sub(&q, out, &x)), q.sub(c, a));
        assert_eq!(run(&|out| kernels.neg(&q, out)), q.neg(c));
        assert_eq!(run(&|out| kernels.mul(&q, out, &x)), q.mul(c, a));
        assert_eq!(run(&|out| kernels.mul_add(&q, out, &x, &y)), q.mul_add(a, b, c));
        assert_eq!(run(&|out| kernels.mul_scalar(&q, out, q.shoup(b))), q.mul(c, b));
        let terms: [(&[u64], &[u64]); 3] = [(&x, &y), (&y, &z), (&x, &x)];
        assert_eq!(run(&|out| kernels.dot(&q, out, &terms)), modulo(big(a) * b + big(b) * c + big(a) * a));
        for bits in [50, 52, Modulus::MAX_BITS] {
            let words = input.words.map(|x| x >> (u64::BITS - bits));
            let columns = words.map(|w| [w; 19]);
            let slices = [&columns[0][..], &columns[1], &columns[2]];
            let weights = [words[1], words[2], words[0]];
            let sum = words.iter().zip(weights).map(|(&x, y)| big(x) * y).sum();
            assert_eq!(run(&|out| kernels.combine(&q, out, &slices, &weights, bits)), modulo(sum));
        }
    }
});
