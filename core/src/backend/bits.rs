//! Packed words in safe Rust: each at a fixed number of bits, least significant bit first, one behind the other.

use crate::modulus::Modulus;

/// So many words, whatever their bits, fill whole words of 64 bits: as many as they have bits.
pub(super) const GROUP: usize = u64::BITS as usize;

/// Bytes of `count` words of `bits` bits, at most 64.
///
/// # Panics
/// If `count` is no multiple of 8, so that bits would be left over.
pub(crate) const fn packed_len(count: usize, bits: u32) -> usize {
    assert!(count.is_multiple_of(8) && bits >= 1 && bits <= u64::BITS);
    (count >> 3) * bits as usize
}

pub(super) fn pack(bits: u32, out: &mut [u8], words: &[u64]) {
    assert_eq!(out.len(), packed_len(words.len(), bits));
    let (chunks, tail) = out.as_chunks_mut::<8>();
    let mut chunks = chunks.iter_mut();
    let (mut buffer, mut held) = (0u128, 0);
    for &word in words {
        buffer |= u128::from(word) << held;
        held += bits;
        if held >= u64::BITS {
            chunks.next().into_iter().for_each(|chunk| *chunk = (buffer as u64).to_le_bytes());
            buffer >>= u64::BITS;
            held -= u64::BITS;
        }
    }
    tail.copy_from_slice(&(buffer as u64).to_le_bytes()[..tail.len()]);
}

/// The longest words that lie within eight bytes wherever they begin.
const MAX_FRAMED_BITS: u32 = 57;

pub(super) fn unpack(bits: u32, out: &mut [u64], bytes: &[u8]) {
    assert_eq!(bytes.len(), packed_len(out.len(), bits));
    if bits > MAX_FRAMED_BITS {
        return unpack_in_order(bits, out, bytes);
    }
    let (mask, stride) = (u64::MAX >> (u64::BITS - bits), bits as usize);
    for (group, words) in out.chunks_exact_mut(8).enumerate() {
        let rest = &bytes[group * stride..];
        let mut padded = [0; MAX_FRAMED_BITS as usize + 8];
        let frame = match rest.get(..stride + 8) {
            Some(frame) => frame,
            None => {
                padded[..stride].copy_from_slice(&rest[..stride]);
                &padded[..stride + 8]
            }
        };
        for (i, word) in words.iter_mut().enumerate() {
            let eight = frame[(i * stride) >> 3..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight));
            *word = (eight >> ((i * stride) & 7)) & mask;
        }
    }
}

/// Each word when its bits have been read.
fn unpack_in_order(bits: u32, out: &mut [u64], bytes: &[u8]) {
    let mask = u64::MAX >> (u64::BITS - bits);
    let (whole, tail) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    let mut chunks = whole.iter().chain([&last]);
    let mut buffer = 0u128;
    let mut held = 0;
    for word in out {
        if held < bits {
            buffer |= u128::from(chunks.next().map_or(0, |chunk| u64::from_le_bytes(*chunk))) << held;
            held += u64::BITS;
        }
        *word = buffer as u64 & mask;
        buffer >>= bits;
        held -= bits;
    }
}

/// A few groups at a time, in the first cache.
pub(super) fn are_packed_residues(q: &Modulus, bytes: &[u8]) -> bool {
    const GROUPS: usize = 16;
    let stride = q.bits() as usize;
    assert!(bytes.len().is_multiple_of(stride));
    bytes.chunks(GROUPS * stride).all(|part| {
        let mut words = [0; 8 * GROUPS];
        // As many eights of words as there are strides.
        let words = words.chunks_exact_mut(8).zip(part.chunks_exact(stride)).fold(0, |most, (words, part)| {
            unpack(q.bits(), words, part);
            words.iter().fold(most, |most, &word| most.max(word))
        });
        words < q.value()
    })
}

pub(super) fn accept_vartime(q: &Modulus, words: &[u64], out: &mut [u64]) -> (usize, usize) {
    let (mut read, mut written, bits) = (0, 0, q.bits() as usize);
    while let (true, Some(group)) = (written < out.len(), words.get(read..read + bits)) {
        written += accept_group_vartime(q, group, &mut out[written..]);
        read += bits;
    }
    (read, written)
}

/// Those of 64 words that are below `q`, each when its bits have been read, and how many of them fit.
fn accept_group_vartime(q: &Modulus, group: &[u64], out: &mut [u64]) -> usize {
    let (bits, mask) = (q.bits(), u64::MAX >> (u64::BITS - q.bits()));
    let mut group = group.iter();
    let (mut buffer, mut held, mut written) = (0u128, 0, 0);
    for _ in 0..GROUP {
        if held < bits {
            buffer |= u128::from(group.next().copied().unwrap_or(0)) << held;
            held += u64::BITS;
        }
        let candidate = buffer as u64 & mask;
        buffer >>= bits;
        held -= bits;
        if let (true, Some(place)) = (candidate < q.value(), out.get_mut(written)) {
            *place = candidate;
            written += 1;
        }
    }
    written
}
