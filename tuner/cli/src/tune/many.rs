//! Many sequences at once, under the plan that was confirmed.

use sysinfer_engine::Plan;
use sysinfer_probe::{Halt, Session, Work};
use sysinfer_search::many::room;
use sysinfer_search::staged::Inputs;
use sysinfer_search::works::Works;
use sysinfer_table::concurrency::{self, Concurrency};

/// Share of the rest that filling the sequences' contexts may take.
const FILL_SHARE: f64 = 0.25;
/// Seconds for it, where there is no limit.
const FILL_SECONDS: f64 = 30.0;
/// What many sequences are measured for.
pub(super) struct Aim<'a> {
    /// Numbers of them, ascending.
    pub sequences: &'a [usize],
    /// Longest time between two tokens of an answer, milliseconds.
    pub token_gap_ms: u32,
    /// Most runs.
    pub runs: usize,
    /// When to be done, on the session's clock.
    pub until: Option<f64>,
}

/// Measures steps of many sequences under `plan` into `data`.
///
/// # Errors
/// Ctrl-C or a failure.
pub(super) fn measure(
    session: &mut Session<'_>,
    inputs: &Inputs<'_>,
    works: &Works,
    (plan, aim): (&Plan, &Aim<'_>),
    data: &mut Concurrency,
) -> Result<(), Halt> {
    let now = (session.clock)();
    let seconds = aim
        .until
        .map_or(FILL_SECONDS, |until| FILL_SHARE * (until - now).max(0.0));
    let context_tokens = context(inputs, works, (aim.sequences, seconds));
    let Some(most_steps) = room(inputs.info.context_length, context_tokens) else {
        return Ok(());
    };
    let request = concurrency::Request {
        plan,
        sequences: aim.sequences,
        context_tokens,
        most_steps,
        token_gap_ms: aim.token_gap_ms,
        step_seconds: works.step_seconds,
        sample_seconds: inputs.effort.sample_seconds,
        runs: aim.runs,
        until: aim.until,
    };
    concurrency::measure(session, &request, data)
}

/// Tokens that each sequence holds: as in other decode samples, but so that filling all takes no more than
/// `seconds`.
fn context(inputs: &Inputs<'_>, works: &Works, (sequences, seconds): (&[usize], f64)) -> usize {
    let usual = match &works.decode {
        Work::Decode { prompt_tokens, .. } => *prompt_tokens,
        _ => inputs.prompt_tokens,
    };
    let most = sequences.last().copied().unwrap_or(1) as f64;
    let takes = |tokens: usize| most * tokens as f64 * works.prompt_token_seconds;
    let mut tokens = usual;
    while tokens > inputs.prompt_tokens && takes(tokens) > seconds {
        tokens /= 2;
    }
    tokens.max(inputs.prompt_tokens)
}
