//! Neighbours on the team's CPUs. A thread whose CPU runs something else holds up everybody who waits for its part,
//! for as long as the system's scheduler leaves it there: milliseconds, against microseconds of work.
//!
//! Who waits long says so ([`Crowd::note_wait`]). Then the leader reads how long each thread was ready to run and did
//! not (`watch`), and decides what each worker does about it (`policy`): one that shares its CPU gives it away
//! between two parts, before the scheduler takes it in the middle of one, and is known to be away meanwhile, so that
//! the leader does its part at once. Where the leader shares its CPU, a worker rests, so that the scheduler has an idle CPU
//! to move the neighbour to. On a quiet host a region costs a look at two flags.

mod policy;
mod state;
mod watch;

#[cfg(test)]
pub(super) use policy::Order;
pub(super) use policy::Peers;
pub(super) use state::{Crowd, Turn};
pub(super) use watch::Watch;
