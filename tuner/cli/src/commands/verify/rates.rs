//! Every rate with its runs of then and of now, and what the host gave beside them.

use sysinfer_probe::{CoreReading, Phase, Point};
use sysinfer_profiles::Evidence;
use sysinfer_stats::minutes::times_apart;
use sysinfer_stats::{median, median_of};
use sysinfer_table::TableData;
use sysinfer_table::drift::Drift;

use super::shift::{HostBeside, Runs, Spells};
use crate::report;

/// One rate with its runs, before anything is judged.
pub(super) struct Rate {
    pub(super) phase: &'static str,
    pub(super) total_tokens: usize,
    pub(super) sampled: bool,
    pub(super) recorded: Vec<f64>,
    pub(super) now: Vec<f64>,
    pub(super) runs: Runs,
    /// What minutes add to the noise of the phase, as recorded; 0: not known.
    pub(super) drift: f64,
    pub(super) percents: (Option<f64>, Option<f64>),
    pub(super) arithmetic: Option<(f64, f64)>,
    pub(super) exchange: Option<(f64, f64)>,
}

/// Of all lengths that were measured now, decode first.
pub(super) fn rates(evidence: &Evidence, data: &TableData) -> Vec<Rate> {
    let roof = report::roof(&data.bandwidth());
    let memory = over_recorded(evidence.read_gb_per_second, data.memory_beside());
    let drift = |phase| Drift::from(evidence).of(phase).unwrap_or(0.0);
    let spells = |now: &[Point]| Spells {
        recorded: evidence.table_spells,
        now: times_apart(data.starts().iter().copied().take(now.len())),
    };
    let rates_of = |points: &[Point]| points.iter().map(Point::tokens_per_second).collect();
    let decode = evidence.lengths.iter().filter_map(|length| {
        let points = data.decode_runs(length.total_tokens);
        let (recorded, now): (Vec<f64>, Vec<f64>) = (length.decode_rates(), rates_of(points));
        let gigabytes: Vec<f64> = points.iter().map(Point::gb_per_second).collect();
        let cores = Cores {
            recorded: CoreReading {
                arithmetic: length.decode_arithmetic_gmac_per_second,
                exchange: length.decode_exchange_gb_per_second,
            },
            now: data.decode_cores(length.total_tokens),
        };
        Some(Rate {
            phase: "decode",
            total_tokens: length.total_tokens,
            sampled: length.sampled || data.is_sampled(length.total_tokens),
            runs: Runs::of(&recorded, &now, spells(points), &cores.host(&memory))?,
            drift: drift(Phase::Decode),
            arithmetic: cores.medians(|cores| cores.arithmetic),
            exchange: cores.medians(|cores| cores.exchange),
            recorded,
            now,
            percents: (
                length.percent_of_read_bandwidth,
                roof.map(|roof| 100.0 * median(&gigabytes) / roof),
            ),
        })
    });
    let prefill = evidence.lengths.iter().filter_map(|length| {
        let points = data.prefill.get(&length.total_tokens)?;
        let (recorded, now): (Vec<f64>, Vec<f64>) = (length.prefill_rates(), rates_of(points));
        let cores = Cores {
            recorded: CoreReading {
                arithmetic: length.prefill_arithmetic_gmac_per_second,
                exchange: length.prefill_exchange_gb_per_second,
            },
            now: data.prefill_cores(length.total_tokens),
        };
        Some(Rate {
            phase: "prefill",
            total_tokens: length.total_tokens,
            sampled: false,
            runs: Runs::of(&recorded, &now, spells(points), &cores.host(&memory))?,
            drift: drift(Phase::Prefill),
            arithmetic: cores.medians(|cores| cores.arithmetic),
            exchange: cores.medians(|cores| cores.exchange),
            recorded,
            now,
            percents: (None, None),
        })
    });
    decode.chain(prefill).collect()
}

/// How fast cores were beside the recorded runs of a rate and those of now.
struct Cores {
    recorded: CoreReading,
    now: Vec<CoreReading>,
}

impl Cores {
    /// What the host gave beside each run of now, over what was recorded.
    fn host(&self, memory: &[f64]) -> HostBeside {
        let lane = |part: fn(&CoreReading) -> Option<f64>| {
            let now: Vec<Option<f64>> = self.now.iter().map(part).collect();
            over_recorded(part(&self.recorded), &now)
        };
        HostBeside {
            memory: memory.to_vec(),
            arithmetic: lane(|cores| cores.arithmetic),
            exchange: lane(|cores| cores.exchange),
        }
    }

    /// The recorded reading, and the median of those of now.
    fn medians(&self, part: fn(&CoreReading) -> Option<f64>) -> Option<(f64, f64)> {
        let recorded = part(&self.recorded).filter(|rate| *rate > 0.0);
        recorded.zip(median_of(self.now.iter().filter_map(part)))
    }
}

/// Readings of the host beside runs of now over the recorded one, up to the first that is not known.
fn over_recorded(recorded: Option<f64>, now: &[Option<f64>]) -> Vec<f64> {
    let Some(recorded) = recorded.filter(|rate| *rate > 0.0) else {
        return Vec::new();
    };
    let known = now.iter().map_while(|reading| *reading);
    known.map(|reading| reading / recorded).collect()
}
