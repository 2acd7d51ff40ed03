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
use crate::constraint::{Asked, Grammars, Shape, asked};
use crate::error::ApiError;
use crate::prompt::{Conversation, PromptEncoder, PromptError};
use crate::reading::Reading;
use crate::scheduler::job::JobError;
use crate::scheduler::{Guide, JobLimits, ValidJob};
use crate::tools::asked as tools;
use crate::tools::{Choice, Offer};
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
    offer: Option<Offer>,
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
    let offer = tools::take(&mut body)?;
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
    let tools = offer.iter().flat_map(|offer| &offer.tools);
    let tools = tools.map(|tool| tool.sent.clone()).collect();
    Ok(Checked {
        delivery: Delivery {
            stream: request.stream,
            include_usage,
        },
        limits,
        sampling,
        top_logprobs,
        form,
        offer,
        conversation: messages::conversation(request.messages, tools, request.variables)?,
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
    /// Renders and tokenises the conversation, compiles the form of the answer, and says how that is to be read.
    /// Takes milliseconds for long ones: not for an asynchronous thread.
    ///
    /// # Errors
    /// A 400: the template refuses the conversation, or it does not fit `context_tokens` with its
    /// answer; or there is no such form. A 503: there is no process to render it.
    pub fn into_job(
        self,
        (prompt, grammars): (&dyn PromptEncoder, Option<&Grammars>),
        context_tokens: usize,
        fallback_seed: u64,
    ) -> Result<(ValidJob, Reading), ApiError> {
        let counted = context_tokens.saturating_mul(COUNTED_CONTEXTS);
        let tokens = prompt.encode(&self.conversation, counted);
        let tokens = tokens.map_err(|error| match error {
            PromptError::TooManyTokens { .. } => ApiError::context_length(format!(
                "{error} and the context holds {context_tokens}, answer included; shorten it"
            )),
            error => refused(error),
        })?;
        let format = prompt.format();
        let opened = prompt.opens_thoughts(&tokens);
        let guide = self.guide(
            Shape {
                format,
                opened,
                form: self.form.as_ref(),
                offer: self.offer.as_ref(),
            },
            grammars,
        )?;
        let names = self.offer.as_ref().map(Offer::names).unwrap_or_default();
        let reading = Reading::new(format, opened, names);
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
        let job = match guide {
            Some(guide) => job.with_guide(guide),
            None => job,
        };
        Ok((job.with_shown(format.shown()), reading))
    }

    /// What keeps the answer in its shape. Calls that the model may make or not can do without, where its
    /// vocabulary does not allow it.
    fn guide(
        &self,
        shape: Shape<'_>,
        grammars: Option<&Grammars>,
    ) -> Result<Option<Box<dyn Guide>>, ApiError> {
        if let Some(grammars) = grammars {
            let follow = grammars.shaped(shape)?;
            return Ok(follow.map(|follow| Box::new(follow) as Box<dyn Guide>));
        }
        let must_call = |offer: &&Offer| offer.choice == Choice::Required;
        let form = shape.form.map(|form| form.field.as_str());
        let calls = shape.offer.filter(must_call).map(|_| "tool_choice");
        match form.or(calls) {
            None => Ok(None),
            Some(field) => {
                let message = format!("{field}: the model's vocabulary cannot be kept in a form");
                Err(ApiError::unsupported(field, message))
            }
        }
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
