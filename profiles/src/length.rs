//! Rates at one total length.

use serde::{Deserialize, Serialize};

/// Runs that are recorded for one length and phase; a profile stays small enough to be read.
pub const MAX_RUNS: usize = 15;

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Rates at one total length. Absent: not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthEvidence {
    /// Prompt and output together, tokens.
    pub total_tokens: usize,
    /// Whether the decode rate was put together from steps at several contexts, in place of runs that
    /// decode all the way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sampled: bool,
    /// Runs behind the decode rate; groups of steps, if it was sampled.
    #[serde(default)]
    pub samples: usize,
    /// Median over the runs: generated tokens / time of their steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_second: Option<f64>,
    /// Slowest run; the lower end of the interval of the steps, if the rate was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_low: Option<f64>,
    /// Fastest run, or the upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_high: Option<f64>,
    /// Decode rate of each run or sampled pass, tokens/s, at most [`MAX_RUNS`] of them: what later measurements are
    /// compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decode_runs: Vec<f64>,
    /// Weights and cache read while decoding, GB/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_gb_per_second: Option<f64>,
    /// The same in percent of `read_gb_per_second`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_of_read_bandwidth: Option<f64>,
    /// Plain multiply-adds of the decode team beside these runs, 10^9 a second: how fast its cores were,
    /// whatever they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_arithmetic_gmac_per_second: Option<f64>,
    /// What its workers read beside these runs of what another had just written, GB/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_exchange_gb_per_second: Option<f64>,
    /// Prompt tokens per second for a prompt of `total_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_tokens_per_second: Option<f64>,
    /// Prefill rate of each run, tokens/s, at most [`MAX_RUNS`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefill_runs: Vec<f64>,
    /// Plain multiply-adds of the prompts' team beside these runs, 10^9 a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_arithmetic_gmac_per_second: Option<f64>,
    /// What its workers read beside these runs of what another had just written, GB/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_exchange_gb_per_second: Option<f64>,
    /// Time from such a prompt to its first token, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_token_ms: Option<f64>,
    /// What the original system published for this shape on its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_tokens_per_second: Option<f64>,
}

impl LengthEvidence {
    /// At most [`MAX_RUNS`] of the rates: all, or order statistics at even distances, so that median
    /// and extremes stay what they were.
    pub fn kept_runs(rates: &[f64]) -> Vec<f64> {
        if rates.len() <= MAX_RUNS {
            return rates.to_vec();
        }
        let mut sorted = rates.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let place = |index: usize| (index * last + (MAX_RUNS - 1) / 2) / (MAX_RUNS - 1);
        (0..MAX_RUNS).map(|index| sorted[place(index)]).collect()
    }

    /// Decode rates of the runs, tokens/s; of a profile without them, what it says of their median and
    /// extremes, which is all of up to three runs.
    pub fn decode_rates(&self) -> Vec<f64> {
        if !self.decode_runs.is_empty() {
            return self.decode_runs.clone();
        }
        let Some(median) = self.decode_tokens_per_second else {
            return Vec::new();
        };
        match (self.samples, self.decode_low, self.decode_high) {
            _ if self.sampled => vec![median],
            (2, Some(low), Some(high)) => vec![low, high],
            (3.., Some(low), Some(high)) => vec![low, median, high],
            _ => vec![median],
        }
    }

    /// Prefill rates of the runs, tokens/s; of a profile without them, their median.
    pub fn prefill_rates(&self) -> Vec<f64> {
        if self.prefill_runs.is_empty() {
            self.prefill_tokens_per_second.into_iter().collect()
        } else {
            self.prefill_runs.clone()
        }
    }

    /// All rates and times, by their keys.
    pub(crate) fn rates(&self) -> Vec<(&'static str, f64)> {
        let single = [
            ("decode_tokens_per_second", self.decode_tokens_per_second),
            ("decode_low", self.decode_low),
            ("decode_high", self.decode_high),
            ("decode_gb_per_second", self.decode_gb_per_second),
            ("percent_of_read_bandwidth", self.percent_of_read_bandwidth),
            (
                "decode_arithmetic_gmac_per_second",
                self.decode_arithmetic_gmac_per_second,
            ),
            (
                "decode_exchange_gb_per_second",
                self.decode_exchange_gb_per_second,
            ),
            ("prefill_tokens_per_second", self.prefill_tokens_per_second),
            (
                "prefill_arithmetic_gmac_per_second",
                self.prefill_arithmetic_gmac_per_second,
            ),
            (
                "prefill_exchange_gb_per_second",
                self.prefill_exchange_gb_per_second,
            ),
            ("time_to_first_token_ms", self.time_to_first_token_ms),
            (
                "reference_tokens_per_second",
                self.reference_tokens_per_second,
            ),
        ];
        let single = single
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        let decode = self.decode_runs.iter().map(|rate| ("decode_runs", *rate));
        let prefill = self.prefill_runs.iter().map(|rate| ("prefill_runs", *rate));
        single.chain(decode).chain(prefill).collect()
    }
}
