//! What may be taken in at once: bytes of request bodies, and bodies that are made into prompts.
//!
//! A small request never waits for large ones. Bodies of up to 64 KiB, a context of some thousand tokens,
//! are read whatever else there is: connections are bounded, and so is the memory that they take this way.
//! Larger ones share 64 MiB: one for which there is no room is not read (its client's system keeps it), and
//! is turned away if that lasts. Parsing, rendering and tokenising, which may take many times a body's
//! bytes, and seconds, is for a few at once: small ones have leaves of their own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::ApiError;

/// Largest body that is small.
pub const SMALL_BYTES: usize = 64 << 10;

/// All larger bodies together: eight of the largest, unless those may be larger than usual.
pub const LARGE_BYTES_TOGETHER: usize = 64 << 20;

/// Longest wait for the memory of a large body: that of a few others being worked on. Clients try again
/// by themselves after a 503.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Small bodies that are worked on at once.
const SMALL_AT_ONCE: usize = 2;

/// Large ones. The engine has a use for the other CPUs.
const LARGE_AT_ONCE: usize = 1;

/// All bodies that are worked on at once.
pub const AT_ONCE: usize = SMALL_AT_ONCE + LARGE_AT_ONCE;

/// Memory and permits, shared by all requests.
#[derive(Debug)]
pub struct Intake {
    room: Arc<Semaphore>,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// Room for the bytes of a body; dropping it gives them back.
#[derive(Debug, Default)]
pub struct Held(Option<OwnedSemaphorePermit>);

/// A permit to work on a body: to be kept until all that was made from it is gone, but the prompt's tokens.
#[derive(Debug)]
pub struct WorkPermit {
    _turn: OwnedSemaphorePermit,
    _held: Held,
}

impl Default for Intake {
    fn default() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            room: semaphore(LARGE_BYTES_TOGETHER),
            small: semaphore(SMALL_AT_ONCE),
            large: semaphore(LARGE_AT_ONCE),
        }
    }
}

impl Intake {
    /// Room for a body of `bytes`, which are less than 4 GiB. Waits for it, but not for long.
    ///
    /// # Errors
    /// 503 when other bodies keep it.
    pub async fn hold(&self, bytes: usize) -> Result<Held, ApiError> {
        if bytes <= SMALL_BYTES {
            return Ok(Held::default());
        }
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits);
        match timeout(LONGEST_WAIT, room).await {
            Ok(room) => Ok(Held(Some(room.map_err(closed)?))),
            Err(_) => Err(ApiError::unavailable(
                "other large requests take all the memory that there is for them; try again later",
            )),
        }
    }

    /// Waits for a permit to work on a body of `bytes` that is `held`, first come, first served.
    ///
    /// # Errors
    /// 503 when the server is stopping.
    pub async fn permit(&self, bytes: usize, held: Held) -> Result<WorkPermit, ApiError> {
        let turns = if bytes <= SMALL_BYTES {
            &self.small
        } else {
            &self.large
        };
        let turn = Arc::clone(turns).acquire_owned().await;
        Ok(WorkPermit {
            _turn: turn.map_err(closed)?,
            _held: held,
        })
    }
}

impl Held {
    /// Whether there is room for a body of `bytes`.
    pub fn is_enough_for(&self, bytes: usize) -> bool {
        bytes <= SMALL_BYTES || (self.0.as_ref()).is_some_and(|room| bytes <= room.num_permits())
    }
}

fn closed(_: AcquireError) -> ApiError {
    ApiError::unavailable("the server is stopping")
}
