//! The token counts of answers that go on (`stream_options.continuous_usage_stats`).

use crate::api::response::Usage;
use crate::scheduler::Finish;
use crate::validate::Delivery;

/// Which counts the pieces of a stream have, and the counts.
pub(super) struct SoFar {
    include: bool,
    continuous: bool,
    prompt_tokens: usize,
    completion_tokens: Vec<usize>,
}

impl SoFar {
    /// None yet, of so many answers to prompts of `prompt_tokens` together.
    pub(super) fn new(delivery: Delivery, prompt_tokens: usize, answers: usize) -> Self {
        Self {
            include: delivery.include_usage,
            continuous: delivery.continuous_usage,
            prompt_tokens,
            completion_tokens: vec![0; answers],
        }
    }

    /// A token of an answer has come.
    pub(super) fn token(&mut self, number: usize) {
        self.completion_tokens[number] += 1;
    }

    /// An answer is over.
    pub(super) fn finished(&mut self, number: usize, finish: &Finish) {
        self.completion_tokens[number] = finish.completion_tokens;
    }

    /// Whether the stream ends with the counts.
    pub(super) fn at_the_end(&self) -> bool {
        self.include
    }

    /// The field `usage` of a piece: absent, null, or what has come so far. What was cached is known at the
    /// end.
    pub(super) fn usage(&self) -> Option<Option<Usage>> {
        let completion_tokens: usize = self.completion_tokens.iter().sum();
        match (self.continuous, self.include) {
            (true, _) => Some(Some(Usage {
                prompt_tokens: self.prompt_tokens,
                completion_tokens,
                total_tokens: self.prompt_tokens + completion_tokens,
                prompt_tokens_details: None,
            })),
            (false, true) => Some(None),
            (false, false) => None,
        }
    }
}
