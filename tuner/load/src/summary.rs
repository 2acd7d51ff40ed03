//! From requests to the numbers of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::order::Distribution;
use super::record::{LATE_SECONDS, Record, Timing};

/// Gaps that are kept, 64 MiB of them; percentiles of more are those of the first.
const MOST_GAPS: usize = 8 << 20;

/// Limits that a good request keeps, milliseconds; absent: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Targets {
    /// Time to first token.
    pub time_to_first_token_ms: Option<f64>,
    /// Time per output token.
    pub time_per_output_token_ms: Option<f64>,
    /// Time of the whole request.
    pub end_to_end_ms: Option<f64>,
}

impl Targets {
    /// Whether there is any limit.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether an answer keeps all limits. One that came as a single event has no time per token and
    /// keeps that limit.
    fn met_by(&self, timing: &Timing) -> bool {
        let within = |value: Option<f64>, limit: Option<f64>| match (value, limit) {
            (Some(seconds), Some(limit)) => 1000.0 * seconds <= limit,
            _ => true,
        };
        within(Some(timing.first), self.time_to_first_token_ms)
            && within(timing.per_output_token(), self.time_per_output_token_ms)
            && within(Some(timing.end), self.end_to_end_ms)
    }
}

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// How many.
    pub count: u64,
    /// The first one in words.
    pub first: String,
}

/// Requests as they end.
#[derive(Debug, Default)]
pub struct Collected {
    targets: Targets,
    completed: u64,
    good: u64,
    failures: BTreeMap<&'static str, Failures>,
    first_tokens: Vec<f64>,
    gaps: Vec<f64>,
    gaps_left_out: u64,
    per_token: Vec<f64>,
    whole: Vec<f64>,
    lags: Vec<f64>,
    late: u64,
    held: u64,
    pieces: u64,
    output_tokens: u64,
    prompt_tokens: u64,
    counted_by_server: u64,
    /// First arrival and last end.
    span: Option<(f64, f64)>,
}

/// The numbers of a run; times in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Requests that ended, well or not.
    pub requests: u64,
    /// Those with a whole answer.
    pub completed: u64,
    /// The others by kind.
    pub failures: BTreeMap<&'static str, Failures>,
    /// From the first arrival to the end of the last request.
    pub seconds: f64,
    /// From arrival to the first event with output.
    pub time_to_first_token_ms: Option<Distribution>,
    /// Between events with output, over all requests.
    pub inter_token_latency_ms: Option<Distribution>,
    /// By request: first to last output, by tokens after the first.
    pub time_per_output_token_ms: Option<Distribution>,
    /// From arrival to the end of the stream.
    pub end_to_end_ms: Option<Distribution>,
    /// Completed requests by seconds.
    pub requests_per_second: f64,
    /// Their tokens by seconds.
    pub output_tokens_per_second: f64,
    /// Tokens of their prompts by seconds, where the server counts.
    pub prompt_tokens_per_second: Option<f64>,
    /// Mean tokens of an answer.
    pub output_tokens_mean: Option<f64>,
    /// Mean tokens of a prompt, where the server counts.
    pub prompt_tokens_mean: Option<f64>,
    /// Completed requests whose tokens the server counted; of the others, events are counted.
    pub counted_by_server: u64,
    /// Mean tokens of an event with output.
    pub tokens_per_event: Option<f64>,
    /// Gaps beyond those that are kept.
    pub gaps_left_out: u64,
    /// Good requests by seconds and among all arrivals; absent without targets.
    pub goodput: Option<Goodput>,
    /// How late the client sent.
    pub lag: Lag,
}

/// Requests that keep all targets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goodput {
    /// What they keep.
    pub targets: Targets,
    /// How many.
    pub requests: u64,
    /// By seconds of the run.
    pub requests_per_second: f64,
    /// Among all that should have been sent: failed ones and arrivals never sent included.
    pub percent: f64,
}

/// The client's own lateness: sending minus arrival.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lag {
    /// Milliseconds.
    pub lag_ms: Option<Distribution>,
    /// Requests sent more than 10 ms after their arrival.
    pub late: u64,
    /// Requests that waited for a place among those under way.
    pub held: u64,
}

impl Collected {
    /// Nothing yet.
    pub fn new(targets: Targets) -> Self {
        Self {
            targets,
            ..Self::default()
        }
    }

    /// Requests so far, and failed ones among them.
    pub fn ended(&self) -> (u64, u64) {
        let failed = self.failures.values().map(|failures| failures.count).sum();
        (self.completed + failed, failed)
    }

    /// Counts one request.
    pub fn add(&mut self, record: &Record) {
        let (first, last) = self.span.unwrap_or((f64::INFINITY, 0.0));
        self.span = Some((first.min(record.scheduled), last.max(record.ended)));
        let lag = record.sent - record.scheduled;
        self.lags.push(1000.0 * lag);
        self.late += u64::from(lag > LATE_SECONDS);
        self.held += u64::from(record.held);
        match &record.outcome {
            Ok(timing) => self.add_answer(timing),
            Err(failure) => {
                let kind = self.failures.entry(failure.kind());
                let failures = kind.or_insert_with(|| Failures {
                    count: 0,
                    first: failure.to_string(),
                });
                failures.count += 1;
            }
        }
    }

    fn add_answer(&mut self, timing: &Timing) {
        self.completed += 1;
        self.good += u64::from(self.targets.met_by(timing));
        self.first_tokens.push(1000.0 * timing.first);
        self.whole.push(1000.0 * timing.end);
        self.per_token
            .extend(timing.per_output_token().map(|seconds| 1000.0 * seconds));
        let room = MOST_GAPS
            .saturating_sub(self.gaps.len())
            .min(timing.gaps.len());
        self.gaps
            .extend(timing.gaps[..room].iter().map(|seconds| 1000.0 * seconds));
        self.gaps_left_out += (timing.gaps.len() - room) as u64;
        self.pieces += timing.pieces();
        self.output_tokens = self.output_tokens.saturating_add(timing.output_tokens);
        self.prompt_tokens = self
            .prompt_tokens
            .saturating_add(timing.prompt_tokens.unwrap_or(0));
        self.counted_by_server += u64::from(timing.is_counted_by_server);
    }

    /// The numbers; `unsent` arrivals were due besides and never sent.
    pub fn summary(mut self, unsent: u64) -> Summary {
        let (requests, _) = self.ended();
        let arrivals = requests.saturating_add(unsent);
        let seconds = self.span.map_or(0.0, |(first, last)| last - first);
        let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let mean = |sum: u64, count: u64| (count > 0).then(|| sum as f64 / count as f64);
        let all_counted = self.completed > 0 && self.counted_by_server == self.completed;
        let goodput = self.targets.any().then(|| Goodput {
            targets: self.targets,
            requests: self.good,
            requests_per_second: per_second(self.good as f64),
            percent: 100.0 * self.good as f64 / arrivals.max(1) as f64,
        });
        Summary {
            requests,
            completed: self.completed,
            failures: self.failures,
            seconds,
            time_to_first_token_ms: Distribution::of(&mut self.first_tokens),
            inter_token_latency_ms: Distribution::of(&mut self.gaps),
            time_per_output_token_ms: Distribution::of(&mut self.per_token),
            end_to_end_ms: Distribution::of(&mut self.whole),
            requests_per_second: per_second(self.completed as f64),
            output_tokens_per_second: per_second(self.output_tokens as f64),
            prompt_tokens_per_second: all_counted.then(|| per_second(self.prompt_tokens as f64)),
            output_tokens_mean: mean(self.output_tokens, self.completed),
            prompt_tokens_mean: mean(self.prompt_tokens, self.counted_by_server),
            counted_by_server: self.counted_by_server,
            tokens_per_event: mean(self.output_tokens, self.pieces),
            gaps_left_out: self.gaps_left_out,
            goodput,
            lag: Lag {
                lag_ms: Distribution::of(&mut self.lags),
                late: self.late,
                held: self.held,
            },
        }
    }
}
