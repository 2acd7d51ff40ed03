//! What a search works with besides the probe, and what the arguments allow it to try.

use anyhow::bail;
use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_machine::MapPolicy;
use sysinfer_measure::host::Host;
use sysinfer_probe::{Clock, Finding, Interrupt, Progress};
use sysinfer_search::space::kernels::KernelSpace;
use sysinfer_search::space::placement::{self, Request, TeamSpace};
use sysinfer_table::TablePlan;

use super::arguments::TuneArgs;
use super::lengths::table_plan;

/// What a search works with besides the probe.
pub(crate) struct Setting<'a> {
    pub(crate) arguments: &'a TuneArgs,
    pub(crate) host: &'a Host,
    pub(crate) teams: &'a TeamSpace,
    /// Kernels to choose from.
    pub(crate) kernels: &'a KernelSpace,
    pub(crate) info: &'a EngineInfo,
    /// The plan of a host that was never tuned, every kernel named.
    pub(crate) default: &'a Plan,
    pub(crate) clock: Clock<'a>,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) interrupt: &'a Interrupt,
    /// What about the host costs speed.
    pub(crate) findings: Vec<Finding>,
}

impl Setting<'_> {
    /// The table to measure, and a remark about each cut.
    pub(crate) fn table(&self, remarks: &mut Vec<String>) -> anyhow::Result<TablePlan> {
        table_plan(self.arguments, self.info, remarks)
    }
}

/// Teams to try.
///
/// # Errors
/// A map without its list of CPUs.
pub(crate) fn teams(arguments: &TuneArgs, host: &Host) -> anyhow::Result<TeamSpace> {
    let maps = arguments.maps.as_deref();
    if maps.is_some_and(|maps| maps.contains(&MapPolicy::Given)) && arguments.cpus.is_none() {
        bail!("--maps given needs --cpus with a list, for example --cpus 0-21,24-45");
    }
    Ok(placement::teams(&request(arguments, host)))
}

/// What the arguments allow teams to be made of.
pub(crate) fn request<'a>(arguments: &'a TuneArgs, host: &'a Host) -> Request<'a> {
    Request {
        topology: &host.topology,
        effective_cpus: host.effective_cpus,
        threads: arguments.threads.as_ref().map(|threads| threads.values()),
        maps: arguments.maps.as_deref(),
        given: arguments.cpus.as_ref(),
    }
}
