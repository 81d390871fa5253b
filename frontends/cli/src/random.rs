//! Randomness: the operating system's, stretched.

use rand::SeedableRng;
use rand::rngs::{ChaCha20Rng, SysRng};

use crate::error::CliError;

/// A generator with a fresh seed from the operating system.
pub(crate) fn generator() -> Result<ChaCha20Rng, CliError> {
    ChaCha20Rng::try_from_rng(&mut SysRng).map_err(CliError::Random)
}
