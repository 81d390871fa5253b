//! Sums over slots that cost the server nothing: partial traces.
//!
//! The slots of a row that are congruent modulo a *period* `T` are permuted by the automorphisms `X → X^(5^T)`, which leave
//! just the polynomials in `X^(n/2T)` as they are. The sum of a message over these automorphisms, its *trace*, holds in each
//! slot the sum of all slots that are congruent to it, and is `n/2T` times the message's coefficients at multiples of
//! `X^(n/2T)`, without the others. So whoever decrypts needs only those coefficients of `c_0 + c_1·s`: of `c_0` these `2T`
//! and no more, and all of `c_1`. What is not sent cannot be decrypted: nothing is learnt of the message but its trace.
//! Summing in slots would take `log2(n/2T)` key switches and leave more to send.

use alloc::boxed::Box;
use alloc::vec;

use zeroize::Zeroizing;

use super::SecretKey;
use crate::error::EvalError;
use crate::poly::{Coeff, Eval, Poly, Ring};

/// The shortest period: bytes hold whole eights of coefficients.
pub const MIN_TRACE_PERIOD: usize = 4;

/// What of a ciphertext of two polynomials tells the trace of its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceParts {
    /// Of the first polynomial the coefficients at multiples of the stride, limb after limb.
    pub(crate) body: Box<[u64]>,
    pub(crate) mask: Poly<Eval>,
}

/// Coefficients from one that counts to the next: as many as there are slots in a sum.
pub(crate) const fn stride(degree: usize, period: usize) -> usize {
    degree >> (period.trailing_zeros() + 1)
}

pub(crate) fn check_period(degree: usize, period: usize) -> Result<(), EvalError> {
    let most = degree >> 1;
    if period.is_power_of_two() && (MIN_TRACE_PERIOD..=most).contains(&period) {
        return Ok(());
    }
    Err(EvalError::BadPeriod { period, least: MIN_TRACE_PERIOD, most })
}

impl TraceParts {
    /// Cost: one transform per limb.
    pub(crate) fn new(ring: &Ring, [first, second]: [&Poly<Eval>; 2], period: usize) -> Self {
        let coefficients = ring.inverse(first.clone());
        let stride = stride(ring.degree(), period);
        let body = coefficients.limbs().flat_map(|limb| limb.iter().step_by(stride).copied()).collect();
        Self { body, mask: second.clone() }
    }

    /// The phase's coefficients modulo the primes of `ring`, the first of the ciphertext's; those that do not count are 0.
    pub(crate) fn phase(&self, secret: &SecretKey, ring: &Ring, period: usize) -> Zeroizing<Poly<Coeff>> {
        let (mask, stride) = (self.mask.select(0..ring.basis().len()), stride(ring.degree(), period));
        let mut phase = Zeroizing::new(ring.inverse(secret.phase(ring, &[ring.zero(), mask])));
        let mut kept = Zeroizing::new(vec![0; 2 * period]);
        for ((limb, q), body) in phase.limbs_mut().zip(ring.moduli()).zip(self.body.chunks_exact(2 * period)) {
            let values = limb.iter().step_by(stride).zip(body);
            kept.iter_mut().zip(values).for_each(|(kept, (&x, &b))| *kept = q.add(x, b));
            limb.fill(0);
            limb.iter_mut().step_by(stride).zip(kept.iter()).for_each(|(x, &kept)| *x = kept);
        }
        phase
    }
}
