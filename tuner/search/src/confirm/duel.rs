//! Plans measured in turn until they are told apart, and who has won.

use sysinfer_engine::Plan;
use sysinfer_probe::{Halt, Phase, Session, Work};
use sysinfer_stats::robust::{Z_95, deviation};
use sysinfer_stats::{Estimate, Gap};

use super::outcome::{Fresh, Judgement, Limits, Verdict};
use crate::standing::NOISE_WEIGHT;
use crate::works;

/// Rounds before anything is decided.
const LEAST_ROUNDS: usize = 6;
/// Rounds in which the runner-up takes part: two of the best few that are not told apart by then are
/// equally good.
const RUNNER_UP_ROUNDS: usize = 10;
/// Rounds in which the plan takes part that keeps this phase beside a new one of the other: a harm that
/// takes more to be seen is small, and every round without it is one more for the winner.
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

/// Plans measured in turn, the default first, the winner second.
pub(super) struct Duel {
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
    pub(super) fn new(
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
    pub(super) fn fight(
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
        let seen: Vec<&[f64]> = all.iter().map(Vec::as_slice).collect();
        // The races have seen more of the noise than these few rounds: it is not believed to be less.
        Gap::of(
            &ratios(plan, other),
            deviation(&seen, self.noise, NOISE_WEIGHT).max(self.noise),
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

    pub(super) fn judge(self, base: &Plan, phase: Phase, keep: Judgement) -> Judgement {
        // The runner-up takes the winner's place only where it is ahead by evidence.
        let overtaken = self.runner_up().filter(|index| {
            self.gap(*index, TUNED).low(Z_95) > 0.0 && self.gap(*index, DEFAULT).low(Z_LAST) > 0.0
        });
        let chosen = overtaken.unwrap_or(TUNED);
        let gap = self.gap(chosen, DEFAULT);
        let percent = 100.0 * (gap.centre.exp() - 1.0);
        let margin = ratio(&gap);
        let Estimate { low, high, .. } = margin;
        let interval = format!(
            "{percent:+.1} %, 95 %: {:+.1} to {:+.1} %, {} fresh rounds",
            100.0 * (low - 1.0),
            100.0 * (high - 1.0),
            gap.pairs
        );
        let fresh = Fresh {
            candidate: self.plans[chosen].0,
            margin: Some(margin),
            verdict: Verdict::Unproven,
        };
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
                verdict: Verdict::Chosen,
                ..fresh
            };
            return Judgement {
                plan: plan.clone(),
                gain: Some(margin),
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
        let gain = kept_gap.filter(|_| !spoils).as_ref().map(ratio);
        Judgement {
            gain,
            reason,
            fresh,
            spoils,
            ..keep
        }
    }
}

/// A difference of logarithms as a ratio of rates.
fn ratio(gap: &Gap) -> Estimate {
    let (low, high) = gap.factors();
    Estimate {
        median: gap.centre.exp(),
        low,
        high,
        count: gap.pairs,
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::PhasePlan;

    use super::*;

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
}
