//! What one operation needed, the next one finds: scratch memory, and ciphertexts that no operation will read.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tacit_core::error::EvalError;
use tacit_core::poly::Scratch;

/// The most dead ciphertexts to keep: about as many as operations that become ready together.
const MAX_SPARE: usize = 64;

/// Memory that outlives operations and queries.
#[derive(Debug)]
pub(crate) struct Pool<C> {
    /// As many as operations were ever under way at once.
    scratches: Mutex<Vec<Scratch>>,
    /// With their levels.
    spare: Mutex<Vec<(usize, C)>>,
}

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self { scratches: Mutex::new(Vec::new()), spare: Mutex::new(Vec::new()) }
    }
}

impl<C> Pool<C> {
    /// A ciphertext of a level that is no longer needed, or a new one.
    pub(super) fn take(&self, level: usize, new: impl FnOnce() -> C) -> C {
        let mut spare = lock(&self.spare);
        let found = spare.iter().rposition(|(of, _)| *of == level).map(|found| spare.swap_remove(found).1);
        drop(spare);
        found.unwrap_or_else(new)
    }

    /// Does something with scratch memory.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = lock(&self.scratches).pop().unwrap_or_default();
        let result = work(&mut scratch);
        lock(&self.scratches).push(scratch);
        result
    }

    /// A ciphertext of a level that an operation writes.
    pub(super) fn write(
        &self,
        level: usize,
        new: impl FnOnce() -> C,
        operation: impl FnOnce(&mut C, &mut Scratch) -> Result<(), EvalError>,
    ) -> Result<C, EvalError> {
        let mut out = self.take(level, new);
        self.with(|scratch| operation(&mut out, scratch)).map(|()| out)
    }

    /// Takes a ciphertext back.
    pub(super) fn recycle(&self, level: usize, value: C) {
        let mut spare = lock(&self.spare);
        if spare.len() >= MAX_SPARE {
            // The oldest is of the highest level, which comes to its end first.
            spare.remove(0);
        }
        spare.push((level, value));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
