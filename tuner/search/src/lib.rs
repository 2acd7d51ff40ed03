//! Which candidates are measured, in what order, and who wins.
//!
//! [`works`] sizes samples; [`race`] decides among the candidates of one stage by [`standing`]; [`staged`] goes from
//! stage to stage, each from the winner of the one before, `teams` is its longest and `finals` its last one;
//! [`confirm`] holds the result against the default in fresh
//! rounds, [`many`] goes on to many sequences. [`space`] is what can be tried.
//!
//! Hosts are seen through [`sysinfer_probe::Probe`] only, plans are values: nothing here knows an engine, a file or
//! a terminal.
#![forbid(unsafe_code)]

pub mod confirm;
mod effort;
mod finals;
mod inputs;
pub mod many;
pub mod race;
pub mod space;
pub mod staged;
pub mod standing;
mod teams;
pub mod works;

pub use effort::{Effort, Level};
pub use inputs::Inputs;

#[cfg(test)]
pub(crate) mod tests;
