//! The last look: the plan that the stages ended with against the same plan with one thing changed.
//!
//! Stages decide one thing after the other, the first of them before the later ones are known, and some
//! ran out of time undecided. So what was close in its own race is measured once more, all phases' choices
//! beside each other, with the time that is left; again from the new plan as long as that changes it.

use sysinfer_engine::Plan;

use super::race::{Lane, Outcome};
use super::staged::{Run, Works};
use super::{Stage, standing};
use crate::measure::Work;
use crate::measure::session::Halt;
use crate::space::{Candidate, Phase};
use crate::stats::median;

/// Passes over both phases.
const PASSES: usize = 3;
/// Teams that are measured again, at most.
fn teams() -> usize { standing::env("T_FT", 5.0) as usize }
/// Other values of one size, or other kernels of one block type.
const OTHERS: usize = 2;
/// What was further behind than this in its own race is not close.
const CLOSE: f64 = 0.9;

impl Run<'_, '_, '_> {
    /// Races of each phase until neither changes the plan, or time is up.
    pub(super) fn finals(&mut self, works: &Works) -> Result<(), Halt> {
        let phases = [
            (Stage::DecodeFinal, Phase::Decode, &works.decode),
            (Stage::PrefillFinal, Phase::Prefill, &works.prefill),
        ];
        for pass in 0..standing::env("T_PASSES", PASSES as f64) as usize {
            let now = (self.session.clock)();
            if pass > 0 && self.inputs.effort.search_until.is_some_and(|until| until - now < standing::env("T_GUARD", 0.1) * until) { break; }
            let before = self.plan.clone();
            self.stays = if pass > 0 { standing::env("T_STAY", 1.0) } else { standing::env("T_STAY0", 0.0) };
            for (stage, phase, work) in phases {
                self.last_look(stage, phase, work)?;
            }
            if self.plan == before && pass > 0 {
                break;
            }
        }
        Ok(())
    }

    fn last_look(&mut self, stage: Stage, phase: Phase, work: &Work) -> Result<(), Halt> {
        let until = self.half_of_the_rest(phase);
        let candidates = self.close_candidates(phase);
        if candidates.len() < 2 || self.is_past(until) {
            return Ok(());
        }
        let r = self.race_until((stage, stage.title().into()), candidates, work, until);
        if std::env::var("T_DBG2").is_ok() && let Some(o) = self.log.outcomes.last() { for l in &o.lanes { eprintln!("DBG2 {stage:?} {:.0} {} n={} {:.2} {:?}", (self.session.clock)(), l.candidate.name, l.rates.len(), median(&l.rates), l.out); } eprintln!("DBG2 winner {} {}", o.winner().name, o.why); }
        r
    }

    /// Decoding gets half of what is left, prompts the rest.
    fn half_of_the_rest(&self, phase: Phase) -> Option<f64> {
        let now = (self.session.clock)();
        let until = self.inputs.effort.search_until?;
        Some(match phase {
            Phase::Decode => now + (until - now).max(0.0) * standing::env("T_DSH", 0.5),
            Phase::Prefill => until,
        })
    }

    fn is_past(&self, until: Option<f64>) -> bool {
        until.is_some_and(|until| (self.session.clock)() >= until)
    }

    /// The plan in force, then what was close to it in the races of this phase.
    fn close_candidates(&self, phase: Phase) -> Vec<Candidate> {
        let team = phase.team(&self.plan);
        let mut found = vec![Candidate {
            name: "the plan so far".into(),
            reason: "what the stages ended with".into(),
            rank: (team.threads, 0),
            plan: self.plan.clone(),
        }];
        let own = |outcome: &&Outcome| outcome.stage.phase() == Some(phase);
        // The last race about a thing knew most.
        for outcome in self.log.outcomes.iter().rev().filter(own) {
            let most = if is_about_teams(outcome.stage) {
                teams()
            } else {
                OTHERS
            };
            let mut taken = 0;
            for lane in closest(outcome) {
                let plan = graft(&self.plan, outcome, lane);
                if taken == most || found.iter().any(|other| other.plan == plan) {
                    continue;
                }
                taken += 1;
                let place = found.len();
                found.push(Candidate {
                    name: lane.candidate.name.clone(),
                    reason: format!("close in: {}", outcome.title),
                    rank: (phase.team(&plan).threads, place),
                    plan,
                });
            }
        }
        found
    }
}

fn is_about_teams(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::DecodeTeam | Stage::PrefillTeam
    )
}

/// Lanes that were close when their race ended, the closest first.
fn closest(outcome: &Outcome) -> Vec<&Lane> {
    let best = median(&outcome.lanes[outcome.winner].rates);
    let mut close: Vec<&Lane> = outcome
        .lanes
        .iter()
        .filter(|lane| !lane.rates.is_empty() && median(&lane.rates) > standing::env("T_CLOSE", CLOSE) * best)
        .collect();
    close.sort_by(|a, b| {
        let running = |lane: &Lane| lane.out.is_none();
        running(b)
            .cmp(&running(a))
            .then(median(&b.rates).total_cmp(&median(&a.rates)))
    });
    close
}

/// `plan` with what `lane` had in place of its race's winner.
fn graft(plan: &Plan, outcome: &Outcome, lane: &Lane) -> Plan {
    let mut plan = plan.clone();
    let donor = &lane.candidate.plan;
    let blocking = &mut plan.blocking;
    match outcome.stage {
        Stage::DecodeTeam => plan.decode = donor.decode.clone(),
        Stage::PrefillTeam => plan.prefill = donor.prefill.clone(),
        Stage::Prefetch => blocking.prefetch_bytes = donor.blocking.prefetch_bytes,
        Stage::AttentionChunk => blocking.attention_chunk = donor.blocking.attention_chunk,
        Stage::PrefillRows => blocking.prefill_rows = donor.blocking.prefill_rows,
        Stage::PrefillChunk => blocking.prefill_chunk = donor.blocking.prefill_chunk,
        Stage::DecodeKernel | Stage::PrefillKernel => {
            let winner = &outcome.winner().plan;
            for (block, choice) in &donor.kernels {
                if winner.kernels.get(block) != Some(choice) {
                    plan.kernels.insert(block.clone(), choice.clone());
                }
            }
        }
        _ => {}
    }
    plan
}
