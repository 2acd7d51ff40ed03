//! More runs of a table than were asked for, while its rates are unsure and there is time: three runs that
//! follow each other are one draw of the minutes of a host that drifts.

use sysinfer_probe::{Halt, Point, Session};
use sysinfer_stats::Scale;

use super::table;
use crate::data::TableData;
use crate::table_plan::TablePlan;
use crate::task::Task;

/// A mean rate is sure enough where two of its standard errors are within this.
const SURE: f64 = 0.01;
/// A run takes up to so many times as long as the one before.
const SLOWER: f64 = 1.3;

/// Adds runs to `data`, up to `runs` with those that are there, none of which ends after the task has to. A table with sampled lengths had no time for all of them, and
/// gets none. A replay gets the whole runs that its journal has: how many it took is what the run decided,
/// which an earlier version may have done otherwise.
///
/// # Errors
/// Ctrl-C or a failure.
pub fn measure(
    session: &mut Session<'_>,
    task: Task<'_>,
    runs: usize,
    data: &mut TableData,
) -> Result<(), Halt> {
    if task.table.sampling.is_some() {
        return Ok(());
    }
    let one = TablePlan {
        repeat: 1,
        ..task.table.clone()
    };
    // One that has begun is ended.
    let again = Task {
        table: &one,
        until: None,
        ..task
    };
    let mut said = false;
    while data.starts().len() < runs && is_unsure(data) {
        let now = (session.clock)();
        let fits = |until: f64| {
            let run = data.starts().last().map_or(0.0, |start| now - start);
            now + SLOWER * run <= until
        };
        if !task.until.is_none_or(fits) {
            break;
        }
        if !said {
            session
                .progress
                .note("rates differ from run to run: measuring the table some more times");
            said = true;
        }
        let whole = data.clone();
        match table::measure(session, again, data) {
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
        let noise = Scale::pooled(lengths.iter().map(Vec::as_slice), Scale::UNKNOWN);
        2.0 * noise.deviation / runs.sqrt() > SURE
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

    use sysinfer_engine::{PhasePlan, Plan};
    use sysinfer_probe::{
        CoreReading, Interrupt, Nowhere, Phase, Probe, ProbeError, Reading, Silent, Stage, Work,
    };

    use super::*;
    use crate::speed::Speed;

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

    /// Runs of a table of three with this noise, nine at most.
    fn runs(noise: f64, until: Option<f64>) -> usize {
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
        let three = Task {
            plan: &plan,
            table: &table,
            speed: &speed,
            until: None,
        };
        let more = Task { until, ..three };
        table::measure(&mut session, three, &mut data)
            .and_then(|_| measure(&mut session, more, 9, &mut data))
            .expect("it does not fail");
        assert_eq!(data.decode[&32].len(), data.starts().len());
        data.starts().len()
    }

    #[test]
    fn noisy_tables_get_more_runs_while_there_is_time() {
        assert_eq!(runs(0.0, None), 3, "sure");
        assert_eq!(runs(0.1, None), 9, "as noisy as ever");
        let some = runs(0.02, None);
        assert!((4..9).contains(&some), "sure after {some}");
        // Three runs end at 30 seconds; a fourth and a fifth at 50.
        assert_eq!(runs(0.1, Some(54.0)), 5);
        assert_eq!(runs(0.1, Some(30.0)), 3);
    }
}
