//! What can be tried on a host, each candidate with the reason that it is tried.
//!
//! [`threads`] says how many workers, [`placement`] on which CPUs, [`kernels`] and [`blocking`]
//! what they run ([`asked`]: sizes that somebody wants tried), [`product`] all of that combined; [`rules`] says which of that makes no sense here, and why.

pub mod asked;
pub mod blocking;
pub mod kernels;
pub mod placement;
pub mod product;
pub mod rules;
pub mod threads;

use sysinfer_engine::Plan;

/// One plan to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Short name, unique within its stage: `88 spread`, `prefetch 2048`.
    pub name: String,
    /// Why it is tried.
    pub reason: String,
    /// Order among equals: the smaller is preferred when rates cannot be told apart.
    pub rank: (usize, usize),
    /// The complete plan.
    pub plan: Plan,
}

/// Something that is not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What it would have been called.
    pub name: String,
    /// Why not.
    pub reason: String,
}
