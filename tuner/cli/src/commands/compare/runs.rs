//! The runs of a table as its samples tell of them: what was decoded all the way, and sampled passes,
//! whose rates are put together again from their steps.

use std::collections::BTreeMap;

use sysinfer_probe::{Point, VISIT_PROMPT, VISIT_STEPS};
use sysinfer_table::sampled::rates::sampled;
use sysinfer_table::{Sampled, Stops, TableData};

use super::side::Sample;

/// Samples of the stage of the table, in order.
#[derive(Default)]
pub(super) struct Runs {
    /// Prompts are those of sampled passes alone.
    pub(super) data: TableData,
    /// Tokens of the prompt that decoding starts from.
    prompt_tokens: usize,
    /// The stop that steps belong to.
    stop: usize,
    /// Prompts of the present pass, whole.
    read: Vec<Point>,
}

impl Runs {
    pub(super) fn add(&mut self, sample: &Sample) {
        let point = Point {
            total_tokens: sample.total_tokens,
            tokens: sample.tokens,
            seconds: sample.seconds,
            bytes: 0.0,
        };
        match sample.phase.as_str() {
            "decode" => {
                self.prompt_tokens = point.total_tokens.saturating_sub(point.tokens);
                let runs = self.data.decode.entry(point.total_tokens).or_default();
                runs.push(point);
            }
            VISIT_PROMPT => self.stop_at(point),
            VISIT_STEPS => {
                if let Some(pass) = self.data.passes.last_mut() {
                    pass.entry(self.stop).or_default().push(point);
                }
            }
            _ => {}
        }
    }

    /// Stops of a pass ascend.
    fn stop_at(&mut self, part: Point) {
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
        let prompts = self.data.prefill.entry(whole.total_tokens).or_default();
        prompts.push(whole);
    }

    /// Rates of the stops behind the longest length that was decoded all the way.
    pub(super) fn sampled(&self) -> BTreeMap<usize, Sampled> {
        let stops = self.data.passes.iter().flat_map(|pass| pass.keys());
        let decoded = self.data.decode.keys().last().copied();
        let beyond = decoded.unwrap_or(self.prompt_tokens);
        let mut lengths: Vec<usize> = stops.copied().filter(|stop| *stop > beyond).collect();
        lengths.sort_unstable();
        lengths.dedup();
        sampled(&self.data, self.prompt_tokens, &lengths)
    }
}
