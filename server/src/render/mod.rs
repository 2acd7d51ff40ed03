//! Events of a request's answers as the bodies of the APIs that are spoken here: whole ([`gather`]) or piece
//! by piece ([`stream`], over what is [`unsent`]), in the forms of OpenAI's [`chat`], [`completion`]s and
//! [`responses`], and of [`ollama`]: each is a [`Renderer`]. And vectors ([`embeddings`]).

pub mod chat;
pub mod completion;
pub mod embeddings;
pub mod gather;
mod json;
mod message;
mod no_answer;
pub mod ollama;
pub mod responses;
mod so_far;
pub mod sse;
pub mod stream;
pub mod unsent;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::response::Response;
use uuid::Uuid;

use self::gather::Gathered;
use self::stream::Format;
use crate::api::response::{PromptTokensDetails, TokenEntry, TokenLogprob, Usage};
use crate::scheduler::{Finish, Logprob, TokenLogprobs};

/// The lowest logprob that is sent: JSON has no infinity. OpenAI's documents name this value.
const LOWEST_LOGPROB: f32 = -9999.0;

/// Writes the answers of a request as an API has them.
pub trait Renderer: Send + 'static {
    /// Writes them piece by piece.
    type Stream: Format;

    /// For a stream of so many answers to prompts of `prompt_tokens` together.
    fn stream(self, prompt_tokens: usize, answers: usize) -> Self::Stream;

    /// The response of whole answers.
    fn whole(self, gathered: Gathered) -> Response;
}

/// What all parts of one answer share.
#[derive(Clone, Debug)]
pub struct Head {
    /// Id of the answer.
    pub id: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The served model's name.
    pub model: String,
}

impl Head {
    /// The head of a new answer, whose id begins with `kind`.
    pub fn new(kind: &str, model: &str) -> Self {
        Self {
            id: format!("{kind}{}", Uuid::new_v4().simple()),
            created: unix_seconds(),
            model: model.to_string(),
        }
    }
}

/// Now, as the API writes it.
pub fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// A duration as Ollama writes it.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn usage(finish: &Finish) -> Usage {
    Usage {
        prompt_tokens: finish.prompt_tokens,
        completion_tokens: finish.completion_tokens,
        total_tokens: finish.prompt_tokens + finish.completion_tokens,
        prompt_tokens_details: Some(PromptTokensDetails {
            cached_tokens: finish.cached_tokens,
        }),
    }
}

fn token_entry(logprobs: TokenLogprobs) -> TokenEntry {
    TokenEntry {
        token: token(logprobs.chosen),
        top_logprobs: logprobs.top.into_iter().map(token).collect(),
    }
}

fn token(found: Logprob) -> TokenLogprob {
    TokenLogprob {
        token: String::from_utf8_lossy(&found.bytes).into_owned(),
        logprob: found.logprob.max(LOWEST_LOGPROB),
        bytes: found.bytes,
    }
}
