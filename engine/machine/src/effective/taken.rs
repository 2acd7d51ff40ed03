//! What quotas have taken.

/// What quotas have taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Scheduling periods that were cut short.
    pub periods: u64,
    /// Time that CPUs did not run what was ready, nanoseconds, added over CPUs.
    pub nanoseconds: u64,
}
