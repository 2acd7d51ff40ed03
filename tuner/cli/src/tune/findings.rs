//! What a run has found, from its first sample on.

use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_probe::Halt;
use sysinfer_report::Section;
use sysinfer_search::confirm::Confirmation;
use sysinfer_search::staged::Log;
use sysinfer_table::TableData;
use sysinfer_table::concurrency::Concurrency;
use sysinfer_table::split::Split;

use super::report_of_run::conditions::Conditions;
use super::report_of_run::samples::Samples;

/// What a run has found so far.
#[derive(Default)]
pub struct Findings {
    /// The search, stage by stage.
    pub log: Log,
    /// The decision, once there is one.
    pub confirmation: Option<Confirmation>,
    /// The table, as far as it was measured.
    pub data: TableData,
    /// What was cut or thrown away, and other remarks.
    pub remarks: Vec<String>,
    /// Where the time of steps went.
    pub splits: Vec<Split>,
    /// Steps of many sequences.
    pub concurrency: Concurrency,
}

impl Findings {
    /// The plan that was decided on, else the default.
    pub fn plan(&self, default: &Plan) -> Plan {
        let found = self.confirmation.as_ref();
        found.map_or(default, |found| &found.plan).clone()
    }
}

/// What is known when measuring has ended.
pub struct Run {
    /// Shape of the model.
    pub info: EngineInfo,
    /// The plan of an untuned host.
    pub default: Plan,
    /// What was found.
    pub findings: Findings,
    /// Read bandwidth readings, GB/s.
    pub bandwidth: Vec<f64>,
    /// The host, its memory and void samples.
    pub conditions: Conditions,
    /// What only single samples tell.
    pub samples: Samples,
    /// Threads and pins that really held.
    pub pins: String,
    /// Instruction sets of the host that kernels can use.
    pub instruction_sets: Vec<String>,
    /// What else the report is to show.
    pub sections: Vec<Section>,
    /// Why measuring stopped, if it did not end.
    pub halted: Option<Halt>,
}
