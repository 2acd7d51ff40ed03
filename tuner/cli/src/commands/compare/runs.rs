//! The runs of a table as its samples tell of them: what was decoded all the way, and sampled passes,
//! whose rates are put together again from their steps.

use std::collections::BTreeMap;

use anyhow::Context;
use sysinfer_engine::Plan;
use sysinfer_journal::format::Sample;
use sysinfer_probe::{Phase, Point, Work};
use sysinfer_stats::between_runs;
use sysinfer_stats::samples::evenly;
use sysinfer_table::sampled::rates::sampled;
use sysinfer_table::{Stops, TableData};

use super::rate::{Key, Rate, named};

/// What samples of the stage of the table say, in order.
#[derive(Default)]
pub(super) struct Runs<'a> {
    /// When each sample was taken, Unix seconds, and its rate, tokens/s.
    rates: BTreeMap<Key, Vec<(f64, f64)>>,
    /// Read bandwidth, GB/s.
    pub(super) bandwidth: Vec<f64>,
    /// The plan of the table; `None`: it has no rate.
    pub(super) plan: Option<&'a Plan>,
    /// Decode runs and the steps of sampled passes.
    data: TableData,
    /// Tokens of the prompt that decoding starts from.
    prompt_tokens: usize,
    /// The stop that the last pass has reached.
    stop: usize,
    /// Prompts of the present pass, whole.
    read: Vec<Point>,
}

impl<'a> Runs<'a> {
    /// One more sample, under its plan.
    pub(super) fn add(&mut self, sample: &Sample, plan: &'a Plan) {
        let time = sample.time.as_duration().as_secs_f64();
        match &sample.work {
            Work::Decode { prompt_tokens, .. } => {
                self.prompt_tokens = *prompt_tokens;
                for point in &sample.points {
                    let runs = self.data.decode.entry(point.total_tokens).or_default();
                    runs.push(*point);
                    self.add_rate(Phase::Decode, time, point);
                }
                self.plan = Some(plan);
            }
            Work::Prefill { .. } => {
                let points = sample.points.iter();
                points.for_each(|point| self.add_rate(Phase::Prefill, time, point));
                self.plan = Some(plan);
            }
            Work::Visit { .. } => self.add_visit(time, &sample.points),
            Work::Bandwidth => {
                let passes = sample.points.iter().map(Point::gb_per_second);
                self.bandwidth.extend(passes);
            }
            Work::Batch { .. } | Work::Stream { .. } => {}
        }
    }

    fn add_rate(&mut self, phase: Phase, time: f64, point: &Point) {
        let samples = self.rates.entry((phase, point.total_tokens)).or_default();
        samples.push((time, point.tokens_per_second()));
    }

    /// A part of a prompt, and steps behind it. Stops of a pass ascend.
    fn add_visit(&mut self, time: f64, points: &[Point]) {
        let Some((part, steps)) = points.split_first() else {
            return;
        };
        if self.data.passes.is_empty() || part.total_tokens <= self.stop {
            self.data.passes.push(Stops::new());
            self.read.clear();
        }
        self.stop = part.total_tokens;
        let from = part.total_tokens.saturating_sub(part.tokens);
        let before = self.read.iter().find(|read| read.total_tokens == from);
        let whole = Point {
            tokens: part.total_tokens,
            seconds: part.seconds + before.map_or(0.0, |read| read.seconds),
            ..*part
        };
        self.read.push(whole);
        self.add_rate(Phase::Prefill, time, &whole);
        if let Some(pass) = self.data.passes.last_mut() {
            pass.entry(self.stop).or_default().extend_from_slice(steps);
        }
    }

    /// All rates, each with its runs.
    ///
    /// # Errors
    /// One of them is none, with its name.
    pub(super) fn rates(&self) -> anyhow::Result<BTreeMap<Key, Rate>> {
        let (mut rates, mut table_runs) = (BTreeMap::new(), 1);
        for (key, samples) in &self.rates {
            let (times, own): (Vec<f64>, Vec<f64>) = samples.iter().copied().unzip();
            let runs = between_runs::runs(times);
            table_runs = table_runs.max(1 + runs.last().copied().unwrap_or(0));
            rates.insert(
                *key,
                Rate::new(&own, &runs, false).with_context(|| named(*key))?,
            );
        }
        // Stops behind the longest length that was decoded all the way.
        let decoded = self.data.decode.keys().last().copied();
        let beyond = decoded.unwrap_or(self.prompt_tokens);
        let stops = self.data.passes.iter().flat_map(|pass| pass.keys());
        let mut lengths: Vec<usize> = stops.copied().filter(|stop| *stop > beyond).collect();
        lengths.sort_unstable();
        lengths.dedup();
        for (length, found) in sampled(&self.data, self.prompt_tokens, &lengths) {
            let own: Vec<f64> = found.passes.iter().map(Point::tokens_per_second).collect();
            let runs = evenly(own.len(), table_runs);
            let key = (Phase::Decode, length);
            rates.insert(
                key,
                Rate::new(&own, &runs, true).with_context(|| named(key))?,
            );
        }
        Ok(rates)
    }
}
