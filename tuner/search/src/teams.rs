//! The stage that chooses threads and map of a phase, in two races: a coarse one of all counts, and one
//! near the best of it.

use sysinfer_engine::Plan;
use sysinfer_probe::{Halt, Phase, Stage, Work};

use super::race::Lane;
use super::staged::{Run, TEAM_SHARE};
use super::works::Works;
use crate::space::Candidate;
use crate::space::placement::{self, TeamSpace};

/// Teams of the coarse grid that are measured again beside those near the best.
const SURVIVORS: usize = 5;
/// Rounds of the coarse grid: it only has to say where to look closer.
const COARSE_ROUNDS: usize = 5;
/// Counts for which the maps that the first race left out are tried.
const BEST_COUNTS: usize = 2;

impl Run<'_, '_, '_> {
    /// The coarse grid first, with short samples; then what is left of it, what lies between the best
    /// and its neighbours, and the maps that the first race left out, with whole ones.
    pub(super) fn team(
        &mut self,
        stage: Stage,
        phase: Phase,
        short: &Work,
        whole: &Work,
        attention: Option<&Works>,
    ) -> Result<(), Halt> {
        let until = self.deadline(TEAM_SHARE);
        self.shares_left = self.shares_left.saturating_sub(TEAM_SHARE);
        let now = (self.session.clock)();
        let half = until.map(|until| now + (until - now) / 2.0);
        let before = self.log.outcomes.len();
        let (first, later) = self.inputs.teams.in_two();
        let candidates = self.with_anchor(&first, phase);
        let title = stage.title().to_owned();
        self.rounds = self.inputs.effort.rounds.min(COARSE_ROUNDS);
        let coarse = self.race_until(stage, title, candidates, short, half);
        self.rounds = self.inputs.effort.rounds;
        coarse?;
        // How well attention divides among threads depends on its chunk, and would choose the team.
        let until = match attention {
            Some(works) => {
                let left = until.map(|until| until - (self.session.clock)());
                self.attention(works)?;
                left.map(|left| (self.session.clock)() + left.max(0.0))
            }
            None => until,
        };
        let best = self.plan.team(phase).clone();
        let maps = [best.map.as_str()];
        let request = &self.inputs.request;
        let mut near = placement::refined(request, best.threads, self.inputs.teams, &maps);
        let survivors = self.survivors(before, phase);
        let counts = self.best_counts(&survivors, phase);
        let others = later.options.into_iter();
        let others = others.filter(|option| counts.contains(&option.team.threads));
        near.options.extend(others);
        let mut candidates = self.with_anchor(&near, phase);
        candidates.extend(survivors);
        if candidates.len() > 1 {
            let title = format!("{}, near the best", stage.title());
            self.race_until(stage, title, candidates, whole, until)?;
        }
        self.seconds[phase as usize] = self.second_best(stage, phase);
        Ok(())
    }

    /// Thread counts of the best teams, the winner's first.
    fn best_counts(&self, survivors: &[Candidate], phase: Phase) -> Vec<usize> {
        let mut counts = vec![self.plan.team(phase).threads];
        for survivor in survivors {
            let threads = survivor.plan.team(phase).threads;
            if !counts.contains(&threads) && counts.len() < BEST_COUNTS {
                counts.push(threads);
            }
        }
        counts
    }

    /// The best candidates that had not left the first race since outcome `before`, but its winner.
    fn survivors(&self, before: usize, phase: Phase) -> Vec<Candidate> {
        let Some(outcome) = self.log.outcomes.get(before) else {
            return Vec::new();
        };
        let winner = self.plan.team(phase);
        let lanes = outcome.best_first().into_iter();
        let best = lanes
            .filter(|lane| lane.out.is_none() && lane.candidate.plan.team(phase) != winner)
            .take(SURVIVORS);
        // Other things than the team may have changed since.
        let with_present = |lane: &Lane| {
            let mut candidate = lane.candidate.clone();
            candidate.plan = self.plan.with_team_of(&lane.candidate.plan, phase);
            candidate
        };
        best.map(with_present).collect()
    }

    /// The best team of a stage's last race besides the one that won.
    pub(super) fn second_best(&self, stage: Stage, phase: Phase) -> Option<Plan> {
        let winner = self.plan.team(phase);
        let mut outcomes = self.log.outcomes.iter().rev();
        let last = outcomes.find(|outcome| outcome.stage == stage)?;
        let mut lanes = last.best_first().into_iter();
        let second = lanes.find(|lane| lane.candidate.plan.team(phase) != winner)?;
        Some(second.candidate.plan.clone())
    }

    /// Teams as candidates, the one in force first.
    fn with_anchor(&self, teams: &TeamSpace, phase: Phase) -> Vec<Candidate> {
        let mut candidates = placement::candidates(teams, &self.plan, phase);
        let present = self.plan.team(phase).clone();
        let twin = candidates.iter().position(|candidate| {
            let team = candidate.plan.team(phase);
            team.threads == present.threads && team.cpus == present.cpus
        });
        let anchor = match twin {
            Some(index) => candidates.remove(index),
            None => Candidate {
                name: format!("{} {}", present.threads, present.map),
                reason: "the plan in force".into(),
                rank: (present.threads, 0),
                plan: self.plan.clone(),
            },
        };
        candidates.insert(0, anchor);
        candidates
    }
}
