//! [`Series`]: a metric under its name, and under vLLM's where that has one.

use metrics::{Counter, Gauge, Histogram};

/// Handles of one metric under its one or two names.
#[derive(Clone, Debug)]
pub(super) struct Series<H> {
    pub(super) ours: H,
    /// Does nothing where there is no second name.
    pub(super) vllm: H,
}

impl Series<Counter> {
    pub(super) fn add(&self, more: usize) {
        if more > 0 {
            self.ours.increment(more as u64);
            self.vllm.increment(more as u64);
        }
    }
}

impl Series<Gauge> {
    pub(super) fn set(&self, value: f64) {
        self.ours.set(value);
        self.vllm.set(value);
    }
}

impl Series<Histogram> {
    pub(super) fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    pub(super) fn record_many(&self, value: f64, count: usize) {
        self.ours.record_many(value, count);
        self.vllm.record_many(value, count);
    }
}

impl Default for Series<Counter> {
    /// Counts nothing.
    fn default() -> Self {
        let (ours, vllm) = (Counter::noop(), Counter::noop());
        Self { ours, vllm }
    }
}

impl Default for Series<Gauge> {
    /// Shows nothing.
    fn default() -> Self {
        let (ours, vllm) = (Gauge::noop(), Gauge::noop());
        Self { ours, vllm }
    }
}

impl Default for Series<Histogram> {
    /// Records nothing.
    fn default() -> Self {
        let (ours, vllm) = (Histogram::noop(), Histogram::noop());
        Self { ours, vllm }
    }
}
