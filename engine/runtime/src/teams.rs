//! The teams of a plan: one for each phase, and where their workers read.

use sysinfer_kernels::Phase;
use sysinfer_machine::{
    CpuList, Pages, PinReport, SpinPolicy, Team, TeamSpec, Topology, effective_cpus,
};

use crate::error::EngineError;
use crate::model::arenas::Arenas;
use crate::nodes::runs;
use crate::plan::{PhasePlan, Plan, PlanError};

/// The team of each phase; one serves both where their plans are the same.
pub(crate) struct Teams {
    pub(crate) decode: Team,
    prefill: Option<Team>,
}

impl Teams {
    pub(crate) fn new(plan: &Plan, topology: &Topology) -> Result<Teams, EngineError> {
        for (phase, cpus) in [
            ("decode", &plan.decode.cpus),
            ("prefill", &plan.prefill.cpus),
        ] {
            if !cpus.is_empty() && !topology.is_this_host {
                let topology = topology.source.clone();
                return Err(PlanError::ForeignTopology { phase, topology }.into());
            }
        }
        let team = |phase: &PhasePlan| {
            Team::new(TeamSpec {
                threads: phase.threads,
                cpus: phase.cpus.clone(),
                topology: Some(topology),
                spin: SpinPolicy::Auto,
                effective_cpus: effective_cpus(topology),
            })
        };
        let same =
            (plan.decode.threads, &plan.decode.cpus) == (plan.prefill.threads, &plan.prefill.cpus);
        Ok(Teams {
            decode: team(&plan.decode)?,
            prefill: if same {
                None
            } else {
                Some(team(&plan.prefill)?)
            },
        })
    }

    pub(crate) fn of(&mut self, phase: Phase) -> &mut Team {
        match (phase, &mut self.prefill) {
            (Phase::Prefill, Some(team)) => team,
            _ => &mut self.decode,
        }
    }

    /// Node of every worker of the decode and the prefill team.
    pub(crate) fn nodes(&self, topology: &Topology) -> (Vec<usize>, Vec<usize>) {
        let decode = self.decode.nodes(topology);
        let prefill = self
            .prefill
            .as_ref()
            .map_or_else(|| decode.clone(), |t| t.nodes(topology));
        (decode, prefill)
    }

    pub(crate) fn most_threads(&self) -> usize {
        self.decode
            .threads()
            .max(self.prefill.as_ref().map_or(0, Team::threads))
    }

    /// Why workers are not pinned that should be.
    pub(crate) fn refused_pins(&self) -> Option<String> {
        let teams = [Some(&self.decode), self.prefill.as_ref()];
        teams
            .into_iter()
            .flatten()
            .find_map(|team| match team.pinned() {
                PinReport::Refused { workers, why } => {
                    Some(format!("{workers} threads could not be pinned ({why})"))
                }
                PinReport::NotAsked | PinReport::AllPinned => None,
            })
    }

    /// What became of pinning, in one line.
    pub(crate) fn pins(&self, plan: &Plan) -> String {
        let decode = describe("decode", &plan.decode, &self.decode);
        match &self.prefill {
            None => format!("{decode}; prefill: the same"),
            Some(team) => format!("{decode}; {}", describe("prefill", &plan.prefill, team)),
        }
    }
}

fn describe(phase: &str, plan: &PhasePlan, team: &Team) -> String {
    let waits = if team.spins() { "spinning" } else { "sleeping" };
    let pins = match team.pinned() {
        PinReport::NotAsked => "not pinned".to_owned(),
        PinReport::AllPinned => {
            let cpus =
                CpuList::new(plan.cpus.clone()).map_or_else(|_| "?".into(), |c| c.to_string());
            format!("pinned to {cpus} ({})", plan.map)
        }
        PinReport::Refused { workers, why } => {
            format!("{workers} of them could not be pinned ({why})")
        }
    };
    format!(
        "{phase}: {} thread{}, {pins}, {waits} at barriers",
        plan.threads,
        if plan.threads == 1 { "" } else { "s" }
    )
}

/// Pages of the engine's own memory.
pub(crate) fn pages(plan: &Plan) -> Pages {
    match plan.memory.huge_pages {
        true => Pages::Transparent,
        false => Pages::Normal,
    }
}

/// Where packed weights of a plan go, about so many bytes.
pub(crate) fn arenas(plan: &Plan, decode_nodes: &[usize], bytes: u64) -> Arenas {
    Arenas::new(decode_nodes, pages(plan), plan.memory.bind_nodes, bytes)
}

/// Where each node's share of every matrix ends, in ten-thousandths, in worker order: what decides where
/// weights are.
pub(crate) fn node_bounds(nodes: &[usize]) -> Vec<(usize, usize)> {
    // Shares, not counts: four workers on one node read what two did.
    runs(nodes)
        .into_iter()
        .map(|(node, workers)| (node, workers.end * 10_000 / nodes.len()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_stay_only_where_every_node_reads_what_it_read_before() {
        let same = [
            ([0, 0, 1, 1].as_slice(), [0, 1].as_slice()),
            (&[0, 0, 0], &[0]),
        ];
        for (one, other) in same {
            assert_eq!(node_bounds(one), node_bounds(other), "{one:?} {other:?}");
        }
        let moved = [
            ([0, 0, 1, 1].as_slice(), [0, 1, 0, 1].as_slice()),
            (&[0, 0, 1, 1], &[1, 1, 0, 0]),
            (&[0, 0, 1, 1], &[0, 0, 0, 1]),
        ];
        for (one, other) in moved {
            assert_ne!(node_bounds(one), node_bounds(other), "{one:?} {other:?}");
        }
    }
}
