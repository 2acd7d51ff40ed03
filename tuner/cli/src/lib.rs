//! The tuner: finds out how one model is best run on one host, and writes that down.
//!
//! [`commands`] is the command line: a file or folder for each subcommand. Without one the program
//! tunes, and what that takes stands beside it, in the order in which a run comes to it: [`tune`] (a
//! whole run, top to bottom), [`space`] (what can be tried and why), [`measure`] (one number, taken
//! honestly), [`search`] (which candidates to measure, who wins), `sysinfer_stats` (pure functions on
//! samples), [`journal`] (nothing measured is lost), [`report`] (what is left behind).
//!
//! All share [`host`] (the machine, and what about it costs speed), [`source`] (the model),
//! [`progress`], [`interrupt`], [`numbers`] and what they print with, `output`.
//!
//! The search sees measurements only through [`measure::Probe`], so it is tested on a scripted
//! machine with a planted truth and noise, without a clock; [`simulate`] is a whole host of that kind,
//! and [`study`] holds the search against it.
#![forbid(unsafe_code)]

// First: its macros are those of all modules after it.
#[macro_use]
mod output;

pub mod commands;
pub mod host;
pub mod interrupt;
pub mod journal;
pub mod measure;
pub mod numbers;
pub mod progress;
pub mod report;
pub mod search;
pub mod simulate;
pub mod source;
pub mod space;
pub mod study;
pub mod tune;

pub use output::complain;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All that was asked for was done.
    Complete,
    /// Ctrl-C: what was known by then was kept.
    Interrupted,
}
