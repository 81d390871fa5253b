//! An allocator that keeps what is freed, so that it can be read: what a secret leaves in memory when it is dropped.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::alloc::System;
use std::collections::HashSet;

/// The system's allocator, which while [`KEEP`] is set gives nothing back.
struct Keeping;

static KEEP: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Address and length of each block that was freed while [`KEEP`] was set.
static BLOCKS: [[AtomicUsize; 2]; 1 << 16] = [const { [const { AtomicUsize::new(0) }; 2] }; 1 << 16];

// SAFETY: blocks come from the system's allocator and go back to it or nowhere. Growth is the default, a new block, so that
// the old one is seen.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`. Zeros, so that each byte has a value when it is read.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if KEEP.load(Ordering::SeqCst) {
            if let Some([address, len]) = BLOCKS.get(COUNT.fetch_add(1, Ordering::SeqCst)) {
                address.store(pointer.expose_provenance(), Ordering::SeqCst);
                len.store(layout.size(), Ordering::SeqCst);
            }
            return;
        }
        // SAFETY: the caller keeps the contract of `dealloc`, and `System` made the block.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static KEEPING: Keeping = Keeping;

/// The blocks that are freed while `run` runs, as they were when they were freed. One caller at a time.
pub(crate) fn freed(run: impl FnOnce()) -> Vec<&'static [u8]> {
    COUNT.store(0, Ordering::SeqCst);
    KEEP.store(true, Ordering::SeqCst);
    run();
    KEEP.store(false, Ordering::SeqCst);
    let count = COUNT.load(Ordering::SeqCst);
    assert!((1..=BLOCKS.len()).contains(&count), "{count} blocks");
    let block = |[address, len]: &[AtomicUsize; 2]| {
        let pointer = core::ptr::with_exposed_provenance(address.load(Ordering::SeqCst));
        // SAFETY: the block was freed by its owner and given to nobody else, so that it stays as it is for ever.
        unsafe { core::slice::from_raw_parts(pointer, len.load(Ordering::SeqCst)) }
    };
    BLOCKS[..count].iter().map(block).collect()
}

/// A secret as it lies in memory.
pub(crate) struct Pattern {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// Bytes of an element.
    step: usize,
}

/// Elements that must agree. Twice as many in a row are found for certain; so many coefficients in `{-1, 0, 1}` do not
/// agree by chance.
const WINDOW: usize = 32;

impl Pattern {
    pub(crate) fn new<T: Copy, const STEP: usize>(name: &'static str, xs: &[T], bytes: fn(T) -> [u8; STEP]) -> Self {
        Self { name, bytes: xs.iter().flat_map(|&x| bytes(x)).collect(), step: STEP }
    }

    pub(crate) fn is_in(&self, blocks: &[&[u8]]) -> bool {
        let size = WINDOW * self.step;
        let windows: HashSet<_> = self.bytes.chunks_exact(size).collect();
        assert!(windows.len() >= 2, "{}: too short", self.name);
        assert!(
            windows.iter().all(|window| window.iter().any(|&byte| byte != 0)),
            "{}: zeros are everywhere",
            self.name
        );
        blocks.iter().any(|block| block.windows(size).step_by(self.step).any(|window| windows.contains(window)))
    }
}
