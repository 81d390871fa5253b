//! What is known about a machine word.

/// From what is secret to what is public all the way. Joining two values gives what holds of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Depends on secret words.
    Secret,
    /// What a function finds in registers that it was not given: for nothing but to be put by and put back.
    Foreign,
    /// Public, but it is not known where it points.
    Lost,
    /// Public: points at secret words.
    Data,
    /// Public: points into a table of slices, one every 16 bytes, pointer before length. Behind the pointers are secret
    /// words at depth 1, tables of the depth below otherwise.
    Slices {
        depth: u8,
        /// Where in the 16 bytes, if that is known.
        offset: Option<u8>,
    },
    /// Public: points into the stack, so many bytes from where it began; there or beyond, if not `exact`.
    Stack { offset: i64, exact: bool },
    /// Public: points into what was allocated in one of these places of the program, a bit for each; or, with
    /// [`ELSEWHERE`], at what is public all the way.
    Heap(u64),
    /// Public: points at what is public all the way, or is a number.
    Public,
    /// Public: one of two functions, or of two places where the loader writes the address of one.
    Code([u64; 2]),
    /// A public number, which is no address.
    Number,
    /// This number.
    Constant(u64),
}

/// The bit of [`Value::Heap`] for no place.
pub(crate) const ELSEWHERE: u64 = 1 << 63;

use Value::{Code, Constant, Data, Foreign, Heap, Lost, Number, Public, Secret, Slices, Stack};

/// Below every stack.
const BOTTOM: i64 = i64::MIN / 2;

impl Value {
    pub(crate) fn is_secret(self) -> bool {
        self == Secret
    }

    /// The same, but for which number it is.
    pub(crate) fn any_number(self) -> Self {
        if let Constant(_) = self { Number } else { self }
    }

    pub(crate) fn is_public_all_the_way(self) -> bool {
        matches!(self, Public | Code(_) | Number | Constant(_))
    }

    /// What is known where two ways meet: what was known so far, and another value.
    pub(crate) fn join(self, other: Self) -> Self {
        match (self, other) {
            (x, y) if x == y => x,
            (Secret, _) | (_, Secret) => Secret,
            (Constant(_), x) | (x, Constant(_)) => Number.join(x),
            (Number, x) | (x, Number) => x,
            (Foreign, _) | (_, Foreign) => Lost,
            (Code([a, b]), Code([c, d])) if a == b && c == d => Code([a.min(c), a.max(c)]),
            (Code(one), Code([a, b])) | (Code([a, b]), Code(one)) if a == b && one.contains(&a) => Code(one),
            (Code(_), x) | (x, Code(_)) => Public.join(x),
            (Stack { offset: x, exact }, Stack { offset: y, .. }) => {
                // A loop that goes on downwards must come to an end.
                Stack { offset: if !exact && y < x { BOTTOM } else { x.min(y) }, exact: false }
            }
            (Heap(x), Heap(y)) => Heap(x | y),
            (Heap(x), Public) | (Public, Heap(x)) => Heap(x | ELSEWHERE),
            (Stack { .. } | Heap(_) | Lost, _) | (_, Stack { .. } | Heap(_) | Lost) => Lost,
            (Data, _) | (_, Data) => Data,
            (Slices { depth: x, .. }, Slices { depth: y, .. }) => Slices { depth: x.min(y), offset: None },
            (slices @ Slices { .. }, _) | (_, slices) => slices,
        }
    }

    /// The result of arithmetic: an address with a public number added stays what it was.
    ///
    /// Indices count upwards and whole elements: a number added to the address of an array leads beyond it, and does not
    /// change where in its 16 bytes a slice is.
    pub(crate) fn mix(self, other: Self) -> Self {
        match (self.any_number(), other.any_number()) {
            (Secret | Foreign, _) | (_, Secret | Foreign) => Secret,
            (Stack { .. }, Stack { .. }) => Number,
            (Heap(_), Heap(_)) => Number,
            (heap @ Heap(_), Number | Public) | (Number | Public, heap @ Heap(_)) => heap,
            (Stack { offset, .. }, Number | Public) | (Number | Public, Stack { offset, .. }) => {
                Stack { offset, exact: false }
            }
            (x, y) => x.join(y),
        }
    }

    /// The result of adding a constant.
    pub(crate) fn shifted(self, by: i64) -> Self {
        match self {
            Stack { offset, exact } => Stack { offset: offset.saturating_add(by).max(BOTTOM), exact },
            Slices { depth, offset } => {
                Slices { depth, offset: offset.map(|offset| (i64::from(offset) + by).rem_euclid(16) as u8) }
            }
            Constant(_) => Number,
            other => other,
        }
    }

    /// What lies at this address, eight bytes by eight. `None` where nothing is known to lie. States know what is on
    /// the stack and in what was allocated.
    pub(crate) fn pointee(self, word: usize) -> Option<Self> {
        Some(match self {
            // The worst there is, where anything may be.
            Data | Secret | Lost => Secret,
            Slices { depth, offset } => match (depth, offset.map(|offset| (usize::from(offset) + 8 * word) % 16)) {
                (_, Some(8)) => Number,
                (1, _) => Data,
                (depth, _) => Slices { depth: depth - 1, offset: Some(0) },
            },
            Public | Code(_) => Public,
            Foreign | Number | Constant(_) | Stack { .. } | Heap(_) => return None,
        })
    }
}
