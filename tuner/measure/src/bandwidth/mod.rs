//! Read bandwidth: the roof that every rate is held against.
//!
//! [`team`] reads as the decode team does, between the stages of a run; [`nodes`] reads the memory of
//! chosen nodes with threads on chosen CPUs, both by the passes of `streaming`.

pub mod nodes;
mod streaming;
pub mod team;

pub use nodes::NodeReader;
pub use team::TeamReader;

use sysinfer_terminal::gigabytes;

/// No buffer is smaller, however little memory is free: below this much, the caches of any host would
/// answer. Those of large ones hold more, see [`require_beyond_caches`].
const MIN_BYTES: u64 = 64 << 20;
/// Shares are cut at pages of the largest usual base size.
const GRAIN_BYTES: usize = 64 << 10;

/// Refuses a buffer that last-level caches of `cache_bytes` hold whole, as it is where little memory is
/// free: reading it would say nothing about memory.
fn require_beyond_caches(bytes: usize, cache_bytes: u64) -> Result<(), String> {
    if bytes as u64 > cache_bytes {
        return Ok(());
    }
    Err(format!(
        "there is memory for a buffer of {}, which the last-level caches of {} hold whole; \
         free some memory, or raise the container's limit",
        gigabytes(bytes as u64),
        gigabytes(cache_bytes)
    ))
}
