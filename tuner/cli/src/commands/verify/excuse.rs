//! Why a rate that is slower than recorded may hold all the same: the host gave less in the same minutes.
//!
//! Rates follow the bandwidth of memory, the arithmetic of cores and how fast these hand each other data, and
//! other tenants of a host take their share of each. The host's baseline, read beside every run, tells: where
//! one of the three is slower than recorded, a rate has to be slower by evidence than that, run by run.

use serde::Serialize;
use sysinfer_probe::{CoreReading, Phase};
use sysinfer_profiles::Evidence;
use sysinfer_stats::comparison::{ALPHA, Side};
use sysinfer_stats::{Comparison, Samples, Scale, Verdict, median_of};
use sysinfer_table::TableData;

use crate::commands::compare::judge::{Judged, Row};

/// Why a slower rate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Excuse {
    /// The whole interval of the loss is within the margin.
    Margin,
    /// Read bandwidth is slower.
    Memory,
    /// Arithmetic of the team's cores is.
    Cores,
    /// What they read of what another has written is.
    CoreToCore,
}

/// Readings beside the runs of one rate, over what was recorded: memory, cores, core-to-core bandwidth. Empty where
/// that is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Baseline(pub(super) [Vec<f64>; 3]);

impl Baseline {
    /// Beside the runs of a rate of now.
    pub(super) fn of(row: &Row, evidence: &Evidence, data: &TableData) -> Self {
        let (phase, tokens) = row.key;
        let mut lengths = evidence.lengths.iter();
        let recorded = lengths.find(|length| length.total_tokens == tokens);
        let (recorded, now) = match phase {
            Phase::Decode => (
                recorded.map(|length| CoreReading {
                    arithmetic: length.decode_arithmetic_gmac_per_second,
                    core_to_core: length.decode_exchange_gb_per_second,
                }),
                data.decode_cores(tokens),
            ),
            Phase::Prefill => (
                recorded.map(|length| CoreReading {
                    arithmetic: length.prefill_arithmetic_gmac_per_second,
                    core_to_core: length.prefill_exchange_gb_per_second,
                }),
                data.prefill_cores(tokens),
            ),
        };
        let cores = |part: fn(&CoreReading) -> Option<f64>| {
            let now: Vec<Option<f64>> = now.iter().map(part).collect();
            over(recorded.as_ref().and_then(part), &now)
        };
        Self([
            over(evidence.read_gb_per_second, data.bandwidth_by_run()),
            cores(|reading| reading.arithmetic),
            cores(|reading| reading.core_to_core),
        ])
    }

    /// The middle of each.
    pub(super) fn medians(&self) -> [Option<f64>; 3] {
        self.0
            .each_ref()
            .map(|lane| median_of(lane.iter().copied()))
    }

    /// What excuses a rate that is slower; `None` where nothing does, or it is not slower.
    pub(super) fn excuse(&self, row: &Row, judged: &Judged) -> Option<Excuse> {
        if judged.verdict(row) != Verdict::Slower {
            return None;
        }
        if row.comparison.is_within_margin(judged.alpha) {
            return Some(Excuse::Margin);
        }
        let causes = [Excuse::Memory, Excuse::Cores, Excuse::CoreToCore];
        let mut lanes = causes.into_iter().zip(&self.0);
        lanes.find_map(|(cause, lane)| explains(lane, row, judged)?.then_some(cause))
    }
}

/// Readings of now over the recorded one, up to the first that is not known.
fn over(recorded: Option<f64>, now: &[Option<f64>]) -> Vec<f64> {
    let Some(recorded) = recorded.filter(|rate| *rate > 0.0) else {
        return Vec::new();
    };
    let known = now.iter().map_while(|reading| *reading);
    known.map(|reading| reading / recorded).collect()
}

/// Whether this of the host is slower now, and the rate lost no more than it did; `None`: not known.
fn explains(readings: &[f64], row: &Row, judged: &Judged) -> Option<bool> {
    let (recorded, now) = (&row.pair.first, &row.pair.second);
    let readings = readings.get(..now.logs().len())?;
    let host = Samples::of_rates(readings, &[]).ok()?;
    let beyond = now.map(|run, log| log - host.logs()[run]);
    // Readings are taken to be as noisy as rates, before they are seen.
    let both = Scale {
        deviation: row.noise.deviation * std::f64::consts::SQRT_2,
        ..row.noise
    };
    let scale = |samples: &Samples| Scale::pooled([samples.logs()], row.noise);
    let of_beyond = Scale::pooled([beyond.logs()], both);
    let compare = |samples: [&Samples; 2], within_run, between_runs: [f64; 2]| {
        let side = |index: usize| Side {
            samples: samples[index],
            within_run,
            between_runs: between_runs[index],
        };
        Comparison::unpaired(side(0), side(1))
    };
    // What was recorded of the host is one number, of as many readings as there were runs. Where the host
    // swings and rates follow it, readings are surer than their scatter: as sure as rates are beside them.
    let before = recorded.map(|_, _| 0.0);
    let noise = scale(&host).quieter(of_beyond);
    if compare([&before, &host], noise, [0.0; 2]).verdict(ALPHA) != Verdict::Slower {
        return Some(false);
    }
    // Recorded shares of what the host gave differ among themselves as those of now do.
    let noise = of_beyond.noisier(scale(recorded));
    let found = compare([recorded, &beyond], noise, row.pair.between_runs);
    Some(found.verdict(judged.alpha) != Verdict::Slower || found.is_within_margin(judged.alpha))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::commands::compare::judge::judge;
    use crate::commands::compare::rate::Rate;
    use crate::commands::compare::side::Side as ComparedSide;

    const KEY: (Phase, usize) = (Phase::Decode, 32);

    fn judged(before: &[f64], now: &[f64]) -> Judged {
        let side = |rates: &[f64]| ComparedSide {
            rates: BTreeMap::from([(KEY, Rate::new(rates, &[], false).expect("rates"))]),
            ..ComparedSide::default()
        };
        judge(&side(before), &side(now))
    }

    /// The excuse where the lane of this cause has these readings and the others are as recorded.
    fn excuse(
        before: &[f64],
        now: &[f64],
        readings: &[f64],
        lane: usize,
    ) -> (Verdict, Option<Excuse>) {
        let mut lanes = [(); 3].map(|()| vec![1.0; readings.len()]);
        lanes[lane] = readings.to_vec();
        let judged = judged(before, now);
        let row = &judged.rows[0];
        (judged.verdict(row), Baseline(lanes).excuse(row, &judged))
    }

    #[test]
    fn a_loss_is_excused_by_what_lost_as_much() {
        let base = [99.0, 100.0, 101.0];
        let slower = [70.0, 71.0, 72.0];
        let cases: [(&str, &[f64], &[f64], bool); 6] = [
            ("as the host", &slower, &[0.70, 0.71, 0.72], true),
            ("less than the host", &slower, &[0.5; 3], true),
            ("more than the host", &slower, &[0.90, 0.91, 0.89], false),
            ("the host is as recorded", &slower, &[1.0; 3], false),
            ("the host is not known", &slower, &[], false),
            ("a reading is none", &slower, &[0.7, f64::NAN, 0.7], false),
        ];
        for (name, now, readings, excused) in cases {
            let causes = [Excuse::Memory, Excuse::Cores, Excuse::CoreToCore];
            for (lane, cause) in causes.into_iter().enumerate() {
                let expected = (Verdict::Slower, excused.then_some(cause));
                assert_eq!(excuse(&base, now, readings, lane), expected, "{name}");
            }
        }
        let same = excuse(&base, &base, &[0.5; 3], 0);
        assert_eq!(same.1, None, "what is not slower needs no excuse");
    }

    #[test]
    fn a_loss_that_is_surely_small_is_none() {
        let before: Vec<f64> = (0..40)
            .map(|run| 100.0 + 0.1 * f64::from(run % 3))
            .collect();
        let now: Vec<f64> = before.iter().map(|rate| 0.98 * rate).collect();
        let found = excuse(&before, &now, &[], 0);
        assert_eq!(found, (Verdict::Slower, Some(Excuse::Margin)));
    }

    #[test]
    fn each_run_goes_with_the_reading_of_its_minute() {
        let base = [99.0, 100.0, 101.0];
        let swings = [1.0, 0.5, 0.52, 0.98, 0.51, 0.53];
        let explained = |rate: f64| {
            let now = swings.map(|memory| rate * memory);
            let judged = judged(&base, &now);
            let row = Row {
                noise: Scale {
                    deviation: 0.01,
                    freedom: 8.0,
                },
                ..judged.rows[0].clone()
            };
            explains(&swings, &row, &judged)
        };
        assert_eq!(explained(100.0), Some(true), "it follows memory");
        assert_eq!(explained(85.0), Some(false), "the share fell by 15 %");
    }
}
