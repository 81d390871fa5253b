//! What the scheme is made of: masks, arithmetic modulo `q` on words, and on polynomials.

use core::hint::black_box;

use tacit_core::backend::Kernels;
use tacit_core::ct;
use tacit_core::modulus::Modulus;
use tacit_core::poly::{Coeff, Poly, Ring, galois_permutation};

use crate::cases::params;
use crate::memcheck::{hide, secrets};

type Primitive = fn(&Modulus, [u64; 3]) -> u64;

/// The operands are residues. Factors of Shoup's multiplication and exponents are public by contract.
const PRIMITIVES: &[(&str, Primitive)] = &[
    ("barrier", |_, [a, ..]| ct::barrier(a)),
    ("mask_negative", |_, [a, b, _]| ct::mask_negative(a.wrapping_sub(b))),
    ("mask_less", |_, [a, b, _]| ct::mask_less(a, b)),
    ("select", |_, [a, b, c]| ct::select(ct::mask_less(a, b), b, c)),
    ("select behind a barrier", |_, [a, b, c]| ct::select(ct::barrier(ct::mask_less(a, b)), b, c)),
    ("reduce_once", |q, [a, b, _]| ct::reduce_once(a + b, q.value())),
    ("add", |q, [a, b, _]| q.add(a, b)),
    ("sub", |q, [a, b, _]| q.sub(a, b)),
    ("neg", |q, [a, ..]| q.neg(a)),
    ("mul", |q, [a, b, _]| q.mul(a, b)),
    ("mul_add", |q, [a, b, c]| q.mul_add(a, b, c)),
    ("reduce", |q, [a, b, _]| q.reduce(a.wrapping_mul(b))),
    ("reduce_wide", |q, [a, b, _]| q.reduce_wide(u128::from(a) << 64 | u128::from(b))),
    ("reduce_signed", |q, [a, b, c]| q.reduce_signed(i128::from(a) - (i128::from(b) << 40) + i128::from(c))),
    ("are_residues", |q, words| u64::from(q.are_residues(&words))),
    ("center", |q, [a, ..]| q.center(a) as u64),
    ("pow_vartime with a public exponent", |q, [a, ..]| q.pow_vartime(a, black_box(65_537))),
    ("Shoup::mul_lazy", |q, [a, ..]| q.shoup(black_box(12_345)).mul_lazy(a, q.value())),
    ("Shoup::mul", |q, [a, ..]| q.shoup(black_box(12_345)).mul(a, q.value())),
    ("Montgomery::enter", |q, [a, ..]| q.montgomery().enter(a)),
    ("Montgomery::leave", |q, [a, ..]| q.montgomery().leave(a)),
    ("Montgomery::mul", |q, [a, b, _]| q.montgomery().mul(a, b)),
    ("Montgomery::reduce", |q, [a, b, _]| q.montgomery().reduce(u128::from(a) * u128::from(b))),
    ("Reciprocal::fraction", |q, [a, ..]| q.reciprocal().fraction(a)),
];

/// Secret residues from `[0, q)`: both ends, the middle and what lies between.
fn residues(q: u64) -> Vec<u64> {
    let mut out = vec![0, 1, q / 2, q / 2 + 1, q - 2, q - 1, q / 3, 54_321];
    hide(&mut out);
    out
}

pub fn words() {
    for q in [65_537, (1 << 36) - 5, (1 << 50) - 27, (1 << 60) - 93].map(|q| Modulus::new(q).expect("odd")) {
        let xs = residues(q.value());
        for (name, primitive) in PRIMITIVES {
            let primitive = black_box(primitive);
            let out: Vec<u64> =
                (0..xs.len()).map(|i| primitive(&q, [xs[i], xs[(i + 3) % 8], xs[(i + 5) % 8]])).collect();
            assert_eq!(secrets(&out), out.len(), "{name}: no secret went through");
        }
    }
}

type Operation = fn(&Ring, &mut Poly<Coeff>, &Poly<Coeff>);

/// Every operation on whole polynomials: the slice kernels and the transforms.
pub fn polynomials(kernels: Kernels) {
    let params = params(kernels);
    let ring = params.key_ring();
    let mut coefficients = vec![-1i8; params.degree()];
    hide(&mut coefficients);
    let lifted = ring.lift(&coefficients);
    let mut out = vec![ring.inverse(ring.forward(lifted.clone()))];
    let operations: [Operation; 4] = [
        |ring, a, b| ring.add_assign(a, b),
        |ring, a, b| ring.sub_assign(a, b),
        |ring, a, _| ring.neg_assign(a),
        |ring, a, _| ring.mul_residues_assign(a, &[7; 5]),
    ];
    for operation in operations {
        let mut a = lifted.clone();
        operation(ring, &mut a, &lifted);
        out.push(a);
    }
    out.push(ring.combine(&[&lifted, &lifted], &[3, -4]));
    let values = ring.forward(lifted.clone());
    let mut square = values.clone();
    ring.mul_assign(&mut square, &values);
    let dot = ring.dot(&[(&values, &values), (&square, &values)]);
    let moved = ring.automorphism(&values, &galois_permutation(params.degree(), 5));
    for residues in out.iter().map(Poly::residues).chain([&square, &dot, &moved].map(Poly::residues)) {
        assert_eq!(secrets(residues), residues.len());
    }
}

/// The composition of decrypted residues into a signed number.
pub fn compose(kernels: Kernels) {
    let params = params(kernels);
    let streams: Vec<Vec<u64>> = params.plain_moduli().iter().map(|&t| residues(t)).collect();
    let out: Vec<i128> = (0..8).map(|i| params.composer().compose(&[streams[0][i], streams[1][(i + 3) % 8]])).collect();
    assert_eq!(secrets(&out), out.len());
}
