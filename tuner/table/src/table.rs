//! The final table: the chosen plan over all lengths, in rounds, with the bandwidth of each round and the
//! cores beside each run.

use sysinfer_engine::Plan;
use sysinfer_probe::{Halt, Phase, Session, Stage, Work};

use super::sampled;
use crate::core_readings::CoreReadings;
use crate::data::TableData;
use crate::speed::PROMPT_GROWTH;
use crate::table_plan::{TablePlan, join};
use crate::task::Task;

/// Fills `data` as runs end, so that an interrupted table keeps what it has. What would end after
/// `until`, judged by the runs before, is left out; returns a line about each such cut. A run is
/// what is decoded all the way, the prompts, and a sampled pass where the table has one.
///
/// # Errors
/// Ctrl-C or a failure.
pub fn measure(
    session: &mut Session<'_>,
    task: Task<'_>,
    data: &mut TableData,
) -> Result<Vec<String>, Halt> {
    let Task {
        plan,
        table,
        speed,
        until,
    } = task;
    session.stage = Stage::Table;
    let total = units(table.repeat as f64 * (table.seconds(speed) + table.pass_seconds(speed)));
    session.progress.place(Stage::Table);
    session.progress.stage(Stage::Table.title(), total);
    let (mut cuts, mut last_pass_seconds) = (Vec::new(), None);
    for run in 0..table.repeat {
        let started = (session.clock)();
        data.baseline
            .push_run(started, session.read_bandwidth(plan)?);
        if let Some(longest) = table.decode_lengths.last() {
            decode(session, plan, table, data)?;
            let seconds = speed.decode_seconds(table.prompt_tokens, *longest);
            session
                .progress
                .advance(units(seconds), &format!("decoded up to {longest}"));
        }
        cuts.extend(prefill(session, task, data)?);
        let whole_seconds = (session.clock)() - started;
        let after = (table.repeat - 1 - run) as f64 * whole_seconds;
        // The first pass has what lengths there are; more of them only make these surer.
        let started = (session.clock)();
        let fits = |seconds: f64| until.is_none_or(|end| started + seconds + after <= end);
        if table.sampling.is_some() && last_pass_seconds.is_none_or(fits) {
            cuts.extend(sampled::pass(session, task, data)?);
            last_pass_seconds = Some((session.clock)() - started);
        }
        let now = (session.clock)();
        let runs = run + 1;
        if runs < table.repeat && until.is_some_and(|end| now + whole_seconds > end) {
            cuts.push(format!("{runs} of {} runs: no time for more", table.repeat));
            break;
        }
    }
    Ok(cuts)
}

/// Prompts of every length that still fits, shortest first.
fn prefill(
    session: &mut Session<'_>,
    task: Task<'_>,
    data: &mut TableData,
) -> Result<Option<String>, Halt> {
    let Task {
        plan,
        table,
        speed,
        until,
    } = task;
    let mut last: Option<(usize, f64)> = None;
    let prompts = table.separate_prompts();
    if prompts.is_empty() {
        return Ok(None);
    }
    let mut cores = CoreReadings::start(session, plan, Phase::Prefill)?;
    for (index, &tokens) in prompts.iter().enumerate() {
        let expected = match last {
            Some((shorter, seconds)) => {
                seconds * (tokens as f64 / shorter as f64).powf(PROMPT_GROWTH)
            }
            None => speed.prefill_seconds(tokens),
        };
        if until.is_some_and(|end| (session.clock)() + expected > end) {
            let cut = join(&prompts[index..]);
            return Ok(Some(format!(
                "prompts of {cut} are left out of a run: no time"
            )));
        }
        let reading = session.take("chosen", plan, &Work::Prefill { tokens })?;
        let of_cores = cores.next(session)?;
        last = reading.points.last().map(|point| (tokens, point.seconds));
        data.prefill
            .entry(tokens)
            .or_default()
            .extend(&reading.points);
        data.baseline.push(Phase::Prefill, tokens, of_cores);
        session.progress.advance(
            units(speed.prefill_seconds(tokens)),
            &format!("prompt of {tokens}"),
        );
    }
    Ok(None)
}

/// Progress counts estimated milliseconds.
fn units(seconds: f64) -> u64 {
    (1000.0 * seconds).ceil() as u64
}

/// One growing run gives a point for every length that it reaches.
fn decode(
    session: &mut Session<'_>,
    plan: &Plan,
    table: &TablePlan,
    data: &mut TableData,
) -> Result<(), Halt> {
    let work = Work::Decode {
        prompt_tokens: table.prompt_tokens,
        lengths: table.decode_lengths.clone(),
    };
    let mut cores = CoreReadings::start(session, plan, Phase::Decode)?;
    let reading = session.take("chosen", plan, &work)?;
    let of_cores = cores.next(session)?;
    for point in &reading.points {
        data.decode
            .entry(point.total_tokens)
            .or_default()
            .push(*point);
        data.baseline
            .push(Phase::Decode, point.total_tokens, of_cores);
    }
    let complete = reading.points.len() == table.decode_lengths.len();
    if complete {
        Ok(())
    } else {
        Err(Halt::Interrupted)
    }
}
