//! From wire values to [`ValidJob`]s and [`ValidInputs`](crate::scheduler::ValidInputs): every range is checked here, and nowhere else.
//!
//! Two steps, because the second costs time and needs the model: [`check`], [`check_completion`] and
//! [`check_embeddings`] look at the numbers, [`Checked::into_jobs`] and its like make tokens of what was sent.
//! What requests for answers have in common is in `answer`.

mod answer;
mod completion;
mod embeddings;
pub mod features;
mod messages;
mod numbers;
mod tokens;

use serde_json::{Map, Value};

use crate::api::fields::{On, survey};
use crate::api::request::ChatRequest;
use crate::constraint::{Grammars, asked};
use crate::error::ApiError;
use crate::prompt::{Conversation, Ending, PromptEncoder, PromptError};
use crate::reading::Reading;
use crate::scheduler::ValidJob;
use crate::tools::asked as tools;
use answer::{Asks, CheckedAnswer};
use numbers::count;

pub use answer::{Defaults, Delivery};
pub use completion::{CheckedCompletion, check_completion};
pub use embeddings::{CheckedEmbeddings, VectorForm, check_embeddings};
pub use tokens::valid_ids;

const MOST_TOP_LOGPROBS: usize = 20;

/// A conversation that does not fit is told how many tokens it has, which says how much to leave out, if
/// it has no more than so many contexts full. To count the tokens of one that is longer would be work for
/// nothing.
pub const COUNTED_CONTEXTS: usize = 2;

/// A chat request whose values are in range, before its prompt is known.
#[derive(Clone, Debug)]
pub struct Checked {
    /// How to answer.
    pub delivery: Delivery,
    conversation: Conversation,
    answer: CheckedAnswer,
}

/// Checks a chat request's body.
///
/// # Errors
/// A 400 that names the field.
pub fn check(
    mut body: Map<String, Value>,
    defaults: Defaults,
    vocabulary_size: usize,
) -> Result<Checked, ApiError> {
    features::refuse_unsupported(&body)?;
    // Takes tools by their old names out, where they ask for nothing.
    let offer = tools::take(&mut body)?;
    survey(&body, On::Chat)?;
    let form = asked::take(&mut body)?;
    let request = ChatRequest::from_object(body)?;
    let top_logprobs = top_logprobs(&request)?;
    let ending = ending(&request)?;
    let offered = offer.iter().flat_map(|offer| &offer.tools);
    let offered = offered.map(|tool| tool.sent.clone()).collect();
    let answer = CheckedAnswer::of(
        request.answer,
        Asks {
            top_logprobs,
            form,
            offer,
        },
        defaults,
        vocabulary_size,
    )?;
    let (messages, variables) = (request.messages, request.variables);
    Ok(Checked {
        delivery: answer.delivery(),
        conversation: messages::conversation(messages, offered, variables, ending)?,
        answer,
    })
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

/// How the prompt ends.
fn ending(request: &ChatRequest) -> Result<Ending, ApiError> {
    match (
        request.continue_final_message,
        request.add_generation_prompt,
    ) {
        (true, Some(true)) => {
            let message = "continue_final_message and add_generation_prompt cannot both be true";
            Err(ApiError::invalid_param("continue_final_message", message))
        }
        (true, _) => Ok(Ending::InLastMessage),
        (false, Some(false)) => Ok(Ending::AfterLastMessage),
        (false, _) => Ok(Ending::InAnswer),
    }
}

impl Checked {
    /// Renders and tokenises the conversation, and compiles the form of the answer: a job for each of the
    /// answers that are asked for, and how these are to be read. Takes milliseconds for long ones: not for an
    /// asynchronous thread.
    ///
    /// # Errors
    /// A 400: the template refuses the conversation, or it does not fit `context_tokens` with its
    /// answer; or there is no such form. A 503: there is no process to render it.
    pub fn into_jobs(
        self,
        prompt: &dyn PromptEncoder,
        grammars: Option<&Grammars>,
        context_tokens: usize,
        fallback_seed: u64,
    ) -> Result<(Vec<ValidJob>, Reading), ApiError> {
        let tokens = encoded(prompt, &self.conversation, context_tokens)?;
        let (format, opened) = (prompt.format(), prompt.opens_thoughts(&tokens));
        let made = self.answer.made(grammars, format, opened)?;
        let reading = Reading::new(format, opened, self.answer.callable());
        let jobs = self.answer.jobs(
            vec![tokens],
            "messages",
            made,
            context_tokens,
            fallback_seed,
        )?;
        Ok((jobs, reading))
    }

    /// The text of the prompt that the model would be given. Not for an asynchronous thread either.
    ///
    /// # Errors
    /// A 400: the template refuses the conversation. A 503: there is no process to render it.
    pub fn into_prompt(self, prompt: &dyn PromptEncoder) -> Result<String, ApiError> {
        prompt.render(&self.conversation).map_err(refused)
    }

    /// The tokens of the prompt, whether they fit the context or not, if there are no more than `most`. Not for
    /// an asynchronous thread either.
    ///
    /// # Errors
    /// As [`Checked::into_prompt`], or a 400 for more.
    pub fn into_tokens(
        self,
        prompt: &dyn PromptEncoder,
        most: usize,
    ) -> Result<Vec<u32>, ApiError> {
        prompt.encode(&self.conversation, most).map_err(refused)
    }
}

/// The tokens of a conversation.
fn encoded(
    prompt: &dyn PromptEncoder,
    conversation: &Conversation,
    context_tokens: usize,
) -> Result<Vec<u32>, ApiError> {
    let counted = context_tokens.saturating_mul(COUNTED_CONTEXTS);
    let tokens = prompt.encode(conversation, counted);
    tokens.map_err(|error| match error {
        PromptError::TooManyTokens { at_least } => too_long("messages", at_least, context_tokens),
        error => refused(error),
    })
}

/// The error of a prompt in `field` that was not even counted. Clients that fall back on a model of more context
/// look for "prompt is too long" in it.
pub fn too_long(field: &str, at_least: usize, context_tokens: usize) -> ApiError {
    let message = format!(
        "the prompt is too long: it has at least {at_least} tokens and the context holds {context_tokens}, answer included; shorten it"
    );
    ApiError::context_length(field, message)
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
