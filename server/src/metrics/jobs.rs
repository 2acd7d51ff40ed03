//! What clients see of their answers, measured where events leave for them.
//!
//! Tokens that come within 20 ms of each other leave together, so a client that counts pieces sees one gap and then
//! none. What it waits for a token is that gap over the tokens that it brought, and that is what is recorded, once
//! for each of them: means over tokens are the client's, and quantiles are those of a token's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, Histogram};

use super::registry::Registry;
use super::rows;
use super::series::Series;
use crate::scheduler::waits::Wait;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// An end token or a stop text.
    Stop,
    /// As long as it may be.
    Length,
    /// All texts are embedded.
    Embedded,
    /// The client left.
    Cancelled,
    /// The server stopped.
    CutOff,
    /// The engine failed at it, or died.
    Failed,
}

impl JobEnd {
    const ALL: [Self; 6] = [
        Self::Stop,
        Self::Length,
        Self::Embedded,
        Self::Cancelled,
        Self::CutOff,
        Self::Failed,
    ];

    /// Its name in labels.
    fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Embedded => "embedded",
            Self::Cancelled => "cancelled",
            Self::CutOff => "cut_off",
            Self::Failed => "failed",
        }
    }

    /// What vLLM calls it.
    fn vllm_name(self) -> &'static str {
        match self {
            Self::Stop | Self::Embedded => "stop",
            Self::Length => "length",
            Self::Cancelled | Self::CutOff => "abort",
            Self::Failed => "error",
        }
    }
}

/// Meters of all jobs. The default ones measure nothing.
#[derive(Clone, Debug, Default)]
pub struct JobMeters {
    first_token: Series<Histogram>,
    inter_token: Series<Histogram>,
    per_token: Series<Histogram>,
    queue: Series<Histogram>,
    whole: Series<Histogram>,
    prompt_tokens: Series<Histogram>,
    generation_tokens: Series<Histogram>,
    /// By [`JobEnd`], with vLLM's beside it.
    ends: Vec<(Series<Counter>, Series<Counter>)>,
}

impl JobMeters {
    pub(super) fn new(registry: &Registry, model_name: &str) -> Self {
        let histogram = |row| registry.histogram(row, &[]);
        let end = |end: JobEnd| {
            let theirs = &[model_name, end.vllm_name()];
            (
                registry.counter(&rows::FINISHED, &[end.name()]),
                registry.counter(&rows::VLLM_SUCCESS, theirs),
            )
        };
        Self {
            first_token: histogram(&rows::TIME_TO_FIRST_TOKEN),
            inter_token: histogram(&rows::INTER_TOKEN_LATENCY),
            per_token: histogram(&rows::TIME_PER_OUTPUT_TOKEN),
            queue: histogram(&rows::QUEUE_TIME),
            whole: histogram(&rows::E2E_LATENCY),
            prompt_tokens: histogram(&rows::REQUEST_PROMPT_TOKENS),
            generation_tokens: histogram(&rows::REQUEST_GENERATION_TOKENS),
            ends: JobEnd::ALL.map(end).into(),
        }
    }

    fn end(&self, end: JobEnd) {
        // The default has none.
        if let Some((ours, theirs)) = self.ends.get(end as usize) {
            ours.add(1);
            theirs.add(1);
        }
    }
}

/// Counts the end of one job, once, whoever ends it first.
#[derive(Clone, Debug, Default)]
pub struct End {
    meters: Arc<JobMeters>,
    is_counted: Arc<AtomicBool>,
}

impl End {
    /// The job ended so, unless it has ended before; returns whether it had not.
    pub fn count(&self, end: JobEnd) -> bool {
        let first = !self.is_counted.swap(true, Ordering::Relaxed);
        if first {
            self.meters.end(end);
        }
        first
    }
}

/// Tokens that left, and when.
#[derive(Clone, Copy, Debug)]
struct Left {
    first: Instant,
    last: Instant,
    /// After the first that left together.
    later_tokens: usize,
}

/// Measures one job.
#[derive(Debug)]
pub struct JobMeter {
    end: End,
    arrived: Instant,
    wait: Wait,
    left: Option<Left>,
}

impl Default for JobMeter {
    /// Measures nothing.
    fn default() -> Self {
        Self::new(Arc::default(), Instant::now())
    }
}

impl JobMeter {
    /// Of a request that arrived then and is queued now.
    pub fn new(meters: Arc<JobMeters>, arrived: Instant) -> Self {
        let end = End {
            meters,
            is_counted: Arc::default(),
        };
        Self {
            end,
            arrived,
            wait: Wait::begins_now(),
            left: None,
        }
    }

    /// What counts the end of the job elsewhere.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// How long it waits for the engine.
    pub fn wait(&self) -> &Wait {
        &self.wait
    }

    /// The engine takes it in.
    pub fn admitted(&self) {
        let waited = self.wait.end();
        self.end.meters.queue.record(waited.as_secs_f64());
    }

    /// So many tokens leave together at `now`.
    pub fn tokens_left(&mut self, tokens: usize, now: Instant) {
        if tokens == 0 {
            return;
        }
        let meters = &self.end.meters;
        match &mut self.left {
            None => {
                let waited = now.saturating_duration_since(self.arrived);
                meters.first_token.record(waited.as_secs_f64());
                self.left = Some(Left {
                    first: now,
                    last: now,
                    later_tokens: 0,
                });
            }
            Some(left) => {
                let each = part(now.saturating_duration_since(left.last), tokens);
                meters.inter_token.record_many(each, tokens);
                left.last = now;
                left.later_tokens += tokens;
            }
        }
    }

    /// A complete answer leaves at `now`.
    pub fn finished(&self, end: JobEnd, prompt_tokens: usize, tokens: usize, now: Instant) {
        if !self.end.count(end) {
            return;
        }
        let meters = &self.end.meters;
        let whole = now.saturating_duration_since(self.arrived);
        meters.whole.record(whole.as_secs_f64());
        meters.prompt_tokens.record(prompt_tokens as f64);
        meters.generation_tokens.record(tokens as f64);
        if let Some(left) = self.left.filter(|left| left.later_tokens > 0) {
            let time = left.last.saturating_duration_since(left.first);
            meters.per_token.record(part(time, left.later_tokens));
        }
    }
}

/// Seconds of each of so many.
fn part(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() / count as f64
}
