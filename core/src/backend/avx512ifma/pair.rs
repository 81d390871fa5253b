//! Sums of products with both halves of a key, what follows the division by the special primes, and the order of an
//! automorphism, in one pass.

use core::arch::x86_64::*;

use super::sums::Sums;
use super::{MAX_BITS, load, splat, splat_factor, store};
use crate::backend::pairs::TILE;
use crate::backend::{KeyRows, PairFinish};
use crate::modulus::Modulus;

/// The most terms that have a loop.
pub(super) const FIXED: usize = 4;

/// Vectors of a tile.
const VECTORS: usize = TILE >> 3;
type Tile = [[u64; 8]; VECTORS];

/// For at least one tile and at most [`FIXED`] terms.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn switch_pair(
    q: &Modulus,
    outs: [&mut [u64]; 2],
    xs: &[&[u64]],
    key: KeyRows<'_>,
    finish: &PairFinish<'_>,
) {
    assert_eq!(outs[0].len(), outs[1].len());
    finish.check(outs[0].len(), xs, key);
    let outs = outs.map(|out| out.as_chunks_mut::<8>().0);
    match xs.len() {
        0 => fixed::<0>(q, outs, xs, key, finish),
        1 => fixed::<1>(q, outs, xs, key, finish),
        2 => fixed::<2>(q, outs, xs, key, finish),
        3 => fixed::<3>(q, outs, xs, key, finish),
        4 => fixed::<4>(q, outs, xs, key, finish),
        count => debug_assert!(count == 0, "at most {FIXED} terms"),
    }
}

/// The products, the scaled value and the addend of a half are one sum, below `(N + 1)·2^100 + 2^50`, reduced once.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn fixed<const N: usize>(
    q: &Modulus,
    outs: [&mut [[u64; 8]]; 2],
    xs: &[&[u64]],
    key: KeyRows<'_>,
    finish: &PairFinish<'_>,
) {
    const { assert!(Sums::hold(2 * MAX_BITS, N + 2)) };
    let (sums, zero) = (Sums::new(q), _mm512_setzero_si512());
    let [first, second] = outs;
    let count = first.len() >> VECTORS.trailing_zeros();
    let xs: [&[Tile]; N] = core::array::from_fn(|j| tiles(xs[j], count));
    let key_tiles = key.words().as_chunks::<8>().0.as_chunks::<VECTORS>().0;
    let scaled = finish.scaled.map(|(rs, w)| (rs.map(|r| tiles(r, count)), splat(w.value)));
    let addends = finish.addends.map(|a| a.map(|a| tiles(a, count)));
    let times = finish.times.map(|w| splat_factor(w));
    let order = finish.order.map(|order| (order.indices.as_chunks::<8>().0, order.places.as_chunks::<VECTORS>().0));
    for t in 0..count {
        let xs: [&Tile; N] = core::array::from_fn(|j| &xs[j][t]);
        let keys = key_tiles[2 * key.digits() * t..][..2 * N].as_chunks::<2>().0;
        let scaled = scaled.map(|(rs, w)| (rs.map(|r| &r[t]), w));
        let addends = addends.map(|a| a.map(|a| &a[t]));
        let keys: &[[Tile; 2]; N] = match keys.first_chunk() {
            Some(keys) => keys,
            None => return,
        };
        let places = order.map(|(indices, places)| (indices, &places[t]));
        for i in 0..VECTORS {
            let (mut low, mut high) = ([zero; 2], [zero; 2]);
            for half in 0..2 {
                if let Some(addend) = addends[half] {
                    low[half] = load(&addend[i]);
                }
            }
            for (x, ys) in xs.iter().zip(keys) {
                let x = load(&x[i]);
                for half in 0..2 {
                    let y = load(&ys[half][i]);
                    low[half] = _mm512_madd52lo_epu64(low[half], x, y);
                    high[half] = _mm512_madd52hi_epu64(high[half], x, y);
                }
            }
            if let Some((rs, w)) = scaled {
                for half in 0..2 {
                    let r = load(&rs[half][i]);
                    low[half] = _mm512_madd52lo_epu64(low[half], r, w);
                    high[half] = _mm512_madd52hi_epu64(high[half], r, w);
                }
            }
            let mut values = match times {
                Some(w) => [sums.reduce_times(high[0], low[0], w), sums.reduce_times(high[1], low[1], w)],
                None => [sums.reduce(high[0], low[0]), sums.reduce(high[1], low[1])],
            };
            let mut place = t * VECTORS + i;
            if let Some((indices, places)) = places {
                place = places[i] as usize;
                // The permutation reads the lowest three bits of each index.
                let lanes = load(&indices[place].map(u64::from));
                values = [_mm512_permutexvar_epi64(lanes, values[0]), _mm512_permutexvar_epi64(lanes, values[1])];
            }
            let outs = [&mut first[place], &mut second[place]];
            if finish.accumulate {
                values = [sums.add(load(outs[0]), values[0]), sums.add(load(outs[1]), values[1])];
            }
            for (out, value) in outs.into_iter().zip(values) {
                store(out, value);
            }
        }
    }
}

#[inline]
fn tiles(xs: &[u64], count: usize) -> &[Tile] {
    &xs.as_chunks::<8>().0.as_chunks::<VECTORS>().0[..count]
}
