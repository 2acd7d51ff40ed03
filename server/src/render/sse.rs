//! Answers of a chat as server-sent events.
//!
//! The first chunk of each answer holds the role and no text: clients of the original lose text that comes
//! with it. The last chunk before `[DONE]` holds the token counts, and only when asked for, because
//! clients that did not ask take `choices[0]` of every chunk. A failure after the headers is an
//! event with an `error` key, which the openai clients raise.

use super::so_far::SoFar;
use super::stream::Format;
use super::unsent::Unsent;
use super::{Head, token_entry, usage};
use crate::api::response::{Chunk, ChunkChoice, Delta, Logprobs, Usage};
use crate::error::ApiError;
use crate::scheduler::{Finish, TokenLogprobs};
use crate::validate::Delivery;

/// The comment, which clients skip.
pub(super) const COMMENT: &str = ": \n\n";

/// Ends a stream. One client wants the data to be this and nothing else.
pub(super) const DONE: &str = "[DONE]";

/// Makes the chunks of a request's answers.
pub struct Chunks {
    head: Head,
    answers: usize,
    so_far: SoFar,
}

impl Chunks {
    /// For so many answers to a prompt of `prompt_tokens`.
    pub fn new(head: Head, delivery: Delivery, prompt_tokens: usize, answers: usize) -> Self {
        Self {
            head,
            answers,
            so_far: SoFar::new(delivery, prompt_tokens, answers),
        }
    }

    fn choice<'a>(&'a self, choice: ChunkChoice<'a>) -> Chunk<'a> {
        self.chunk(vec![choice], self.so_far.usage())
    }

    fn chunk<'a>(
        &'a self,
        choices: Vec<ChunkChoice<'a>>,
        usage: Option<Option<Usage>>,
    ) -> Chunk<'a> {
        Chunk {
            id: &self.head.id,
            object: "chat.completion.chunk",
            created: self.head.created,
            model: &self.head.model,
            choices,
            usage,
        }
    }
}

impl Format for Chunks {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn begin(&mut self, unsent: &mut Unsent) {
        for index in 0..self.answers {
            let delta = Delta {
                role: Some("assistant"),
                content: Some(""),
            };
            unsent.event(&self.choice(ChunkChoice {
                index,
                delta,
                ..ChunkChoice::default()
            }));
        }
    }

    fn text(
        &mut self,
        index: usize,
        text: &str,
        logprobs: Option<TokenLogprobs>,
        unsent: &mut Unsent,
    ) {
        self.so_far.token(index);
        if text.is_empty() && logprobs.is_none() {
            return;
        }
        let delta = Delta {
            role: None,
            content: Some(text),
        };
        let logprobs = logprobs.map(|found| Logprobs {
            content: vec![token_entry(found)],
        });
        unsent.event(&self.choice(ChunkChoice {
            index,
            delta,
            logprobs,
            finish_reason: None,
        }));
    }

    fn finished(&mut self, index: usize, finish: &Finish, unsent: &mut Unsent) {
        self.so_far.finished(index, finish);
        unsent.event(&self.choice(ChunkChoice {
            index,
            finish_reason: Some(finish.reason.name()),
            ..ChunkChoice::default()
        }));
    }

    fn end(&mut self, whole: &Finish, unsent: &mut Unsent) {
        if self.so_far.at_the_end() {
            unsent.event(&self.chunk(Vec::new(), Some(Some(usage(whole)))));
        }
        unsent.event_of_text(DONE);
    }

    fn failed(&mut self, error: &ApiError, unsent: &mut Unsent) {
        unsent.event(&error.body());
    }

    fn silence(&self, unsent: &mut Unsent) {
        unsent.text(COMMENT);
    }
}
