//! The lines of one generation, or request for embeddings.

use std::sync::Arc;
use std::time::Duration;

use crate::scheduler::{Embedded, Finish, Waits};
use crate::state::{ServerState, Status};

use super::facts::RequestFacts;
use super::line::{Generation, milliseconds};

/// Writes its lines when dropped: finished, failed, left by its client, or cut off.
pub struct GenerationLog {
    facts: RequestFacts,
    prompt_tokens: usize,
    waits: Waits,
    first_text: Option<Duration>,
    outcome: Outcome,
    state: Arc<ServerState>,
}

#[derive(Debug)]
enum Outcome {
    /// By its client, or by a server that stops.
    Unfinished,
    Finished(Finish),
    Embedded {
        inputs: usize,
    },
    Failed(String),
}

impl GenerationLog {
    /// A generation whose jobs have just been queued.
    pub fn new(
        facts: RequestFacts,
        prompt_tokens: usize,
        waits: Waits,
        state: Arc<ServerState>,
    ) -> Self {
        Self {
            facts,
            prompt_tokens,
            waits,
            first_text: None,
            outcome: Outcome::Unfinished,
            state,
        }
    }

    /// Text has come; only the first time counts.
    pub fn text(&mut self) {
        let began = self.facts.0.began;
        self.first_text.get_or_insert_with(|| began.elapsed());
    }

    /// The answer is complete.
    pub fn finished(&mut self, finish: Finish) {
        self.outcome = Outcome::Finished(finish);
    }

    /// All inputs have been read.
    pub fn embedded(&mut self, embedded: &Embedded) {
        let inputs = embedded.means.len();
        self.outcome = Outcome::Embedded { inputs };
    }

    /// The engine failed.
    pub fn failed(&mut self, reason: &str) {
        self.outcome = Outcome::Failed(reason.to_string());
    }

    /// The status and reason of the line of the access log.
    fn ended(&self) -> (u16, &str) {
        match &self.outcome {
            Outcome::Finished(_) | Outcome::Embedded { .. } => (200, ""),
            Outcome::Unfinished if self.state.status() == Status::CutOff => {
                (503, "the server is stopping")
            }
            Outcome::Unfinished => (499, "the client left"),
            Outcome::Failed(reason) => (500, reason),
        }
    }

    fn write_access_line(&self) {
        let Some(log) = &self.state.settings.access_log else {
            return;
        };
        let mut generation = Generation {
            prompt_tokens: self.prompt_tokens,
            queue_ms: self.waits.longest().map(milliseconds),
            first_token_ms: self.first_text.map(milliseconds),
            ..Generation::default()
        };
        if let Outcome::Finished(finish) = &self.outcome {
            generation.cached_tokens = Some(finish.cached_tokens);
            generation.completion_tokens = Some(finish.completion_tokens);
            generation.tokens_per_second = rate(finish);
            generation.finish = Some(finish.reason.name());
        }
        let (status, reason) = self.ended();
        log.write(self.facts.0.line(status, reason).with(generation));
    }

    fn write_log_line(&self) {
        let (id, prompt_tokens) = (self.facts.0.id.as_str(), self.prompt_tokens);
        let (status, reason) = self.ended();
        let first_token_ms = self.first_text.map(|time| time.as_millis() as u64);
        let total_ms = self.facts.0.began.elapsed().as_millis() as u64;
        match &self.outcome {
            Outcome::Finished(finish) => tracing::info!(
                id,
                status,
                prompt_tokens,
                cached_tokens = finish.cached_tokens,
                completion_tokens = finish.completion_tokens,
                drafted_tokens = finish.drafts.drafted,
                accepted_tokens = finish.drafts.accepted,
                finish = finish.reason.name(),
                first_token_ms,
                total_ms,
                tokens_per_second = rate(finish),
                "answered"
            ),
            Outcome::Embedded { inputs } => {
                tracing::info!(id, status, inputs, prompt_tokens, total_ms, "embedded");
            }
            Outcome::Unfinished if status == 503 => tracing::warn!(
                id,
                status,
                prompt_tokens,
                first_token_ms,
                total_ms,
                "cut off: {reason}"
            ),
            Outcome::Unfinished => {
                tracing::info!(
                    id,
                    status,
                    prompt_tokens,
                    first_token_ms,
                    total_ms,
                    "{reason}"
                );
            }
            Outcome::Failed(reason) => {
                tracing::error!(id, status, prompt_tokens, total_ms, reason, "failed");
            }
        }
    }
}

/// Tokens per second, to a hundredth.
fn rate(finish: &Finish) -> Option<f64> {
    let rate = finish.decode_tokens_per_second()?;
    Some((rate * 100.0).round() / 100.0)
}

impl Drop for GenerationLog {
    fn drop(&mut self) {
        self.write_log_line();
        self.write_access_line();
    }
}
