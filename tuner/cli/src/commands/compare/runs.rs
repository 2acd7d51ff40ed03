//! The runs of a table as its samples tell of them: what was decoded all the way, and sampled passes,
//! whose rates are put together again from their steps.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;
use sysinfer_probe::{Phase, Point, VISIT_PROMPT, VISIT_STEPS};
use sysinfer_stats::between_runs;
use sysinfer_stats::samples::evenly;
use sysinfer_table::sampled::rates::sampled;
use sysinfer_table::{Stops, TableData};

use super::rate::{Key, Rate, named};

/// The stage whose samples make the table.
const TABLE_STAGE: &str = "table";
/// What notes of samples begin with that do not count.
const VOID_NOTES: [&str; 2] = ["discarded", "void"];

/// The columns of `samples.csv` that count here.
#[derive(Deserialize)]
pub(super) struct Line {
    #[serde(default)]
    time: String,
    stage: String,
    threads: Option<String>,
    map: Option<String>,
    cpus: Option<String>,
    kernels: Option<String>,
    blocking: Option<String>,
    phase: String,
    total_tokens: usize,
    tokens: usize,
    seconds: f64,
    tokens_per_second: f64,
    gb_per_second: Option<f64>,
    #[serde(default)]
    note: String,
}

impl Line {
    /// Whether it is of the table, and not void.
    pub(super) fn counts(&self) -> bool {
        let is_void = VOID_NOTES.iter().any(|word| self.note.starts_with(word));
        self.stage == TABLE_STAGE && !is_void
    }

    /// Unix time, seconds; 0 if the file was edited, so that all such lines are of one run.
    fn time(&self) -> f64 {
        let time: Option<jiff::Timestamp> = self.time.parse().ok();
        time.map_or(0.0, |time| time.as_duration().as_secs_f64())
    }
}

/// What lines of the stage of the table say, in order.
#[derive(Default)]
pub(super) struct Runs {
    /// When each line was taken, Unix seconds, and its rate, tokens/s.
    rates: BTreeMap<Key, Vec<(f64, f64)>>,
    /// Read bandwidth, GB/s.
    pub(super) bandwidth: Vec<f64>,
    /// The plan, by dotted key.
    pub(super) facts: BTreeMap<String, String>,
    /// Decode runs and the steps of sampled passes.
    data: TableData,
    /// Tokens of the prompt that decoding starts from.
    prompt_tokens: usize,
    /// The stop that steps belong to.
    stop: usize,
    /// Prompts of the present pass, whole.
    read: Vec<Point>,
}

impl Runs {
    pub(super) fn add(&mut self, line: Line) {
        let point = Point {
            total_tokens: line.total_tokens,
            tokens: line.tokens,
            seconds: line.seconds,
            bytes: 0.0,
        };
        match line.phase.as_str() {
            "decode" => {
                self.prompt_tokens = point.total_tokens.saturating_sub(point.tokens);
                let runs = self.data.decode.entry(point.total_tokens).or_default();
                runs.push(point);
                self.add_rate(Phase::Decode, line);
            }
            "prefill" => self.add_rate(Phase::Prefill, line),
            VISIT_PROMPT => self.stop_at(point, line.time()),
            VISIT_STEPS => {
                if let Some(pass) = self.data.passes.last_mut() {
                    pass.entry(self.stop).or_default().push(point);
                }
            }
            "bandwidth" => self.bandwidth.extend(line.gb_per_second),
            _ => {}
        }
    }

    fn add_rate(&mut self, phase: Phase, line: Line) {
        let sample = (line.time(), line.tokens_per_second);
        let samples = self.rates.entry((phase, line.total_tokens)).or_default();
        samples.push(sample);
        let name = phase.name();
        let columns = [
            (format!("plan.{name}.threads"), line.threads),
            (format!("plan.{name}.map"), line.map),
            (format!("plan.{name}.cpus"), line.cpus),
            (format!("plan.{name}.kernels"), line.kernels),
            ("plan.blocking".into(), line.blocking),
        ];
        let known = columns.into_iter();
        self.facts
            .extend(known.filter_map(|(key, value)| Some((key, value?))));
    }

    /// Stops of a pass ascend.
    fn stop_at(&mut self, part: Point, time: f64) {
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
            ..part
        };
        self.read.push(whole);
        let key = (Phase::Prefill, whole.total_tokens);
        let samples = self.rates.entry(key).or_default();
        samples.push((time, whole.tokens_per_second()));
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
