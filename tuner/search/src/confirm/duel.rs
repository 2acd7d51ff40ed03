//! Plans measured in turn until they are told apart, and who has won.

use sysinfer_engine::Plan;
use sysinfer_probe::{Halt, Phase, Session, Work};
use sysinfer_stats::comparison::ALPHA;
use sysinfer_stats::{Comparison, Estimate, Scale, Verdict};

use super::outcome::{Decision, Fate, Fresh, Limits};
use crate::standing::before;
use crate::works;

/// Rounds before anything is decided.
const MIN_ROUNDS: usize = 6;
/// Rounds in which the runner-up takes part: two of the best few that are not told apart by then are
/// equally good.
const RUNNER_UP_ROUNDS: usize = 10;
/// Rounds in which the plan takes part that keeps this phase beside a new one of the other: a harm that
/// takes more to be seen is small, and every round without it is one more for the winner.
const KEPT_ROUNDS: usize = 12;
/// A plan that is hardly faster than the default by more than this is not worth more rounds.
const WORTH: f64 = 0.01;
/// How often a plan that is faster by just that much may be given up: it is looked for after every round, and
/// what gives up early on a good plan loses more than the rounds are worth.
const ALPHA_FUTILE: f64 = 0.003;
/// How often a winner that is as fast as the default may be taken for faster, in one look. Looking after every
/// round gives chance many chances, so an early decision needs more than one when all rounds are there:
/// together less than one wrong decision in a thousand between equals, which a test counts.
const ALPHA_EARLY: f64 = 1e-5;
const ALPHA_LAST: f64 = 5e-4;
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
        noise: f64,
        rounds: usize,
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
        phase: Phase,
        work: &Work,
        limits: Limits,
    ) -> Result<(), Halt> {
        let began = (session.clock)();
        let mut last = began;
        for round in 0..self.rounds {
            let late = limits.until.is_some_and(|until| (session.clock)() >= until);
            if round >= MIN_ROUNDS && (late || !self.is_open()) {
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
                let left = self.seconds_left(phase, began, now, limits.until);
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
    fn gap(&self, plan: usize, other: usize) -> Comparison {
        let ratios = |plan: usize, other: usize| -> Vec<f64> {
            let rounds = self.logs[plan].iter().zip(&self.logs[other]);
            rounds.map(|(a, b)| a - b).collect()
        };
        let all: Vec<Vec<f64>> = (1..self.plans.len())
            .map(|plan| ratios(plan, DEFAULT))
            .collect();
        let noise = Scale::robust(all.iter().map(Vec::as_slice), before(self.noise));
        // The races have seen more of the noise than these few rounds: it is not believed to be less.
        let noise = Scale {
            deviation: noise.deviation.max(self.noise),
            ..noise
        };
        Comparison::paired(&ratios(plan, other), noise)
    }

    /// What is likely left of the stage, by the samples so far: rounds until something is decided, and
    /// after decoding as long again for prompts; no longer than the time limit allows.
    fn seconds_left(&self, phase: Phase, began: f64, now: f64, until: Option<f64>) -> f64 {
        let rounds = self.likely_rounds();
        let (mut taken, mut all) = (0, 0);
        for (index, logs) in self.logs.iter().enumerate() {
            let most = rounds.min(self.most_rounds(index));
            taken += logs.len();
            all += most.max(logs.len());
        }
        let sample = (now - began) / taken.max(1) as f64;
        let least = (self.plans.len() * MIN_ROUNDS).saturating_sub(taken) as f64 * sample;
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
        let least = MIN_ROUNDS.min(self.rounds);
        if rounds < 2 {
            return least;
        }
        if rounds >= least && !self.is_open() {
            return rounds;
        }
        let gap = self.gap(TUNED, DEFAULT);
        let of_one = gap.error * gap.error * gap.count as f64;
        let until = |alpha: f64, distance: f64| {
            let errors = (gap.interval(alpha).1 - gap.shift) / gap.error;
            match distance > 0.0 {
                true => errors * errors * of_one / (distance * distance),
                false => f64::INFINITY,
            }
        };
        let needed = until(ALPHA_EARLY, gap.shift).min(until(ALPHA_FUTILE, WORTH - gap.shift));
        // A cast saturates: what would never be decided takes all rounds.
        let needed = needed.ceil() as usize;
        needed.clamp(least.max(rounds), self.rounds.max(rounds))
    }

    /// Whether another round could decide something.
    fn is_open(&self) -> bool {
        let undecided = |gap: &Comparison| {
            gap.verdict(ALPHA_EARLY) != Verdict::Faster && gap.interval(ALPHA_FUTILE).1 > WORTH
        };
        // A plan that keeps this phase has to be harmless, not faster: that takes no more rounds.
        let is_kept = self.kept == Some(TUNED);
        let rounds = self.logs[DEFAULT].len();
        let against_default = !is_kept || rounds < RUNNER_UP_ROUNDS;
        let runner_up = self
            .runner_up()
            .filter(|index| self.logs[*index].len() < RUNNER_UP_ROUNDS);
        let rivals = runner_up.map(|index| self.gap(TUNED, index));
        (against_default && undecided(&self.gap(TUNED, DEFAULT)))
            || rivals.is_some_and(|gap| !is_told_apart(&gap))
    }

    fn runner_up(&self) -> Option<usize> {
        self.plans.iter().position(|(name, _)| *name == "runner-up")
    }

    pub(super) fn judge(self, base: &Plan, phase: Phase, keep: Decision) -> Decision {
        // The runner-up takes the winner's place only where it is ahead by evidence.
        let overtaken = self.runner_up().filter(|index| {
            self.gap(*index, TUNED).verdict(ALPHA) == Verdict::Faster
                && self.gap(*index, DEFAULT).verdict(ALPHA_LAST) == Verdict::Faster
        });
        let chosen = overtaken.unwrap_or(TUNED);
        let gap = self.gap(chosen, DEFAULT);
        let percent = 100.0 * (gap.shift.exp() - 1.0);
        let margin = gap.ratio(ALPHA);
        let Estimate { low, high, .. } = margin;
        let interval = format!(
            "{percent:+.1} %, 95 %: {:+.1} to {:+.1} %, {} fresh rounds",
            100.0 * (low - 1.0),
            100.0 * (high - 1.0),
            gap.count
        );
        let fresh = Fresh {
            candidate: self.plans[chosen].0,
            margin: Some(margin),
            fate: Fate::Unproven,
        };
        let plan = &self.plans[chosen].1;
        let fewer = plan.team(phase).threads < base.team(phase).threads;
        let is_faster = gap.verdict(ALPHA_LAST) == Verdict::Faster;
        let is_equal = fewer && gap.shift >= 0.0 && gap.interval(ALPHA_LAST).0 >= -TIE;
        if is_faster || is_equal {
            let reason = match (is_faster, overtaken.is_some()) {
                (false, _) => format!("as fast as the default ({interval}) with fewer threads"),
                (true, false) => format!("faster than the default ({interval})"),
                (true, true) => format!(
                    "the runner-up, which overtook the winner, is faster than the default ({interval})"
                ),
            };
            let fresh = Fresh {
                fate: Fate::Chosen,
                ..fresh
            };
            return Decision {
                plan: plan.clone(),
                gain: Some(margin),
                reason,
                fresh,
                spoils: false,
            };
        }
        let kept_gap = self.kept.map(|index| self.gap(index, DEFAULT));
        let spoils = kept_gap.is_some_and(|gap| gap.interval(ALPHA_LAST).1 < -HARM);
        let reason = match gap.verdict(ALPHA) {
            Verdict::Slower => {
                format!("the default: the winner was slower in fresh rounds ({interval})")
            }
            Verdict::Faster => format!(
                "the default: the winner seems faster, but after so many looks that may be luck ({interval})"
            ),
            Verdict::Equivalent | Verdict::CannotTell => {
                format!("the default: the winner is not told apart from it ({interval})")
            }
        };
        let gain = kept_gap.filter(|_| !spoils).map(|gap| gap.ratio(ALPHA));
        Decision {
            gain,
            reason,
            fresh,
            spoils,
            ..keep
        }
    }
}

fn is_told_apart(gap: &Comparison) -> bool {
    matches!(gap.verdict(ALPHA), Verdict::Faster | Verdict::Slower)
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;
    use sysinfer_engine::PhasePlan;
    use sysinfer_random::SplitMix64;

    use super::*;

    #[test]
    fn the_time_left_follows_what_the_rounds_say() {
        let plan = || Plan::with_threads(PhasePlan::unpinned(4));
        let fought = |gain: f64, rounds: usize| {
            let plans = vec![("default", plan()), ("tuned", plan())];
            let mut duel = Duel::new(plans, None, 0.03, 128);
            for round in 0..rounds {
                let noise = if round % 2 == 0 { 0.02 } else { -0.02 };
                duel.logs[DEFAULT].push(0.0);
                duel.logs[TUNED].push(gain + noise);
            }
            duel
        };
        let cases = [
            ("nothing is known", 0.0, 1, MIN_ROUNDS),
            ("clear", 0.3, 4, MIN_ROUNDS),
            ("clear, and over", 0.3, 8, 8),
            ("close", 0.02, 8, 105),
            ("never", 0.01, 8, 128),
            ("worse", -0.2, 8, 8),
        ];
        for (name, gain, rounds, expected) in cases {
            assert_eq!(fought(gain, rounds).likely_rounds(), expected, "{name}");
        }
        // Eight rounds of two samples took 16 s: a second each.
        let left = |phase, until| fought(0.01, 8).seconds_left(phase, 0.0, 16.0, until);
        assert_eq!(left(Phase::Prefill, None), 240.0);
        assert_eq!(left(Phase::Prefill, Some(40.0)), 24.0);
        assert_eq!(left(Phase::Decode, Some(40.0)), 24.0 + 40.0);
        assert_eq!(
            left(Phase::Prefill, Some(10.0)),
            0.0,
            "the limit has passed"
        );
        let early = fought(0.3, 3).seconds_left(Phase::Prefill, 0.0, 6.0, Some(1.0));
        assert_eq!(early, 6.0, "every plan has its least rounds all the same");
    }

    /// Share of duels that end with the winner taken for faster, of this true gain.
    fn share_taken(gain: f64) -> f64 {
        const DUELS: u64 = 1000;
        let taken = |seed: &u64| {
            let mut random = SplitMix64(*seed);
            let mut noise = || {
                let uniform = |_| random.below(1 << 20) as f64 / f64::from(1 << 20);
                0.03 * ((0..12).map(uniform).sum::<f64>() - 6.0) / std::f64::consts::SQRT_2
            };
            let plan = Plan::with_threads(PhasePlan::unpinned(4));
            let plans = vec![("default", plan.clone()), ("tuned", plan)];
            let mut duel = Duel::new(plans, None, 0.03, 64);
            for round in 0..duel.rounds {
                if round >= MIN_ROUNDS && !duel.is_open() {
                    break;
                }
                duel.logs[DEFAULT].push(noise());
                duel.logs[TUNED].push(gain + noise());
            }
            duel.gap(TUNED, DEFAULT).verdict(ALPHA_LAST) == Verdict::Faster
        };
        let duels = (0..DUELS).into_par_iter();
        duels.filter(taken).count() as f64 / DUELS as f64
    }

    #[test]
    fn many_looks_do_not_make_equals_faster_and_find_what_is() {
        let (of_equals, of_faster) = (share_taken(0.0), share_taken(0.05));
        assert!(of_equals <= 0.001, "{of_equals}");
        assert!(of_faster >= 0.99, "{of_faster}");
    }
}
