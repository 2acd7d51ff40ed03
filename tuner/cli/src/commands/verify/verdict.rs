//! Recorded runs against those of now, length by length.

use sysinfer_profiles::Evidence;
use sysinfer_stats::Summary;
use sysinfer_table::TableData;

use super::judgement::Judgement;
use super::rates::{Rate, rates};
use super::shift::{Noise, Z_ALL, run_noise};

/// Where a loss of this would not have been found, that is said.
pub(super) const NOTABLE_LOSS: f64 = 0.10;

/// One length of one phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) phase: &'static str,
    pub(super) total_tokens: usize,
    /// Whether it was put together from steps at several contexts, then or now.
    pub(super) sampled: bool,
    /// Recorded rates, tokens/s.
    pub(super) recorded: Summary,
    /// Rates of now.
    pub(super) now: Summary,
    /// The rate of now over the recorded one.
    pub(super) ratio: f64,
    /// Its limits, wide enough that all lengths together are within theirs 95 times of 100.
    pub(super) interval: (f64, f64),
    /// The smallest loss that is called one four times of five; 0.1: a tenth of the rate.
    pub(super) smallest_loss_found: f64,
    /// Recorded share of the bandwidth, percent.
    pub(super) recorded_percent: Option<f64>,
    /// The share of now.
    pub(super) now_percent: Option<f64>,
    /// Arithmetic of the team's cores beside the recorded runs and those of now, GMAC/s.
    pub(super) arithmetic: Option<(f64, f64)>,
    /// What they read of what another has just written, GB/s.
    pub(super) exchange: Option<(f64, f64)>,
    pub(super) holds: Judgement,
}

impl Verdict {
    /// The judgement, and what would not have been found, if that is much.
    pub(super) fn words(&self) -> String {
        let words = self.holds.words();
        match self.holds == Judgement::Holds && self.smallest_loss_found > NOTABLE_LOSS {
            true => format!(
                "{words}; a loss of {:.0} % would show",
                100.0 * self.smallest_loss_found
            ),
            false => words.to_owned(),
        }
    }
}

/// Verdicts of all lengths that were measured now, decode first; a length differs beyond `z` standard
/// errors.
pub(super) fn verdicts(evidence: &Evidence, data: &TableData, z: f64) -> Vec<Verdict> {
    let rates = rates(evidence, data);
    let run = run_noise(rates.iter().map(|rate| &rate.runs));
    let verdict = |rate: &Rate| {
        let noise = Noise {
            run,
            drift: rate.drift,
        };
        let shift = rate.runs.shift(noise);
        Some(Verdict {
            phase: rate.phase,
            total_tokens: rate.total_tokens,
            sampled: rate.sampled,
            recorded: Summary::of(&rate.recorded)?,
            now: Summary::of(&rate.now)?,
            ratio: shift.centre.exp(),
            interval: (shift.low(Z_ALL).exp(), shift.high(Z_ALL).exp()),
            smallest_loss_found: rate.runs.smallest_loss_found(noise),
            recorded_percent: rate.percents.0,
            now_percent: rate.percents.1,
            arithmetic: rate.arithmetic,
            exchange: rate.exchange,
            holds: rate.runs.told(noise, z),
        })
    };
    rates.iter().filter_map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use sysinfer_probe::Point;
    use sysinfer_profiles::LengthEvidence;

    use super::*;

    #[test]
    fn the_drift_of_one_phase_stands_for_that_of_the_other_where_this_is_not_known() {
        let evidence = |decode_drift, prefill_drift| Evidence {
            gain_decode: 1.0,
            gain_prefill: 1.0,
            prompt_tokens: 16,
            decode_drift,
            prefill_drift,
            table_spells: 1,
            lengths: vec![LengthEvidence {
                total_tokens: 32,
                decode_runs: vec![100.0; 3],
                ..LengthEvidence::default()
            }],
            ..Evidence::default()
        };
        let mut data = TableData::default();
        let point = Point {
            total_tokens: 32,
            tokens: 100,
            seconds: 1.2,
            bytes: 1.0,
        };
        data.decode.insert(32, vec![point; 3]);
        let judged = |decode_drift, prefill_drift| {
            let found = verdicts(&evidence(decode_drift, prefill_drift), &data, Z_ALL);
            found[0].holds
        };
        assert_eq!(judged(None, None), Judgement::Slower);
        assert_eq!(judged(None, Some(0.06)), Judgement::Holds);
        assert_eq!(judged(Some(0.0), Some(0.06)), Judgement::Slower);
    }
}
