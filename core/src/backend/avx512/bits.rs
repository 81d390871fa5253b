//! Packed words of 32 to 64 bits, eight at a time.
//!
//! Eight words of `b` bits are `b` bytes. Words are taken from 64 bytes that hold them: each from the 64-bit word in which
//! it begins and from the one behind.

use core::arch::x86_64::*;

use super::{load, splat, store};
use crate::backend::{Backend, Portable, bits};
use crate::modulus::Modulus;

/// Of shorter words, three or more lie in 64 bits.
const MIN_BITS: u32 = 32;

/// How eight packed words are taken from 64 bytes in which the first begins at some bit.
struct Cut {
    first: __m512i,
    second: __m512i,
    right: __m512i,
    left: __m512i,
    mask: __m512i,
}

impl Cut {
    /// For words that begin at bit `start`, at most `512 - 8·bits`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn new(bits: u32, start: u32) -> Self {
        debug_assert!(start + 8 * bits <= 512);
        let places = lanes(|i| u64::from(start) + i * u64::from(bits));
        let first = _mm512_srli_epi64::<6>(places);
        let right = _mm512_and_si512(places, splat(63));
        Self {
            first,
            // Beyond the last word is none that is needed: what comes from the first instead is shifted out.
            second: _mm512_add_epi64(first, splat(1)),
            right,
            left: _mm512_sub_epi64(splat(64), right),
            mask: splat(u64::MAX >> (u64::BITS - bits)),
        }
    }

    /// Shifts by 64 leave nothing.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn apply(&self, packed: __m512i) -> __m512i {
        let low = _mm512_srlv_epi64(_mm512_permutexvar_epi64(self.first, packed), self.right);
        let high = _mm512_sllv_epi64(_mm512_permutexvar_epi64(self.second, packed), self.left);
        _mm512_and_si512(_mm512_or_si512(low, high), self.mask)
    }
}

/// Words at a stride of `bits` bytes; the last are taken from the end of what is there.
struct Strides {
    bits: u32,
    forth: Cut,
    last: Cut,
}

impl Strides {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn new(bits: u32) -> Self {
        Self { bits, forth: Cut::new(bits, 0), last: Cut::new(bits, 512 - 8 * bits) }
    }

    /// The `i`-th eight words of those that are packed in `bytes`, which are at least 64.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn eight(&self, bytes: &[u8], i: usize) -> __m512i {
        let (at, stride) = (i * self.bits as usize, self.bits as usize);
        match bytes[at..].first_chunk() {
            Some(from) => self.forth.apply(load_bytes(from)),
            // Strides are at least half as long, so that only the last one has no 64 bytes.
            None => match bytes[..at + stride].last_chunk() {
                Some(to) => self.last.apply(load_bytes(to)),
                None => _mm512_setzero_si512(),
            },
        }
    }
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn unpack(bits: u32, out: &mut [u64], bytes: &[u8]) {
    if bits < MIN_BITS || bytes.len() < 64 {
        return Portable.unpack(bits, out, bytes);
    }
    assert_eq!(bytes.len(), bits::packed_len(out.len(), bits));
    let strides = Strides::new(bits);
    for (i, words) in out.as_chunks_mut().0.iter_mut().enumerate() {
        store(words, strides.eight(bytes, i));
    }
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn are_packed_residues(q: &Modulus, bytes: &[u8]) -> bool {
    if q.bits() < MIN_BITS || bytes.len() < 64 {
        return Portable.are_packed_residues(q, bytes);
    }
    let stride = q.bits() as usize;
    assert!(bytes.len().is_multiple_of(stride));
    let strides = Strides::new(q.bits());
    let mut most = _mm512_setzero_si512();
    for i in 0..bytes.chunks_exact(stride).len() {
        most = _mm512_max_epu64(most, strides.eight(bytes, i));
    }
    _mm512_reduce_max_epu64(most) < q.value()
}

/// Eight words make `bits` bytes of 64, of which the next eight write over the rest.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn pack(bits: u32, out: &mut [u8], words: &[u64]) {
    assert_eq!(out.len(), bits::packed_len(words.len(), bits));
    if bits < MIN_BITS {
        return Portable.pack(bits, out, words);
    }
    let join = Join::new(bits);
    for (i, words) in words.as_chunks().0.iter().enumerate() {
        let (packed, rest) = (join.apply(load(words)), &mut out[i * bits as usize..]);
        match rest.first_chunk_mut() {
            Some(to) => store_bytes(to, packed),
            None => {
                let mut last = [0; 64];
                store_bytes(&mut last, packed);
                rest.copy_from_slice(&last[..rest.len()]);
            }
        }
    }
}

/// How eight words are packed: 64 bits hold parts of at most three of them.
struct Join {
    indices: [__m512i; 3],
    right: __m512i,
    left: [__m512i; 2],
}

impl Join {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    #[allow(clippy::integer_division_remainder_used, reason = "the size of words is public")]
    fn new(bits: u32) -> Self {
        let bits = u64::from(bits);
        let first = lanes(|i| 64 * i / bits);
        let right = lanes(|i| 64 * i % bits);
        // Words that are not there are shifted out.
        let left = |k: u64| lanes(|i| if 64 * i / bits + k < 8 { k * bits - 64 * i % bits } else { 64 });
        Self {
            indices: [first, _mm512_add_epi64(first, splat(1)), _mm512_add_epi64(first, splat(2))],
            // Of the last 64 bits, those beyond the eighth word are no part of it.
            right: _mm512_mask_blend_epi64(less_than_eight(first), splat(64), right),
            left: [left(1), left(2)],
        }
    }

    /// Shifts by 64 and more leave nothing.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn apply(&self, words: __m512i) -> __m512i {
        let [first, second, third] = self.indices.map(|index| _mm512_permutexvar_epi64(index, words));
        let low = _mm512_srlv_epi64(first, self.right);
        let high = _mm512_or_si512(_mm512_sllv_epi64(second, self.left[0]), _mm512_sllv_epi64(third, self.left[1]));
        _mm512_or_si512(low, high)
    }
}

/// Which lanes are words of eight.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn less_than_eight(indices: __m512i) -> __mmask8 {
    _mm512_cmplt_epu64_mask(indices, splat(8))
}

/// Groups of 64 candidates; the last of them may begin as many bytes before the end of its group as the words are short
/// of 64 bits.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn accept_vartime(q: &Modulus, words: &[u64], out: &mut [u64]) -> (usize, usize) {
    if q.bits() < MIN_BITS {
        return Portable.accept_vartime(q, words, out);
    }
    let (bits, bound) = (q.bits() as usize, splat(q.value()));
    let [forth, last] = [Cut::new(q.bits(), 0), Cut::new(q.bits(), 512 - 8 * q.bits())];
    let (mut read, mut written) = (0, 0);
    while let (Some(group), Some(_)) = (words.get(read..read + bits), out.get(written + bits::GROUP - 1)) {
        for i in 0..8 {
            let candidates = match i {
                7 => last.apply(load_at(group, 8 * bits - 64)),
                _ => forth.apply(load_at(group, i * bits)),
            };
            let accepted = _mm512_cmplt_epu64_mask(candidates, bound);
            let Some(target) = out[written..].first_chunk_mut() else { break };
            // Most primes are just below a power of two.
            if accepted == u8::MAX {
                store(target, candidates);
                written += 8;
            } else {
                store(target, _mm512_maskz_compress_epi64(accepted, candidates));
                written += accepted.count_ones() as usize;
            }
        }
        read += bits;
    }
    let (more_read, more_written) = Portable.accept_vartime(q, &words[read..], &mut out[written..]);
    (read + more_read, written + more_written)
}

/// 64 bytes from some byte of the words on.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn load_at(words: &[u64], byte: usize) -> __m512i {
    assert!(byte + 64 <= 8 * words.len());
    // SAFETY: 64 bytes from there on are readable; the load needs no alignment, and this processor is little-endian.
    unsafe { _mm512_loadu_si512(words.as_ptr().wrapping_byte_add(byte).cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn load_bytes(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn store_bytes(bytes: &mut [u8; 64], value: __m512i) {
    // SAFETY: 64 writable bytes; the store needs no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn lanes(f: impl Fn(u64) -> u64) -> __m512i {
    load(&core::array::from_fn(|i| f(i as u64)))
}
