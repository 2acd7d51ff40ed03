//! The last look: the plan that the stages ended with against the same plan with one thing changed.
//!
//! Stages decide one thing after the other, the first of them before the later ones are known, and some
//! ran out of time undecided. So what was close in its own race is measured once more, choices of all
//! kinds beside each other, with the time that is left; and again from the new plan, where there is
//! time, but then the plan gives way to evidence only: else each look would walk on among equals.

use sysinfer_engine::{KernelChoice, Plan};
use sysinfer_probe::{Halt, Phase, Stage, Work};
use sysinfer_stats::median;

use super::race::{Lane, Outcome, StopRule};
use super::staged::Run;
use super::works::Works;
use crate::space::Candidate;

/// Teams that are measured again, at most.
const TEAMS: usize = 3;
/// Other values of one size, or other kernels of one block type.
const OTHERS: usize = 2;
/// What had less than this of the winner's rate in its own race is not close.
const CLOSE: f64 = 0.93;
/// Share of the time for decoding: its samples take longer, since teams fill their context first.
const DECODE_SHARE: f64 = 0.7;
/// The second look is left out when less than this share of the search's time is left.
const SECOND_LOOK_SHARE: f64 = 0.1;
/// How readily each look decides: nothing comes after it, so lanes leave less readily than in stages.
const LOOKS: [StopRule; 2] = [
    StopRule {
        give_up: 0.0007,
        worth: 0.0005,
        anchor_alpha: None,
    },
    StopRule {
        give_up: 0.0004,
        worth: 0.0003,
        anchor_alpha: Some(0.13),
    },
];

impl Run<'_, '_, '_> {
    /// Two looks at each phase; the second one where there is time.
    pub(super) fn finals(&mut self, works: &Works) -> Result<(), Halt> {
        for (look, stop_rule) in LOOKS.into_iter().enumerate() {
            let least = if look == 0 { 0.0 } else { SECOND_LOOK_SHARE };
            if self.left_share() < least {
                break;
            }
            self.stop_rule = stop_rule;
            self.last_look(Stage::DecodeFinal, Phase::Decode, &works.decode)?;
            self.last_look(Stage::PrefillFinal, Phase::Prefill, &works.prefill)?;
        }
        Ok(())
    }

    fn last_look(&mut self, stage: Stage, phase: Phase, work: &Work) -> Result<(), Halt> {
        let until = self.part_of_the_rest(phase);
        let candidates = self.close_candidates(phase);
        let late = until.is_some_and(|until| (self.session.clock)() >= until);
        if candidates.len() < 2 || late {
            return Ok(());
        }
        let before = self.plan.clone();
        self.race_until(stage, stage.title().into(), candidates, work, until)?;
        if self.plan.team(phase) != before.team(phase) {
            self.seconds[phase as usize] = Some(before);
        }
        Ok(())
    }

    /// Share of the search's time that is left; all of it where there is no limit.
    fn left_share(&self) -> f64 {
        let now = (self.session.clock)();
        let until = self.inputs.effort.search_until;
        until.map_or(1.0, |until| (until - now) / until.max(f64::MIN_POSITIVE))
    }

    fn part_of_the_rest(&self, phase: Phase) -> Option<f64> {
        let now = (self.session.clock)();
        let until = self.inputs.effort.search_until?;
        Some(match phase {
            Phase::Decode => now + DECODE_SHARE * (until - now).max(0.0),
            Phase::Prefill => until,
        })
    }

    /// The plan in force, what was close to it in the races of this phase, and the default's team.
    fn close_candidates(&self, phase: Phase) -> Vec<Candidate> {
        let team = self.plan.team(phase);
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
                TEAMS
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
                    rank: (plan.team(phase).threads, place),
                    plan,
                });
            }
        }
        let plan = self.plan.with_team_of(self.inputs.default, phase);
        if found.iter().all(|other| other.plan != plan) {
            let team = plan.team(phase);
            found.push(Candidate {
                name: format!("{} {}", team.threads, team.map),
                reason: "the default's, which may have left before sizes were known that suit it"
                    .into(),
                rank: (team.threads, found.len()),
                plan,
            });
        }
        found
    }
}

fn is_about_teams(stage: Stage) -> bool {
    matches!(stage, Stage::DecodeTeam | Stage::PrefillTeam)
}

/// Lanes that were close when their race ended, the closest first.
fn closest(outcome: &Outcome) -> Vec<&Lane> {
    let best = median(&outcome.lanes[outcome.winner].rates);
    let mut lanes = outcome.best_first();
    lanes.retain(|lane| median(&lane.rates) > CLOSE * best);
    lanes
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
        Stage::DecodeKernel => {
            graft_kernels(&mut plan, donor, outcome, |choice| &mut choice.decode)
        }
        Stage::PrefillKernel => {
            graft_kernels(&mut plan, donor, outcome, |choice| &mut choice.prefill)
        }
        Stage::Calibration
        | Stage::DecodeFinal
        | Stage::PrefillFinal
        | Stage::Confirmation
        | Stage::DecodeRows
        | Stage::Concurrency
        | Stage::Table
        | Stage::Split => {}
    }
    plan
}

/// The kernels in which `donor` differs from the winner of its race: one block type and one phase.
fn graft_kernels(
    plan: &mut Plan,
    donor: &Plan,
    outcome: &Outcome,
    of_phase: fn(&mut KernelChoice) -> &mut Option<String>,
) {
    let winner = &outcome.winner().plan;
    for (block, choice) in &donor.kernels {
        let kernel = of_phase(&mut choice.clone()).take();
        let winners = winner.kernels.get(block).cloned().unwrap_or_default();
        if *of_phase(&mut winners.clone()) != kernel {
            *of_phase(plan.kernels.entry(block.clone()).or_default()) = kernel;
        }
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::PhasePlan;

    use super::*;

    fn lane(name: &str, rate: f64, plan: Plan) -> Lane {
        Lane {
            candidate: Candidate {
                name: name.into(),
                reason: String::new(),
                rank: (0, 0),
                plan,
            },
            rates: vec![rate; 3],
            out: None,
        }
    }

    fn outcome(stage: Stage, lanes: Vec<Lane>) -> Outcome {
        Outcome {
            stage,
            title: stage.title().into(),
            lanes,
            winner: 0,
            why: String::new(),
            discarded_rounds: 0,
            noise: 0.03,
        }
    }

    #[test]
    fn close_lanes_come_with_the_closest_first() {
        let plan = Plan::with_threads(PhasePlan::unpinned(2));
        let lanes = [("a", 100.0), ("b", 97.0), ("far", 90.0), ("c", 99.0)];
        let lanes = lanes.map(|(name, rate)| lane(name, rate, plan.clone()));
        let mut race = outcome(Stage::Prefetch, lanes.into());
        race.lanes[3].out = Some("behind".into());
        let names: Vec<&str> = closest(&race)
            .iter()
            .map(|lane| lane.candidate.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn only_what_a_race_was_about_is_taken_over() {
        let kernels = |decode: &str| KernelChoice {
            decode: Some(decode.into()),
            prefill: Some("old".into()),
        };
        let mut first = Plan::with_threads(PhasePlan::unpinned(2));
        first.kernels.insert("Q4_0".into(), kernels("a"));
        first.kernels.insert("Q6_K".into(), kernels("x"));
        let mut other = first.clone();
        other.kernels.insert("Q4_0".into(), kernels("b"));
        other.blocking.prefetch_bytes = 0;
        let lanes = vec![lane("a", 100.0, first.clone()), lane("b", 99.0, other)];
        let race = outcome(Stage::DecodeKernel, lanes);

        // What later stages chose stays.
        let mut later = first;
        later.decode.threads = 7;
        for choice in later.kernels.values_mut() {
            choice.prefill = Some("new".into());
        }
        let mut expected = later.clone();
        let q4_0 = expected.kernels.get_mut("Q4_0").expect("it is there");
        q4_0.decode = Some("b".into());
        assert_eq!(graft(&later, &race, &race.lanes[1]), expected);

        let mut race = race;
        race.stage = Stage::Prefetch;
        let mut expected = later.clone();
        expected.blocking.prefetch_bytes = 0;
        assert_eq!(graft(&later, &race, &race.lanes[1]), expected);
    }
}
