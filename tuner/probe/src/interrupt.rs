//! A wish to stop, as Ctrl-C is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether someone asked to stop. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Whether to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks to stop; returns whether somebody had before.
    pub fn set(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// The answer itself, for what knows nothing of tuning.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }
}
