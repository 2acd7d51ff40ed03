//! What other programs can be told of a plan: CPUs of the teams as lists and as sets, and their nodes.

use sysinfer_engine::PhasePlan;
use sysinfer_journal::cpu_list;
use sysinfer_machine::Topology;
use sysinfer_profiles::Profile;

/// Threads and CPUs of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) decode: Team,
    /// Where it differs from [`Self::decode`].
    pub(super) prefill: Option<Team>,
    /// CPUs of both teams as a set, `0-3,8`; `None` where a team is not pinned.
    pub(super) set: Option<String>,
    /// Whether the set is smaller than what the profile's host had.
    pub(super) is_part: bool,
    /// Whether the run behind it is to be trusted.
    pub(super) is_trusted: bool,
    /// Nodes of the set, or why they are not known.
    pub(super) nodes: Result<String, &'static str>,
}

/// One team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Team {
    pub(super) threads: usize,
    /// In the form of `GOMP_CPU_AFFINITY`; `None`: not pinned.
    pub(super) cpus: Option<String>,
}

impl Team {
    fn of(phase: &PhasePlan) -> Self {
        let cpus = (!phase.cpus.is_empty()).then(|| cpu_list(&phase.cpus));
        Self {
            threads: phase.threads,
            cpus,
        }
    }

    /// `2 threads on CPUs 0-1`
    pub(super) fn words(&self) -> String {
        let plural = if self.threads == 1 { "" } else { "s" };
        match &self.cpus {
            Some(cpus) => format!("{} thread{plural} on CPUs {cpus}", self.threads),
            None => format!("{} thread{plural}, not pinned", self.threads),
        }
    }
}

impl Placement {
    /// Of a profile; `topology`: that of its host, if this is it.
    pub(super) fn of(profile: &Profile, topology: Option<&Topology>) -> Self {
        let (decode, prefill) = (&profile.plan.decode, &profile.plan.prefill);
        let mut cpus: Vec<usize> = decode.cpus.iter().chain(&prefill.cpus).copied().collect();
        cpus.sort_unstable();
        cpus.dedup();
        let is_pinned = !decode.cpus.is_empty() && !prefill.cpus.is_empty();
        let (first, second) = (Team::of(decode), Team::of(prefill));
        Self {
            prefill: (first != second).then_some(second),
            decode: first,
            set: is_pinned.then(|| set_text(&cpus)),
            is_part: is_pinned && cpus.len() < profile.host.cpus,
            is_trusted: profile.distrust().is_none(),
            nodes: if is_pinned {
                nodes(topology, &cpus)
            } else {
                Err("the teams are not pinned, so they have no nodes of their own")
            },
        }
    }
}

/// Nodes of the CPUs in the form of numactl.
fn nodes(topology: Option<&Topology>, cpus: &[usize]) -> Result<String, &'static str> {
    if let Some(topology) = topology {
        let nodes: Option<Vec<usize>> = cpus
            .iter()
            .map(|cpu| topology.cpu(*cpu).map(|found| found.node))
            .collect();
        if let Some(mut nodes) = nodes {
            nodes.sort_unstable();
            nodes.dedup();
            return Ok(set_text(&nodes));
        }
        return Err("the plan names CPUs that this process may not use");
    }
    Err("this is not the profile's host, so the nodes of its CPUs are not known; run export there")
}

/// Ascending, distinct numbers as ranges without strides, which not every program reads.
pub(super) fn set_text(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let range = |(first, last): (usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.into_iter().map(range).collect::<Vec<_>>().join(",")
}
