//! A run that has ended.

use sysinfer_engine::EngineInfo;
use sysinfer_machine::HostInfo;
use sysinfer_probe::CoreReading;
use sysinfer_report::{Length, Section};
use sysinfer_search::confirm::Confirmation;
use sysinfer_search::staged::Log;
use sysinfer_table::concurrency::Concurrency;
use sysinfer_table::split::Split;

use super::conditions::Conditions;
use super::distrust::Distrust;
use super::reference::Reference;
use super::samples::Samples;

/// A run that has ended, as far as it got.
pub struct Ended<'a> {
    /// The host that was measured.
    pub host: &'a HostInfo,
    /// The model that was measured.
    pub info: &'a EngineInfo,
    /// Instruction sets that kernels may use.
    pub instruction_sets: Vec<String>,
    /// RFC 3339 time of writing.
    pub date: String,
    /// The command line.
    pub command: String,
    /// Threads and pins that really held.
    pub pins: String,
    /// The table.
    pub rows: Vec<Length>,
    /// Read bandwidth readings of the run, GB/s.
    pub bandwidth: Vec<f64>,
    /// How fast the cores of the prompts' team were beside the prompts of the table.
    pub cores: Vec<CoreReading>,
    /// The host, its memory and void samples.
    pub conditions: Conditions,
    /// The search, stage by stage.
    pub log: &'a Log,
    /// Why nothing may be done by this run, if so.
    pub distrust: Option<Distrust>,
    /// The decision; `None` when the run was interrupted before.
    pub confirmation: Option<&'a Confirmation>,
    /// The published table for this shape.
    pub reference: Option<&'static Reference>,
    /// What was cut or thrown away, and other remarks.
    pub remarks: Vec<String>,
    /// Tokens of the prompt of decode runs.
    pub prompt_tokens: usize,
    /// Where the time of steps went.
    pub splits: Vec<Split>,
    /// Steps of many sequences.
    pub concurrency: Concurrency,
    /// What only single samples tell.
    pub samples: Samples,
    /// Threads of the default's decode team.
    pub default_threads: usize,
    /// Last-level caches of the host in all, bytes; 0: unknown.
    pub cache_bytes: u64,
    /// What else was found.
    pub sections: Vec<Section>,
    /// The command that serves with the profile; `None`: no host is like the one of this run.
    pub serve: Option<String>,
}
