//! Secret randomness, and the way from secret to public.

use core::convert::Infallible;

use chacha20::ChaCha20Rng;
use rand_core::utils::next_word_via_fill;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use tacit_core::params::Params;
use tacit_core::sample::Seed;
use tacit_core::wire::Wire;

use crate::memcheck::{hide, reveal, secrets};

/// A generator whose output is secret: whatever is sampled from it is tracked from its first bit.
///
/// Functions that make something seeded draw its public seed first. That one draw stays public, because polynomials are
/// drawn from seeds by rejection, in variable time. The generator itself computes on public state: it is not what is checked.
pub struct SecretRng {
    inner: ChaCha20Rng,
    seed_is_next: bool,
}

impl SecretRng {
    /// All output is secret.
    pub fn new(seed: u8) -> Self {
        Self { inner: ChaCha20Rng::from_seed([seed; 32]), seed_is_next: false }
    }

    /// The first draw is a public seed; it must have a seed's length.
    pub fn after_public_seed(seed: u8) -> Self {
        Self { seed_is_next: true, ..Self::new(seed) }
    }
}

impl TryRng for SecretRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.inner.fill_bytes(out);
        if core::mem::take(&mut self.seed_is_next) {
            assert_eq!(out.len(), Seed::BYTES, "the first draw is not a seed");
        } else {
            hide(out);
        }
        Ok(())
    }
}

impl TryCryptoRng for SecretRng {}

/// What the other party gets: bytes, which are public because they are sent. That they depended on secrets up to here is
/// checked, lest a case is clean because nothing secret reached it.
pub fn publish<T: Wire>(params: &Params, value: &T) -> T {
    let mut bytes = value.to_bytes(params);
    // Header, seed and tables are public, and all else is not.
    assert!(2 * secrets(&bytes) > bytes.len(), "{}: no secret went in", T::KIND);
    reveal(&mut bytes);
    T::from_bytes(params, &bytes).expect("canonical bytes")
}
