//! Every backend gives the words of the portable one, for transforms and pointwise operations of any degree, prime and
//! data; the inverse transform undoes the forward one; short transforms are those of the definition.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tacit_core::backend::{Backend, Kernels};
use tacit_core::modulus::Modulus;
use tacit_core::ntt::NttPlan;
use tacit_core::prime::{next_ntt_prime_vartime, ntt_primes_vartime};

#[derive(Arbitrary, Debug)]
struct Input {
    log_degree: u8,
    prime: Prime,
    /// Repeated, with changes, to as many as there are coefficients.
    words: Vec<Word>,
    factor: Word,
}

#[derive(Arbitrary, Debug)]
enum Prime {
    /// One of the largest of a size.
    Below { bits: u8, skip: u8 },
    /// The next one above a number.
    Above(u64),
    /// The next one above `2^52/k`: backends with 52-bit words reduce less below such bounds.
    AboveFraction(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Word {
    Zero,
    One,
    Half,
    Last,
    Any(u64),
}

impl Word {
    fn residue(self, q: &Modulus, turn: u32) -> u64 {
        match self {
            Self::Zero => 0,
            Self::One => 1,
            Self::Half => q.value() >> 1,
            Self::Last => q.value() - 1,
            Self::Any(word) => q.reduce(word.rotate_left(turn)),
        }
    }
}

/// Tables of larger degrees take too long for a fuzzer.
const MAX_LOG_DEGREE: u8 = 11;

fn plan(input: &Input) -> Option<NttPlan> {
    let degree = 8 << (input.log_degree % (MAX_LOG_DEGREE - 2));
    let prime = match input.prime {
        Prime::Below { bits, skip } => {
            let count = usize::from(skip % 4) + 1;
            *ntt_primes_vartime(u32::from(bits % 64), degree, count, &[]).ok()?.last()?
        }
        Prime::Above(least) => next_ntt_prime_vartime(least >> 4, degree).ok()?,
        Prime::AboveFraction(k) => next_ntt_prime_vartime((1 << 52) / (u64::from(k) + 1), degree).ok()?,
    };
    let q = Modulus::new(prime).expect("primes are moduli");
    Some(NttPlan::new(q, degree).expect("the prime has the root"))
}

fn residues(input: &Input, q: &Modulus, degree: usize, salt: u32) -> Vec<u64> {
    let words = if input.words.is_empty() { &[Word::Last][..] } else { &input.words };
    (0..degree).map(|i| words[i % words.len()].residue(q, (i / words.len()) as u32 + salt)).collect()
}

fuzz_target!(|input: Input| {
    let Some(plan) = plan(&input) else { return };
    let (q, n) = (plan.modulus(), plan.degree());
    let [x, y, z] = [0, 17, 40].map(|salt| residues(&input, q, n, salt));
    assert_eq!(plan.check(&x), Ok(()));

    let apply = |run: &dyn Fn(&mut [u64])| {
        let mut out = x.clone();
        run(&mut out);
        assert_eq!(plan.check(&out), Ok(()));
        out
    };
    let outcomes = |kernels: Kernels| {
        let factor = q.shoup(input.factor.residue(q, 0));
        let weights = [input.factor.residue(q, 1), q.value() - 1, 1];
        [
            apply(&|out| plan.forward(kernels, out)),
            apply(&|out| plan.inverse(kernels, out)),
            apply(&|out| kernels.add(q, out, &y)),
            apply(&|out| kernels.sub(q, out, &y)),
            apply(&|out| kernels.neg(q, out)),
            apply(&|out| kernels.mul(q, out, &y)),
            apply(&|out| kernels.mul_add(q, out, &y, &z)),
            apply(&|out| kernels.mul_scalar(q, out, factor)),
            apply(&|out| kernels.dot(q, out, &[(&x, &y), (&y, &z), (&z, &x)])),
            apply(&|out| kernels.combine(q, out, &[&x, &y, &z], &weights, q.bits())),
        ]
    };
    let expected = outcomes(Kernels::PORTABLE);
    if n <= 64 {
        assert_eq!(expected[0], plan.tables().evaluate_schoolbook(&x), "forward transform by definition");
    }
    for kernels in Kernels::available() {
        let found = outcomes(kernels);
        for (op, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!(found == expected, "{}: operation {op} modulo {} at degree {n}", kernels.name(), q.value());
        }
        let [mut back, mut forth] = [found[0].clone(), found[1].clone()];
        plan.inverse(kernels, &mut back);
        plan.forward(kernels, &mut forth);
        assert!(back == x && forth == x, "{}: no round trip modulo {} at degree {n}", kernels.name(), q.value());
    }
});
