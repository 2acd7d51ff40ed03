//! One live answer: what is said of it, its keys and values, and whose prompt it waits for.

use sysinfer_engine::kv::common;
use sysinfer_engine::{Drafter, Entry, Sequence, Turn, Wanted};

use super::answer::Answer;
use crate::scheduler::JobId;

/// A job between its admission and its release.
pub(super) struct Live {
    pub(super) answer: Answer,
    pub(super) drafter: Drafter,
    pub(super) sequence: Sequence,
    /// Another job that will have computed so many of this one's first tokens.
    pub(super) shares: Option<(JobId, usize)>,
    /// Nothing may build on its keys and values.
    pub(super) spoilt: bool,
}

/// What a live job puts into a step.
pub(super) enum Part {
    /// The token after its last one.
    Next,
    /// So many tokens of its prompt.
    Prompt(usize),
}

impl Live {
    /// Tokens of the prompt that are not in the sequence yet.
    pub(super) fn lacking(&self) -> usize {
        (self.answer.prompt().len()).saturating_sub(self.sequence.len())
    }

    /// Whether its prompt is read and its answer is not over.
    pub(super) fn answers(&self) -> bool {
        self.lacking() == 0 && !self.is_over()
    }

    /// Whether parts of its prompt can go into a step now.
    pub(super) fn reads(&self) -> bool {
        self.lacking() > 0 && self.shares.is_none() && !self.is_over()
    }

    /// Whether it takes part in no step any more.
    pub(super) fn is_over(&self) -> bool {
        self.spoilt || self.answer.is_over()
    }

    /// Tokens that it will have in common with the prompt of another, as far as can be said now.
    pub(super) fn common(&self, prompt: &[u32]) -> usize {
        let known = match self.lacking() {
            0 => self.sequence.tokens(),
            _ => self.answer.prompt(),
        };
        common(known, prompt)
    }

    /// Its part of a step as the engine takes it: a turn, or an entry of `tokens`.
    pub(super) fn turn(&mut self) -> (Turn<'_>, &mut Answer) {
        let turn = Turn {
            sequence: &mut self.sequence,
            drafter: &mut self.drafter,
            last: self.answer.last(),
            most_tokens: self.answer.tokens_left(),
        };
        (turn, &mut self.answer)
    }

    /// The same of a prompt, whose next `tokens` are given.
    pub(super) fn entry<'e>(&'e mut self, tokens: &'e [u32]) -> (Entry<'e>, &'e mut Answer) {
        let wanted = match self.lacking() == tokens.len() {
            true => Wanted::Last,
            false => Wanted::None,
        };
        let entry = Entry {
            sequence: &mut self.sequence,
            tokens,
            wanted,
        };
        (entry, &mut self.answer)
    }
}
