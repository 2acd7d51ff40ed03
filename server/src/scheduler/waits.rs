//! How long jobs waited in the queue.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The wait of one job, from the queue to the engine.
#[derive(Clone, Debug)]
pub struct Wait(Arc<WaitInner>);

#[derive(Debug)]
struct WaitInner {
    began: Instant,
    took: OnceLock<Duration>,
}

impl Wait {
    /// A wait that begins.
    pub fn begins_now() -> Self {
        Self(Arc::new(WaitInner {
            began: Instant::now(),
            took: OnceLock::new(),
        }))
    }

    /// It is over, and took so long; only the first time counts.
    pub fn end(&self) -> Duration {
        *self.0.took.get_or_init(|| self.0.began.elapsed())
    }

    /// How long it took; `None` while it lasts.
    pub fn took(&self) -> Option<Duration> {
        self.0.took.get().copied()
    }
}

/// The waits of all jobs of a request.
#[derive(Clone, Debug, Default)]
pub struct Waits(Vec<Wait>);

impl FromIterator<Wait> for Waits {
    fn from_iter<I: IntoIterator<Item = Wait>>(waits: I) -> Self {
        Self(waits.into_iter().collect())
    }
}

impl Waits {
    /// The longest of those that are over.
    pub fn longest(&self) -> Option<Duration> {
        self.0.iter().filter_map(Wait::took).max()
    }
}
