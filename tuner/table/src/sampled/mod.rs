//! Lengths that are too long to be decoded all the way in the time there is.
//!
//! Reading a prompt takes a fraction of the time of decoding as many tokens. So a pass reads one long
//! prompt, stops at every length, and takes some decode steps there before it reads on: [`crate::sampling`] says
//! where it stops and [`rates`] what follows for whole runs. The prompt's own times are those of
//! prompts of these lengths, since the engine cuts every prompt into the same chunks.

pub mod rates;

use sysinfer_engine::Plan;
use sysinfer_probe::{CoreReading, Halt, Phase, Point, Session, Work};

use crate::core_readings::CoreReadings;
use crate::data::{Stops, TableData};
use crate::sampling::Visit;
use crate::table_plan::{TablePlan, join};
use crate::task::Task;

/// What a sampled rate is, in one sentence.
pub const DEFINITION: &str = "Sampled: a length that there was no time to decode all the way to. A \
    prompt is read up to several contexts on the way, some decode steps are timed at each, and the \
    steps between are taken to lie on straight lines; the rate is what a whole run would have by that, its \
    interval is of these steps (95 % bootstrap).";

/// A prompt as far as a pass has read it.
#[derive(Clone, Copy, Default)]
struct Read {
    tokens: usize,
    seconds: f64,
    bytes: f64,
    /// The cores beside it, times its seconds.
    cores: CoreReading,
}

/// One pass over the stops that end before `until`, judged by those before. Fills `data` on the way
/// and returns a line about stops that were left out.
///
/// # Errors
/// Ctrl-C or a failure; what was measured before is in `data`.
pub fn pass(
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
    let visits = table.visits();
    let mut prompt_cores = CoreReadings::start(session, plan, Phase::Prefill)?;
    let mut step_cores = CoreReadings::start(session, plan, Phase::Decode)?;
    let place = data.passes.len();
    data.passes.push(Stops::new());
    data.baseline.push_pass();
    let mut read = vec![Read {
        cores: CoreReading::ZERO,
        ..Read::default()
    }];
    let (mut taken, mut estimated) = (0.0, 0.0);
    let mut outcome = Ok(None);
    for (index, visit) in visits.iter().enumerate() {
        let slower = if estimated > 0.0 {
            taken / estimated
        } else {
            1.0
        };
        let expected = slower * visit.seconds(speed);
        if until.is_some_and(|end| (session.clock)() + expected > end) {
            outcome = Ok(left_out(table, &visits[index..], place));
            break;
        }
        let started = (session.clock)();
        let measured = stop(session, plan, visit).and_then(|points| {
            let cores = (prompt_cores.next(session)?, step_cores.next(session)?);
            Ok((points, cores))
        });
        let ((prompt, groups), (of_prompt, of_steps)) = match measured {
            Ok(measured) => measured,
            Err(halt) => {
                outcome = Err(halt);
                break;
            }
        };
        let (whole, of_cores) = add(&mut read, visit, &prompt, of_prompt);
        if table.prefill_lengths.contains(&visit.total_tokens) {
            let rows = data.prefill.entry(visit.total_tokens).or_default();
            rows.push(whole);
            data.baseline
                .push(Phase::Prefill, visit.total_tokens, of_cores);
        }
        data.passes[place].insert(visit.total_tokens, groups);
        data.baseline.push_stop(visit.total_tokens, of_steps);
        taken += (session.clock)() - started;
        estimated += visit.seconds(speed);
        let units = (1000.0 * visit.seconds(speed)).ceil() as u64;
        let what = format!("sampled at {}", visit.total_tokens);
        session.progress.advance(units, &what);
    }
    let lengths = table.sampling.as_ref().map_or(&[][..], |s| &s.lengths);
    let mut found = rates::sampled(data, table.prompt_tokens, lengths);
    data.sampled.append(&mut found);
    outcome
}

/// Measures at one stop: the prompt's part, and the groups of steps.
fn stop(
    session: &mut Session<'_>,
    plan: &Plan,
    visit: &Visit,
) -> Result<(Point, Vec<Point>), Halt> {
    let work: Work = visit.work();
    let reading = session.take("chosen", plan, &work)?;
    match reading.points.split_first() {
        Some((prompt, groups)) if work.is_complete(reading.points.len()) => {
            Ok((*prompt, groups.to_vec()))
        }
        _ => Err(Halt::Interrupted),
    }
}

/// The whole prompt that a part completes, and the cores beside it; it is kept for parts behind it.
fn add(
    read: &mut Vec<Read>,
    visit: &Visit,
    part: &Point,
    of_cores: CoreReading,
) -> (Point, CoreReading) {
    let before = read.iter().find(|read| read.tokens == visit.from_tokens);
    let before = before.copied().unwrap_or_default();
    let whole = Read {
        tokens: visit.total_tokens,
        seconds: before.seconds + part.seconds,
        bytes: before.bytes + part.bytes,
        cores: before.cores.plus(part.seconds, of_cores),
    };
    read.push(whole);
    let point = Point {
        total_tokens: whole.tokens,
        tokens: whole.tokens,
        seconds: whole.seconds,
        bytes: whole.bytes,
    };
    (point, whole.cores.over(whole.seconds))
}

/// What the first pass does not reach is left out of the table; later ones only add to it.
fn left_out(table: &TablePlan, visits: &[Visit], place: usize) -> Option<String> {
    let sampled = table.sampling.as_ref()?;
    let lengths: Vec<usize> = visits.iter().map(|visit| visit.total_tokens).collect();
    let lengths: Vec<usize> = lengths
        .into_iter()
        .filter(|length| sampled.lengths.contains(length))
        .collect();
    (place == 0 && !lengths.is_empty()).then(|| {
        format!(
            "lengths {} are left out after all: time ran out before they were sampled",
            join(&lengths)
        )
    })
}

#[cfg(test)]
mod tests;
