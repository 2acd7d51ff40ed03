//! What all requests for answers have in common once they are jobs.

use std::sync::Arc;
use std::time::Instant;

use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::error::ApiError;
use crate::observe::{GenerationLog, LoggedElsewhere, RequestId};
use crate::render::gather::{Gathered, gather};
use crate::render::stream::{self, Format};
use crate::scheduler::{Choices, Refusal, ValidJob};
use crate::state::ServerState;

/// Jobs on their way to the engine.
pub struct Generation {
    choices: Choices,
    per_prompt: usize,
    log: GenerationLog,
    prompt_tokens: usize,
}

/// A seed for draws that are not to be repeated.
pub fn fresh_seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

impl Generation {
    /// Queues the jobs of a request that arrived at `began`, so many to each prompt: all or none.
    ///
    /// # Errors
    /// 400 where so many can never wait, 429 when the queue is full, 503 when the server is stopping.
    pub fn start(
        state: &Arc<ServerState>,
        jobs: Vec<ValidJob>,
        per_prompt: usize,
        (id, began): (RequestId, Instant),
    ) -> Result<Self, ApiError> {
        let (count, limit) = (jobs.len(), state.queue.limit());
        if count > limit {
            return Err(ApiError::invalid(format!(
                "this request asks for {count} answers, and {limit} may wait here; ask for fewer at once"
            )));
        }
        let prompts = jobs.iter().step_by(per_prompt.max(1));
        let prompt_tokens = prompts.map(|job| job.prompt().len()).sum();
        let events = state.queue.submit_all(jobs).map_err(refused)?;
        Ok(Self {
            choices: events.into(),
            per_prompt,
            log: GenerationLog::new(id, prompt_tokens, began, Arc::clone(state)),
            prompt_tokens,
        })
    }

    /// Tokens of all prompts.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
    }

    /// How many answers there will be.
    pub fn answers(&self) -> usize {
        self.choices.count()
    }

    /// The response that streams the answers.
    pub fn streamed(self, format: impl Format) -> Response {
        logged(stream::answer(
            format,
            self.choices,
            self.per_prompt,
            self.log,
        ))
    }

    /// The response of whole answers, or of the failure.
    pub async fn whole(self, render: impl FnOnce(Gathered) -> Response) -> Response {
        let gathered = gather(self.choices, self.per_prompt, self.log).await;
        logged(gathered.map_or_else(IntoResponse::into_response, render))
    }
}

/// What a client is told whose jobs were not queued.
pub(super) fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Full { limit } => ApiError::queue_full(limit),
        Refusal::Closed => ApiError::unavailable("the server is stopping"),
    }
}

/// Marks a response whose line is written when its jobs have ended.
pub(super) fn logged(mut response: Response) -> Response {
    response.extensions_mut().insert(LoggedElsewhere);
    response
}
