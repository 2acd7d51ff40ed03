//! The two phases of answering: prompts, then tokens one by one.

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
