//! What can be tried on a host, each candidate with the reason that it is tried.
//!
//! [`threads`] says how many workers, [`placement`] on which CPUs, [`kernels`] and [`blocking`]
//! what they run, [`product`] all of that combined; [`rules`] says which of that makes no sense here, and why.

pub mod blocking;
pub mod kernels;
pub mod placement;
pub mod product;
pub mod rules;
pub mod threads;

use serde::{Deserialize, Serialize};
use sysinfer_engine::{PhasePlan, Plan};

/// Which of the two teams a stage is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Token generation.
    Decode,
    /// Prompts.
    Prefill,
}

impl Phase {
    /// The word in reports and journals.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Decode => "decode",
            Phase::Prefill => "prefill",
        }
    }

    /// This phase's team in a plan.
    pub fn team(self, plan: &Plan) -> &PhasePlan {
        match self {
            Phase::Decode => &plan.decode,
            Phase::Prefill => &plan.prefill,
        }
    }

    /// The same, to change it.
    pub fn team_mut(self, plan: &mut Plan) -> &mut PhasePlan {
        match self {
            Phase::Decode => &mut plan.decode,
            Phase::Prefill => &mut plan.prefill,
        }
    }

    /// `plan` with the team that `donor` has for this phase.
    pub fn take_team(self, plan: &Plan, donor: &Plan) -> Plan {
        let mut plan = plan.clone();
        *self.team_mut(&mut plan) = self.team(donor).clone();
        plan
    }
}

/// One plan to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Short name, unique within its stage: `88 spread`, `prefetch 2048`.
    pub name: String,
    /// Why it is tried.
    pub reason: String,
    /// Order among equals: the smaller is preferred when rates cannot be told apart.
    pub rank: (usize, usize),
    /// The complete plan.
    pub plan: Plan,
}

/// Something that is not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What it would have been called.
    pub name: String,
    /// Why not.
    pub reason: String,
}
