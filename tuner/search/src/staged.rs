//! The search: one stage after the other, each starting from the winner of the one before.
//!
//! Not the full product: threads and map matter most and shift the least when kernels or block
//! sizes change, so they come first. What was close is measured once more beside the plan that all
//! stages ended with; the confirmation guards against what this misses.

use sysinfer_engine::Plan;
use sysinfer_probe::{Halt, Phase, Session, Stage, Work};

use super::inputs::Inputs;
use super::race::{Outcome, Race, StopRule};
use super::works::{SIZING_STEPS, Works};
use crate::space::blocking::{Limits, Sizes};
use crate::space::placement::{self};
use crate::space::product::Product;
use crate::space::{Candidate, Skipped, blocking, kernels, rules};

/// What the search has found so far; grows as stages end, and is kept when one is interrupted.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Ended stages.
    pub outcomes: Vec<Outcome>,
    /// What was not tried.
    pub skipped: Vec<Skipped>,
}

/// What the search ends with.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// The last winner.
    pub plan: Plan,
    /// The same with the second best team of each phase, decode first.
    pub runners_up: [Option<Plan>; 2],
    /// The host's noise: standard deviation of one paired log ratio.
    pub noise: f64,
}

impl Tuned {
    /// A plan without rivals: what `plan` is compared with is the default alone.
    pub fn alone(plan: Plan) -> Tuned {
        Tuned {
            plan,
            runners_up: [None, None],
            noise: FIRST_NOISE,
        }
    }
}

/// What is assumed of an unknown host's noise: standard deviation of the log ratio of two samples.
const FIRST_NOISE: f64 = 0.06;
/// Shares of the search's time: the teams have many candidates, and matter most.
pub(super) const TEAM_SHARE: usize = 5;
const OTHER_SHARE: usize = 2;
const FINAL_SHARE: usize = 3;
const ALL_SHARES: usize = 2 * TEAM_SHARE + 7 * OTHER_SHARE + FINAL_SHARE;
/// Lanes of a stage leave readily: what was close is measured again in the last look, which decides.
const STAGE_STOP_RULE: StopRule = StopRule {
    give_up: 0.002,
    worth: 0.0008,
    anchor_alpha: None,
};

/// Runs every stage and returns what the last one ended with. `log` is filled on the way.
///
/// # Errors
/// Ctrl-C or a failure; the stages that ended before are in `log`.
pub fn search(
    session: &mut Session<'_>,
    inputs: &Inputs<'_>,
    works: &Works,
    log: &mut Log,
) -> Result<Tuned, Halt> {
    log.skipped.extend(inputs.teams.skipped.iter().cloned());
    let mut run = Run {
        session,
        inputs,
        log,
        plan: inputs.default.clone(),
        shares_left: ALL_SHARES,
        noise: FIRST_NOISE,
        seconds: [None, None],
        rounds: inputs.effort.rounds,
        stop_rule: STAGE_STOP_RULE,
    };
    let limits = Limits {
        l2_bytes: inputs.l2_bytes,
        columns: inputs.info.embedding_length,
        prompt_tokens: works.prefill_tokens,
    };
    if inputs.exhaustive {
        run.everything(limits, works)?;
        return Ok(run.tuned());
    }
    let asked = inputs.blocks;
    let (short, whole) = (&works.shallow_decode, &works.decode);
    run.team(Stage::DecodeTeam, Phase::Decode, short, whole, Some(works))?;
    run.kernels(Stage::DecodeKernel, Phase::Decode, &works.decode)?;
    let sizes = blocking::prefetch(&run.plan, asked);
    run.sizes(Stage::Prefetch, sizes, &works.decode)?;
    let (short, whole) = (&works.short_prefill, &works.prefill);
    run.team(Stage::PrefillTeam, Phase::Prefill, short, whole, None)?;
    run.kernels(Stage::PrefillKernel, Phase::Prefill, &works.prefill)?;
    let sizes = blocking::prefill_rows(&run.plan, limits, asked);
    run.sizes(Stage::PrefillRows, sizes, &works.prefill)?;
    let sizes = blocking::prefill_chunk(&run.plan, limits, asked);
    run.sizes(Stage::PrefillChunk, sizes, &works.prefill)?;
    run.attention(works)?;
    run.finals(works)?;
    Ok(run.tuned())
}

/// A search under way.
pub(super) struct Run<'r, 's, 'a> {
    pub(super) session: &'r mut Session<'s>,
    pub(super) inputs: &'r Inputs<'a>,
    pub(super) log: &'r mut Log,
    /// The winner so far.
    pub(super) plan: Plan,
    pub(super) shares_left: usize,
    noise: f64,
    /// Plans of the second best teams, decode first.
    pub(super) seconds: [Option<Plan>; 2],
    /// How readily the next race decides.
    pub(super) stop_rule: StopRule,
    /// Most rounds of the next race.
    pub(super) rounds: usize,
}

impl Run<'_, '_, '_> {
    /// The plan with what its rivals are, once nothing changes any more.
    fn tuned(self) -> Tuned {
        let [decode, prefill] = self.seconds;
        let with_team = |second: Option<Plan>, phase: Phase| {
            let plan = self.plan.with_team_of(&second?, phase);
            (plan != self.plan).then_some(plan)
        };
        Tuned {
            runners_up: [
                with_team(decode, Phase::Decode),
                with_team(prefill, Phase::Prefill),
            ],
            plan: self.plan.clone(),
            noise: self.noise,
        }
    }

    /// Every combination of candidates in every round.
    fn everything(&mut self, limits: Limits, works: &Works) -> Result<(), Halt> {
        let teams = placement::all_teams(&self.inputs.request);
        for (stage, phase) in [
            (Stage::DecodeTeam, Phase::Decode),
            (Stage::PrefillTeam, Phase::Prefill),
        ] {
            let base = self.plan.clone();
            let product = Product {
                base: &base,
                teams: &teams,
                kernels: self.inputs.kernels,
                limits,
                asked: self.inputs.blocks,
            };
            let candidates = product.candidates(phase);
            let deep = self.attention_work(works).ok();
            let work = match phase {
                Phase::Decode => deep.as_ref().unwrap_or(&works.decode),
                Phase::Prefill => &works.prefill,
            };
            let until = self.deadline(ALL_SHARES / 2);
            self.shares_left = self.shares_left.saturating_sub(ALL_SHARES / 2);
            let title = format!("{}: every combination", phase.name());
            self.race_until(stage, title, candidates, work, until)?;
            self.seconds[phase as usize] = self.second_best(stage, phase);
        }
        Ok(())
    }

    fn kernels(&mut self, stage: Stage, phase: Phase, work: &Work) -> Result<(), Halt> {
        // One block type after the other, within the time of one stage.
        let until = self.deadline(OTHER_SHARE);
        self.shares_left = self.shares_left.saturating_sub(OTHER_SHARE);
        for option in self.inputs.kernels.of(phase) {
            let candidates = kernels::candidates(option, &self.plan, phase);
            let title = format!("{} for {}", stage.title(), option.block_type);
            self.race_until(stage, title, candidates, work, until)?;
        }
        Ok(())
    }

    fn sizes(&mut self, stage: Stage, sizes: Sizes, work: &Work) -> Result<(), Halt> {
        self.log.skipped.extend(sizes.skipped);
        self.race(stage, sizes.candidates, work)
    }

    /// At a context of several chunks, if reaching one takes no longer than a stage may.
    pub(super) fn attention(&mut self, works: &Works) -> Result<(), Halt> {
        let stage = Stage::AttentionChunk;
        match self.attention_work(works) {
            Ok(work) => {
                let sizes = blocking::attention_chunk(&self.plan, self.inputs.blocks);
                self.sizes(stage, sizes, &work)
            }
            Err(reason) => {
                self.log.skipped.push(Skipped {
                    name: stage.title().into(),
                    reason,
                });
                Ok(())
            }
        }
    }

    /// Decoding at a context at which attention matters, or why there is none.
    fn attention_work(&self, works: &Works) -> Result<Work, String> {
        rules::attention_matters(self.inputs.longest_tokens)?;
        let prompt_tokens = self
            .inputs
            .longest_tokens
            .min(rules::ATTENTION_MATTERS_TOKENS);
        let reach_seconds = prompt_tokens as f64 * works.prompt_token_seconds;
        let left = self
            .deadline(OTHER_SHARE)
            .map(|until| until - (self.session.clock)());
        if left.is_some_and(|left| reach_seconds > left) {
            return Err(format!(
                "a context of {prompt_tokens} tokens takes {reach_seconds:.0} s to reach, more than the time limit leaves"
            ));
        }
        let Work::Decode {
            lengths,
            prompt_tokens: usual,
        } = &works.decode
        else {
            return Err("nothing is decoded".into());
        };
        let steps = lengths.last().map_or(SIZING_STEPS, |end| end - usual);
        let start = prompt_tokens.min(self.inputs.info.context_length.saturating_sub(steps));
        Ok(Work::Decode {
            prompt_tokens: start,
            lengths: vec![start + steps],
        })
    }

    fn race(&mut self, stage: Stage, candidates: Vec<Candidate>, work: &Work) -> Result<(), Halt> {
        let until = self.deadline(OTHER_SHARE);
        self.shares_left = self.shares_left.saturating_sub(OTHER_SHARE);
        self.race_until(stage, stage.title().into(), candidates, work, until)
    }

    pub(super) fn race_until(
        &mut self,
        stage: Stage,
        title: String,
        candidates: Vec<Candidate>,
        work: &Work,
        deadline: Option<f64>,
    ) -> Result<(), Halt> {
        let late = deadline.is_some_and(|deadline| (self.session.clock)() >= deadline);
        if candidates.len() < 2 || late {
            let reason = if late {
                "no time was left for it"
            } else {
                "there is nothing to choose"
            };
            self.session
                .progress
                .note(&format!("{title}: as it was; {reason}"));
            self.log.skipped.push(Skipped {
                name: title,
                reason: reason.into(),
            });
            return Ok(());
        }
        let rounds = self.rounds;
        let outcome = Race {
            stage,
            title,
            work,
            rounds,
            deadline,
            noise: self.noise,
            eliminates: !self.inputs.exhaustive,
            stop_rule: self.stop_rule,
        }
        .run(self.session, candidates)?;
        self.noise = outcome.noise;
        self.plan = outcome.winner().plan.clone();
        let winner = &outcome.winner().name;
        self.session
            .progress
            .note(&format!("{}: {winner}; {}", outcome.title, outcome.why));
        self.log.outcomes.push(outcome);
        // The roof moves with the host: measured again between stages, so that each sample has the
        // bandwidth of its time beside it.
        self.session.stage = stage;
        self.session.read_bandwidth(self.inputs.default).map(|_| ())
    }

    /// When a stage with `shares` of the time must end; the last one has all that is left.
    pub(super) fn deadline(&self, shares: usize) -> Option<f64> {
        let now = (self.session.clock)();
        let until = self.inputs.effort.search_until?;
        let part = shares as f64 / self.shares_left.max(shares) as f64;
        Some(now + (until - now).max(0.0) * part)
    }
}
