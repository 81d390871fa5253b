//! What goes between the halves: a header with the deployment's fingerprint, then core values back to back.

use tacit_core::error::WireError;
use tacit_core::params::Params;
use tacit_core::wire::{self, Wire};
use zeroize::Zeroizing;

use crate::error::{Fingerprint, MessageError, MessageKind, Named};

const MAGIC: [u8; 4] = *b"TLOL";
const VERSION: u16 = 1;

/// Length of the header.
pub(crate) const HEADER_BYTES: usize = MAGIC.len() + 4 + 16;

impl MessageKind {
    /// What a message says it is, by its first bytes alone; `None` if it is no message.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let &[_, _, tag] = rest.first_chunk()?;
        if *magic == MAGIC { Self::from_tag(tag) } else { None }
    }
}

/// A message of `parts`. The buffer is allocated once and wiped on drop.
pub(crate) fn write<T: Wire>(kind: MessageKind, of: Fingerprint, params: &Params, parts: &[T]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(write_public(kind, of, params, parts))
}

/// As [`write()`], of parts that are public. The buffer is allocated once.
pub(crate) fn write_public<T: Wire>(kind: MessageKind, of: Fingerprint, params: &Params, parts: &[T]) -> Vec<u8> {
    let part_len = |part: &T| wire::HEADER_BYTES + part.body_len(params);
    let mut out = Vec::with_capacity(HEADER_BYTES + parts.iter().map(part_len).sum::<usize>());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[kind as u8, 0]);
    out.extend_from_slice(&of.0);
    parts.iter().for_each(|part| part.append_to(params, &mut out));
    out
}

/// The `count` parts of a message, each of the same length.
pub(crate) fn read<T: Wire>(
    kind: MessageKind,
    of: Fingerprint,
    params: &Params,
    bytes: &[u8],
    count: usize,
    part_len: usize,
) -> Result<Vec<T>, MessageError> {
    read_with(kind, of, bytes, (count, part_len), |bytes| T::from_bytes(params, bytes))
}

/// As [`read`], for parts that are read in some other way; `sizes` are their number and the length of each.
pub(crate) fn read_with<'a, T>(
    kind: MessageKind,
    of: Fingerprint,
    bytes: &'a [u8],
    (count, part_len): (usize, usize),
    decode: impl Fn(&'a [u8]) -> Result<T, WireError>,
) -> Result<Vec<T>, MessageError> {
    let body = body(kind, of, bytes)?;
    let expected = count * part_len;
    if body.len() != expected {
        return Err(MessageError::Length { expected: HEADER_BYTES + expected, found: bytes.len() });
    }
    let parts = body.chunks_exact(part_len.max(1)).enumerate();
    parts.map(|(part, bytes)| decode(bytes).map_err(|error| MessageError::Part { part, error })).collect()
}

/// A message of one part, whose length is its own matter.
pub(crate) fn read_one<T: Wire>(
    kind: MessageKind,
    of: Fingerprint,
    params: &Params,
    bytes: &[u8],
) -> Result<T, MessageError> {
    decode(params, 0, body(kind, of, bytes)?)
}

fn decode<T: Wire>(params: &Params, part: usize, bytes: &[u8]) -> Result<T, MessageError> {
    T::from_bytes(params, bytes).map_err(|error: WireError| MessageError::Part { part, error })
}

/// What follows a header of the right kind, version and deployment.
fn body(kind: MessageKind, of: Fingerprint, bytes: &[u8]) -> Result<&[u8], MessageError> {
    let (magic, rest) = bytes.split_first_chunk().ok_or(MessageError::Magic)?;
    if *magic != MAGIC {
        return Err(MessageError::Magic);
    }
    let short = MessageError::Length { expected: HEADER_BYTES, found: bytes.len() };
    let (version, rest) = rest.split_first_chunk().ok_or(short.clone())?;
    let found = u16::from_le_bytes(*version);
    if found != VERSION {
        return Err(MessageError::Version { found, supported: VERSION });
    }
    let (&[tag, reserved], rest) = rest.split_first_chunk().ok_or(short.clone())?;
    if tag != kind as u8 {
        return Err(MessageError::Kind { expected: Named(kind), found: tag });
    }
    if reserved != 0 {
        return Err(MessageError::Reserved { found: reserved });
    }
    let (fingerprint, rest) = rest.split_first_chunk().ok_or(short)?;
    let found = Fingerprint(*fingerprint);
    if found == of { Ok(rest) } else { Err(MessageError::Deployment { expected: of, found }) }
}
