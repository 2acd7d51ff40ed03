//! Read bandwidth: the roof that every rate is held against.
//!
//! [`team`] reads as the decode team does, between the stages of a run; [`nodes`] reads the memory of
//! chosen nodes with threads on chosen CPUs; [`map`] is the table of such readings over nodes and
//! thread counts.

pub mod map;
pub mod nodes;
pub mod team;

pub use map::BandwidthMap;
pub use nodes::NodeReader;
pub use team::TeamReader;

/// Below this much, caches would answer.
const LEAST_BYTES: u64 = 64 << 20;
/// Shares are cut at pages of the largest usual base size.
const GRAIN_BYTES: usize = 64 << 10;
