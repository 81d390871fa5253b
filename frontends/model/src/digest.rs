//! SHA-256 values: what identifies an architecture, a network, a model file.

use core::fmt;
use core::str::FromStr;

use sha2::Digest as _;

/// A SHA-256 value. Displays as 64 lower-case hexadecimal characters, and parses from exactly these.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// The text is not 64 lower-case hexadecimal characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 value: expected 64 lower-case hexadecimal characters")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(ParseDigestError);
        }
        let mut bytes = [0; 32];
        for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(high)? << 4 | nibble(low)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(character: u8) -> Result<u8, ParseDigestError> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(ParseDigestError),
    }
}

/// Hashes a sequence of fields.
///
/// Texts and lists are preceded by their length, so two different sequences never meet in one encoding.
pub(crate) struct Hasher(sha2::Sha256);

impl Hasher {
    /// An empty sequence.
    pub(crate) fn new() -> Self {
        Self(sha2::Sha256::new())
    }

    /// An empty sequence in the domain `label`.
    pub(crate) fn with_label(label: &str) -> Self {
        let mut hasher = Self::new();
        hasher.text(label);
        hasher
    }

    /// Bytes as they are, without their length.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// A number, as eight little-endian bytes.
    pub(crate) fn number(&mut self, number: usize) {
        self.bytes(&(number as u64).to_le_bytes());
    }

    /// Numbers, one after the other: for lists whose length is fixed by what precedes them.
    pub(crate) fn numbers(&mut self, numbers: &[usize]) {
        numbers.iter().for_each(|&number| self.number(number));
    }

    /// A text after its length in bytes.
    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len());
        self.bytes(text.as_bytes());
    }

    /// The digest of the sequence.
    pub(crate) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, example "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn known_answer_and_round_trip() {
        let mut hasher = Hasher::new();
        hasher.bytes(b"abc");
        let digest = hasher.finish();
        assert_eq!(digest.to_string(), ABC);
        assert_eq!(ABC.parse::<Digest>(), Ok(digest));
    }

    #[test]
    fn refuses_other_texts() {
        for text in ["", "ba", &ABC[..63], &ABC.to_uppercase(), &format!("{ABC}00"), &ABC.replace('b', "g")] {
            assert_eq!(text.parse::<Digest>(), Err(ParseDigestError), "{text}");
        }
    }

    #[test]
    fn texts_do_not_run_together() {
        let of = |texts: [&str; 2]| {
            let mut hasher = Hasher::with_label("test");
            texts.iter().for_each(|text| hasher.text(text));
            hasher.finish()
        };
        assert_ne!(of(["ab", "c"]), of(["a", "bc"]));
    }
}
