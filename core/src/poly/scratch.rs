//! Buffers that outlive an operation, so that the next one allocates nothing.

use alloc::vec::Vec;

use super::{Poly, Ring};
use crate::backend::AlignedWords;

/// The work space of one thread. It grows to what the largest operation needs and then stays; operations of the same
/// sizes find every buffer here. It holds ciphertexts and evaluation keys in pieces: public data, never a secret.
#[derive(Debug, Default)]
pub struct Scratch {
    free: Vec<AlignedWords>,
}

impl Scratch {
    /// An empty work space.
    #[must_use]
    pub const fn new() -> Self {
        Self { free: Vec::new() }
    }

    /// `count` words of unspecified content, a multiple of eight.
    pub(crate) fn words(&mut self, count: usize) -> AlignedWords {
        match self.free.iter().rposition(|words| words.len() == count) {
            Some(found) => self.free.swap_remove(found),
            None => AlignedWords::zeros(count),
        }
    }

    /// A polynomial of unspecified content.
    pub(crate) fn poly<D>(&mut self, ring: &Ring) -> Poly<D> {
        Poly::from_residues(self.words(ring.degree() * ring.basis().len()), ring.degree())
    }

    /// Takes words back.
    pub(crate) fn give(&mut self, words: AlignedWords) {
        self.free.push(words);
    }

    /// Takes a polynomial back.
    pub(crate) fn give_poly<D>(&mut self, poly: Poly<D>) {
        self.give(poly.residues);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back() {
        let mut scratch = Scratch::new();
        let words = scratch.words(64);
        let place = words.as_ptr();
        scratch.give(words);
        assert_ne!(scratch.words(32).as_ptr(), place);
        assert_eq!(scratch.words(64).as_ptr(), place);
        assert!(scratch.free.is_empty());
    }
}
