//! The connections that wait for their clients, so that those that wait longest can make room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::turn::Turn;

/// A crowd is worth a line of the log, not one for each of its members.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// All connections: how many more there may be, and which of them wait for their clients.
pub(super) struct Waiting {
    free: Arc<Semaphore>,
    list: Mutex<List>,
    /// A connection has begun to wait.
    waits: Notify,
    /// One that was to make room had something better to do.
    stays: Notify,
}

#[derive(Default)]
struct List {
    next: u64,
    longest_first: BTreeMap<u64, Arc<Notify>>,
    /// When it was last said that there are too many.
    warned: Option<Instant>,
}

/// One connection among them; dropping it makes room.
pub(super) struct Place {
    waiting: Arc<Waiting>,
    /// Where it stands in the list, while it waits for its client.
    since: Option<u64>,
    leave: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Waiting {
    /// For `most` connections.
    pub(super) fn new(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most)),
            list: Mutex::default(),
            waits: Notify::new(),
            stays: Notify::new(),
        }
    }

    /// A place for one more connection, in which it does not wait yet. Where there is none, the connection
    /// that waits longest for its client has to leave; where none waits, the next that is free is taken.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        let permit = loop {
            let free = Arc::clone(&self.free);
            if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
                break permit;
            }
            let again = match self.list().take_longest() {
                Some(leave) => {
                    leave.notify_one();
                    &self.stays
                }
                None => &self.waits,
            };
            tokio::select! {
                // Nobody closes the semaphore.
                Ok(permit) = free.acquire_owned() => break permit,
                () = again.notified() => {}
            }
        };
        Place {
            waiting: Arc::clone(self),
            since: None,
            leave: Arc::default(),
            _permit: permit,
        }
    }

    /// Nothing panics while it holds the lock.
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// The connection that waits longest, which does not stand in the list any more.
    fn take_longest(&mut self) -> Option<Arc<Notify>> {
        let now = Instant::now();
        if (self.warned).is_none_or(|before| now - before >= BETWEEN_WARNINGS) {
            self.warned = Some(now);
            tracing::warn!(
                "as many connections as there may be: those that wait longest for their clients are closed"
            );
        }
        let (_, leave) = self.longest_first.pop_first()?;
        Some(leave)
    }
}

impl Place {
    /// Notes whose turn it is now. One that was heard of waits from now on.
    pub(super) fn note(&mut self, turn: &Turn) {
        let (waits, heard) = (turn.is_clients(), turn.take_heard());
        if waits == self.since.is_some() && !heard {
            return;
        }
        let mut list = self.waiting.list();
        if let Some(since) = self.since.take() {
            list.longest_first.remove(&since);
        }
        if waits {
            let now = list.next;
            list.next += 1;
            list.longest_first.insert(now, Arc::clone(&self.leave));
            self.since = Some(now);
            self.waiting.waits.notify_one();
        }
    }

    /// What tells this connection that it has to make room for another.
    pub(super) fn leave(&self) -> Arc<Notify> {
        Arc::clone(&self.leave)
    }

    /// Whether it has nothing better to do. If it has, another has to leave.
    pub(super) fn can_leave(&self) -> bool {
        if self.since.is_none() {
            self.waiting.stays.notify_one();
        }
        self.since.is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            self.waiting.list().longest_first.remove(&since);
        }
    }
}
