//! From wire values to a [`ValidJob`]: every range is checked here, and nowhere else.
//!
//! Two steps, because the second costs time and needs the model: [`check`] looks at the numbers,
//! [`Checked::into_job`] renders and tokenises the conversation.

pub mod features;
mod messages;
mod numbers;

use serde_json::{Map, Value};
use sysinfer_engine::SamplingOptions;

use crate::api::request::ChatRequest;
use crate::constraint::{Asked, Grammars, asked};
use crate::error::ApiError;
use crate::prompt::{Conversation, PromptEncoder, PromptError};
use crate::scheduler::job::JobError;
use crate::scheduler::{JobLimits, ValidJob};
use numbers::{ceiling, count, sampling};

const MOST_STOPS: usize = 16;
const LONGEST_STOP_BYTES: usize = 1024;
const MOST_TOP_LOGPROBS: usize = 20;

/// A conversation that does not fit is told how many tokens it has, which says how much to leave out, if
/// it has no more than so many contexts full. To count the tokens of one that is longer would be work for
/// nothing.
const COUNTED_CONTEXTS: usize = 2;

/// What the server sets for requests that say nothing.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// `-t`.
    pub temperature: f32,
    /// `-n`: the default and the most.
    pub max_tokens: usize,
}

/// How the answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// As server-sent events.
    pub stream: bool,
    /// With a usage chunk at the end of the stream.
    pub include_usage: bool,
}

/// A request whose values are in range, before its prompt is known.
#[derive(Clone, Debug)]
pub struct Checked {
    /// How to answer.
    pub delivery: Delivery,
    conversation: Conversation,
    limits: JobLimits,
    sampling: SamplingOptions,
    top_logprobs: Option<usize>,
    form: Option<Asked>,
}

/// Checks a request body.
///
/// # Errors
/// A 400 that names the field.
pub fn check(
    mut body: Map<String, Value>,
    defaults: Defaults,
    vocabulary_size: usize,
) -> Result<Checked, ApiError> {
    features::refuse_unsupported(&body)?;
    let form = asked::take(&mut body)?;
    let request = ChatRequest::from_object(body)?;
    if request.n.is_some_and(|n| n != 1) {
        return Err(ApiError::unsupported(
            "n",
            "n must be 1: this server gives one answer per request",
        ));
    }
    let include_usage = request.stream_options.include_usage.unwrap_or(false);
    let limits = limits(&request, defaults)?;
    let sampling = sampling(&request.sampling, defaults.temperature, vocabulary_size)?;
    let top_logprobs = top_logprobs(&request)?;
    Ok(Checked {
        delivery: Delivery {
            stream: request.stream,
            include_usage,
        },
        limits,
        sampling,
        top_logprobs,
        form,
        conversation: messages::conversation(request.messages, request.variables)?,
    })
}

fn limits(request: &ChatRequest, defaults: Defaults) -> Result<JobLimits, ApiError> {
    let asked = ceiling("max_tokens", request.max_tokens)?;
    let asked = ceiling("max_completion_tokens", request.max_completion_tokens)?.or(asked);
    let max_tokens = asked.map_or(defaults.max_tokens, |asked| asked.min(defaults.max_tokens));
    // A client that asks for as much as it can get, or more, gets what fits; one that asks for less
    // means it.
    let must_fit = asked.is_some_and(|asked| asked < defaults.max_tokens);
    let min_tokens = count("min_tokens", request.min_tokens)?.unwrap_or(0);
    if asked.is_some_and(|asked| min_tokens > asked) {
        let message = format!("min_tokens is {min_tokens}, more than max_tokens allows");
        return Err(ApiError::invalid_param("min_tokens", message));
    }
    check_stops(&request.stop)?;
    let stop = request.stop.clone();
    Ok(JobLimits {
        max_tokens,
        must_fit,
        min_tokens,
        ignore_eos: request.ignore_eos,
        stop,
        stop_tokens: Vec::new(),
    })
}

fn check_stops(stops: &[String]) -> Result<(), ApiError> {
    let problem = if stops.len() > MOST_STOPS {
        format!(
            "stop has {} texts; at most {MOST_STOPS} are allowed",
            stops.len()
        )
    } else if stops.iter().any(String::is_empty) {
        "stop holds an empty text, which would end every answer at once; leave it out".to_string()
    } else if stops.iter().any(|stop| stop.len() > LONGEST_STOP_BYTES) {
        format!("stop holds a text of more than {LONGEST_STOP_BYTES} bytes")
    } else {
        return Ok(());
    };
    Err(ApiError::invalid_param("stop", problem))
}

fn top_logprobs(request: &ChatRequest) -> Result<Option<usize>, ApiError> {
    let top = count("top_logprobs", request.top_logprobs)?;
    if top.is_some_and(|top| top > MOST_TOP_LOGPROBS) {
        let message = format!("top_logprobs must be from 0 to {MOST_TOP_LOGPROBS}");
        return Err(ApiError::invalid_param("top_logprobs", message));
    }
    match (request.logprobs, top) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(ApiError::invalid_param(
            "top_logprobs",
            "top_logprobs needs logprobs: true",
        )),
    }
}

impl Checked {
    /// Renders and tokenises the conversation, and compiles the form of the answer. Takes milliseconds for long
    /// ones: not for an asynchronous thread.
    ///
    /// # Errors
    /// A 400: the template refuses the conversation, or it does not fit `context_tokens` with its
    /// answer; or there is no such form. A 503: there is no process to render it.
    pub fn into_job(
        self,
        (prompt, grammars): (&dyn PromptEncoder, Option<&Grammars>),
        context_tokens: usize,
        fallback_seed: u64,
    ) -> Result<ValidJob, ApiError> {
        let guide = match (&self.form, grammars) {
            (None, _) => None,
            (Some(form), Some(grammars)) => Some(grammars.compile(form)?),
            (Some(form), None) => {
                let message = format!(
                    "{}: the model's vocabulary cannot be kept in a form",
                    form.field
                );
                return Err(ApiError::unsupported(form.field.clone(), message));
            }
        };
        let counted = context_tokens.saturating_mul(COUNTED_CONTEXTS);
        let tokens = prompt.encode(&self.conversation, counted);
        let tokens = tokens.map_err(|error| match error {
            PromptError::TooManyTokens { .. } => ApiError::context_length(format!(
                "{error} and the context holds {context_tokens}, answer included; shorten it"
            )),
            error => refused(error),
        })?;
        let job = ValidJob::new(
            tokens,
            context_tokens,
            self.limits,
            self.sampling,
            fallback_seed,
        );
        let job = job.map_err(|error| match error {
            JobError::Context { .. } | JobError::Answer { .. } => {
                ApiError::context_length(error.to_string())
            }
            JobError::EmptyPrompt => ApiError::invalid_param("messages", error.to_string()),
            JobError::Sampling(_) => ApiError::invalid(error.to_string()),
        })?;
        let job = match self.top_logprobs {
            Some(count) => job.with_logprobs(count),
            None => job,
        };
        Ok(match guide {
            Some(guide) => job.with_guide(Box::new(guide)),
            None => job,
        })
    }

    /// The text of the prompt that the model would be given. Not for an asynchronous thread either.
    ///
    /// # Errors
    /// A 400: the template refuses the conversation. A 503: there is no process to render it.
    pub fn into_prompt(self, prompt: &dyn PromptEncoder) -> Result<String, ApiError> {
        prompt.render(&self.conversation).map_err(refused)
    }
}

fn refused(error: PromptError) -> ApiError {
    match error {
        PromptError::NoRenderer(_) | PromptError::RendererEnded(_) => {
            tracing::error!(%error, "no conversation is rendered");
            ApiError::unavailable(error.to_string())
        }
        _ => ApiError::invalid_param("messages", error.to_string()),
    }
}

#[cfg(test)]
mod tests;
