//! What a run leaves while it measures: every sample as it is taken, so that a killed run loses none.
//!
//! Two files with one purpose each. `samples.csv` ([`csv`]) is for people and spreadsheets: one line
//! for each point. `journal.jsonl` ([`mod@format`]) is for this program: it holds all that the search
//! depends on, so that a run can go on where it ended, or be run again without measuring.
//!
//! [`recorder`] stands between search and probe: it answers from the journal as long as that has an
//! answer ([`recall`]), then measures and appends. The search's clock ([`clock`]) moves only when a sample
//! ends, to the time in the journal, so that a resumed search sees the times of the first run and takes
//! the same decisions.
//!
//! [`read`] trusts no journal, [`mod@write`] appends to one, [`facts`] are host and model as it has them,
//! [`identity`] tells whether a journal belongs to this run, [`opening`] puts these together, [`lock`]
//! keeps other runs out of the folder.
#![forbid(unsafe_code)]

pub mod clock;
pub mod csv;
pub mod facts;
pub mod format;
pub mod identity;
pub mod lock;
pub mod opening;
pub mod read;
pub mod recall;
pub mod recorder;
pub mod write;

pub use csv::{SamplesCsv, blocking, cpu_list, kernels};

/// The journal's name in a report directory.
pub const FILE_NAME: &str = "journal.jsonl";
