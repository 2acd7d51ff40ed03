//! Many sequences at once, under the plan that was confirmed: up to how many rows a step is the decode
//! team's. Nothing here changes what one sequence gets.

use sysinfer_engine::{Blocking, Plan};
use sysinfer_probe::{Halt, Session, Stage, WARM_STEPS, Work};

use super::inputs::Inputs;
use super::race::{Outcome, Race, StopRule};
use super::works::Works;
use crate::space::blocking;

/// Share of a run's limit of time that many sequences have.
pub const SHARE: f64 = 0.05;
/// Share of that for the race.
const RACE_SHARE: f64 = 0.4;
/// Sequences of the race: numbers between the sizes that it is about. They share a sample's time.
const RACE_SEQUENCES: [usize; 3] = [6, 12, 24];
/// A step of all of these takes about so many steps of one.
const RACE_STEPS: f64 = 8.0;
/// Most steps of each.
const MAX_STEPS: usize = 64;
/// What is in force stays, unless another is ahead by evidence: sizes are few and seldom far apart.
const STOP_RULE: StopRule = StopRule {
    give_up: 0.0,
    worth: 0.0,
    anchor_alpha: Some(0.05),
};

/// Races sizes of [`Blocking::decode_rows`] under `plan`; `None` where there is nothing to choose, or no
/// room for so many sequences.
///
/// # Errors
/// Ctrl-C or a failure.
pub fn race_decode_rows(
    session: &mut Session<'_>,
    inputs: &Inputs<'_>,
    works: &Works,
    plan: &Plan,
    noise: f64,
    until: Option<f64>,
) -> Result<Option<Outcome>, Halt> {
    let sizes = blocking::decode_rows(plan, inputs.blocks);
    if sizes.candidates.len() < 2 {
        return Ok(None);
    }
    let steps = inputs.effort.sample_seconds / (RACE_STEPS * works.step_seconds);
    let Some(room) = room(inputs.info.context_length, inputs.prompt_tokens) else {
        return Ok(None);
    };
    let steps = (steps as usize).clamp(1, MAX_STEPS).min(room);
    let work = Work::Batch {
        prompt_tokens: inputs.prompt_tokens,
        sequences: RACE_SEQUENCES.to_vec(),
        prompt_rows: 0,
        steps,
    };
    let now = (session.clock)();
    let race = Race {
        stage: Stage::DecodeRows,
        title: Stage::DecodeRows.title().into(),
        work: &work,
        rounds: inputs.effort.rounds,
        deadline: until.map(|until| now + RACE_SHARE * (until - now)),
        noise,
        eliminates: false,
        stop_rule: STOP_RULE,
    };
    let outcome = race.run(session, sizes.candidates)?;
    let note = format!(
        "{}: {}; {}",
        outcome.title,
        outcome.winner().name,
        outcome.why
    );
    session.progress.note(&note);
    Ok(Some(outcome))
}

/// The winner's size in place of the plan's.
pub fn take(plan: &Plan, outcome: &Outcome) -> Plan {
    let mut plan = plan.clone();
    plan.blocking = Blocking {
        decode_rows: outcome.winner().plan.blocking.decode_rows,
        ..plan.blocking
    };
    plan
}

/// Steps that a context has room for behind so many tokens; `None`: it has none.
pub fn room(context_length: usize, tokens: usize) -> Option<usize> {
    let most = context_length.checked_sub(tokens + WARM_STEPS)?;
    (most > 0).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_with_the_context_of_the_model() {
        let cases = [
            (8192, 512, Some(7678)),
            (32, 16, Some(14)),
            (18, 16, None),
            (8, 16, None),
        ];
        for (context, tokens, wanted) in cases {
            assert_eq!(room(context, tokens), wanted, "{tokens} of {context}");
        }
    }
}
