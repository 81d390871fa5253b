//! Words on cache lines: vectors of eight never straddle two.

use alloc::alloc::{alloc_zeroed, handle_alloc_error};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ops::{Deref, DerefMut, Range};

use zeroize::Zeroize;

/// One cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
struct Line([u64; Self::WORDS]);

impl Line {
    const WORDS: usize = 8;
}

/// A fixed number of words, a multiple of eight, aligned to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlignedWords(Box<[Line]>);

impl AlignedWords {
    /// `count` zeros.
    ///
    /// # Panics
    /// If `count` is no multiple of eight.
    pub(crate) fn zeros(count: usize) -> Self {
        assert!(count.is_multiple_of(Line::WORDS));
        let lines = count >> Line::WORDS.trailing_zeros();
        match Layout::array::<Line>(lines) {
            Ok(layout) if lines > 0 => Self(zeroed(lines, layout).into_boxed_slice()),
            _ => Self(Box::default()),
        }
    }

    /// Copies of some stretches, one behind the other, `count` words in all. Allocated once: a buffer that grows would
    /// leave copies behind, and words can be secret.
    ///
    /// # Panics
    /// If a stretch does not begin and end at a multiple of eight within the words, or they are not `count` words.
    pub(crate) fn gather(&self, count: usize, stretches: impl Iterator<Item = Range<usize>>) -> Self {
        let shift = Line::WORDS.trailing_zeros();
        let mut lines = Vec::with_capacity(count >> shift);
        for stretch in stretches {
            assert!(stretch.start.is_multiple_of(Line::WORDS) && stretch.end.is_multiple_of(Line::WORDS));
            assert!(stretch.len() <= count - (lines.len() << shift));
            lines.extend_from_slice(&self.0[stretch.start >> shift..stretch.end >> shift]);
        }
        assert_eq!(lines.len() << shift, count);
        Self(lines.into_boxed_slice())
    }
}

/// So many zeros, not one by one: what `vec!` makes of them depends on the compiler's mood.
fn zeroed(lines: usize, layout: Layout) -> Vec<Line> {
    // SAFETY: the layout is that of `lines > 0` lines, and not empty.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    // SAFETY: the global allocator gave memory of this layout, which is that of a vector of so many lines; a line is words,
    // for which all bits zero is a value.
    unsafe { Vec::from_raw_parts(memory.cast(), lines, lines) }
}

impl Deref for AlignedWords {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        // SAFETY: a `Line` is eight words without padding, so the lines are that many initialised words, borrowed as
        // long as `self`.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * Line::WORDS) }
    }
}

impl DerefMut for AlignedWords {
    fn deref_mut(&mut self) -> &mut [u64] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * Line::WORDS) }
    }
}

impl Zeroize for AlignedWords {
    fn zeroize(&mut self) {
        (**self).zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_aligned_and_wiped() {
        let mut words = AlignedWords::zeros(24);
        assert_eq!((words.len(), words.as_ptr() as usize & 63), (24, 0));
        words[23] = 7;
        assert_eq!(words.clone()[20..], [0, 0, 0, 7]);
        assert_eq!(*words.gather(16, [16..24, 0..8].into_iter()), [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        words.zeroize();
        assert_eq!(*words, [0; 24]);
        assert!(AlignedWords::zeros(0).is_empty());
    }
}
