//! Words packed at a fixed number of bits, least significant bit first.

use alloc::vec::Vec;

/// Bytes of `count` words of `bits` bits. `count` is a multiple of 8, so that no bits are left over.
pub(super) const fn packed_len(count: usize, bits: u32) -> usize {
    debug_assert!(count & 7 == 0);
    (count >> 3) * bits as usize
}

/// Appends words below `2^bits`, `bits ≤ 64`; a multiple of 8 of them.
pub(super) fn pack(words: &[u64], bits: u32, out: &mut Vec<u8>) {
    let mut buffer = 0u128;
    let mut held = 0;
    for &word in words {
        buffer |= u128::from(word) << held;
        held += bits;
        if held >= u64::BITS {
            out.extend_from_slice(&(buffer as u64).to_le_bytes());
            buffer >>= u64::BITS;
            held -= u64::BITS;
        }
    }
    out.extend_from_slice(&(buffer as u64).to_le_bytes()[..held as usize >> 3]);
}

/// The longest words that lie within eight bytes wherever they begin.
const MAX_FRAMED_BITS: u32 = 57;

/// Reads as many words as `out` holds, a multiple of 8; `bytes` has [`packed_len`] of them.
pub(super) fn unpack(bytes: &[u8], bits: u32, out: &mut [u64]) {
    debug_assert_eq!(bytes.len(), packed_len(out.len(), bits));
    if bits > MAX_FRAMED_BITS {
        return unpack_in_order(bytes, bits, out);
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
fn unpack_in_order(bytes: &[u8], bits: u32, out: &mut [u64]) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn layout_is_little_endian() {
        let mut out = Vec::new();
        pack(&[1, 2, 3, 0, 1, 2, 3, 3], 2, &mut out);
        assert_eq!(out, [0b00_11_10_01, 0b11_11_10_01]);
    }

    proptest! {
        #[test]
        fn unpack_inverts_pack(bits in 1u32..=64, words in (1usize..5).prop_flat_map(|n| proptest::collection::vec(any::<u64>(), 8 * n))) {
            let words: Vec<u64> = words.iter().map(|w| w >> (64 - bits)).collect();
            let mut bytes = Vec::new();
            pack(&words, bits, &mut bytes);
            prop_assert_eq!(bytes.len(), packed_len(words.len(), bits));
            let mut out = vec![0; words.len()];
            unpack(&bytes, bits, &mut out);
            prop_assert_eq!(out, words);
        }
    }
}
