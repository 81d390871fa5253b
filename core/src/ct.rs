//! Masks and selects: the one place that argues with the optimiser.
//!
//! A mask is `0` or `u64::MAX`. It is made from a borrow, never from a `bool`, so that there is no condition for the
//! compiler to turn back into a branch. [`select`] also hides where its mask comes from; vectorised loops combine masks
//! by hand (a barrier would stop the vectoriser, and SIMD has no branches to re-introduce).

/// Returns `x`, but hides from the optimiser where it came from.
#[inline(always)]
#[must_use]
pub const fn barrier(x: u64) -> u64 {
    core::hint::black_box(x)
}

/// All ones if `x`, read as a signed number, is negative; otherwise zero.
#[inline(always)]
#[must_use]
pub const fn mask_negative(x: u64) -> u64 {
    ((x as i64) >> 63) as u64
}

/// All ones if `a < b`, otherwise zero. Range: `a, b < 2^63`.
#[inline(always)]
#[must_use]
pub const fn mask_less(a: u64, b: u64) -> u64 {
    mask_negative(a.wrapping_sub(b))
}

/// `a` where `mask` is all ones, `b` where it is zero.
#[inline(always)]
#[must_use]
pub const fn select(mask: u64, a: u64, b: u64) -> u64 {
    b ^ (barrier(mask) & (a ^ b))
}

/// `[0, 2q) → [0, q)`. Range: `q < 2^62`.
///
/// `x - q` lies in `[-q, q)`, so its sign bit says whether `q` must be added back.
#[inline(always)]
#[must_use]
pub const fn reduce_once(x: u64, q: u64) -> u64 {
    let d = x.wrapping_sub(q);
    d.wrapping_add(q & mask_negative(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduce_once_covers_its_whole_range() {
        for q in [3, 5, (1 << 60) - 93, (1 << 61) - 1, (1 << 62) - 57] {
            for x in [0, 1, q - 1, q, q + 1, 2 * q - 1] {
                assert_eq!(reduce_once(x, q), x % q, "x = {x}, q = {q}");
            }
        }
    }

    #[test]
    fn masks_select() {
        assert_eq!(mask_less(1, 2), u64::MAX);
        assert_eq!(mask_less(2, 2), 0);
        assert_eq!(mask_less((1 << 63) - 1, 0), 0);
        assert_eq!(select(mask_less(1, 2), 7, 9), 7);
        assert_eq!(select(mask_less(2, 1), 7, 9), 9);
        assert_eq!(barrier(5), 5);
    }
}
