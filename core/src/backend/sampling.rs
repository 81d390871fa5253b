//! The kernels of sampling in safe Rust, for backends that have none of their own.

use chacha20::{ChaCha8Rng, ChaCha20Rng};
use rand_core::{Rng, SeedableRng};

use crate::ct::{mask_negative, reduce_once};
use crate::modulus::Modulus;

/// How many rounds of ChaCha a stream takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounds {
    /// ChaCha8, for public values that only must not have a structure.
    Eight,
    /// ChaCha20, for secrets.
    Twenty,
}

/// 32-bit words of a block.
const BLOCK_WORDS: u128 = 16;

pub(super) fn keystream(rounds: Rounds, key: &[u8; 32], stream: u64, block: u64, out: &mut [u64]) {
    assert!(out.len().is_multiple_of(8));
    let position = u128::from(block) * BLOCK_WORDS;
    match rounds {
        Rounds::Eight => {
            let mut rng = ChaCha8Rng::from_seed(*key);
            rng.set_stream(stream);
            rng.set_word_pos(position);
            out.fill_with(|| rng.next_u64());
        }
        Rounds::Twenty => {
            let mut rng = ChaCha20Rng::from_seed(*key);
            rng.set_stream(stream);
            rng.set_word_pos(position);
            out.fill_with(|| rng.next_u64());
        }
    }
}

#[inline(always)]
pub(super) fn binomial(out: &mut [i8], words: &[u64]) {
    assert_eq!(out.len(), words.len());
    for (x, &word) in out.iter_mut().zip(words) {
        *x = coin_difference(word);
    }
}

/// Both sums at once, one in each half of a word: of pairs of bits, of quadruples, of bytes, and of the three bytes that
/// 21 bits reach.
#[inline(always)]
const fn coin_difference(word: u64) -> i8 {
    const COINS: u64 = (1 << crate::sample::BINOMIAL_COINS) - 1;
    let x = (word & COINS) | ((word >> crate::sample::BINOMIAL_COINS) & COINS) << 32;
    let x = x - ((x >> 1) & 0x5555_5555_5555_5555);
    let x = (x & 0x3333_3333_3333_3333) + ((x >> 2) & 0x3333_3333_3333_3333);
    let x = (x + (x >> 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let x = x + (x >> 8) + (x >> 16);
    (x & 0x3f) as i8 - ((x >> 32) & 0x3f) as i8
}

#[inline(always)]
pub(super) fn add_small(q: &Modulus, a: &mut [u64], b: &[i8]) {
    assert_eq!(a.len(), b.len());
    for (x, &e) in a.iter_mut().zip(b) {
        let wide = i64::from(e) as u64;
        *x = reduce_once(*x + wide.wrapping_add(q.value() & mask_negative(wide)), q.value());
    }
}
