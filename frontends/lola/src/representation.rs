//! Representations: which value of a vector sits in which slot of which message.
//!
//! The types are those of Brutzkus, Elisha and Gilad-Bachrach, "Low latency privacy preserving inference" (ICML 2019),
//! section 5. A *message* is one ciphertext; its *slots* are one row of the plaintext, so that a rotation by any number
//! of steps is one key switch. Slots that hold no value are zero, unless said otherwise.

mod layout;

pub(crate) use layout::Place;
pub use layout::{Cell, Grid, Layout};

use core::fmt;

/// Where a vector's values are.
pub trait Representation: fmt::Display {
    /// How many messages there are.
    fn messages(&self) -> usize;

    /// How many values are represented.
    fn len(&self) -> usize;

    /// Whether there are no values.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Message and slot of the value at `index`, the first of them if there are copies.
    fn locate(&self, index: usize) -> (usize, usize);

    /// The period modulo which slots of a row are congruent that make a value, if they must or may be summed by whoever
    /// decrypts.
    fn trace_period(&self) -> Option<usize> {
        None
    }
}

/// One message; value `i` in slot `i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Values.
    pub len: usize,
}

/// A message per map, each dense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenseMaps {
    /// Messages.
    pub maps: usize,
    /// Values of each.
    pub len: usize,
}

/// A message per value, which is in every slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sparse {
    /// Values, and messages.
    pub len: usize,
}

/// One message; copy `c` of value `i` in slot `c·block + i`, zeros up to the end of the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stacked {
    /// Values of one copy.
    pub len: usize,
    /// Slots from one copy to the next: a power of two, at least `len`.
    pub block: usize,
    /// Copies.
    pub copies: usize,
}

/// Values in messages of `per_message` each, at the starts of blocks; the slots between hold partial sums of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterleavedParts {
    /// Values.
    pub len: usize,
    /// Slots from one value to the next of its message.
    pub block: usize,
    /// Values of one message.
    pub per_message: usize,
}

/// One message; value `i` in slot `block·(i mod width) + ⌊i/width⌋`: the parts put beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interleaved {
    /// Values.
    pub len: usize,
    /// Slots from one block to the next.
    pub block: usize,
    /// Blocks.
    pub width: usize,
}

/// A message per kernel position; the values under all windows' position `j` are the first slots of message `j`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Kernel positions, over all channels: messages.
    pub window: usize,
    /// Windows: values of each message.
    pub positions: usize,
}

impl Representation for Dense {
    fn messages(&self) -> usize {
        1
    }

    fn len(&self) -> usize {
        self.len
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (0, index)
    }
}

impl Representation for DenseMaps {
    fn messages(&self) -> usize {
        self.maps
    }

    fn len(&self) -> usize {
        self.maps * self.len
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (index / self.len, index % self.len)
    }
}

impl Representation for Sparse {
    fn messages(&self) -> usize {
        self.len
    }

    fn len(&self) -> usize {
        self.len
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (index, 0)
    }
}

impl Representation for Stacked {
    fn messages(&self) -> usize {
        1
    }

    fn len(&self) -> usize {
        self.len
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (0, index)
    }
}

impl Representation for InterleavedParts {
    fn messages(&self) -> usize {
        self.len.div_ceil(self.per_message)
    }

    fn len(&self) -> usize {
        self.len
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (index / self.per_message, self.block * (index % self.per_message))
    }
}

impl Representation for Interleaved {
    fn messages(&self) -> usize {
        1
    }

    fn len(&self) -> usize {
        self.len
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (0, self.block * (index % self.width) + index / self.width)
    }
}

impl Representation for Convolution {
    fn messages(&self) -> usize {
        self.window
    }

    fn len(&self) -> usize {
        self.window * self.positions
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (index / self.positions, index % self.positions)
    }
}

impl fmt::Display for Dense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 × {} dense", self.len)
    }
}

impl fmt::Display for DenseMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} dense", self.maps, self.len)
    }
}

impl fmt::Display for Sparse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 × {} sparse", self.len)
    }
}

impl fmt::Display for Stacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 × {} stacked", self.len * self.copies)
    }
}

impl fmt::Display for InterleavedParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} interleave", self.messages(), self.per_message)
    }
}

impl fmt::Display for Interleaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 × {} interleave", self.len)
    }
}

impl fmt::Display for Convolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} convolution", self.window, self.positions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_values_share_a_slot() {
        let all: [(&dyn Representation, &str); 7] = [
            (&Dense { len: 845 }, "1 × 845 dense"),
            (&DenseMaps { maps: 5, len: 169 }, "5 × 169 dense"),
            (&Sparse { len: 10 }, "1 × 10 sparse"),
            (&Stacked { len: 845, block: 1024, copies: 8 }, "1 × 6760 stacked"),
            (&InterleavedParts { len: 100, block: 1024, per_message: 8 }, "13 × 8 interleave"),
            (&Interleaved { len: 100, block: 1024, width: 8 }, "1 × 100 interleave"),
            (&Convolution { window: 25, positions: 169 }, "25 × 169 convolution"),
        ];
        for (representation, name) in all {
            assert_eq!(representation.to_string(), name);
            let places: HashSet<_> = (0..representation.len()).map(|i| representation.locate(i)).collect();
            assert_eq!(places.len(), representation.len(), "{name}");
            assert!(places.iter().all(|&(message, slot)| message < representation.messages() && slot < 8192));
            assert!(!representation.is_empty());
        }
    }
}
