//! Output files that appear whole or not at all.
//!
//! Bytes go to a temporary file in the same folder, reach the disk, and then take the file's name in one step. What had
//! the name before stays untouched if anything fails on the way.

use std::fs::{self, File, Permissions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::is_stream;
use crate::error::CliError;
use crate::interrupt;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever the user's mask lets.
    Public,
    /// The owner alone, from the first moment on.
    Owner,
}

/// A place to write to that was found usable.
#[derive(Debug)]
pub(crate) struct Output {
    asked: PathBuf,
    place: Place,
    access: Access,
    replace: bool,
}

#[derive(Debug)]
enum Place {
    Stdout,
    /// A device or pipe: it cannot be replaced and is written to as it is.
    Device,
    /// A file, or none yet; links are resolved so that they stay links.
    File(PathBuf),
}

impl Output {
    /// Looks at the place before the work that the output costs: the folder must be there and writable.
    pub(crate) fn new(asked: &Path, access: Access, replace: bool) -> Result<Self, CliError> {
        let place = find(asked)?;
        let output = Self { asked: asked.into(), place, access, replace };
        match &output.place {
            Place::Stdout if io::stdout().is_terminal() => return Err(CliError::BinaryToTerminal),
            Place::File(file) => {
                if !replace && file.exists() {
                    return Err(CliError::Exists { file: asked.into() });
                }
                output.discard(output.temporary(file)?);
            }
            Place::Stdout | Place::Device => {}
        }
        Ok(output)
    }

    /// The first bytes of what the output would replace.
    pub(crate) fn existing_head(&self, length: usize) -> Vec<u8> {
        let mut head = Vec::new();
        if let Place::File(file) = &self.place
            && let Ok(open) = File::open(file)
        {
            // What cannot be read has no head.
            let _ = io::Read::read_to_end(&mut io::Read::take(open, length as u64), &mut head);
        }
        head
    }

    /// The name that was asked for.
    pub(crate) fn name(&self) -> &Path {
        &self.asked
    }

    /// Writes all bytes.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), CliError> {
        match &self.place {
            // Here a reader that leaves early has lost something.
            Place::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(CliError::Output)
            }
            Place::Device => self.write_device(bytes).map_err(|error| self.failed(error)),
            Place::File(_) => commit([self.stage(bytes)?]),
        }
    }

    /// Writes all bytes to the disk, but not yet under their name.
    pub(crate) fn stage(&self, bytes: &[u8]) -> Result<Staged<'_>, CliError> {
        let Place::File(target) = &self.place else { return Err(CliError::Exists { file: self.asked.clone() }) };
        let mut staged = Staged { output: self, target, temporary: Some(self.temporary(target)?) };
        let file = staged.temporary.as_mut().map(NamedTempFile::as_file_mut);
        file.map_or(Ok(()), |file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .map_err(|error| self.failed(error))?;
        Ok(staged)
    }

    fn temporary(&self, target: &Path) -> Result<NamedTempFile, CliError> {
        let folder = folder_of(target);
        let mut builder = Builder::new();
        builder.prefix(".tacit-").suffix(".part");
        permissions(self.access, |permissions| {
            builder.permissions(permissions);
        });
        interrupt::create(|| builder.tempfile_in(folder), NamedTempFile::path).map_err(|error| {
            // The reason without the temporary name, which means nothing to the user.
            self.failed(error.raw_os_error().map_or(error.kind().into(), io::Error::from_raw_os_error))
        })
    }

    fn discard(&self, temporary: NamedTempFile) {
        let path = temporary.path().to_owned();
        interrupt::release(&path, || drop(temporary));
    }

    fn write_device(&self, bytes: &[u8]) -> io::Result<()> {
        let mut device = File::options().write(true).open(&self.asked)?;
        device.write_all(bytes)
    }

    fn failed(&self, error: io::Error) -> CliError {
        CliError::Write { file: self.asked.clone(), error }
    }
}

/// A file that is complete but for its name; removed if it gets none.
#[derive(Debug)]
pub(crate) struct Staged<'a> {
    output: &'a Output,
    target: &'a Path,
    temporary: Option<NamedTempFile>,
}

impl Staged<'_> {
    fn commit(&mut self) -> Result<(), CliError> {
        let Some(temporary) = self.temporary.take() else { return Ok(()) };
        let path = temporary.path().to_owned();
        let persisted = interrupt::release(&path, || {
            if self.output.replace { temporary.persist(self.target) } else { temporary.persist_noclobber(self.target) }
        });
        persisted.map_err(|failed| match failed.error.kind() {
            io::ErrorKind::AlreadyExists => CliError::Exists { file: self.output.asked.clone() },
            _ => self.output.failed(failed.error),
        })?;
        // The name, too, should survive a power cut. Not every file system can do it.
        let _ = File::open(folder_of(self.target)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            self.output.discard(temporary);
        }
    }
}

/// Gives files their names: all of them, or none.
pub(crate) fn commit<'a, const N: usize>(mut files: [Staged<'a>; N]) -> Result<(), CliError> {
    for number in 0..N {
        if let Err(error) = files[number].commit() {
            // What was replaced is gone, but what is new must not stay alone.
            for done in files[..number].iter().filter(|done| !done.output.replace) {
                let _ = fs::remove_file(done.target);
            }
            return Err(error);
        }
    }
    Ok(())
}

fn find(asked: &Path) -> Result<Place, CliError> {
    if is_stream(asked) {
        return Ok(Place::Stdout);
    }
    match fs::metadata(asked) {
        Ok(metadata) if metadata.is_dir() => Err(CliError::IsFolder { file: asked.into() }),
        Ok(metadata) if !metadata.is_file() => Ok(Place::Device),
        Ok(_) => {
            fs::canonicalize(asked).map(Place::File).map_err(|error| CliError::Write { file: asked.into(), error })
        }
        Err(_) => {
            let folder = folder_of(asked);
            if !folder.is_dir() {
                return Err(CliError::NoFolder { file: asked.into(), folder: folder.into() });
            }
            if asked.file_name().is_none() {
                return Err(CliError::IsFolder { file: asked.into() });
            }
            Ok(Place::File(asked.into()))
        }
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn permissions(access: Access, set: impl FnOnce(Permissions)) {
    use std::os::unix::fs::PermissionsExt;
    set(Permissions::from_mode(match access {
        // Less the user's mask, as for any file.
        Access::Public => 0o666,
        Access::Owner => 0o600,
    }));
}

#[cfg(not(unix))]
fn permissions(_: Access, _: impl FnOnce(Permissions)) {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_appear_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        Output::new(&file, Access::Public, false).unwrap().write(b"one").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"one");
        assert!(matches!(Output::new(&file, Access::Public, false), Err(CliError::Exists { .. })));
        let output = Output::new(&file, Access::Public, true).unwrap();
        assert_eq!(output.existing_head(2), b"on");
        output.write(b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn what_is_staged_and_not_committed_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::new(&folder.path().join("a"), Access::Owner, false).unwrap();
        let staged = output.stage(b"secret").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(staged);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn of_two_new_files_none_stays_alone() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        let [a, b] = paths.each_ref().map(|path| Output::new(path, Access::Public, false).unwrap());
        let staged = [a.stage(b"1").unwrap(), b.stage(b"2").unwrap()];
        fs::write(&paths[1], b"came between").unwrap();
        assert!(matches!(commit(staged), Err(CliError::Exists { .. })));
        assert_eq!(names(folder.path()), ["b"]);
        assert_eq!(fs::read(&paths[1]).unwrap(), b"came between");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_devices_devices() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Output::new(&link, Access::Public, true).unwrap().write(b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        Output::new(Path::new("/dev/null"), Access::Public, true).unwrap().write(b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
