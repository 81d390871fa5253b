//! Representations: which value of a vector sits in which slot of which message.
//!
//! The types are those of Brutzkus, Elisha and Gilad-Bachrach, "Low latency privacy preserving inference" (ICML 2019),
//! section 5. A *message* is one ciphertext; its *slots* are one row of the plaintext, so that a rotation by any number
//! of steps is one key switch. Slots that hold no value are zero, unless said otherwise.

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
}

/// The input values that each slot of each message of a query holds: entry `[j][s]` is the index of the one in slot `s` of
/// message `j`, or `None` for zero.
pub type InputLayout = Vec<Vec<Option<usize>>>;

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

/// One message in segments of `period` slots: segment `c` holds the values `per_segment·c + (p mod per_segment)` at its
/// slots `p`, over and over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segmented {
    /// Values.
    pub len: usize,
    /// Slots of a segment: a power of two.
    pub period: usize,
    /// Values of a segment.
    pub per_segment: usize,
    /// Slots of the message.
    pub slots: usize,
}

/// A message per kernel position, for a convolution whose outputs come out [`Segmented`]: slot `s` of message `j` is what
/// position `j` of the window sees for the output in slot `s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Kernel positions, over all channels: messages.
    pub window: usize,
    /// Windows of one map.
    pub positions: usize,
    /// Where the outputs go.
    pub segments: Segmented,
}

/// One message in which every segment of `period` slots begins with all values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replicated {
    /// Values.
    pub len: usize,
    /// Slots of a segment.
    pub period: usize,
}

/// One message; value `i` in slot `period·i`, sums of no use between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spaced {
    /// Values.
    pub len: usize,
    /// Slots from one value to the next.
    pub period: usize,
}

impl Segmented {
    /// The layout of `len` values for a dense layer with `outputs` rows on messages of `slots`: the shortest segments in
    /// which the diagonals of every output stay. `None` if there is none.
    #[must_use]
    pub fn for_outputs(len: usize, outputs: usize, slots: usize) -> Option<Self> {
        let periods = core::iter::successors(Some(outputs.max(1).next_power_of_two()), |period| Some(2 * period));
        let layouts = periods.take_while(|&period| period <= slots).map(|period| Self {
            len,
            period,
            per_segment: len.div_ceil(slots / period),
            slots,
        });
        layouts.into_iter().find(|layout| outputs + layout.per_segment - 1 <= layout.period)
    }

    /// The index of the value in a slot; `None` past the last.
    #[must_use]
    pub fn value_at(&self, slot: usize) -> Option<usize> {
        let (segment, p) = (slot / self.period, slot % self.period);
        Some(self.per_segment * segment + p % self.per_segment).filter(|&value| value < self.len)
    }

    /// Slots that hold a function of the index of their value, and zero where there is none.
    #[must_use]
    pub fn spread(&self, value: impl Fn(usize) -> i128) -> Vec<i128> {
        (0..self.slots).map(|slot| self.value_at(slot).map_or(0, &value)).collect()
    }
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

impl Representation for Segmented {
    fn messages(&self) -> usize {
        1
    }

    fn len(&self) -> usize {
        self.len
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (0, self.period * (index / self.per_segment) + index % self.per_segment)
    }
}

impl Representation for Windows {
    fn messages(&self) -> usize {
        self.window
    }

    fn len(&self) -> usize {
        self.window * self.positions
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (index / self.positions, self.segments.locate(index % self.positions).1)
    }
}

impl Representation for Replicated {
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

impl Representation for Spaced {
    fn messages(&self) -> usize {
        1
    }

    fn len(&self) -> usize {
        self.len
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        (0, self.period * index)
    }
}

impl fmt::Display for Segmented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 × {} segmented", self.len)
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} windows", self.window, self.segments.len)
    }
}

impl fmt::Display for Replicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 × {} replicated", self.len)
    }
}

impl fmt::Display for Spaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 × {} spaced", self.len)
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
