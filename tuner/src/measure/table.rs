//! The final table: the chosen plan over all lengths, in rounds, with the bandwidth of each round.

use std::collections::BTreeMap;

use sysinfer_engine::Plan;

use super::session::{Halt, Session};
use super::{Point, Work};
use crate::search::Stage;
use crate::search::budget::{Speed, TablePlan, join};

/// Points by length, one for each run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableData {
    /// Decoding, by total length.
    pub decode: BTreeMap<usize, Vec<Point>>,
    /// Prompts, by length.
    pub prefill: BTreeMap<usize, Vec<Point>>,
    /// What the chosen decode team read before each run, GB/s: the roof of these very points.
    pub bandwidth: Vec<f64>,
}

/// A longer prompt takes longer by more than the ratio of lengths, and less than its square:
/// attention is a growing part of it.
const PROMPT_GROWTH: f64 = 1.5;

/// Fills `data` as runs end, so that an interrupted table keeps what it has. What would end after
/// `deadline`, judged by the runs before, is left out; returns a line about each such cut.
///
/// # Errors
/// Ctrl-C or a failure.
pub fn measure(
    session: &mut Session<'_>,
    plan: &Plan,
    table: &TablePlan,
    speed: &Speed,
    (data, deadline): (&mut TableData, Option<f64>),
) -> Result<Vec<String>, Halt> {
    session.stage = Stage::Table;
    let total = units(table.repeat as f64 * table.seconds(speed));
    session.progress.place(Stage::Table);
    session.progress.stage(Stage::Table.title(), total);
    let mut cuts = Vec::new();
    for run in 0..table.repeat {
        let started = (session.clock)();
        data.bandwidth.push(session.read_bandwidth(plan)?);
        if let Some(longest) = table.decode_lengths.last() {
            decode(session, plan, table, data)?;
            let seconds = speed.decode_seconds(table.prompt_tokens, *longest);
            session
                .progress
                .advance(units(seconds), &format!("decoded up to {longest}"));
        }
        cuts.extend(prefill(
            session,
            plan,
            table,
            speed,
            (&mut *data, deadline),
        )?);
        let now = (session.clock)();
        let runs = run + 1;
        if runs < table.repeat && deadline.is_some_and(|end| now + (now - started) > end) {
            cuts.push(format!("{runs} of {} runs: no time for more", table.repeat));
            break;
        }
    }
    Ok(cuts)
}

/// Prompts of every length that still fits, shortest first.
fn prefill(
    session: &mut Session<'_>,
    plan: &Plan,
    table: &TablePlan,
    speed: &Speed,
    (data, deadline): (&mut TableData, Option<f64>),
) -> Result<Option<String>, Halt> {
    let mut last: Option<(usize, f64)> = None;
    for (index, &tokens) in table.prefill_lengths.iter().enumerate() {
        let expected = match last {
            Some((shorter, seconds)) => {
                seconds * (tokens as f64 / shorter as f64).powf(PROMPT_GROWTH)
            }
            None => speed.prefill_seconds(tokens),
        };
        if deadline.is_some_and(|end| (session.clock)() + expected > end) {
            let cut = join(&table.prefill_lengths[index..]);
            return Ok(Some(format!(
                "prompts of {cut} are left out of a run: no time"
            )));
        }
        let reading = session.take("chosen", plan, &Work::Prefill { tokens })?;
        last = reading.points.last().map(|point| (tokens, point.seconds));
        data.prefill
            .entry(tokens)
            .or_default()
            .extend(&reading.points);
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
    let reading = session.take("chosen", plan, &work)?;
    for point in &reading.points {
        data.decode
            .entry(point.total_tokens)
            .or_default()
            .push(*point);
    }
    let complete = reading.points.len() == table.decode_lengths.len();
    if complete {
        Ok(())
    } else {
        Err(Halt::Interrupted)
    }
}
