//! Every rate that two sides have, compared by the one test: what `compare` prints and `verify` begins with.

use sysinfer_stats::family::{self, Pair};
use sysinfer_stats::{Comparison, Scale, Summary, Verdict};

use super::rate::{Key, Rate};
use super::side::Side;

/// One rate on both sides, and how they compare.
#[derive(Clone, Debug)]
pub struct Row {
    /// Phase and total length.
    pub key: Key,
    /// The rate of the first side, tokens/s.
    pub first: Summary,
    /// The same of the second.
    pub second: Summary,
    /// Which of the two were sampled, not decoded all the way.
    pub sampled: [bool; 2],
    /// Both sides' samples.
    pub pair: Pair,
    /// The noise of one sample, as the other rates tell.
    pub noise: Scale,
    /// The second against the first.
    pub comparison: Comparison,
}

/// All rates that two sides have in common.
#[derive(Clone, Debug)]
pub struct Judged {
    /// In order of phase and length.
    pub rows: Vec<Row>,
    /// How often each may be called faster or slower though it is not.
    pub alpha: f64,
}

impl Judged {
    /// What is said of one of its rows.
    pub fn verdict(&self, row: &Row) -> Verdict {
        row.comparison.verdict(self.alpha)
    }

    /// The same of all rows, in words.
    pub fn words(&self) -> Vec<String> {
        let words = self.rows.iter().map(|row| self.verdict(row).words());
        words.map(str::to_owned).collect()
    }
}

/// Compares the second side with the first.
pub fn judge(first: &Side, second: &Side) -> Judged {
    let both: Vec<(Key, &Rate, &Rate)> = first
        .rates
        .iter()
        .filter_map(|(key, rate)| Some((*key, rate, second.rates.get(key)?)))
        .collect();
    // What is not known of one side is taken to be as on the other: mostly they are of one host.
    let between_runs = |side: &Side, other: &Side, key: Key| {
        let known = side.between_runs.of(key.0).or(other.between_runs.of(key.0));
        known.unwrap_or(0.0)
    };
    let pairs: Vec<Pair> = both
        .iter()
        .map(|(key, one, other)| Pair {
            first: one.samples.clone(),
            second: other.samples.clone(),
            between_runs: [
                between_runs(first, second, *key),
                between_runs(second, first, *key),
            ],
        })
        .collect();
    let row = |(index, (key, one, other)): (usize, (Key, &Rate, &Rate))| {
        let (pair, noise) = (&pairs[index], family::noise_of_others(&pairs, index));
        Row {
            key,
            first: one.summary,
            second: other.summary,
            sampled: [one.sampled, other.sampled],
            comparison: pair.compare(noise),
            pair: pair.clone(),
            noise,
        }
    };
    Judged {
        alpha: family::alpha_of_each(pairs.len()),
        rows: both.into_iter().enumerate().map(row).collect(),
    }
}
