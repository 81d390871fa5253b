//! Files: bounded reading, the secret key, and the `-` that stands for standard input and output.

mod output;

pub(crate) use output::{Access, Output, commit};

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::CliError;

/// The most bytes of a key or message file: far above any that is made.
pub(crate) const MAX_MESSAGE: u64 = 1 << 30;

/// The most bytes of a picture file.
pub(crate) const MAX_PICTURE: u64 = 64 << 20;

/// The most bytes of a secret key: those that are made have a few thousand.
const MAX_SECRET: u64 = 1 << 20;

/// Whether a file name stands for the standard input or output.
pub(crate) fn is_stream(file: &Path) -> bool {
    file == Path::new("-")
}

/// A file name as errors show it.
pub(crate) fn shown(file: &Path) -> String {
    if is_stream(file) { "standard input".into() } else { file.display().to_string() }
}

/// All bytes of a file or of the standard input, if they are at most `limit`.
pub(crate) fn read(file: &Path, limit: u64) -> Result<Vec<u8>, CliError> {
    let read = if is_stream(file) {
        read_to_limit(io::stdin().lock(), 0, limit)
    } else {
        File::open(file).and_then(|open| {
            let length = open.metadata()?.len();
            read_to_limit(open, length, limit)
        })
    };
    let bytes = read.map_err(|error| CliError::Read { file: file.into(), error })?;
    if bytes.len() as u64 > limit {
        return Err(CliError::TooLarge { file: file.into(), limit });
    }
    Ok(bytes)
}

/// The bytes of a secret key, if no one but its owner can read the file. Wiped on drop.
pub(crate) fn read_secret(file: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let failed = |error| CliError::Read { file: file.into(), error };
    let open = File::open(file).map_err(failed)?;
    // Asked of the open file: a name could mean another file a moment later.
    let metadata = open.metadata().map_err(failed)?;
    check_private(file, &metadata)?;
    if metadata.len() > MAX_SECRET {
        return Err(CliError::TooLarge { file: file.into(), limit: MAX_SECRET });
    }
    // One allocation that is never moved leaves one copy to wipe.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    open.take(metadata.len()).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(unix)]
fn check_private(file: &Path, metadata: &std::fs::Metadata) -> Result<(), CliError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(CliError::Exposed { file: file.into(), mode }) }
}

/// Elsewhere the folder's own protection has to do.
#[cfg(not(unix))]
fn check_private(_: &Path, _: &std::fs::Metadata) -> Result<(), CliError> {
    Ok(())
}

/// The announced length saves copies but is not believed: it may be that of a device, or change.
fn read_to_limit(reader: impl Read, announced: u64, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(announced.min(limit) as usize + 1)?;
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
