//! The search: one stage after the other, each starting from the winner of the one before.
//!
//! Not the full product: threads and map matter most and shift the least when kernels or block
//! sizes change, so they come first; the confirmation guards against what this misses.

use sysinfer_engine::{EngineInfo, Plan};

use super::race::{Outcome, Race};
use super::{Effort, Stage};
use crate::measure::Work;
use crate::measure::session::{Halt, Session};
use crate::space::blocking::{self, Limits, Sizes};
use crate::space::placement::{self, TeamSpace};
use crate::space::{Candidate, Phase, Skipped, kernels, rules};

/// Everything a search depends on besides the probe.
pub struct Inputs<'a> {
    /// The plan of a host that was never tuned, every kernel named.
    pub default: &'a Plan,
    /// Teams to try.
    pub teams: &'a TeamSpace,
    /// Shape of the model.
    pub info: &'a EngineInfo,
    /// Second-level cache of a core, bytes; 0: unknown.
    pub l2_bytes: usize,
    /// Tokens of the prompt that decode runs start from.
    pub prompt_tokens: usize,
    /// The longest length of the table.
    pub longest_tokens: usize,
    /// How much measuring is allowed.
    pub effort: Effort,
}

/// The work of the samples, sized so that one takes about the time that the effort allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Works {
    /// Decoding from the usual prompt.
    pub decode: Work,
    /// One prompt.
    pub prefill: Work,
    /// Tokens of that prompt.
    pub prefill_tokens: usize,
    /// Time of a decode step under the default plan, seconds.
    pub step_seconds: f64,
    /// Time of a prompt token under the default plan, seconds.
    pub prompt_token_seconds: f64,
}

/// What the search has found so far; grows as stages end, and is kept when one is interrupted.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Ended stages.
    pub outcomes: Vec<Outcome>,
    /// What was not tried.
    pub skipped: Vec<Skipped>,
}

/// Steps and prompt of the first, sizing measurement.
const SIZING_STEPS: usize = 4;
const SIZING_PROMPT: usize = 32;
/// Decode steps of a sample: at least enough to average a few barriers, at most what stays short.
const STEPS: std::ops::RangeInclusive<usize> = 4..=256;
/// No sample of a race is longer than this, but for the context that attention is measured at.
pub const LONGEST_SAMPLE: usize = 512;
/// Tokens of a prompt of a sample.
const PROMPTS: std::ops::RangeInclusive<usize> = 32..=LONGEST_SAMPLE;

/// Measures the bandwidth and the default plan, and sizes samples by it.
///
/// # Errors
/// Ctrl-C or a failure.
pub fn calibrate(session: &mut Session<'_>, inputs: &Inputs<'_>) -> Result<Works, Halt> {
    session.stage = Stage::Calibration;
    session.progress.place(Stage::Calibration);
    session.progress.stage(Stage::Calibration.title(), 3);
    let plan = inputs.default;
    session.read_bandwidth(plan).map_err(fatal)?;
    session.progress.advance(1, "");
    let context = inputs.info.context_length;
    let steps_end = (inputs.prompt_tokens + SIZING_STEPS).min(context);
    let decode = Work::Decode {
        prompt_tokens: inputs.prompt_tokens,
        lengths: vec![steps_end],
    };
    let step_seconds = 1.0
        / session
            .rate("default", plan, &decode)
            .map_err(fatal)?
            .max(1e-9);
    session.progress.advance(1, "");
    let prefill = Work::Prefill {
        tokens: SIZING_PROMPT.min(context),
    };
    let rate = session.rate("default", plan, &prefill).map_err(fatal)?;
    session.progress.advance(1, "");
    Ok(size_works(inputs, step_seconds, 1.0 / rate.max(1e-9)))
}

fn size_works(inputs: &Inputs<'_>, step_seconds: f64, prompt_token_seconds: f64) -> Works {
    let seconds = inputs.effort.sample_seconds;
    let context = inputs.info.context_length;
    let steps = ((seconds / step_seconds) as usize).clamp(*STEPS.start(), *STEPS.end());
    let end = (inputs.prompt_tokens + steps).min(context);
    let prompt = ((2.0 * seconds / prompt_token_seconds) as usize / 32 * 32)
        .clamp(*PROMPTS.start(), *PROMPTS.end())
        .min(context);
    Works {
        decode: Work::Decode {
            prompt_tokens: inputs.prompt_tokens,
            lengths: vec![end],
        },
        prefill: Work::Prefill { tokens: prompt },
        prefill_tokens: prompt,
        step_seconds,
        prompt_token_seconds,
    }
}

/// Runs every stage and returns the plan of the last winner. `log` is filled on the way.
///
/// # Errors
/// Ctrl-C or a failure; the stages that ended before are in `log`.
pub fn search(
    session: &mut Session<'_>,
    inputs: &Inputs<'_>,
    works: &Works,
    log: &mut Log,
) -> Result<Plan, Halt> {
    log.skipped.extend(inputs.teams.skipped.iter().cloned());
    let mut run = Run {
        session,
        inputs,
        log,
        plan: inputs.default.clone(),
        stages_left: 8,
    };
    run.team(Stage::DecodeTeam, Phase::Decode, &works.decode)?;
    run.kernels(Stage::DecodeKernel, Phase::Decode, &works.decode)?;
    let sizes = blocking::prefetch(&run.plan);
    run.sizes(Stage::Prefetch, sizes, &works.decode)?;
    run.team(Stage::PrefillTeam, Phase::Prefill, &works.prefill)?;
    run.kernels(Stage::PrefillKernel, Phase::Prefill, &works.prefill)?;
    let limits = Limits {
        l2_bytes: inputs.l2_bytes,
        columns: inputs.info.embedding_length,
        prompt_tokens: works.prefill_tokens,
    };
    let sizes = blocking::prefill_rows(&run.plan, limits);
    run.sizes(Stage::PrefillRows, sizes, &works.prefill)?;
    let sizes = blocking::prefill_chunk(&run.plan, limits);
    run.sizes(Stage::PrefillChunk, sizes, &works.prefill)?;
    run.attention(works)?;
    Ok(run.plan)
}

struct Run<'r, 's, 'a> {
    session: &'r mut Session<'s>,
    inputs: &'r Inputs<'a>,
    log: &'r mut Log,
    plan: Plan,
    stages_left: usize,
}

impl Run<'_, '_, '_> {
    fn team(&mut self, stage: Stage, phase: Phase, work: &Work) -> Result<(), Halt> {
        let mut candidates = placement::candidates(self.inputs.teams, &self.plan, phase);
        let present = phase.team(&self.plan).clone();
        let twin = candidates.iter().position(|candidate| {
            let team = phase.team(&candidate.plan);
            team.threads == present.threads && team.cpus == present.cpus
        });
        let anchor = match twin {
            Some(index) => candidates.remove(index),
            None => Candidate {
                name: format!("{} {}", present.threads, present.map),
                reason: "the default".into(),
                rank: (present.threads, 0),
                plan: self.plan.clone(),
            },
        };
        candidates.insert(0, anchor);
        self.race(stage, candidates, work)
    }

    fn kernels(&mut self, stage: Stage, phase: Phase, work: &Work) -> Result<(), Halt> {
        let options = kernels::options(&self.inputs.info.block_types, phase);
        // One block type after the other, within the time of one stage.
        let until = self.deadline();
        self.stages_left = self.stages_left.saturating_sub(1);
        for option in &options {
            let candidates = kernels::candidates(option, &self.plan, phase);
            let title = format!("{} for {}", stage.title(), option.block_type);
            self.race_until((stage, title), candidates, work, until)?;
        }
        Ok(())
    }

    fn sizes(&mut self, stage: Stage, sizes: Sizes, work: &Work) -> Result<(), Halt> {
        self.log.skipped.extend(sizes.skipped);
        self.race(stage, sizes.candidates, work)
    }

    /// At a context of several chunks, if reaching one takes no longer than a stage may.
    fn attention(&mut self, works: &Works) -> Result<(), Halt> {
        let stage = Stage::AttentionChunk;
        let prompt_tokens = self
            .inputs
            .longest_tokens
            .min(2 * rules::ATTENTION_MATTERS_TOKENS);
        let reach_seconds = prompt_tokens as f64 * works.prompt_token_seconds;
        let time_left = self.deadline().map(|until| until - (self.session.clock)());
        let verdict = rules::attention_matters(self.inputs.longest_tokens).and_then(|()| {
            match time_left {
                Some(left) if reach_seconds > left => Err(format!(
                    "a context of {prompt_tokens} tokens takes {reach_seconds:.0} s to reach, more than the time limit leaves"
                )),
                _ => Ok(()),
            }
        });
        if let Err(reason) = verdict {
            self.log.skipped.push(Skipped {
                name: stage.title().into(),
                reason,
            });
            return Ok(());
        }
        let Work::Decode {
            lengths,
            prompt_tokens: usual,
        } = &works.decode
        else {
            return Ok(());
        };
        let steps = lengths.last().map_or(SIZING_STEPS, |end| end - usual);
        let start = prompt_tokens.min(self.inputs.info.context_length.saturating_sub(steps));
        let work = Work::Decode {
            prompt_tokens: start,
            lengths: vec![start + steps],
        };
        let sizes = blocking::attention_chunk(&self.plan);
        self.sizes(stage, sizes, &work)
    }

    fn race(&mut self, stage: Stage, candidates: Vec<Candidate>, work: &Work) -> Result<(), Halt> {
        let until = self.deadline();
        self.stages_left = self.stages_left.saturating_sub(1);
        self.race_until((stage, stage.title().into()), candidates, work, until)
    }

    fn race_until(
        &mut self,
        (stage, title): (Stage, String),
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
        let rounds = self.inputs.effort.rounds;
        let outcome = Race {
            stage,
            title,
            work,
            rounds,
            deadline,
        }
        .run(self.session, candidates)?;
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

    /// When the stage must end: an equal share of what is left, and all of it for the last.
    fn deadline(&self) -> Option<f64> {
        let now = (self.session.clock)();
        let until = self.inputs.effort.search_until?;
        Some(now + (until - now).max(0.0) / self.stages_left.max(1) as f64)
    }
}

/// Without the default plan there is nothing to compare with.
fn fatal(halt: Halt) -> Halt {
    match halt {
        Halt::Refused(why) => Halt::Failed(format!("the default plan was refused: {why}")),
        other => other,
    }
}
