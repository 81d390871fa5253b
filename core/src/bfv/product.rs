//! The product of two ciphertexts, before relinearisation.
//!
//! This is the variant that Kim, Polyakov and Zucca (2021) call HPSPOverQ. With an auxiliary basis `P` about as large as `Q`, one
//! factor is switched from `Q` to `P`, `b' = round(P/Q·b)`, and both are read over `Q·P`, the first as the centred `a` and
//! the second as the centred `b'`. The tensor product `x = a ⊗ b'` is scaled by `t/P` instead of `t/Q`:
//!
//! `round(t·x/P) = (t·x - [t·x]_P)/P  (mod Q)`.
//!
//! That needs `x` modulo `P` for the remainder and `x` modulo `Q` for the rest, and nothing else: however large `x` is, no
//! basis has to hold it, and the part over `Q` stays in the evaluation domain. It is exact; what differs from a scaling of
//! `a ⊗ b` by `t/Q` is the rounding of `b'`, which is a modulus switch's ([`super::NoiseRules::multiply`]).
//!
//! All factors are folded into the weights of conversions. With the scaled residues `y_j = z_j·(P/p_j)^-1 mod p_j` of a
//! number `z`:
//!
//! | over | `a` | `b'` | products |
//! |---|---|---|---|
//! | `P` | `t·a` | `y_j` of `b'` | `y_j` of `t·x`, what the remainder is converted from |
//! | `Q` | `a` | `t/P·b'` | `t/P·x`, to which `-[t·x]_P/P` is added |
//!
//! For `k` primes of `Q` and `p` of `P` that is `9k + 7p` transforms: `k` to leave the evaluation domain and `p` to enter it over
//! `P` for each of four polynomials, `k` more for both of `b'`, and `k + p` for each of three results. A square is
//! `7k + 7p`.

use alloc::vec::Vec;

use num_bigint::BigUint;

use super::Level;
use crate::backend::Backend;
use crate::error::ParamError;
use crate::modulus::Modulus;
use crate::params::Params;
use crate::poly::{Eval, Poly, Ring, Scratch};
use crate::prime::ntt_primes_vartime;
use crate::rns::{BaseConverter, crt_inverse, residue_vartime};

/// Bits of auxiliary primes: the largest that the kernels with 52-bit words take. They hold intermediate products only,
/// so that security does not see them.
const PRIME_BITS: u32 = 50;

/// Bits by which `P` exceeds `Q` at least: the rounding of `b'` then counts a sixteenth of a modulus switch's.
const MARGIN_BITS: f64 = 4.0;

/// `log2` of an auxiliary prime is at least this, because they are the largest of their size.
const LEAST_LOG2: f64 = PRIME_BITS as f64 - 1.0 / 1024.0;

/// How many auxiliary primes a level with this `log2 Q` needs.
fn auxiliary_count(log2_q: f64) -> usize {
    libm::ceil((log2_q + MARGIN_BITS) / LEAST_LOG2) as usize
}

/// `log2(P/Q)`, rounded down: at least 4.
pub(super) fn margin_log2(log2_q: f64) -> f64 {
    auxiliary_count(log2_q) as f64 * LEAST_LOG2 - log2_q
}

/// The auxiliary ring of the highest level.
pub(super) fn auxiliary_ring(params: &Params) -> Result<Ring, ParamError> {
    let taken = [params.ciphertext_primes(), params.plain_moduli()].concat();
    let count = auxiliary_count(params.log2_q(params.max_level()));
    let primes = ntt_primes_vartime(PRIME_BITS, params.degree(), count, &taken)?;
    Ring::new(params.degree(), &primes, params.kernels())
}

/// The auxiliary basis `P` of a level, and what all plaintext moduli share of the way there and back.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    auxiliary: Ring,
    /// `Q → P`: the scaled residues of `b' = round(P/Q·b)`.
    switch: BaseConverter,
    /// `P → Q`, from scaled residues: `-[z]_P/P`.
    remainder: BaseConverter,
}

impl Tensor {
    /// Takes as many of the auxiliary primes as the level needs.
    pub(super) fn new(ring: &Ring, log2_q: f64, auxiliary: &Ring) -> Self {
        let auxiliary = auxiliary.select(0..auxiliary_count(log2_q));
        let (q, p) = (ring.basis().product(), auxiliary.basis().product());
        // P·b is 0 modulo P: of (P·b - [P·b]_Q)/Q only the remainder is left.
        let switch = BaseConverter::with_factors(ring.basis(), auxiliary.moduli(), &p, |prime| {
            prime.neg(prime.mul(crt_inverse(prime, &q), crt_inverse(prime, &punctured(&p, prime.value()))))
        });
        let remainder = BaseConverter::from_scaled(auxiliary.basis(), ring.moduli(), |q| q.neg(crt_inverse(q, &p)));
        Self { auxiliary, switch, remainder }
    }
}

#[allow(clippy::integer_division_remainder_used, reason = "public moduli")]
fn punctured(product: &BigUint, prime: u64) -> BigUint {
    product / prime
}

/// The conversions that carry the plaintext modulus.
#[derive(Clone, Debug)]
pub(super) struct TensorLifts {
    /// `Q → P`: `t·a`.
    left: BaseConverter,
    /// `P → Q`, from scaled residues: `t/P·b'`.
    right: BaseConverter,
}

impl TensorLifts {
    pub(super) fn new(ring: &Ring, tensor: &Tensor, t: &BigUint) -> Self {
        let (auxiliary, one) = (&tensor.auxiliary, BigUint::from(1u32));
        let p = auxiliary.basis().product();
        let ratio = |q: &Modulus| q.mul(residue_vartime(t, q), crt_inverse(q, &p));
        Self {
            left: BaseConverter::with_factors(ring.basis(), auxiliary.moduli(), &one, |p| residue_vartime(t, p)),
            right: BaseConverter::from_scaled(auxiliary.basis(), ring.moduli(), ratio),
        }
    }
}

impl Level {
    /// The three polynomials of a product; of a square, if there is no second factor.
    pub(super) fn product(
        &self,
        lifts: &TensorLifts,
        a: &[Poly<Eval>],
        b: Option<&[Poly<Eval>]>,
        out: &mut [Poly<Eval>],
        scratch: &mut Scratch,
    ) {
        let (n, k, p) = (self.ring.degree(), self.ring.basis().len(), self.tensor.auxiliary.basis().len());
        // One buffer: allocators keep one large block where they hand many middling ones back to the system.
        let mut rows = scratch.words(n * (7 * p + 3 * k));
        let (factors, rest) = rows.split_at_mut(4 * p * n);
        let (products, rest) = rest.split_at_mut(3 * p * n);
        let (over_q, coefficients) = rest.split_at_mut(2 * k * n);
        self.lift(lifts, a, b, coefficients, factors, over_q);
        products.fill(0);
        self.tensor.products(n, factors, products);
        self.ring.forward_rows(over_q);
        for (scaled, out) in products.chunks_exact(p * n).zip(&mut *out) {
            self.tensor.remainder.convert(self.ring.kernels(), scaled, out.residues_mut());
            self.ring.forward_rows(out.residues_mut());
        }
        if let [x, y, z] = out {
            for (i, q) in self.ring.moduli().iter().enumerate() {
                let [b0, b1] = [i, k + i].map(|row| &over_q[row * n..(row + 1) * n]);
                let sums = [x.limb_mut(i), y.limb_mut(i), z.limb_mut(i)];
                self.ring.kernels().tensor(q, sums, [a[0].limb(i), a[1].limb(i)], [b0, b1]);
            }
        }
        scratch.give(rows);
    }

    /// Coefficients of both factors: `t·a_0`, `t·a_1`, and the scaled residues of `b'_0` and `b'_1`, over `P`; and `t/P·b'_0`,
    /// `t/P·b'_1` over `Q`.
    fn lift(
        &self,
        lifts: &TensorLifts,
        a: &[Poly<Eval>],
        b: Option<&[Poly<Eval>]>,
        coefficients: &mut [u64],
        factors: &mut [u64],
        over_q: &mut [u64],
    ) {
        let kernels = self.ring.kernels();
        let (left, right) = factors.split_at_mut(factors.len() >> 1);
        let lefts = left.chunks_exact_mut(left.len() >> 1).zip(a);
        let rights = right.chunks_exact_mut(right.len() >> 1).zip(over_q.chunks_exact_mut(coefficients.len()));
        for (i, ((left, a), (right, over_q))) in lefts.zip(rights).enumerate() {
            coefficients.copy_from_slice(a.residues());
            self.ring.inverse_rows(coefficients);
            lifts.left.convert(kernels, coefficients, left);
            if let Some(b) = b {
                coefficients.copy_from_slice(b[i].residues());
                self.ring.inverse_rows(coefficients);
            }
            self.tensor.switch.convert(kernels, coefficients, right);
            lifts.right.convert(kernels, right, over_q);
        }
    }
}

impl Tensor {
    /// The tensor product over `P`, limb by limb: coefficients of four factors → coefficients of three products, which are
    /// added to zeros.
    fn products(&self, n: usize, factors: &mut [u64], products: &mut [u64]) {
        let (ring, p) = (&self.auxiliary, self.auxiliary.basis().len());
        for (i, q) in ring.moduli().iter().enumerate() {
            let row = i * n..(i + 1) * n;
            let factors = factors.chunks_exact_mut(p * n).map(|poly| ring.forward_row(i, &mut poly[row.clone()]));
            let factors: Vec<&[u64]> = factors.collect();
            let products = products.chunks_exact_mut(p * n).map(|poly| &mut poly[row.clone()]);
            let mut products: Vec<&mut [u64]> = products.collect();
            if let ([a0, a1, b0, b1], [x, y, z]) = (&*factors, &mut *products) {
                ring.kernels().tensor(q, [x, y, z], [a0, a1], [b0, b1]);
            }
            products.into_iter().for_each(|row| ring.inverse_row(i, row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules know sizes only; the primes must be as large as they take for granted, at any degree.
    #[test]
    fn auxiliary_primes_exceed_the_modulus_by_the_margin() {
        for degree in [8usize, 1024, 1 << 17] {
            let primes = ntt_primes_vartime(PRIME_BITS, degree, 60, &[]).unwrap();
            assert!(primes.iter().all(|&p| libm::log2(p as f64) >= LEAST_LOG2), "n = {degree}");
        }
        for log2_q in [20.0, 45.9, 46.0, 100.0, 171.0, 294.0, 382.0, 1700.0] {
            assert!((MARGIN_BITS..MARGIN_BITS + f64::from(PRIME_BITS)).contains(&margin_log2(log2_q)), "{log2_q}");
        }
    }
}
