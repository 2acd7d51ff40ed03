//! More runs of a table than were asked for, while its rates are unsure and there is time: three runs that
//! follow each other are one draw of the minutes of a host that drifts.

use sysinfer_engine::Plan;
use sysinfer_probe::{Halt, Point, Session};
use sysinfer_stats::pooled;
use sysinfer_stats::robust::Z_95;

use super::table;
use crate::data::TableData;
use crate::speed::Speed;
use crate::table_plan::TablePlan;

/// A mean rate is sure enough within this.
const SURE: f64 = 0.01;
/// A run takes up to so many times as long as the one before.
const SLOWER: f64 = 1.3;

/// Runs at most, and when the last of them has to have ended.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Runs of the table, those that are there included.
    pub runs: usize,
    /// Seconds of the session's clock; `None`: whenever.
    pub until: Option<f64>,
}

/// Adds runs to `data` up to the limits. A table with sampled lengths had no time for all of them, and
/// gets none. A replay gets the whole runs that its journal has: how many it took is what the run decided,
/// which an earlier version may have done otherwise.
///
/// # Errors
/// Ctrl-C or a failure.
pub fn measure(
    session: &mut Session<'_>,
    plan: &Plan,
    table: &TablePlan,
    speed: &Speed,
    (data, limits): (&mut TableData, Limits),
) -> Result<(), Halt> {
    if table.sampling.is_some() {
        return Ok(());
    }
    let one = TablePlan {
        repeat: 1,
        ..table.clone()
    };
    let mut said = false;
    while data.starts().len() < limits.runs && is_unsure(data) {
        let now = (session.clock)();
        let fits = |until: f64| {
            let run = data.starts().last().map_or(0.0, |start| now - start);
            now + SLOWER * run <= until
        };
        if !limits.until.is_none_or(fits) {
            break;
        }
        if !said {
            session
                .progress
                .note("rates differ from run to run: measuring the table some more times");
            said = true;
        }
        let whole = data.clone();
        match table::measure(session, plan, &one, speed, (&mut *data, None)) {
            Err(Halt::Unrecorded(_)) => {
                *data = whole;
                break;
            }
            other => other?,
        };
    }
    Ok(())
}

/// Whether the mean of some phase is not known to a percent, by what its runs scatter.
fn is_unsure(data: &TableData) -> bool {
    let runs = data.starts().len().max(1) as f64;
    let unsure = |lengths: Vec<Vec<f64>>| {
        let groups: Vec<&[f64]> = lengths.iter().map(Vec::as_slice).collect();
        Z_95 * pooled::root_mean_square(&groups, 0.0, 0.0) / runs.sqrt() > SURE
    };
    let logs = |points: &Vec<Point>| -> Vec<f64> {
        points
            .iter()
            .map(|point| point.tokens_per_second().ln())
            .collect()
    };
    unsure(data.decode.values().map(logs).collect())
        || unsure(data.prefill.values().map(logs).collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sysinfer_engine::PhasePlan;
    use sysinfer_probe::{
        CoreReading, Interrupt, Nowhere, Phase, Probe, ProbeError, Reading, Silent, Stage, Work,
    };

    use super::*;

    /// Every other run is slower by `noise`; each takes ten seconds.
    struct Uneven<'t> {
        noise: f64,
        runs: usize,
        time: &'t Cell<f64>,
    }

    impl Probe for Uneven<'_> {
        fn measure(&mut self, _: &Plan, work: &Work) -> Result<Reading, ProbeError> {
            let rate = match work {
                Work::Decode { .. } => {
                    self.time.set(self.time.get() + 10.0);
                    self.runs += 1;
                    100.0 * (1.0 - self.noise * (self.runs % 2) as f64)
                }
                _ => 100.0,
            };
            let point = Point {
                total_tokens: 32,
                tokens: 16,
                seconds: 16.0 / rate,
                bytes: 1.0,
            };
            Ok(Reading {
                points: vec![point],
                disturbed: None,
            })
        }

        fn cores(&mut self, _: &Plan, _: Phase) -> Result<CoreReading, ProbeError> {
            Ok(CoreReading::default())
        }
    }

    /// Runs of a table of three with this noise and these limits.
    fn runs(noise: f64, limits: Limits) -> usize {
        let time = Cell::new(0.0);
        let mut probe = Uneven {
            noise,
            runs: 0,
            time: &time,
        };
        let clock = || time.get();
        let (progress, interrupt) = (Silent, Interrupt::default());
        let mut sink = Nowhere;
        let mut session = Session::new(&mut probe, &mut sink, &progress, &interrupt, &clock);
        session.stage = Stage::Table;
        let plan = Plan::with_threads(PhasePlan::unpinned(1));
        let table = TablePlan {
            prompt_tokens: 16,
            decode_lengths: vec![32],
            prefill_lengths: vec![32],
            repeat: 3,
            sampling: None,
        };
        let speed = Speed {
            step_seconds: 0.01,
            prompt_token_seconds: 0.01,
            decode_bytes: 1.0,
            kv_bytes_per_position: 0.0,
            prompt_growth: 0.0,
        };
        let mut data = TableData::default();
        table::measure(&mut session, &plan, &table, &speed, (&mut data, None))
            .and_then(|_| measure(&mut session, &plan, &table, &speed, (&mut data, limits)))
            .expect("it does not fail");
        assert_eq!(data.decode[&32].len(), data.starts().len());
        data.starts().len()
    }

    #[test]
    fn noisy_tables_get_more_runs_while_there_is_time() {
        let (runs_of_nine, whenever) = (9, None);
        let limits = |until| Limits {
            runs: runs_of_nine,
            until,
        };
        assert_eq!(runs(0.0, limits(whenever)), 3, "sure");
        assert_eq!(runs(0.1, limits(whenever)), 9, "as noisy as ever");
        let some = runs(0.02, limits(whenever));
        assert!((4..9).contains(&some), "sure after {some}");
        // Three runs end at 30 seconds; a fourth and a fifth at 50.
        assert_eq!(runs(0.1, limits(Some(54.0))), 5);
        assert_eq!(runs(0.1, limits(Some(30.0))), 3);
    }
}
