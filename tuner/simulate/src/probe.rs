//! The simulated host behind the [`Probe`] trait: the truth with noise, in virtual time.

use std::cell::Cell;

use sysinfer_engine::Plan;
use sysinfer_engine::engine::pass_rows;
use sysinfer_probe::{Disturbance, Point, Probe, ProbeError, Reading, VoidKind, WARM_STEPS, Work};
use sysinfer_random::SplitMix64;

use super::machine::Machine;

/// Passes of a reading of the bandwidth, as the real probe takes them.
const PASSES: usize = 5;
const PASS_BYTES: f64 = (1u64 << 30) as f64;
/// What moving to another plan takes, seconds.
const REPLAN_SECONDS: f64 = 0.01;
/// Prompt that, with [`WARM_STEPS`], a plan runs before its first timed step, as with the real probe.
const WARM_PROMPT_TOKENS: usize = 16;
/// Share of the rate that a disturbed sample loses.
const VOID_LOSS: f64 = 0.3;

/// A machine, its noise and its clock.
pub struct SimulatedProbe<'a> {
    machine: &'a Machine,
    /// Virtual seconds since the start.
    time: &'a Cell<f64>,
    random: SplitMix64,
    /// The drift now (logarithm of a factor on time) and when it was drawn.
    drift: (f64, f64),
    plan: Option<Plan>,
    /// Prompt that the present plan's sequence holds.
    prompt_tokens: usize,
    /// Sequences of the last batch, and tokens of their prompts.
    batch: (usize, usize),
    /// Runs so far, disturbed ones included.
    pub runs: usize,
}

impl<'a> SimulatedProbe<'a> {
    /// Noise from the host file's seed and `run`: equal numbers give equal samples.
    pub fn new(machine: &'a Machine, run: u64, time: &'a Cell<f64>) -> Self {
        let seed = machine.description.seed ^ run.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut random = SplitMix64(seed);
        let drift = machine.description.noise.drift_sigma * normal(&mut random);
        Self {
            machine,
            time,
            random,
            drift: (drift, time.get()),
            plan: None,
            prompt_tokens: 0,
            batch: (0, 0),
            runs: 0,
        }
    }

    /// Virtual time of moving to the plan and warming up.
    fn adopt(&mut self, plan: &Plan, work: &Work) -> Result<(), String> {
        if is_reading(work) {
            return Ok(());
        }
        let mut seconds = 0.0;
        let known = self.plan.as_ref();
        if known != Some(plan) {
            let moved =
                known.is_none_or(|old| old.decode != plan.decode || old.prefill != plan.prefill);
            let steps = self.machine.decode_seconds(
                plan,
                WARM_PROMPT_TOKENS,
                WARM_PROMPT_TOKENS + WARM_STEPS,
            )?;
            seconds += REPLAN_SECONDS + steps;
            if moved {
                (self.prompt_tokens, self.batch) = (0, (0, 0));
                seconds += self.machine.prefill_seconds(plan, WARM_PROMPT_TOKENS)?;
            }
            self.plan = Some(plan.clone());
        }
        if let Work::Decode { prompt_tokens, .. } = work {
            let known = self.prompt_tokens.min(*prompt_tokens);
            seconds += self.machine.prefill_seconds(plan, *prompt_tokens)?
                - self.machine.prefill_seconds(plan, known)?;
            self.prompt_tokens = *prompt_tokens;
        }
        if let Work::Visit {
            from_tokens,
            total_tokens,
            ..
        } = work
        {
            if *from_tokens > self.prompt_tokens {
                seconds += self.machine.prefill_seconds(plan, *from_tokens)?;
            }
            self.prompt_tokens = *total_tokens;
        }
        if let Work::Batch {
            prompt_tokens,
            sequences,
            ..
        } = work
        {
            let most = sequences.iter().copied().max().unwrap_or(0);
            if self.batch != (most, *prompt_tokens) {
                seconds += most as f64 * self.machine.prefill_seconds(plan, *prompt_tokens)?;
                self.batch = (most, *prompt_tokens);
            }
        }
        self.time.set(self.time.get() + seconds);
        Ok(())
    }

    /// Factor on the time of a sample that truly takes `seconds`, and whether it is void.
    fn noise(&mut self, seconds: f64) -> (f64, bool) {
        let noise = &self.machine.description.noise;
        // Half of the variance is of the moment and half averages out as the sample grows.
        let variance = noise.sigma * noise.sigma * (0.5 + 0.5 / seconds.clamp(0.01, 10.0));
        let memory = (-(self.time.get() - self.drift.1).max(0.0) / noise.drift_seconds).exp();
        let fresh = noise.drift_sigma * (1.0 - memory * memory).max(0.0).sqrt();
        self.drift = (
            memory * self.drift.0 + fresh * normal(&mut self.random),
            self.time.get(),
        );
        let mut rate = (variance.sqrt() * normal(&mut self.random) + self.drift.0).exp();
        if uniform(&mut self.random) < noise.outlier_chance {
            rate *= 1.0 - noise.outlier_most * uniform(&mut self.random);
        }
        let void = uniform(&mut self.random) < noise.void_chance;
        if void {
            rate *= 1.0 - VOID_LOSS;
        }
        (1.0 / rate, void)
    }

    fn points(&self, plan: &Plan, work: &Work) -> Result<Vec<Point>, String> {
        let info = &self.machine.shape.info;
        let (decode_bytes, kv_bytes) =
            (info.decode_bytes as f64, info.kv_bytes_per_position as f64);
        Ok(match work {
            Work::Decode {
                prompt_tokens,
                lengths,
            } => {
                let (mut points, mut seconds, mut from) = (Vec::new(), 0.0, *prompt_tokens);
                for &length in lengths {
                    seconds += self.machine.decode_seconds(plan, from, length)?;
                    from = length;
                    let steps = (length - prompt_tokens) as f64;
                    let mean_position = (length + prompt_tokens + 1) as f64 / 2.0;
                    points.push(Point {
                        total_tokens: length,
                        tokens: length - prompt_tokens,
                        seconds,
                        bytes: steps * (decode_bytes + kv_bytes * mean_position),
                    });
                }
                points
            }
            Work::Prefill { tokens } => {
                let chunks = tokens.div_ceil(pass_rows(plan));
                vec![Point {
                    total_tokens: *tokens,
                    tokens: *tokens,
                    seconds: self.machine.prefill_seconds(plan, *tokens)?,
                    bytes: chunks as f64 * decode_bytes,
                }]
            }
            Work::Visit {
                from_tokens,
                total_tokens,
                groups,
                group_steps,
            } => {
                let prompt = |tokens| self.machine.prefill_seconds(plan, tokens);
                let chunks = (total_tokens - from_tokens).div_ceil(pass_rows(plan));
                let mut points = vec![Point {
                    total_tokens: *total_tokens,
                    tokens: total_tokens - from_tokens,
                    seconds: prompt(*total_tokens)? - prompt(*from_tokens)?,
                    bytes: chunks as f64 * decode_bytes,
                }];
                for group in (0..*groups).rev() {
                    let end = total_tokens - group * group_steps;
                    let start = end - group_steps;
                    let mean_position = (start + end + 1) as f64 / 2.0;
                    points.push(Point {
                        total_tokens: end,
                        tokens: *group_steps,
                        seconds: self.machine.decode_seconds(plan, start, end)?,
                        bytes: *group_steps as f64 * (decode_bytes + kv_bytes * mean_position),
                    });
                }
                points
            }
            Work::Batch {
                prompt_tokens,
                sequences,
                prompt_rows,
                steps,
            } => {
                let (mut total, mut points) = (Point::default(), Vec::new());
                for &number in sequences {
                    let positions = prompt_tokens + steps / 2;
                    let step = self
                        .machine
                        .batch_seconds(plan, number, positions, *prompt_rows)?;
                    let bytes = decode_bytes + kv_bytes * (number * positions) as f64;
                    total = Point {
                        total_tokens: number,
                        tokens: total.tokens + number * steps,
                        seconds: total.seconds + *steps as f64 * step,
                        bytes: total.bytes + *steps as f64 * bytes,
                    };
                    points.push(total);
                }
                points
            }
            Work::Bandwidth | Work::Stream { .. } => {
                let seconds = PASS_BYTES / self.machine.true_rate(plan, work)?;
                vec![
                    Point {
                        total_tokens: 0,
                        tokens: 0,
                        seconds,
                        bytes: PASS_BYTES
                    };
                    PASSES
                ]
            }
        })
    }
}

impl Probe for SimulatedProbe<'_> {
    fn measure(&mut self, plan: &Plan, work: &Work) -> Result<Reading, ProbeError> {
        self.adopt(plan, work).map_err(ProbeError::Refused)?;
        let mut points = self.points(plan, work).map_err(ProbeError::Refused)?;
        self.runs += 1;
        let seconds = points.last().map_or(0.0, |point| point.seconds);
        let (factor, void) = self.noise(seconds);
        points.iter_mut().for_each(|point| point.seconds *= factor);
        let passes = if is_reading(work) { PASSES as f64 } else { 1.0 };
        let mut taken = passes * seconds * factor;
        if matches!(work, Work::Visit { .. }) {
            // Points of a visit are timed one after the other, each with noise of its own.
            for point in &mut points[1..] {
                point.seconds *= self.noise(point.seconds).0 / factor;
            }
            taken = points.iter().map(|point| point.seconds).sum();
        }
        self.time.set(self.time.get() + taken);
        let disturbed = void.then(|| {
            let why = "other load, as the simulated host has it now and then";
            Disturbance::new(VoidKind::Busy, why)
        });
        Ok(Reading { points, disturbed })
    }
}

/// Whether only memory is read.
fn is_reading(work: &Work) -> bool {
    matches!(work, Work::Bandwidth | Work::Stream { .. })
}

/// In `0..1`.
fn uniform(random: &mut SplitMix64) -> f64 {
    (random.next_bits() >> 11) as f64 / (1u64 << 53) as f64
}

/// Standard normal (Box and Muller 1958).
fn normal(random: &mut SplitMix64) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(random)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(random)).cos()
}
