//! What the engine does, step by step.

use metrics::{Counter, Gauge, Histogram};
use sysinfer_engine::kv::CacheUse;

use super::registry::Registry;
use super::rows;
use super::series::Series;
use crate::scheduler::report::{StepKind, StepReport};

/// Meters of steps. The default ones measure nothing.
#[derive(Clone, Debug, Default)]
pub struct StepMeters {
    decode: Series<Histogram>,
    prompt: Series<Histogram>,
    mixed: Series<Histogram>,
    prompt_tokens: Series<Counter>,
    queried_tokens: Series<Counter>,
    cached_tokens: Series<Counter>,
    generated_tokens: Series<Counter>,
    drafted_tokens: Series<Counter>,
    accepted_tokens: Series<Counter>,
    running: Series<Gauge>,
    cache_usage: Series<Gauge>,
    cache_kept: Series<Gauge>,
}

impl StepMeters {
    pub(super) fn new(registry: &Registry) -> Self {
        let step = |kind: StepKind| registry.histogram(&rows::STEP_DURATION, &[kind.name()]);
        let counter = |row| registry.counter(row, &[]);
        let gauge = |row| registry.gauge(row, &[]);
        Self {
            decode: step(StepKind::Decode),
            prompt: step(StepKind::Prompt),
            mixed: step(StepKind::Mixed),
            prompt_tokens: counter(&rows::PROMPT_TOKENS),
            queried_tokens: counter(&rows::QUERIED_TOKENS),
            cached_tokens: counter(&rows::CACHED_TOKENS),
            generated_tokens: counter(&rows::GENERATION_TOKENS),
            drafted_tokens: counter(&rows::DRAFTED_TOKENS),
            accepted_tokens: counter(&rows::ACCEPTED_TOKENS),
            running: gauge(&rows::RUNNING),
            cache_usage: gauge(&rows::KV_USAGE),
            cache_kept: gauge(&rows::KV_KEPT),
        }
    }

    /// A step was taken.
    pub fn step(&self, report: &StepReport) {
        let duration = match report.kind() {
            StepKind::Decode => &self.decode,
            StepKind::Prompt => &self.prompt,
            StepKind::Mixed => &self.mixed,
        };
        duration.record(report.took.as_secs_f64());
        self.prompt_tokens
            .add(report.prompt_rows + report.cached_tokens);
        self.queried_tokens.add(report.queried_tokens);
        self.cached_tokens.add(report.cached_tokens);
        self.generated_tokens.add(report.generated_tokens);
        self.drafted_tokens.add(report.drafts.drafted);
        self.accepted_tokens.add(report.drafts.accepted);
    }

    /// So many jobs are in the engine.
    pub fn running(&self, jobs: usize) {
        self.running.set(jobs as f64);
    }

    /// This much of the cache is in use.
    pub fn cache(&self, now: CacheUse) {
        let share = |blocks: usize| blocks as f64 / now.limit.max(1) as f64;
        self.cache_usage.set(share(now.live));
        self.cache_kept.set(share(now.kept));
    }
}
