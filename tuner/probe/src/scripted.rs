//! A machine with a planted truth: rates by plan, noise by seed, time that only it advances.

use std::cell::Cell;

use sysinfer_engine::{EngineInfo, Phase, Plan};
use sysinfer_random::SplitMix64;

use crate::cores::CoreReading;
use crate::probe::{Probe, ProbeError};
use crate::reading::{Point, Reading};
use crate::voids::{Disturbance, VoidKind};
use crate::work::Work;

/// True rate of a plan, tokens/s; `None`: the plan is refused.
pub type Truth = fn(&Plan, &Work) -> Option<f64>;

/// The probe of the tests.
pub struct Scripted<'a> {
    /// Rates of plans.
    pub truth: Truth,
    /// Runs are slower than the truth by up to this share: noise only ever adds time.
    pub noise: f64,
    /// Draws the noise.
    pub random: SplitMix64,
    /// Seconds since the start.
    pub time: &'a Cell<f64>,
    /// Seconds at which the host halves its speed for a while, and how long.
    pub slump: Option<(f64, f64)>,
    /// Runs so far.
    pub runs: usize,
    /// Readings of cores so far; each is one more than the one before.
    pub cores: usize,
    /// Every how many runs one is throttled; 0: none.
    pub throttle_every: usize,
}

impl<'a> Scripted<'a> {
    /// A machine that nothing disturbs.
    pub fn new(truth: Truth, noise: f64, seed: u64, time: &'a Cell<f64>) -> Self {
        let random = SplitMix64(seed);
        Self {
            truth,
            noise,
            random,
            time,
            slump: None,
            runs: 0,
            cores: 0,
            throttle_every: 0,
        }
    }

    fn slowed(&mut self, rate: f64) -> f64 {
        let noise = self.noise * self.random.below(1001) as f64 / 1000.0;
        let now = self.time.get();
        let slump = self
            .slump
            .is_some_and(|(start, length)| (start..start + length).contains(&now));
        rate * (1.0 - noise) * if slump { 0.5 } else { 1.0 }
    }
}

impl Probe for Scripted<'_> {
    fn measure(&mut self, plan: &Plan, work: &Work) -> Result<Reading, ProbeError> {
        self.runs += 1;
        let Some(truth) = (self.truth)(plan, work) else {
            return Err(ProbeError::Refused("the script says so".into()));
        };
        let rate = self.slowed(truth);
        let spans: Vec<(usize, usize)> = match work {
            Work::Decode {
                prompt_tokens,
                lengths,
            } => lengths
                .iter()
                .map(|length| (*length, length - prompt_tokens))
                .collect(),
            Work::Prefill { tokens } => vec![(*tokens, *tokens)],
            Work::Visit {
                from_tokens,
                total_tokens,
                groups,
                group_steps,
            } => {
                let ends = (0..*groups)
                    .rev()
                    .map(|after| total_tokens - after * group_steps);
                let steps = ends.map(|end| (end, *group_steps));
                std::iter::once((*total_tokens, total_tokens - from_tokens))
                    .chain(steps)
                    .collect()
            }
            Work::Batch {
                sequences, steps, ..
            } => sequences
                .iter()
                .scan(0, |tokens, number| {
                    *tokens += number * steps;
                    Some((*number, *tokens))
                })
                .collect(),
            Work::Bandwidth | Work::Stream { .. } => vec![(0, 1)],
        };
        let point = |&(total_tokens, tokens): &(usize, usize)| {
            let seconds = tokens as f64 / rate;
            Point {
                total_tokens,
                tokens,
                seconds,
                bytes: 1e9 * tokens as f64,
            }
        };
        let points: Vec<Point> = spans.iter().map(point).collect();
        let taken = match work {
            Work::Visit { .. } => points.iter().map(|point| point.seconds).sum(),
            _ => points.last().map_or(0.0, |point| point.seconds),
        };
        self.time.set(self.time.get() + taken);
        let throttled = self.throttle_every > 0 && self.runs.is_multiple_of(self.throttle_every);
        Ok(Reading {
            points,
            disturbed: throttled
                .then(|| Disturbance::new(VoidKind::Throttled, "throttled by the script")),
        })
    }

    fn cores(&mut self, plan: &Plan, phase: Phase) -> Result<CoreReading, ProbeError> {
        self.cores += 1;
        let rate = self.cores as f64 / 3.0;
        let team = plan.team(phase).threads;
        Ok(CoreReading {
            arithmetic: Some(rate),
            core_to_core: (team > 1).then_some(10.0 + rate),
        })
    }
}

/// The shape of a small model, for what needs one.
pub fn info() -> EngineInfo {
    EngineInfo {
        name: "scripted".into(),
        architecture: "llama".into(),
        quantisation: "Q4_0".into(),
        context_length: 8192,
        vocabulary_size: 1000,
        layers: 2,
        embedding_length: 4096,
        heads: 4,
        kv_heads: 4,
        parameters: 1,
        weight_bytes: 1,
        decode_bytes: 1,
        kv_bytes_per_position: 0,
        block_types: Vec::new(),
        fingerprint: "scripted".into(),
    }
}
