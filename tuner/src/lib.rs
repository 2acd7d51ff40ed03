//! The tuner: finds out how one model is best run on one host, and writes that down.
//!
//! Reading order: [`tune`] (a whole run, top to bottom), [`space`] (what can be tried and why),
//! [`measure`] (one number, taken honestly), [`search`] (which candidates to measure, who wins),
//! [`stats`] (pure functions on samples), [`journal`] (nothing measured is lost), [`conclude`],
//! [`report`] and [`emit`] (what is left behind).
//!
//! [`check`] looks at the host before anything is measured, [`conditions`] is what a report says about
//! the circumstances of its samples.
//!
//! [`show`], [`verify`], [`compare`] and [`export`] work on what a run has left, [`load`] on a server.
//!
//! [`perplexity`] stands beside all that: it measures quality instead of speed, and chooses nothing.
//!
//! The search sees measurements only through [`measure::Probe`], so it is tested on a scripted
//! machine with a planted truth and noise, without a clock; [`simulate`] is a whole host of that kind,
//! and [`study`] holds the search against it.
#![forbid(unsafe_code)]

pub mod bandwidth_map;
pub mod bench;
pub mod block_lists;
pub mod check;
pub mod chosen_plan;
pub mod cli;
pub mod compare;
pub mod conclude;
pub mod conditions;
pub mod dry_run;
pub mod emit;
pub mod export;
pub mod first_token;
pub mod host;
pub mod interrupt;
pub mod journal;
pub mod load;
pub mod lookup_bench;
pub mod measure;
pub mod numbers;
pub mod perplexity;
pub mod progress;
pub mod reference;
pub mod report;
pub mod search;
pub mod show;
pub mod simulate;
pub mod source;
pub mod space;
pub mod stats;
pub mod study;
pub mod synth;
pub mod tune;
pub mod verify;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All that was asked for was done.
    Complete,
    /// Ctrl-C: what was known by then was kept.
    Interrupted,
}
