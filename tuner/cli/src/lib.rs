//! `sysinfer-tune`: finds out how one model is best run on one host, and writes that down.
//!
//! [`commands`] is the command line: a file or folder for each subcommand. Without one the program tunes: [`tune`] is
//! a whole run, top to bottom, and puts together the crates beside this one, none of which knows a command line:
//! `sysinfer_search` (which plans to measure, and which one wins), `sysinfer_table` (the rates of that plan over all
//! lengths), `sysinfer_measure` (the probe of this host), `sysinfer_journal` (nothing measured is lost) and
//! `sysinfer_simulate` (hosts that are only described). [`report`] is what is left behind.
#![forbid(unsafe_code)]

// Standard streams may be closed: these stand in the place of the standard library's macros.
#[macro_use]
extern crate sysinfer_terminal;

pub mod commands;
pub mod interrupt;
pub mod model_arguments;
pub mod numbers;
pub mod progress;
pub mod report;
pub mod this_host;
pub mod tune;

use sysinfer_engine::error::whole;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All that was asked for was done.
    Complete,
    /// Ctrl-C: what was known by then was kept.
    Interrupted,
}

/// Says why the program fails, with all causes, each once, on standard error.
pub fn complain(error: &anyhow::Error) {
    eprintln!("sysinfer-tune: {}", whole(error.as_ref()));
}
