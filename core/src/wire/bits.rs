//! Words packed at a fixed number of bits, least significant bit first.

use alloc::vec::Vec;

/// Bytes of `count` words of `bits` bits. `count` is a multiple of 8, so that no bits are left over.
pub(super) const fn packed_len(count: usize, bits: u32) -> usize {
    debug_assert!(count & 7 == 0);
    (count >> 3) * bits as usize
}

/// Appends words below `2^bits`, `bits ≤ 64`.
pub(super) fn pack(words: &[u64], bits: u32, out: &mut Vec<u8>) {
    let mut buffer = 0u128;
    let mut held = 0;
    for &word in words {
        buffer |= u128::from(word) << held;
        held += bits;
        while held >= 8 {
            out.push(buffer as u8);
            buffer >>= 8;
            held -= 8;
        }
    }
}

/// Reads as many words as `out` holds; `bytes` has [`packed_len`] of them.
pub(super) fn unpack(bytes: &[u8], bits: u32, out: &mut [u64]) {
    debug_assert_eq!(bytes.len(), packed_len(out.len(), bits));
    let mask = u64::MAX >> (u64::BITS - bits);
    let mut bytes = bytes.iter();
    let mut buffer = 0u128;
    let mut held = 0;
    for word in out {
        while held < bits {
            buffer |= u128::from(*bytes.next().unwrap_or(&0)) << held;
            held += 8;
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
        fn unpack_inverts_pack(bits in 1u32..=64, words in proptest::collection::vec(any::<u64>(), 16)) {
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
