//! The executor of the server: a few threads that take the next task as soon as they are free.

use core::num::NonZero;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tacit_lola::Executor;

/// So many threads, the calling one included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads(NonZero<usize>);

impl Threads {
    /// As many as asked for, or as the machine runs at once.
    pub(crate) fn new(asked: Option<NonZero<u16>>) -> Self {
        Self(match asked {
            Some(count) => count.into(),
            None => thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
        })
    }

    /// How many.
    pub(crate) const fn count(self) -> usize {
        self.0.get()
    }
}

impl Executor for Threads {
    fn for_each(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || {
            // Only the number itself is shared; the end of the scope orders everything else.
            let numbers = core::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            numbers.take_while(|&number| number < count).for_each(task);
        };
        let helpers = self.count().min(count).saturating_sub(1);
        thread::scope(|scope| {
            for _ in 0..helpers {
                // The system may have no thread to spare: those that there are do all tasks.
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_task_is_done_once() {
        for threads in [1, 2, 7] {
            for count in [0, 1, 2, 100] {
                let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                Threads::new(NonZero::new(threads)).for_each(count, &|i| {
                    done[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{threads} {count}");
            }
        }
    }

    #[test]
    fn the_default_is_what_the_machine_has() {
        assert!(Threads::new(None).count() >= 1);
        assert_eq!(Threads::new(NonZero::new(3)).count(), 3);
    }
}
