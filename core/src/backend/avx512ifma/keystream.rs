//! ChaCha on sixteen blocks at a time.

use core::arch::x86_64::*;

use super::{splat, store};
use crate::backend::Rounds;

/// Words of a block.
const BLOCK: usize = 8;
/// Blocks at a time: one per lane of 32 bits.
const LANES: usize = 16;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Whole groups of sixteen blocks; returns how many words they are.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn keystream(rounds: Rounds, key: &[u8; 32], stream: u64, block: u64, out: &mut [u64]) -> usize {
    let (groups, rest) = out.as_chunks_mut::<{ LANES * BLOCK }>();
    let (done, mut block) = (groups.len() * LANES * BLOCK, block);
    debug_assert!(rest.len() < LANES * BLOCK);
    let double_rounds = match rounds {
        Rounds::Eight => 4,
        Rounds::Twenty => 10,
    };
    for group in groups {
        let input = initial_state(key, stream, block);
        let mut v = input;
        for _ in 0..double_rounds {
            double_round(&mut v);
        }
        for (word, input) in v.iter_mut().zip(input) {
            *word = _mm512_add_epi32(*word, input);
        }
        let (lines, _) = group.as_chunks_mut::<BLOCK>();
        for (line, words) in lines.iter_mut().zip(blocks(&v)) {
            store(line, words);
        }
        block = block.wrapping_add(LANES as u64);
    }
    done
}

/// The sixteen words of the state, each for sixteen consecutive blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn initial_state(key: &[u8; 32], stream: u64, block: u64) -> [__m512i; 16] {
    let same = |x: u32| _mm512_set1_epi32(x.cast_signed());
    let mut v = [_mm512_setzero_si512(); 16];
    for (word, constant) in v[..4].iter_mut().zip(CONSTANTS) {
        *word = same(constant);
    }
    for (word, bytes) in v[4..12].iter_mut().zip(key.as_chunks().0) {
        *word = same(u32::from_le_bytes(*bytes));
    }
    // The counter has 64 bits: counters of eight blocks each, of which the low and the high words are gathered.
    let counters = |first: u64| {
        let lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
        _mm512_add_epi64(splat(block.wrapping_add(first)), lanes)
    };
    let (lower, upper) = (counters(0), counters(8));
    let even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    v[12] = _mm512_permutex2var_epi32(lower, even, upper);
    v[13] = _mm512_permutex2var_epi32(lower, _mm512_add_epi32(even, same(1)), upper);
    v[14] = same(stream as u32);
    v[15] = same((stream >> 32) as u32);
    v
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn double_round(v: &mut [__m512i; 16]) {
    for column in 0..4 {
        quarter_round(v, [column, 4 + column, 8 + column, 12 + column]);
    }
    for row in 0..4 {
        quarter_round(v, [row, 4 + ((row + 1) & 3), 8 + ((row + 2) & 3), 12 + ((row + 3) & 3)]);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn quarter_round(v: &mut [__m512i; 16], [a, b, c, d]: [usize; 4]) {
    v[a] = _mm512_add_epi32(v[a], v[b]);
    v[d] = _mm512_rol_epi32::<16>(_mm512_xor_si512(v[d], v[a]));
    v[c] = _mm512_add_epi32(v[c], v[d]);
    v[b] = _mm512_rol_epi32::<12>(_mm512_xor_si512(v[b], v[c]));
    v[a] = _mm512_add_epi32(v[a], v[b]);
    v[d] = _mm512_rol_epi32::<8>(_mm512_xor_si512(v[d], v[a]));
    v[c] = _mm512_add_epi32(v[c], v[d]);
    v[b] = _mm512_rol_epi32::<7>(_mm512_xor_si512(v[b], v[c]));
}

/// Words by block: rows ↔ columns of a 16×16 matrix.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn blocks(v: &[__m512i; 16]) -> [__m512i; 16] {
    // Entry j of group g: in quarter l, words 4g to 4g + 3 of block 4l + j.
    let group = |g: usize| {
        let [r0, r1, r2, r3] = [v[4 * g], v[4 * g + 1], v[4 * g + 2], v[4 * g + 3]];
        let (low, high) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
        let (low2, high2) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
        [
            _mm512_unpacklo_epi64(low, low2),
            _mm512_unpackhi_epi64(low, low2),
            _mm512_unpacklo_epi64(high, high2),
            _mm512_unpackhi_epi64(high, high2),
        ]
    };
    let groups = [group(0), group(1), group(2), group(3)];
    let mut out = [_mm512_setzero_si512(); 16];
    for j in 0..4 {
        let [g0, g1, g2, g3] = [groups[0][j], groups[1][j], groups[2][j], groups[3][j]];
        let (a, b) = (_mm512_shuffle_i32x4::<0b01_00_01_00>(g0, g1), _mm512_shuffle_i32x4::<0b01_00_01_00>(g2, g3));
        let (c, d) = (_mm512_shuffle_i32x4::<0b11_10_11_10>(g0, g1), _mm512_shuffle_i32x4::<0b11_10_11_10>(g2, g3));
        out[j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b);
        out[4 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b);
        out[8 + j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(c, d);
        out[12 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d);
    }
    out
}
