//! Events of a job as the bodies of OpenAI's API: whole ([`json`]) or in chunks ([`sse`]).

pub mod json;
pub mod sse;

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::api::response::{PromptTokensDetails, TokenEntry, TokenLogprob, Usage};
use crate::error::ApiError;
use crate::scheduler::{Finish, Logprob, TokenLogprobs};

/// The lowest logprob that is sent: JSON has no infinity. OpenAI's documents name this value.
const LOWEST_LOGPROB: f32 = -9999.0;

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
    /// The head of a new answer.
    pub fn new(model: &str) -> Self {
        let id = format!("chatcmpl-{}", Uuid::new_v4().simple());
        Self {
            id,
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

/// The error of a job whose events ended without an end: the worker died.
fn lost() -> ApiError {
    ApiError::internal("the engine stopped unexpectedly; the server's log says more")
}

/// The error of a job that the server does not wait for any longer.
fn cut_off() -> ApiError {
    ApiError::unavailable("the server stopped before the answer was complete")
}

fn usage(finish: &Finish) -> Usage {
    Usage {
        prompt_tokens: finish.prompt_tokens,
        completion_tokens: finish.completion_tokens,
        total_tokens: finish.prompt_tokens + finish.completion_tokens,
        prompt_tokens_details: PromptTokensDetails {
            cached_tokens: finish.cached_tokens,
        },
    }
}

fn token_entry(logprobs: TokenLogprobs) -> TokenEntry {
    let token = |found: Logprob| TokenLogprob {
        token: String::from_utf8_lossy(&found.bytes).into_owned(),
        logprob: found.logprob.max(LOWEST_LOGPROB),
        bytes: found.bytes,
    };
    TokenEntry {
        token: token(logprobs.chosen),
        top_logprobs: logprobs.top.into_iter().map(token).collect(),
    }
}
