//! The winner against the default and against the runner-up, in fresh interleaved rounds: a stage's
//! winner was the luckiest of many, so its own samples flatter it. What is not at least as fast as
//! the default here, by evidence, is not in the profile.
//!
//! Rounds go on until the winner is told apart from both, or there is no time left.

use sysinfer_engine::{Blocking, Plan};

use super::Stage;
use super::staged::Tuned;
use super::standing::NOISE_WEIGHT;
use super::works::{self, Works};
use crate::measure::Work;
use crate::measure::session::{Halt, Session};
use crate::space::Phase;
use crate::stats::Gap;
use crate::stats::robust::{Z_95, deviation};

/// Rounds before anything is decided.
const LEAST_ROUNDS: usize = 6;
/// Rounds in which the runner-up takes part: two of the best few that are not told apart by then are
/// equally good.
const RUNNER_UP_ROUNDS: usize = 10;
/// Rounds in which the plan takes part that keeps this phase while weights have moved: a harm that takes
/// more to be seen is small, and every round without it is one more for the winner.
const KEPT_ROUNDS: usize = 12;
/// A plan that is hardly faster than the default by more than this is not worth more rounds.
const WORTH: f64 = 0.01;
/// Standard errors at which a plan counts as hardly faster: it is looked for after every round, and what
/// gives up early on a good plan loses more than the rounds are worth.
const Z_FUTILE: f64 = 3.0;
/// Standard errors by which the winner must be ahead of the default. Looking after every round gives
/// chance many chances, so an early decision needs more than one when all rounds are there: together
/// about one wrong decision in two thousand between equals.
const Z_EARLY: f64 = 4.6;
const Z_LAST: f64 = 3.6;
/// A loss of the other phase that outweighs any gain, if it is beyond noise.
const HARM: f64 = 0.005;
/// A plan with fewer threads may be taken for the default's equal where the interval says that it
/// loses no more than this.
const TIE: f64 = 0.005;

/// The rival that the winner was held against, besides the default.
#[derive(Clone, Debug, PartialEq)]
pub struct RunnerUp {
    /// What it would have run.
    pub plan: Plan,
    /// The winner's rate over its rate.
    pub gain: f64,
    /// 95 % interval of that.
    pub interval: (f64, f64),
}

/// What the fresh rounds say about one phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fresh {
    /// Rounds that were measured; 0: there was nothing to compare.
    pub rounds: usize,
    /// 95 % interval of the chosen plan's rate over the default's; `None` where it is the default's.
    pub interval: Option<(f64, f64)>,
    /// The runner-up, if it took part and the winner was chosen.
    pub runner_up: Option<RunnerUp>,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmation {
    /// What the profile says to run.
    pub plan: Plan,
    /// Its decode rate over the default's; exactly 1 where it *is* the default's.
    pub gain_decode: f64,
    /// The same for prefill.
    pub gain_prefill: f64,
    /// What was decided for each phase and why, one line each.
    pub reasons: Vec<String>,
    /// Rounds, intervals and runner-up of decoding.
    pub decode: Fresh,
    /// The same for prefill.
    pub prefill: Fresh,
}

/// Rounds and time of the confirmation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rounds for each phase.
    pub rounds: usize,
    /// When to stop, on the session's clock, once every plan has `LEAST_ROUNDS` samples. Each phase
    /// has half of the time.
    pub until: Option<f64>,
}

/// Measures the tuned plan against the default and the runner-up and keeps, phase by phase, what is
/// really better.
///
/// # Errors
/// Ctrl-C or a failure; nothing is decided then.
pub fn confirm(
    session: &mut Session<'_>,
    default: &Plan,
    tuned: &Tuned,
    works: &Works,
    limits: Limits,
) -> Result<Confirmation, Halt> {
    session.stage = Stage::Confirmation;
    session.progress.stage(Stage::Confirmation.title(), 1);
    let now = (session.clock)();
    let halfway = limits.until.map(|until| (now + until.max(now)) / 2.0);
    let works = (&works.decode, &works.prefill);
    let decode = Limits {
        until: halfway,
        ..limits
    };
    let mut result = judge_phase(
        session,
        default,
        default,
        tuned,
        (Phase::Decode, works.0),
        decode,
    )?;
    let mut prefill = judge_phase(
        session,
        default,
        &result.plan,
        tuned,
        (Phase::Prefill, works.1),
        limits,
    )?;
    if prefill.spoils {
        // Moving the weights to the decode team's nodes slowed prompts down, and nothing made up
        // for it: what is not harmless in both phases is not taken.
        prefill.reason = format!("the default in both phases: {}", prefill.reason);
        result = Judgement {
            plan: default.clone(),
            gain: 1.0,
            fresh: Fresh::default(),
            ..result
        };
        prefill.plan = default.clone();
    }
    Ok(Confirmation {
        plan: prefill.plan,
        gain_decode: result.gain,
        gain_prefill: prefill.gain,
        reasons: vec![
            format!("decode: {}", result.reason),
            format!("prefill: {}", prefill.reason),
        ],
        decode: result.fresh,
        prefill: prefill.fresh,
    })
}

/// What was decided about one phase.
struct Judgement {
    plan: Plan,
    gain: f64,
    reason: String,
    fresh: Fresh,
    /// The plan that keeps this phase's default is slower than the default itself.
    spoils: bool,
}

/// Decides one phase. `base` is the default with what was decided before: this phase is still the
/// default's, but weights may lie elsewhere.
fn judge_phase(
    session: &mut Session<'_>,
    default: &Plan,
    base: &Plan,
    tuned: &Tuned,
    (phase, work): (Phase, &Work),
    limits: Limits,
) -> Result<Judgement, Halt> {
    let keep = |reason: String| Judgement {
        plan: base.clone(),
        gain: 1.0,
        reason,
        fresh: Fresh::default(),
        spoils: false,
    };
    let winner = take_phase(base, &tuned.plan, phase);
    if winner == *default {
        return Ok(keep(
            "the search found nothing better than the default".into(),
        ));
    }
    let mut plans = vec![("default", default.clone()), ("tuned", winner)];
    if let Some(runner_up) = &tuned.runners_up[phase as usize] {
        plans.push(("runner-up", take_phase(base, runner_up, phase)));
    }
    // With the decode team elsewhere, weights are too, so keeping this phase is a plan of its own.
    let moved = base.decode != default.decode && plans[1].1 != *base && phase == Phase::Prefill;
    if moved {
        plans.push(("kept", base.clone()));
    }
    let kept = plans
        .iter()
        .position(|(_, plan)| plan == base && plan != default);
    let mut duel = Duel::new(plans, kept, (tuned.noise, limits.rounds));
    match duel.fight(session, (phase, work), limits) {
        Ok(()) => {}
        Err(Halt::Refused(why)) => {
            return Ok(keep(format!(
                "the default, because a plan was refused: {why}"
            )));
        }
        Err(other) => return Err(other),
    }
    Ok(duel.judge(base, phase, keep(String::new())))
}

/// Plans measured in turn, the default first, the winner second.
struct Duel {
    plans: Vec<(&'static str, Plan)>,
    /// Logarithms of rates, `[plan][round]`; the runner-up may have fewer.
    logs: Vec<Vec<f64>>,
    /// Rates, to be shown.
    last: Vec<f64>,
    /// The plan that keeps the default of this phase, where that is not the default itself.
    kept: Option<usize>,
    noise: f64,
    rounds: usize,
}

const DEFAULT: usize = 0;
const TUNED: usize = 1;

impl Duel {
    fn new(
        plans: Vec<(&'static str, Plan)>,
        kept: Option<usize>,
        (noise, rounds): (f64, usize),
    ) -> Duel {
        Duel {
            logs: vec![Vec::new(); plans.len()],
            last: vec![0.0; plans.len()],
            plans,
            kept,
            noise,
            rounds,
        }
    }

    /// Rounds until nothing is open, in an order that is turned in each.
    fn fight(
        &mut self,
        session: &mut Session<'_>,
        (phase, work): (Phase, &Work),
        limits: Limits,
    ) -> Result<(), Halt> {
        let began = (session.clock)();
        let mut last = began;
        for round in 0..self.rounds {
            let late = limits.until.is_some_and(|until| (session.clock)() >= until);
            if round >= LEAST_ROUNDS && (late || !self.is_open()) {
                break;
            }
            let count = self.plans.len();
            let work = works::in_round(work, round);
            for turn in 0..count {
                let index = (round + turn) % count;
                let (name, plan) = &self.plans[index];
                if round >= self.most_rounds(index) {
                    continue;
                }
                let rate = session.rate(name, plan, &work)?;
                self.logs[index].push(rate.max(f64::MIN_POSITIVE).ln());
                self.last[index] = rate;
                let text = format!(
                    "tuned {:.2}, default {:.2} tokens/s",
                    self.last[TUNED], self.last[DEFAULT]
                );
                let now = (session.clock)();
                let left = self.seconds_left(phase, (began, now), limits.until);
                session.progress.goes_on(now - last, left, &text);
                last = now;
            }
        }
        Ok(())
    }

    /// Rounds that a plan takes part in, at most.
    fn most_rounds(&self, index: usize) -> usize {
        match self.plans[index].0 {
            "runner-up" => RUNNER_UP_ROUNDS,
            "kept" => KEPT_ROUNDS,
            _ => usize::MAX,
        }
    }

    /// How far `plan` is ahead of `other`.
    fn gap(&self, plan: usize, other: usize) -> Gap {
        let ratios = |plan: usize, other: usize| -> Vec<f64> {
            self.logs[plan]
                .iter()
                .zip(&self.logs[other])
                .map(|(a, b)| a - b)
                .collect()
        };
        let all: Vec<Vec<f64>> = (1..self.plans.len())
            .map(|plan| ratios(plan, DEFAULT))
            .collect();
        // The races have seen more of the noise than these few rounds: it is not believed to be less.
        Gap::of(
            &ratios(plan, other),
            deviation(&all, self.noise, NOISE_WEIGHT).max(self.noise),
        )
    }

    /// What is likely left of the stage, by the samples so far: rounds until something is decided, and
    /// after decoding as long again for prompts; no longer than the time limit allows.
    fn seconds_left(&self, phase: Phase, (began, now): (f64, f64), until: Option<f64>) -> f64 {
        let rounds = self.likely_rounds();
        let (mut taken, mut all) = (0, 0);
        for (index, logs) in self.logs.iter().enumerate() {
            let most = rounds.min(self.most_rounds(index));
            taken += logs.len();
            all += most.max(logs.len());
        }
        let sample = (now - began) / taken.max(1) as f64;
        let least = (self.plans.len() * LEAST_ROUNDS).saturating_sub(taken) as f64 * sample;
        let limit = until.map_or(f64::INFINITY, |until| (until - now).max(least));
        let here = ((all - taken) as f64 * sample).min(limit);
        match phase {
            Phase::Decode => here + (now - began + here),
            Phase::Prefill => here,
        }
    }

    /// How many rounds it is likely to take: the standard error falls with the root of their number.
    fn likely_rounds(&self) -> usize {
        let rounds = self.logs[TUNED].len().min(self.logs[DEFAULT].len());
        let least = LEAST_ROUNDS.min(self.rounds);
        if rounds < 2 {
            return least;
        }
        if rounds >= least && !self.is_open() {
            return rounds;
        }
        let gap = self.gap(TUNED, DEFAULT);
        let of_one = gap.error * gap.error * gap.pairs as f64;
        let until = |z: f64, distance: f64| match distance > 0.0 {
            true => z * z * of_one / (distance * distance),
            false => f64::INFINITY,
        };
        let needed = until(Z_EARLY, gap.centre).min(until(Z_FUTILE, WORTH - gap.centre));
        // A cast saturates: what would never be decided takes all rounds.
        let needed = needed.ceil() as usize;
        needed.clamp(least.max(rounds), self.rounds.max(rounds))
    }

    /// Whether another round could decide something.
    fn is_open(&self) -> bool {
        let undecided = |gap: &Gap| gap.low(Z_EARLY) <= 0.0 && gap.high(Z_FUTILE) > WORTH;
        // A plan that keeps this phase has to be harmless, not faster: that takes no more rounds.
        let is_kept = self.kept == Some(TUNED);
        let rounds = self.logs[DEFAULT].len();
        let against_default = !is_kept || rounds < RUNNER_UP_ROUNDS;
        let runner_up = self
            .runner_up()
            .filter(|index| self.logs[*index].len() < RUNNER_UP_ROUNDS);
        let rivals = runner_up.map(|index| self.gap(TUNED, index));
        (against_default && undecided(&self.gap(TUNED, DEFAULT)))
            || rivals.is_some_and(|gap| gap.low(Z_95) < 0.0 && gap.high(Z_95) > 0.0)
    }

    fn runner_up(&self) -> Option<usize> {
        self.plans.iter().position(|(name, _)| *name == "runner-up")
    }

    fn judge(self, base: &Plan, phase: Phase, keep: Judgement) -> Judgement {
        let rounds = self.logs[DEFAULT].len();
        // The runner-up takes the winner's place only where it is ahead by evidence.
        let overtaken = self.runner_up().filter(|index| {
            self.gap(*index, TUNED).low(Z_95) > 0.0 && self.gap(*index, DEFAULT).low(Z_LAST) > 0.0
        });
        let chosen = overtaken.unwrap_or(TUNED);
        let gap = self.gap(chosen, DEFAULT);
        let percent = 100.0 * (gap.centre.exp() - 1.0);
        let (low, high) = gap.factors();
        let interval = format!(
            "{percent:+.1} %, 95 %: {:+.1} to {:+.1} %, {rounds} fresh rounds",
            100.0 * (low - 1.0),
            100.0 * (high - 1.0)
        );
        let plan = &self.plans[chosen].1;
        let fewer = phase.team(plan).threads < phase.team(base).threads;
        let is_faster = gap.low(Z_LAST) > 0.0;
        let is_equal = fewer && gap.centre >= 0.0 && gap.low(Z_LAST) >= -TIE;
        if is_faster || is_equal {
            let reason = match (is_faster, overtaken.is_some()) {
                (false, _) => format!("as fast as the default ({interval}) with fewer threads"),
                (true, false) => format!("faster than the default ({interval})"),
                (true, true) => format!(
                    "the runner-up, which overtook the winner, is faster than the default ({interval})"
                ),
            };
            let fresh = Fresh {
                rounds,
                interval: Some((low, high)),
                runner_up: self.rival_of(chosen),
            };
            return Judgement {
                plan: plan.clone(),
                gain: gap.centre.exp(),
                reason,
                fresh,
                spoils: false,
            };
        }
        let kept_gap = self.kept.map(|index| self.gap(index, DEFAULT));
        let spoils = kept_gap.is_some_and(|gap| gap.high(Z_LAST) < -HARM);
        let reason = if gap.high(Z_95) < 0.0 {
            format!("the default: the winner was slower in fresh rounds ({interval})")
        } else if gap.low(Z_95) > 0.0 {
            format!(
                "the default: the winner seems faster, but after so many looks that may be luck ({interval})"
            )
        } else {
            format!("the default: the winner is not told apart from it ({interval})")
        };
        let gain = kept_gap
            .filter(|_| !spoils)
            .map_or(1.0, |gap| gap.centre.exp());
        let fresh = Fresh {
            rounds,
            ..Fresh::default()
        };
        Judgement {
            gain,
            reason,
            fresh,
            spoils,
            ..keep
        }
    }

    /// The other of winner and runner-up, beside the one that was chosen.
    fn rival_of(&self, chosen: usize) -> Option<RunnerUp> {
        let runner_up = self.runner_up()?;
        let rival = if chosen == runner_up {
            TUNED
        } else {
            runner_up
        };
        let gap = self.gap(chosen, rival);
        Some(RunnerUp {
            plan: self.plans[rival].1.clone(),
            gain: gap.centre.exp(),
            interval: gap.factors(),
        })
    }
}

/// `base` with everything of `donor` that concerns one phase.
pub fn take_phase(base: &Plan, donor: &Plan, phase: Phase) -> Plan {
    let mut plan = phase.take_team(base, donor);
    for (block_type, from) in &donor.kernels {
        let into = plan.kernels.entry(block_type.clone()).or_default();
        match phase {
            Phase::Decode => into.decode.clone_from(&from.decode),
            Phase::Prefill => into.prefill.clone_from(&from.prefill),
        }
    }
    plan.blocking = match phase {
        Phase::Decode => Blocking {
            prefetch_bytes: donor.blocking.prefetch_bytes,
            attention_chunk: donor.blocking.attention_chunk,
            ..plan.blocking
        },
        Phase::Prefill => Blocking {
            prefill_rows: donor.blocking.prefill_rows,
            prefill_chunk: donor.blocking.prefill_chunk,
            ..plan.blocking
        },
    };
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use sysinfer_engine::{KernelChoice, PhasePlan};

    #[test]
    fn the_time_left_follows_what_the_rounds_say() {
        let plan = || Plan::with_threads(PhasePlan::unpinned(4));
        let fought = |gain: f64, rounds: usize| {
            let plans = vec![("default", plan()), ("tuned", plan())];
            let mut duel = Duel::new(plans, None, (0.03, 128));
            for round in 0..rounds {
                let noise = if round % 2 == 0 { 0.02 } else { -0.02 };
                duel.logs[DEFAULT].push(0.0);
                duel.logs[TUNED].push(gain + noise);
            }
            duel
        };
        let cases = [
            ("nothing is known", 0.0, 1, LEAST_ROUNDS),
            ("clear", 0.3, 4, LEAST_ROUNDS),
            ("clear, and over", 0.3, 8, 8),
            ("close", 0.0138, 8, 111),
            ("never", 0.01, 8, 128),
            ("worse", -0.2, 8, 8),
        ];
        for (name, gain, rounds, expected) in cases {
            assert_eq!(fought(gain, rounds).likely_rounds(), expected, "{name}");
        }
        // Eight rounds of two samples took 16 s: a second each.
        let left = |phase, until| fought(0.01, 8).seconds_left(phase, (0.0, 16.0), until);
        assert_eq!(left(Phase::Prefill, None), 240.0);
        assert_eq!(left(Phase::Prefill, Some(40.0)), 24.0);
        assert_eq!(left(Phase::Decode, Some(40.0)), 24.0 + 40.0);
        assert_eq!(
            left(Phase::Prefill, Some(10.0)),
            0.0,
            "the limit has passed"
        );
        let early = fought(0.3, 3).seconds_left(Phase::Prefill, (0.0, 6.0), Some(1.0));
        assert_eq!(early, 6.0, "every plan has its least rounds all the same");
    }

    #[test]
    fn the_two_phases_are_a_whole_plan() {
        let default = Plan::with_threads(PhasePlan::unpinned(4));
        let mut tuned = Plan::with_threads(PhasePlan::unpinned(3));
        tuned.prefill.threads = 2;
        tuned.blocking = Blocking {
            prefetch_bytes: 0,
            prefill_rows: 32,
            prefill_chunk: 128,
            attention_chunk: 64,
        };
        let choice = KernelChoice {
            decode: Some("d".into()),
            prefill: Some("p".into()),
        };
        tuned.kernels.insert("Q4_0".into(), choice);
        let decode = take_phase(&default, &tuned, Phase::Decode);
        assert_eq!((decode.decode.threads, decode.prefill.threads), (3, 4));
        assert_eq!(
            (decode.blocking.prefetch_bytes, decode.blocking.prefill_rows),
            (0, default.blocking.prefill_rows)
        );
        assert_eq!(decode.kernels["Q4_0"].prefill, None);
        assert_eq!(take_phase(&decode, &tuned, Phase::Prefill), tuned);
    }
}
