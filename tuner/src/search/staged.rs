//! The search: one stage after the other, each starting from the winner of the one before.
//!
//! Not the full product: threads and map matter most and shift the least when kernels or block
//! sizes change, so they come first; the confirmation guards against what this misses.

use sysinfer_engine::{EngineInfo, Plan};

use super::race::{Outcome, Race};
use super::{Effort, Stage};
use crate::measure::Work;
use crate::measure::session::{Halt, Session};
use crate::space::blocking::{self, Asked, Limits, Sizes};
use crate::space::kernels::KernelSpace;
use crate::space::placement::{self, Request, TeamSpace};
use crate::space::product::Product;
use crate::space::{Candidate, Phase, Skipped, kernels, rules};
use crate::stats::median;

/// Everything a search depends on besides the probe.
pub struct Inputs<'a> {
    /// The plan of a host that was never tuned, every kernel named.
    pub default: &'a Plan,
    /// Teams to try first.
    pub teams: &'a TeamSpace,
    /// What teams may be made of: more are tried near the best of `teams`.
    pub request: Request<'a>,
    /// Kernels to choose from.
    pub kernels: &'a KernelSpace,
    /// Block sizes that were asked for.
    pub blocks: &'a Asked,
    /// Measure every combination instead of going stage by stage.
    pub exhaustive: bool,
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
    /// Decoding at a context in the middle of the lengths that matter.
    pub decode: Work,
    /// Decoding from the usual prompt: teams that are far behind show that without the time that
    /// filling a context takes.
    pub shallow_decode: Work,
    /// One prompt.
    pub prefill: Work,
    /// A shorter one, for the same reason.
    pub short_prefill: Work,
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
/// Teams of the coarse grid that are measured again beside those near the best.
const SURVIVORS: usize = 5;
/// Rounds of the coarse grid: it only has to say where to look closer.
const COARSE_ROUNDS: usize = 5;
/// Shares of the search's time: the teams have many candidates, and matter most.
const TEAM_SHARE: usize = 5;
const OTHER_SHARE: usize = 2;
const ALL_SHARES: usize = 2 * TEAM_SHARE + 7 * OTHER_SHARE;

/// Steps and prompt of the first, sizing measurement.
const SIZING_STEPS: usize = 4;
const SIZING_PROMPT: usize = 32;
/// Decode steps of a sample: at least enough to average a few barriers, at most what stays short.
const STEPS: std::ops::RangeInclusive<usize> = 4..=256;
/// No sample of a race is longer than this, but for the context that attention is measured at.
pub const LONGEST_SAMPLE: usize = 512;
/// The middle of the usual lengths, 32 to 4096, where factors of two count alike, is 362; this is the
/// next power of two.
const MIDDLE_TOKENS: usize = 512;
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
    let sized = size_works(inputs, step_seconds, 1.0 / rate.max(1e-9));
    if sized.prefill == prefill {
        return Ok(sized);
    }
    // A short prompt is slower per token than those that it was to size.
    let rate = session
        .rate("default", plan, &sized.prefill)
        .map_err(fatal)?;
    Ok(size_works(inputs, step_seconds, 1.0 / rate.max(1e-9)))
}

fn size_works(inputs: &Inputs<'_>, step_seconds: f64, prompt_token_seconds: f64) -> Works {
    let seconds = inputs.effort.sample_seconds;
    let context = inputs.info.context_length;
    let steps = ((seconds / step_seconds) as usize).clamp(*STEPS.start(), *STEPS.end());
    let start = depth(inputs, 2.0 * seconds / prompt_token_seconds);
    let end = (start + steps).min(context);
    let prompt = ((2.0 * seconds / prompt_token_seconds) as usize / 32 * 32)
        .clamp(*PROMPTS.start(), *PROMPTS.end())
        .min(context);
    Works {
        decode: Work::Decode {
            prompt_tokens: start,
            lengths: vec![end],
        },
        shallow_decode: Work::Decode {
            prompt_tokens: inputs.prompt_tokens,
            lengths: vec![(inputs.prompt_tokens + steps).min(context)],
        },
        prefill: Work::Prefill { tokens: prompt },
        short_prefill: Work::Prefill {
            tokens: (prompt / 2).max(*PROMPTS.start()).min(context),
        },
        prefill_tokens: prompt,
        step_seconds,
        prompt_token_seconds,
    }
}

/// Context at which decode samples start: near the middle of the lengths that matter, so that what is
/// chosen is good for all of them, but no more than `affordable` tokens, since every change of the
/// team fills it again.
fn depth(inputs: &Inputs<'_>, affordable: f64) -> usize {
    let most = (inputs.longest_tokens / 2)
        .min(MIDDLE_TOKENS)
        .min(inputs.info.context_length / 2);
    let mut start = most;
    while start > inputs.prompt_tokens && start as f64 > affordable {
        start /= 2;
    }
    start.max(inputs.prompt_tokens)
}

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
    let decode = (&works.shallow_decode, &works.decode);
    run.team(Stage::DecodeTeam, Phase::Decode, decode, Some(works))?;
    run.kernels(Stage::DecodeKernel, Phase::Decode, &works.decode)?;
    let sizes = blocking::prefetch(&run.plan, asked);
    run.sizes(Stage::Prefetch, sizes, &works.decode)?;
    let prefill = (&works.short_prefill, &works.prefill);
    run.team(Stage::PrefillTeam, Phase::Prefill, prefill, None)?;
    run.kernels(Stage::PrefillKernel, Phase::Prefill, &works.prefill)?;
    let sizes = blocking::prefill_rows(&run.plan, limits, asked);
    run.sizes(Stage::PrefillRows, sizes, &works.prefill)?;
    let sizes = blocking::prefill_chunk(&run.plan, limits, asked);
    run.sizes(Stage::PrefillChunk, sizes, &works.prefill)?;
    run.attention(works)?;
    Ok(run.tuned())
}

struct Run<'r, 's, 'a> {
    session: &'r mut Session<'s>,
    inputs: &'r Inputs<'a>,
    log: &'r mut Log,
    plan: Plan,
    shares_left: usize,
    noise: f64,
    /// Plans of the second best teams, decode first.
    seconds: [Option<Plan>; 2],
    /// Most rounds of the next race.
    rounds: usize,
}

impl Run<'_, '_, '_> {
    /// The plan with what its rivals are, once nothing changes any more.
    fn tuned(self) -> Tuned {
        let [decode, prefill] = self.seconds;
        let with_team = |second: Option<Plan>, phase: Phase| {
            let mut plan = self.plan.clone();
            *phase.team_mut(&mut plan) = phase.team(&second?).clone();
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

    /// The coarse grid first, with short samples; then what is left of it and what lies between the
    /// best and its neighbours, with whole ones.
    fn team(
        &mut self,
        stage: Stage,
        phase: Phase,
        (short, whole): (&Work, &Work),
        attention: Option<&Works>,
    ) -> Result<(), Halt> {
        let until = self.deadline(TEAM_SHARE);
        self.shares_left = self.shares_left.saturating_sub(TEAM_SHARE);
        let now = (self.session.clock)();
        let half = until.map(|until| now + (until - now) / 2.0);
        let before = self.log.outcomes.len();
        let candidates = self.with_anchor(self.inputs.teams, phase);
        let title = stage.title().to_owned();
        self.rounds = self.inputs.effort.rounds.min(COARSE_ROUNDS);
        let coarse = self.race_until((stage, title), candidates, short, half);
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
        let best = phase.team(&self.plan).clone();
        let maps = [best.map.as_str()];
        let request = &self.inputs.request;
        let near = placement::refined(request, best.threads, self.inputs.teams, &maps);
        let mut candidates = self.with_anchor(&near, phase);
        candidates.extend(self.survivors(before, phase));
        if candidates.len() > 1 {
            let title = format!("{}, near the best", stage.title());
            self.race_until((stage, title), candidates, whole, until)?;
        }
        self.seconds[phase as usize] = self.second_best(stage, phase);
        Ok(())
    }

    /// The best candidates that had not left the first race since outcome `before`, but its winner.
    fn survivors(&self, before: usize, phase: Phase) -> Vec<Candidate> {
        let Some(outcome) = self.log.outcomes.get(before) else {
            return Vec::new();
        };
        let winner = phase.team(&self.plan);
        let left = outcome.lanes.iter().filter(|lane| {
            lane.out.is_none()
                && !lane.rates.is_empty()
                && phase.team(&lane.candidate.plan) != winner
        });
        let mut left: Vec<_> = left.collect();
        left.sort_by(|a, b| median(&b.rates).total_cmp(&median(&a.rates)));
        let best = left.into_iter().take(SURVIVORS);
        // Other things than the team may have changed since.
        let with_present = |lane: &super::race::Lane| {
            let mut candidate = lane.candidate.clone();
            candidate.plan = self.plan.clone();
            *phase.team_mut(&mut candidate.plan) = phase.team(&lane.candidate.plan).clone();
            candidate
        };
        best.map(with_present).collect()
    }

    /// The best team of a stage's races besides the one that won.
    fn second_best(&self, stage: Stage, phase: Phase) -> Option<Plan> {
        let winner = phase.team(&self.plan);
        let outcomes = self
            .log
            .outcomes
            .iter()
            .rev()
            .filter(|outcome| outcome.stage == stage);
        let lanes = outcomes.take(1).flat_map(|outcome| &outcome.lanes);
        let others = lanes
            .filter(|lane| !lane.rates.is_empty() && phase.team(&lane.candidate.plan) != winner);
        let best = others.max_by(|a, b| {
            let rounds = |lane: &super::race::Lane| lane.out.is_none();
            let rate = |lane: &super::race::Lane| median(&lane.rates);
            rounds(a).cmp(&rounds(b)).then(rate(a).total_cmp(&rate(b)))
        });
        best.map(|lane| lane.candidate.plan.clone())
    }

    /// Teams as candidates, the one in force first.
    fn with_anchor(&self, teams: &TeamSpace, phase: Phase) -> Vec<Candidate> {
        let mut candidates = placement::candidates(teams, &self.plan, phase);
        let present = phase.team(&self.plan).clone();
        let twin = candidates.iter().position(|candidate| {
            let team = phase.team(&candidate.plan);
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
            self.race_until((stage, title), candidates, work, until)?;
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
        let rounds = self.rounds;
        let outcome = Race {
            stage,
            title,
            work,
            rounds,
            deadline,
            noise: self.noise,
            eliminates: !self.inputs.exhaustive,
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
    fn deadline(&self, shares: usize) -> Option<f64> {
        let now = (self.session.clock)();
        let until = self.inputs.effort.search_until?;
        let part = shares as f64 / self.shares_left.max(shares) as f64;
        Some(now + (until - now).max(0.0) * part)
    }
}

/// Without the default plan there is nothing to compare with.
fn fatal(halt: Halt) -> Halt {
    match halt {
        Halt::Refused(why) => Halt::Failed(format!("the default plan was refused: {why}")),
        other => other,
    }
}
