//! What workers read of a matrix or a block of the cache, noted while a test wants to know.

use std::cell::Cell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A worker, and addresses.
pub(crate) type Note = (usize, Range<usize>);

/// Reads of one piece of memory. Notes nothing until it is told to begin.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<Option<Vec<Note>>>);

impl Reads {
    /// Notes what is read from now on.
    pub(crate) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// Notes that `bytes` are read for the part that this thread does.
    pub(crate) fn note(&self, bytes: &[u8]) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notes) = &mut *notes {
            notes.push((WORKER.get(), addresses(bytes)));
        }
    }

    /// What was noted since it began; ends it.
    pub(crate) fn take(&self) -> Vec<Note> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.take().unwrap_or_default()
    }
}

/// Where some bytes are.
pub(crate) fn addresses(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr().addr();
    start..start + bytes.len()
}

thread_local! {
    /// Whose part this thread does.
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// What this thread reads from now on is read for this worker's part.
pub(crate) fn begin_part_of(worker: usize) {
    WORKER.set(worker);
}
