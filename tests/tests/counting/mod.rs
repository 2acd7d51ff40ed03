//! The allocator of binaries that measure what hostile input makes us allocate: the system's, with
//! every size told to `sysinfer_conformance::fuzz::allocation`.

use std::alloc::{GlobalAlloc, Layout, System};

use sysinfer_conformance::fuzz::allocation::{grew, shrank};

/// The system's allocator, counted.
pub(crate) struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator unchanged, and its answer comes back unchanged;
// counting touches thread-locals that are plain numbers, so it neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrank(layout.size());
        // SAFETY: as above; the memory came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        shrank(layout.size());
        grew(size);
        // SAFETY: as above; the memory came from the same allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
