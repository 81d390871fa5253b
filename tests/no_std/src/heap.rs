//! A heap of fixed size that only grows: enough for one round trip.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

const BYTES: usize = 256 << 20;

/// Gives out consecutive pieces of a static array and never takes one back.
struct Heap {
    memory: UnsafeCell<[u8; BYTES]>,
    used: AtomicUsize,
}

// SAFETY: the array is only reached through `alloc`, which gives every byte of it to one caller at most.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap { memory: UnsafeCell::new([0; BYTES]), used: AtomicUsize::new(0) };

// SAFETY: the pieces do not overlap, because `used` only grows; each has the size and the alignment of its layout, lies
// within the array, and stays valid for the life of the program.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get().cast::<u8>();
        let place = |used: usize| {
            let padding = base.wrapping_add(used).align_offset(layout.align());
            let start = used.checked_add(padding)?;
            let end = start.checked_add(layout.size())?;
            (end <= BYTES).then_some((start, end))
        };
        let taken =
            self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| place(used).map(|(_, end)| end));
        match taken.ok().and_then(place) {
            Some((start, _)) => base.wrapping_add(start),
            None => null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
