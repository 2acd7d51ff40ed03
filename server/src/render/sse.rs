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
use crate::api::response::{
    Chunk, ChunkChoice, Delta, FunctionDelta, Logprobs, ToolCallDelta, Usage,
};
use crate::error::ApiError;
use crate::reading::{Piece, Reader, Reading};
use crate::scheduler::{Finish, TokenLogprobs};
use crate::validate::Delivery;

/// The comment, which clients skip.
pub(super) const COMMENT: &str = ": \n\n";

/// Ends a stream. One client wants the data to be this and nothing else.
pub(super) const DONE: &str = "[DONE]";

/// Makes the chunks of a request's answers.
pub struct Chunks {
    head: Head,
    /// One for each answer.
    readers: Vec<Reader>,
    so_far: SoFar,
}

impl Chunks {
    /// For so many answers to a prompt of `prompt_tokens`.
    pub(super) fn new(
        head: Head,
        delivery: Delivery,
        reading: &Reading,
        prompt_tokens: usize,
        answers: usize,
    ) -> Self {
        Self {
            head,
            readers: (0..answers).map(|_| reading.reader()).collect(),
            so_far: SoFar::new(delivery, prompt_tokens, answers),
        }
    }

    fn choice<'a>(&'a self, choice: ChunkChoice<'a>) -> Chunk<'a> {
        self.chunk(vec![choice], self.so_far.usage())
    }

    /// A chunk for each piece, the first of them with the logprobs of the token that led to it.
    fn send(
        &self,
        index: usize,
        pieces: &[Piece],
        mut logprobs: Option<Logprobs>,
        unsent: &mut Unsent,
    ) {
        let mut push = |delta, logprobs| {
            unsent.event(&self.choice(ChunkChoice {
                index,
                delta,
                logprobs,
                finish_reason: None,
            }));
        };
        for delta in pieces.iter().filter_map(delta) {
            push(delta, logprobs.take());
        }
        if logprobs.is_some() {
            let nothing = Delta {
                content: Some(""),
                ..Delta::default()
            };
            push(nothing, logprobs);
        }
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

/// What a piece adds to a stream. Of a call that broke, the pieces have left already; the finish reason then is
/// none of calls.
fn delta(piece: &Piece) -> Option<Delta<'_>> {
    let nothing = Delta::default();
    let part = |index: usize, id, name, arguments| ToolCallDelta {
        index,
        id,
        kind: id.and(Some("function")),
        function: FunctionDelta { name, arguments },
    };
    Some(match piece {
        Piece::Thought(text) => Delta {
            reasoning_content: Some(text),
            ..nothing
        },
        Piece::Text(text) => Delta {
            content: Some(text),
            ..nothing
        },
        Piece::Call { index, id, name } => Delta {
            tool_calls: Some([part(*index, Some(id), Some(name), "")]),
            ..nothing
        },
        Piece::Arguments { index, text } => Delta {
            tool_calls: Some([part(*index, None, None, text)]),
            ..nothing
        },
        Piece::Broken(_) => return None,
    })
}

impl Format for Chunks {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn begin(&mut self, unsent: &mut Unsent) {
        for index in 0..self.readers.len() {
            let delta = Delta {
                role: Some("assistant"),
                content: Some(""),
                ..Delta::default()
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
        let pieces = self.readers[index].push(text.to_owned());
        let logprobs = logprobs.map(|found| Logprobs {
            content: vec![token_entry(found)],
        });
        self.send(index, &pieces, logprobs, unsent);
    }

    fn finished(&mut self, index: usize, finish: &Finish, unsent: &mut Unsent) {
        self.so_far.finished(index, finish);
        let pieces = self.readers[index].finish();
        self.send(index, &pieces, None, unsent);
        let reason = self.readers[index].finish_reason(finish.reason);
        unsent.event(&self.choice(ChunkChoice {
            index,
            finish_reason: Some(reason),
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
