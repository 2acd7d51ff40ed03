//! Single steps, what goes into them and what comes out.

use sysinfer_engine::{Engine, EngineError, Entry, Sequence, Wanted};
use sysinfer_probe::ProbeError;
use sysinfer_random::SplitMix64;

/// Every run draws its prompt from this seed: all plans read the same tokens.
const PROMPT_SEED: u64 = 1;
/// Ids below are control tokens in the usual vocabularies.
const FIRST_ORDINARY_TOKEN: usize = 3;

/// One token for each sequence.
pub(super) fn entries<'e>(sequences: &'e mut [&mut Sequence], tokens: &'e [u32]) -> Vec<Entry<'e>> {
    let pairs = sequences.iter_mut().zip(tokens);
    pairs
        .map(|(sequence, token)| Entry {
            sequence,
            tokens: std::slice::from_ref(token),
            wanted: Wanted::Last,
        })
        .collect()
}

/// Runs these tokens of one sequence, up to the logits of the last.
pub(super) fn step(
    engine: &mut Engine,
    sequence: &mut Sequence,
    tokens: &[u32],
) -> Result<(), ProbeError> {
    let mut batch = [Entry {
        sequence,
        tokens,
        wanted: Wanted::Last,
    }];
    let logits = engine.step(&mut batch).map_err(failed)?;
    logits.require_finite().map_err(failed)
}

/// The first `tokens` of an endless fixed sequence of ordinary token ids.
pub fn prompt(tokens: usize, vocabulary_size: usize) -> Vec<u32> {
    let mut random = SplitMix64(PROMPT_SEED);
    let ordinary = vocabulary_size.saturating_sub(FIRST_ORDINARY_TOKEN);
    let first = if ordinary == 0 {
        0
    } else {
        FIRST_ORDINARY_TOKEN
    };
    (0..tokens)
        .map(|_| (first + random.below(ordinary)) as u32)
        .collect()
}

/// The token of the largest logit; 0 of none.
pub fn argmax(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(token, _)| token as u32)
}

/// The plan is at fault.
pub(super) fn refused(error: EngineError) -> ProbeError {
    ProbeError::Refused(error.to_string())
}

/// The engine is.
pub(super) fn failed(error: impl Into<EngineError>) -> ProbeError {
    ProbeError::Failed(error.into().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_prefixes_of_one_another_and_of_ordinary_tokens() {
        let long = prompt(64, 100);
        assert_eq!(prompt(16, 100), long[..16]);
        assert!(long.iter().all(|token| (3..100).contains(token)));
        assert!(
            prompt(4, 2).iter().all(|token| *token == 0),
            "a vocabulary of control tokens"
        );
    }

    #[test]
    fn argmax_takes_the_largest() {
        assert_eq!(argmax(&[0.0, 3.0, -1.0]), 1);
        assert_eq!(argmax(&[]), 0);
    }
}
