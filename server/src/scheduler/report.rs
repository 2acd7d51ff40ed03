//! What a step was made of, for those who measure.

use std::time::Duration;

use sysinfer_engine::Drafts;

/// What a step was made of, and what it came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepReport {
    /// Answers that it extended.
    pub answers: usize,
    /// Tokens that these held before, together: what the step attended to.
    pub context_tokens: usize,
    /// Tokens that were drafted for them, and those of them that were drawn.
    pub drafts: Drafts,
    /// Tokens of prompts and of texts to embed in the step.
    pub prompt_rows: usize,
    /// Tokens of the prompts that were read to their end in it.
    pub queried_tokens: usize,
    /// Of these, tokens that were in the cache.
    pub cached_tokens: usize,
    /// Tokens that were drawn.
    pub generated_tokens: usize,
    /// Time that the engine took.
    pub took: Duration,
}

/// Kinds of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Next tokens of answers.
    Decode,
    /// Parts of prompts and of texts.
    Prompt,
    /// Both.
    Mixed,
}

impl StepKind {
    /// Its name in labels.
    pub fn name(self) -> &'static str {
        match self {
            StepKind::Decode => "decode",
            StepKind::Prompt => "prompt",
            StepKind::Mixed => "mixed",
        }
    }
}

impl StepReport {
    /// Its kind.
    pub fn kind(&self) -> StepKind {
        match (self.answers, self.prompt_rows) {
            (_, 0) => StepKind::Decode,
            (0, _) => StepKind::Prompt,
            _ => StepKind::Mixed,
        }
    }
}
