//! What a sample runs: decode steps and prompts, sized by a first measurement of the default plan.

use sysinfer_probe::{Halt, Session, Stage, Work};

use super::inputs::Inputs;

/// Steps and prompt of the first, sizing measurement.
pub(super) const SIZING_STEPS: usize = 4;
const SIZING_PROMPT: usize = 32;
/// Decode steps of a sample: at least enough to average a few barriers, at most what stays short.
const STEPS: std::ops::RangeInclusive<usize> = 4..=256;
/// No sample of a race is longer than this, but for the context that attention is measured at.
pub const MAX_SAMPLE_TOKENS: usize = 512;
/// The middle of the usual lengths, 32 to 4096, where factors of two count alike, is 362; this is the
/// next power of two.
const MIDDLE_TOKENS: usize = 512;
/// Tokens of a prompt of a sample.
const PROMPTS: std::ops::RangeInclusive<usize> = 32..=MAX_SAMPLE_TOKENS;

/// The work of the samples, sized so that one takes about the time that the effort allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Works {
    /// Decoding at a context in the middle of the lengths that matter.
    pub decode: Work,
    /// Decoding from the usual prompt: teams that are far behind show that without the time that
    /// filling a context takes.
    pub shallow_decode: Work,
    /// One prompt.
    pub prefill: Work,
    /// A shorter one, for the same reason.
    pub short_prefill: Work,
    /// Tokens of that prompt.
    pub prefill_tokens: usize,
    /// Time of a decode step under the default plan, seconds.
    pub step_seconds: f64,
    /// Time of a prompt token under the default plan, seconds.
    pub prompt_token_seconds: f64,
}

/// Measures the bandwidth and the default plan, and sizes samples by it.
///
/// # Errors
/// Ctrl-C or a failure.
pub fn calibrate(session: &mut Session<'_>, inputs: &Inputs<'_>) -> Result<Works, Halt> {
    session.stage = Stage::Calibration;
    session.progress.place(Stage::Calibration);
    session.progress.stage(Stage::Calibration.title(), 3);
    let plan = inputs.default;
    session.read_bandwidth(plan)?;
    session.progress.advance(1, "");
    let context = inputs.info.context_length;
    let steps_end = (inputs.prompt_tokens + SIZING_STEPS).min(context);
    let decode = Work::Decode {
        prompt_tokens: inputs.prompt_tokens,
        lengths: vec![steps_end],
    };
    let step_seconds = 1.0
        / session
            .rate("default", plan, &decode)
            .map_err(fatal)?
            .max(1e-9);
    session.progress.advance(1, "");
    let prefill = Work::Prefill {
        tokens: SIZING_PROMPT.min(context),
    };
    let rate = session.rate("default", plan, &prefill).map_err(fatal)?;
    session.progress.advance(1, "");
    let sized = size_works(inputs, step_seconds, 1.0 / rate.max(1e-9));
    if sized.prefill == prefill {
        return Ok(sized);
    }
    // A short prompt is slower per token than those that it was to size.
    let rate = session
        .rate("default", plan, &sized.prefill)
        .map_err(fatal)?;
    Ok(size_works(inputs, step_seconds, 1.0 / rate.max(1e-9)))
}

fn size_works(inputs: &Inputs<'_>, step_seconds: f64, prompt_token_seconds: f64) -> Works {
    let seconds = inputs.effort.sample_seconds;
    let context = inputs.info.context_length;
    let steps = ((seconds / step_seconds) as usize).clamp(*STEPS.start(), *STEPS.end());
    let start = depth(inputs, 2.0 * seconds / prompt_token_seconds);
    let end = (start + steps).min(context);
    let prompt = ((2.0 * seconds / prompt_token_seconds) as usize / 32 * 32)
        .clamp(*PROMPTS.start(), *PROMPTS.end())
        .min(context);
    Works {
        decode: Work::Decode {
            prompt_tokens: start,
            lengths: vec![end],
        },
        shallow_decode: Work::Decode {
            prompt_tokens: inputs.prompt_tokens,
            lengths: vec![(inputs.prompt_tokens + steps).min(context)],
        },
        prefill: Work::Prefill { tokens: prompt },
        short_prefill: Work::Prefill {
            tokens: (prompt / 2).max(*PROMPTS.start()).min(context),
        },
        prefill_tokens: prompt,
        step_seconds,
        prompt_token_seconds,
    }
}

/// Context at which decode samples start: near the middle of the lengths that matter, so that what is
/// chosen is good for all of them, but no more than `affordable` tokens, since every change of the
/// team fills it again.
fn depth(inputs: &Inputs<'_>, affordable: f64) -> usize {
    let most = (inputs.longest_tokens / 2)
        .min(MIDDLE_TOKENS)
        .min(inputs.info.context_length / 2);
    let mut start = most;
    while start > inputs.prompt_tokens && start as f64 > affordable {
        start /= 2;
    }
    start.max(inputs.prompt_tokens)
}

/// Eighths of the context that samples of one round after the other start from: the whole first, as it
/// is there to be cut back to afterwards.
const EIGHTHS: [usize; 5] = [8, 5, 7, 4, 6];
/// A context shorter than this is one chunk of attention or two, whatever it is cut to.
const LONG_CONTEXT: usize = 128;

/// The same work from a context that changes from round to round. Attention is divided among threads
/// in whole chunks, so that at any one context some number of threads is lucky.
pub(super) fn in_round(work: &Work, round: usize) -> Work {
    match work {
        Work::Decode {
            prompt_tokens,
            lengths,
        } if *prompt_tokens >= LONG_CONTEXT => {
            let start = prompt_tokens * EIGHTHS[round % EIGHTHS.len()] / 8;
            let moved = prompt_tokens - start;
            Work::Decode {
                prompt_tokens: start,
                lengths: lengths.iter().map(|length| length - moved).collect(),
            }
        }
        _ => work.clone(),
    }
}

/// Without the default plan there is nothing to compare with.
fn fatal(halt: Halt) -> Halt {
    match halt {
        Halt::Refused(why) => Halt::Failed(format!("the default plan was refused: {why}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(from: usize, to: usize) -> Work {
        Work::Decode {
            prompt_tokens: from,
            lengths: vec![to],
        }
    }

    #[test]
    fn rounds_start_from_several_contexts_none_longer_than_the_first() {
        let work = decode(512, 557);
        assert_eq!(in_round(&work, 0), work);
        let mut starts = Vec::new();
        for round in 0..5 {
            let Work::Decode {
                prompt_tokens,
                lengths,
            } = in_round(&work, round)
            else {
                panic!("decoding stays decoding");
            };
            assert_eq!(
                lengths,
                [prompt_tokens + 45],
                "round {round}: as many steps"
            );
            starts.push(prompt_tokens);
        }
        assert_eq!(starts, [512, 320, 448, 256, 384]);
        assert_eq!(in_round(&work, 5), work, "and again");
    }

    #[test]
    fn short_contexts_and_prompts_stay() {
        for work in [decode(16, 61), Work::Prefill { tokens: 512 }] {
            assert_eq!(in_round(&work, 1), work);
        }
    }
}
