//! Interrupts: no half-written file stays behind, and the exit code is 130.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The exit code of an interrupted command: 128 and the number of the signal.
const INTERRUPTED: i32 = 130;

/// The temporary files that exist at the moment. Whoever creates, renames or removes one holds the lock meanwhile, so
/// that an interrupt finds a list that is true.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes temporary files on an interrupt, then ends the process.
pub(crate) fn install() {
    // Where no handler can be installed the system's own stays, which ends the process just as well.
    let _ = ctrlc::set_handler(|| {
        // Held until the end: nothing is created or renamed any more.
        let temporaries = lock();
        for file in temporaries.iter() {
            let _ = std::fs::remove_file(file);
        }
        let _ = writeln!(std::io::stderr(), "\nerror: interrupted");
        std::process::exit(INTERRUPTED);
    });
}

/// Runs `change`, which creates a temporary file, and remembers the file.
pub(crate) fn create<T, E>(change: impl FnOnce() -> Result<T, E>, path: impl FnOnce(&T) -> &Path) -> Result<T, E> {
    let mut temporaries = lock();
    let created = change()?;
    temporaries.push(path(&created).into());
    Ok(created)
}

/// Runs `change`, after which the temporary file at `path` is no more, and forgets it.
pub(crate) fn release<T>(path: &Path, change: impl FnOnce() -> T) -> T {
    let mut temporaries = lock();
    let result = change();
    temporaries.retain(|file| file != path);
    result
}

fn lock() -> MutexGuard<'static, Vec<PathBuf>> {
    TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner)
}
