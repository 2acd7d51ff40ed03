//! Requests to continue texts.

use serde_json::{Map, Value};
use sysinfer_engine::tokenizer::TooManyTokens;

use super::answer::{Asks, CheckedAnswer, Defaults, Delivery, MOST_ANSWERS};
use super::numbers::count;
use super::tokens::valid_ids;
use super::{COUNTED_CONTEXTS, MOST_TOP_LOGPROBS, too_long};
use crate::api::fields::{On, survey};
use crate::api::request::{CompletionRequest, WirePrompt};
use crate::constraint::{Grammars, asked};
use crate::error::ApiError;
use crate::prompt::text::{Reading, TextEncoder};
use crate::scheduler::ValidJob;
use crate::tools::format::GENERIC;

const FIELD: &str = "prompt";

/// A request to continue texts whose values are in range, before its prompts are tokens.
#[derive(Clone, Debug)]
pub struct CheckedCompletion {
    /// How to answer.
    pub delivery: Delivery,
    echo: bool,
    vocabulary_size: usize,
    prompts: Vec<WirePrompt>,
    reading: Reading,
    answer: CheckedAnswer,
}

/// Checks a completion request's body.
///
/// # Errors
/// A 400 that names the field.
pub fn check_completion(
    mut body: Map<String, Value>,
    defaults: Defaults,
    vocabulary_size: usize,
) -> Result<CheckedCompletion, ApiError> {
    survey(&body, On::Completions)?;
    let form = asked::take(&mut body)?;
    let request = CompletionRequest::from_object(body)?;
    let top_logprobs = count("logprobs", request.logprobs)?;
    if top_logprobs.is_some_and(|top| top > MOST_TOP_LOGPROBS) {
        let message = format!("logprobs must be from 0 to {MOST_TOP_LOGPROBS}");
        return Err(ApiError::invalid_param("logprobs", message));
    }
    if request.echo && top_logprobs.is_some() {
        let message =
            "echo: the logprobs of a prompt are not computed here; leave echo or logprobs out";
        return Err(ApiError::unsupported("echo", message));
    }
    if request.prompts.len() > MOST_ANSWERS {
        let message = format!(
            "{} prompts are more than {MOST_ANSWERS}; send fewer at once",
            request.prompts.len()
        );
        return Err(ApiError::invalid_param(FIELD, message));
    }
    let answer = CheckedAnswer::of(
        request.answer,
        Asks {
            top_logprobs,
            form,
            offer: None,
        },
        defaults,
        vocabulary_size,
    )?;
    Ok(CheckedCompletion {
        delivery: answer.delivery(),
        echo: request.echo,
        vocabulary_size,
        prompts: request.prompts,
        reading: Reading {
            begins: request.add_special_tokens.unwrap_or(true),
            // Whoever sends a whole prompt writes its control tokens himself.
            reads_specials: true,
        },
        answer,
    })
}

impl CheckedCompletion {
    fn valid(&self, ids: &[u32]) -> Result<Vec<u32>, ApiError> {
        let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
        valid_ids(FIELD, &ids, self.vocabulary_size)
    }

    /// Tokenises the prompts, and compiles the form of the answers: a job for each of them, those to one
    /// prompt behind each other. With them come the prompts as texts, if they are to be in front of their
    /// answers. Takes milliseconds for long ones: not for an asynchronous thread.
    ///
    /// # Errors
    /// A 400: a prompt does not fit `context_tokens` with its answer, or has ids that there are not; or
    /// there is no such form.
    pub fn into_jobs(
        self,
        text: &dyn TextEncoder,
        grammars: Option<&Grammars>,
        context_tokens: usize,
        fallback_seed: u64,
    ) -> Result<(Vec<ValidJob>, Vec<String>), ApiError> {
        // A text is continued as it is: it has neither thoughts nor calls.
        let made = self.answer.made(grammars, &GENERIC, false)?;
        let most = context_tokens.saturating_mul(COUNTED_CONTEXTS);
        let tokens = |prompt: &WirePrompt| match prompt {
            WirePrompt::Text(prompt) => {
                let tokens = text.encode(prompt, self.reading, most);
                tokens
                    .map_err(|TooManyTokens { at_least }| too_long(FIELD, at_least, context_tokens))
            }
            WirePrompt::Tokens(ids) => self.valid(ids),
        };
        let prompts = self.prompts.iter().map(tokens);
        let prompts = prompts.collect::<Result<Vec<_>, _>>()?;
        let answer = self.answer;
        let jobs = answer.jobs(prompts, FIELD, made, context_tokens, fallback_seed)?;
        let shown = |prompt| match prompt {
            WirePrompt::Text(prompt) => prompt,
            WirePrompt::Tokens(ids) => text.decode(&ids),
        };
        let echoed = self.prompts.into_iter().filter(|_| self.echo);
        Ok((jobs, echoed.map(shown).collect()))
    }
}
