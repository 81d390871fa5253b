//! Layouts: any placement of values in slots, as data.
//!
//! The planner's own representations. A value may have copies, which make later layers cheaper and cost nothing to make
//! where a client, or a product with a plaintext, writes every slot anyway; and on complex slots two values may share one.

use core::fmt;

use tacit_model::{Conv2d, Shape};

use super::Representation;

/// What a slot holds: the index of a value in its real part, and of one in its imaginary part; nothing is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    re: Option<u32>,
    im: Option<u32>,
}

impl Cell {
    /// A value in the real part, if any.
    #[must_use]
    pub fn real(value: Option<usize>) -> Self {
        Self::pair(value, None)
    }

    /// A value in each part.
    #[must_use]
    pub fn pair(re: Option<usize>, im: Option<usize>) -> Self {
        let index = |value: Option<usize>| value.and_then(|value| u32::try_from(value).ok());
        Self { re: index(re), im: index(im) }
    }

    /// The index of the value in the real part.
    #[must_use]
    pub fn re(self) -> Option<usize> {
        self.re.map(|value| value as usize)
    }

    /// The index of the value in the imaginary part.
    #[must_use]
    pub fn im(self) -> Option<usize> {
        self.im.map(|value| value as usize)
    }
}

/// Values in messages of equal size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    kind: Kind,
    len: usize,
    /// Every value is there times this factor.
    pub(crate) factor: i128,
    cells: Vec<Vec<Cell>>,
    trace: Option<usize>,
}

/// What a layout is made for, with the slots of a segment where there are segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dense,
    Windows,
    PairedWindows,
    Blocks,
    Segmented(usize),
    Replicated(usize),
    ReplicatedPairs(usize),
    Spaced,
    Batched,
}

/// Blocks of equal size, one for each channel and phase of a feature map: the positions of one phase are those whose
/// coordinates have the same remainders modulo the strides that follow, so that each later window reads whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows and columns of phases.
    pub phases: [usize; 2],
    /// Slots from one row of positions to the next.
    pub pitch: usize,
    /// Slots of a block: a power of two.
    pub block: usize,
}

impl Layout {
    /// The messages' slots.
    #[must_use]
    pub fn cells(&self) -> &[Vec<Cell>] {
        &self.cells
    }

    /// Whether any slot holds a value in its imaginary part.
    #[must_use]
    pub fn is_paired(&self) -> bool {
        self.cells.iter().flatten().any(|cell| cell.im.is_some())
    }

    /// Slots of a segment, if the values are in segments.
    pub(crate) const fn period(&self) -> Option<usize> {
        match self.kind {
            Kind::Segmented(period) | Kind::Replicated(period) | Kind::ReplicatedPairs(period) => Some(period),
            _ => None,
        }
    }

    /// Whether every segment holds all values.
    pub(crate) const fn is_replicated(&self) -> bool {
        matches!(self.kind, Kind::Replicated(_) | Kind::ReplicatedPairs(_))
    }

    /// Whether every segment holds a share of the values, over and over.
    pub(crate) const fn is_segmented(&self) -> bool {
        matches!(self.kind, Kind::Segmented(_))
    }

    /// Every place of every value: message, slot, and whether it is in the imaginary part.
    #[must_use]
    pub(crate) fn places(&self) -> Vec<Vec<Place>> {
        let mut places = vec![Vec::new(); self.len];
        for (message, cells) in self.cells.iter().enumerate() {
            for (slot, cell) in cells.iter().enumerate() {
                for (value, imaginary) in [(cell.re(), false), (cell.im(), true)] {
                    value.into_iter().for_each(|value| places[value].push(Place { message, slot, imaginary }));
                }
            }
        }
        places
    }

    fn new(kind: Kind, len: usize, cells: Vec<Vec<Cell>>) -> Self {
        Self { kind, len, factor: 1, cells, trace: None }
    }

    /// One message; value `i` in slot `i`.
    #[must_use]
    pub fn dense(len: usize, slots: usize) -> Self {
        let cell = |slot: usize| Cell::real(Some(slot).filter(|&slot| slot < len));
        Self::new(Kind::Dense, len, vec![(0..slots).map(cell).collect()])
    }

    /// One message per position of a window, for a convolution whose outputs come out as `outputs`: a slot of message `j`
    /// holds what position `j` of the window sees for the output in that slot. If `paired`, two positions share a message.
    #[must_use]
    pub fn windows(conv: &Conv2d, input: Shape, output: Shape, outputs: &Self, paired: bool) -> Self {
        let [_, rows, columns] = output;
        let positions = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let windows: Vec<Vec<_>> = positions.map(|(row, column)| conv.window(input, row, column).collect()).collect();
        let (window, share) = (conv.window_len(), if paired { 2 } else { 1 });
        let seen = |cell: &Cell, j: usize| (j < window).then(|| windows[cell.re()? % windows.len()][j]).flatten();
        let message = |cells: &[Cell], j: usize| {
            let im = |cell: &Cell| if paired { seen(cell, j + 1) } else { None };
            cells.iter().map(|cell| Cell::pair(seen(cell, j), im(cell))).collect()
        };
        let cells = outputs.cells.iter().flat_map(|cells| (0..window).step_by(share).map(|j| message(cells, j)));
        let kind = if paired { Kind::PairedWindows } else { Kind::Windows };
        Self::new(kind, input.iter().product(), cells.collect())
    }

    /// Segments of `period` slots, each with its share of the values, in order, over and over. A dense layer of `outputs`
    /// rows then needs as many diagonals as a segment has values, and `outputs` and the diagonals must fit `period`:
    /// `None` if they do not for any.
    #[must_use]
    pub fn segmented(len: usize, outputs: usize, slots: usize, messages: usize) -> Option<Self> {
        let periods = core::iter::successors(Some(outputs.max(1).next_power_of_two()), |period| Some(2 * period));
        let shares = periods.take_while(|&period| period <= slots).map(|period| {
            let segments = messages * slots / period;
            (period, len.div_ceil(segments))
        });
        let (period, share) = shares.into_iter().find(|&(period, share)| outputs + share - 1 <= period)?;
        let value = |segment: usize, p: usize| Some(share * segment + p % share).filter(|&value| value < len);
        let cell = |slot: usize| Cell::real(value(slot / period, slot % period));
        let cells = (0..messages).map(|m| (0..slots).map(|slot| cell(m * slots + slot)).collect());
        Some(Self::new(Kind::Segmented(period), len, cells.collect()))
    }

    /// The channels and phases of a feature map in blocks, several to a message; blocks that do not fill a message are
    /// repeated in it. `None` if a block does not fit.
    #[must_use]
    pub fn grid(shape: Shape, grid: Grid, slots: usize) -> Option<Self> {
        let Grid { phases: [down, across], pitch, block } = grid;
        let [channels, rows, columns] = shape;
        let blocks = (channels * down * across).next_power_of_two();
        let per_message = slots.checked_div(block).filter(|&blocks| blocks > 0)?;
        let value = |slot: usize| {
            let (b, p) = (slot / block % blocks, slot % block);
            let (channel, phase) = (b / (down * across), b % (down * across));
            let (row, column) = (p / pitch * down + phase / across, p % pitch * across + phase % across);
            let inside = channel < channels && row < rows && column < columns;
            inside.then_some((channel * rows + row) * columns + column)
        };
        let messages = (channels * down * across).div_ceil(per_message);
        let cells = (0..messages).map(|m| (0..slots).map(|slot| Cell::real(value(m * slots + slot))).collect());
        Some(Self::new(Kind::Blocks, shape.iter().product(), cells.collect()))
    }

    /// One message in which every segment of `period` slots begins with all values; if `paired`, two to a slot, the second
    /// half in the imaginary parts.
    #[must_use]
    pub fn replicated(len: usize, period: usize, slots: usize, paired: bool) -> Self {
        let half = if paired { len.div_ceil(2) } else { len };
        let cell = |slot: usize| {
            let p = Some(slot % period).filter(|&p| p < half);
            Cell::pair(p, p.filter(|_| paired).map(|p| p + half).filter(|&value| value < len))
        };
        let kind = if paired { Kind::ReplicatedPairs(period) } else { Kind::Replicated(period) };
        Self::new(kind, len, vec![(0..slots).map(cell).collect()])
    }

    /// One message with value `i` in slot `period·i`; between them are sums of no use.
    #[must_use]
    pub fn spaced(len: usize, period: usize, slots: usize) -> Self {
        let cell = |slot: usize| Cell::real(slot.is_multiple_of(period).then_some(slot / period).filter(|&i| i < len));
        Self::new(Kind::Spaced, len, vec![(0..slots).map(cell).collect()])
    }

    /// A message per value, every slot of which is about another input: slots are all alike, and one stands for all.
    #[must_use]
    pub fn batched(len: usize) -> Self {
        Self::new(Kind::Batched, len, (0..len).map(|value| vec![Cell::real(Some(value))]).collect())
    }

    /// The same places, of values that are sums: of all slots of the place's row that are congruent to it modulo `period`.
    #[must_use]
    pub const fn traced(mut self, period: usize) -> Self {
        self.trace = Some(period);
        self
    }

    /// The same places for the squares of the values.
    #[must_use]
    pub(crate) fn squared(mut self) -> Self {
        self.factor *= self.factor;
        self
    }

    /// The same places for values that are `factor` times as large.
    #[must_use]
    pub(crate) fn times(mut self, factor: i128) -> Self {
        self.factor *= factor;
        self
    }
}

/// One place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) message: usize,
    pub(crate) slot: usize,
    pub(crate) imaginary: bool,
}

impl Representation for Layout {
    fn messages(&self) -> usize {
        self.cells.len()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn locate(&self, index: usize) -> (usize, usize) {
        if self.kind == Kind::Batched {
            return (index, 0);
        }
        let at = |cells: &Vec<Cell>| cells.iter().position(|cell| cell.re() == Some(index) || cell.im() == Some(index));
        let found = self.cells.iter().enumerate().find_map(|(message, cells)| Some((message, at(cells)?)));
        found.unwrap_or_default()
    }

    fn trace_period(&self) -> Option<usize> {
        self.trace
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dense => "dense",
            Self::Windows => "windows",
            Self::PairedWindows => "paired windows",
            Self::Blocks => "blocks",
            Self::Segmented(_) => "segmented",
            Self::Replicated(_) => "replicated",
            Self::ReplicatedPairs(_) => "replicated pairs",
            Self::Spaced => "spaced",
            Self::Batched => "batched",
        })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filled = |cells: &Vec<Cell>| cells.iter().filter(|cell| **cell != Cell::default()).count();
        let values = self.cells.first().map_or(0, filled);
        let traced = if self.trace.is_some() { ", traced" } else { "" };
        write!(f, "{} × {values} {}{traced}", self.cells.len(), self.kind)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Each value is where it says, and nowhere is one that does not exist.
    fn check(layout: &Layout) {
        for (value, places) in layout.places().iter().enumerate() {
            assert!(!places.is_empty(), "{layout}: value {value} is nowhere");
            let first = places.iter().find(|place| (place.message, place.slot) == layout.locate(value));
            assert!(first.is_some(), "{layout}: value {value}");
        }
    }

    #[test]
    fn every_value_has_a_place() {
        check(&Layout::segmented(845, 100, 4096, 1).unwrap());
        check(&Layout::segmented(4096, 102, 2048, 16).unwrap());
        check(&Layout::grid([3, 32, 32], Grid { phases: [4, 4], pitch: 8, block: 64 }, 4096).unwrap());
        check(&Layout::grid([64, 16, 16], Grid { phases: [2, 2], pitch: 8, block: 64 }, 4096).unwrap());
        check(&Layout::grid([5, 13, 13], Grid { phases: [1, 1], pitch: 14, block: 256 }, 4096).unwrap());
        check(&Layout::replicated(99, 64, 512, true));
        check(&Layout::spaced(10, 128, 4096));
        check(&Layout::batched(10));
    }

    #[test]
    fn segments_are_as_short_as_rows_and_diagonals_allow() {
        let layout = Layout::segmented(845, 100, 4096, 1).unwrap();
        // 32 segments of 128 slots, 27 values each: 100 rows and 27 diagonals fit.
        assert_eq!((layout.cells[0][0].re(), layout.cells[0][27].re()), (Some(0), Some(0)));
        assert_eq!(layout.cells[0][128].re(), Some(27));
        assert!(Layout::segmented(845, 5000, 4096, 1).is_none());
        assert!(Layout::segmented(4096, 102, 2048, 1).is_none());
    }

    #[test]
    fn pairs_share_slots() {
        let layout = Layout::replicated(99, 64, 512, true);
        assert!(layout.is_paired());
        assert_eq!((layout.cells[0][64 + 3].re(), layout.cells[0][64 + 3].im()), (Some(3), Some(53)));
        assert_eq!((layout.cells[0][49].re(), layout.cells[0][49].im()), (Some(49), None));
        assert_eq!(layout.to_string(), "1 × 400 replicated pairs");
    }
}
