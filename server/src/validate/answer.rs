//! What a request asks of its answers, whatever it asks them of.

use std::sync::Arc;

use sysinfer_engine::SamplingOptions;

use super::numbers::{ceiling, count, sampling};
use super::tokens::{stop_tokens, token_set};
use crate::api::request::Answer;
use crate::constraint::follow::Follow;
use crate::constraint::{Asked, Grammars, Shape};
use crate::error::ApiError;
use crate::scheduler::job::JobError;
use crate::scheduler::{JobLimits, TokenSet, ValidJob};
use crate::tools::{ChatFormat, Choice, Offer};

const MOST_STOPS: usize = 16;
const LONGEST_STOP_BYTES: usize = 1024;

/// Most answers that a request may have, to all its prompts.
pub(super) const MOST_ANSWERS: usize = 128;

/// What the server sets for requests that say nothing.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// `-t`.
    pub temperature: f32,
    /// `-n`: the default and the most.
    pub max_tokens: usize,
}

/// How the answers are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// As server-sent events.
    pub stream: bool,
    /// With a usage chunk at the end of the stream.
    pub include_usage: bool,
    /// With the token counts so far in each chunk of the stream.
    pub continuous_usage: bool,
    /// With the logprobs of their tokens.
    pub logprobs: bool,
    /// So many to each prompt.
    pub per_prompt: usize,
}

/// What each endpoint has its own fields for, already looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Asks {
    /// Alternatives to report with each token; `None`: no logprobs.
    pub(super) top_logprobs: Option<usize>,
    /// The form of what is said.
    pub(super) form: Option<Asked>,
    /// What may be called.
    pub(super) offer: Option<Offer>,
}

/// What is asked of each answer, in range.
#[derive(Clone, Debug)]
pub(super) struct CheckedAnswer {
    pub(super) limits: JobLimits,
    sampling: SamplingOptions,
    asks: Asks,
    allowed: Option<TokenSet>,
    shows_specials: bool,
    count: usize,
    delivery: Delivery,
}

/// What the answers to one prompt are made with.
pub(super) struct Made {
    /// Keeps them in their shape.
    follow: Option<Follow>,
    /// Control tokens that are part of their texts.
    shown: Vec<u32>,
}

impl CheckedAnswer {
    /// Checks all that a request says of its answers.
    pub(super) fn of(
        request: Answer,
        asks: Asks,
        defaults: Defaults,
        vocabulary_size: usize,
    ) -> Result<Self, ApiError> {
        let count = answers(&request)?;
        let ids = request.allowed_token_ids.as_deref();
        let allowed = ids.map(|ids| token_set("allowed_token_ids", ids, vocabulary_size));
        let allowed = allowed.transpose()?;
        let form = asks.form.as_ref().map(|form| form.field.as_str());
        let shaped = form.or(asks.offer.as_ref().map(|_| "tools"));
        if let (Some(_), Some(field)) = (&allowed, shaped) {
            let message =
                format!("allowed_token_ids and {field} each say what may follow; send one");
            return Err(ApiError::invalid_param("allowed_token_ids", message));
        }
        let delivery = Delivery {
            stream: request.stream,
            include_usage: request.stream_options.include_usage.unwrap_or(false),
            continuous_usage: (request.stream_options.continuous_usage_stats).unwrap_or(false),
            logprobs: asks.top_logprobs.is_some(),
            per_prompt: count,
        };
        Ok(Self {
            sampling: sampling(&request.sampling, defaults.temperature, vocabulary_size)?,
            shows_specials: request.skip_special_tokens == Some(false),
            limits: limits(request, defaults, vocabulary_size)?,
            asks,
            allowed,
            count,
            delivery,
        })
    }

    /// How the answers are wanted.
    pub(super) fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// The names of the functions that may be called.
    pub(super) fn callable(&self) -> Arc<[String]> {
        self.asks
            .offer
            .as_ref()
            .map(Offer::names)
            .unwrap_or_default()
    }

    /// What answers are made with that are written in `format`, to a prompt that has `opened` a block of thoughts
    /// or not. Calls that the model may make or not can do without a guide, where its vocabulary allows none.
    pub(super) fn made(
        &self,
        grammars: Option<&Grammars>,
        format: &ChatFormat,
        opened: bool,
    ) -> Result<Made, ApiError> {
        let (form, offer) = (self.asks.form.as_ref(), self.asks.offer.as_ref());
        let follow = match grammars {
            Some(grammars) => grammars.shaped(Shape {
                format,
                opened,
                form,
                offer,
            })?,
            None => {
                let must_call = offer.is_some_and(|offer| offer.choice == Choice::Required);
                let form = form.map(|form| form.field.as_str());
                if let Some(field) = form.or(must_call.then_some("tool_choice")) {
                    let message =
                        format!("{field}: the model's vocabulary cannot be kept in a form");
                    return Err(ApiError::unsupported(field, message));
                }
                None
            }
        };
        let shown = format.shown();
        Ok(Made { follow, shown })
    }

    /// A job for each answer to each of `prompts`, which were sent in `field`.
    pub(super) fn jobs(
        self,
        prompts: Vec<Vec<u32>>,
        field: &str,
        made: Made,
        context_tokens: usize,
        fallback_seed: u64,
    ) -> Result<Vec<ValidJob>, ApiError> {
        if prompts.len() * self.count > MOST_ANSWERS {
            let message = format!(
                "{} prompts with {} answers each are more than {MOST_ANSWERS} answers; send fewer at once",
                prompts.len(),
                self.count
            );
            return Err(ApiError::invalid_param(field, message));
        }
        let mut jobs = Vec::with_capacity(prompts.len() * self.count);
        for prompt in prompts {
            for number in 0..self.count as u64 {
                // Answers to one prompt differ, and each can be had again.
                let mut sampling = self.sampling.clone();
                sampling.seed = sampling.seed.map(|seed| seed.wrapping_add(number));
                let job = ValidJob::new(
                    prompt.clone(),
                    context_tokens,
                    self.limits.clone(),
                    sampling,
                    fallback_seed.wrapping_add(jobs.len() as u64),
                );
                let job = job.map_err(|error| refused(&error, field))?;
                jobs.push(self.asked(job, &made));
            }
        }
        Ok(jobs)
    }

    fn asked(&self, job: ValidJob, made: &Made) -> ValidJob {
        let mut job = job.with_shown(made.shown.clone());
        if let Some(count) = self.asks.top_logprobs {
            job = job.with_logprobs(count);
        }
        if let Some(tokens) = &self.allowed {
            job = job.with_allowed(tokens.clone());
        }
        if self.shows_specials {
            job = job.with_specials();
        }
        match &made.follow {
            Some(follow) => job.with_guide(Box::new(follow.begun())),
            None => job,
        }
    }
}

fn refused(error: &JobError, field: &str) -> ApiError {
    let message = error.to_string();
    match error {
        JobError::Context { .. } | JobError::Answer { .. } => {
            ApiError::context_length(field, message)
        }
        JobError::EmptyPrompt => ApiError::invalid_param(field, message),
        JobError::Sampling(_) => ApiError::invalid(message),
    }
}

/// How many answers each prompt gets.
fn answers(request: &Answer) -> Result<usize, ApiError> {
    let asked = ceiling(request.n.name, request.n.value)?.unwrap_or(1);
    if asked > MOST_ANSWERS {
        let name = request.n.name;
        let message = format!("{name} is {asked}; it must be at most {MOST_ANSWERS}");
        return Err(ApiError::invalid_param(name, message));
    }
    match ceiling("best_of", request.best_of)? {
        Some(best_of) if best_of != asked => {
            let message = format!(
                "best_of is {best_of} and n is {asked}: no answers are thrown away here; leave best_of out"
            );
            Err(ApiError::unsupported("best_of", message))
        }
        _ => Ok(asked),
    }
}

fn limits(
    request: Answer,
    defaults: Defaults,
    vocabulary_size: usize,
) -> Result<JobLimits, ApiError> {
    let most = request.max_tokens;
    let asked = ceiling(most.name, most.value)?;
    let max_tokens = asked.map_or(defaults.max_tokens, |asked| asked.min(defaults.max_tokens));
    // A client that asks for as much as it can get, or more, gets what fits; one that asks for less
    // means it.
    let must_fit = asked.is_some_and(|asked| asked < defaults.max_tokens);
    let fewest = request.min_tokens;
    let min_tokens = count(fewest.name, fewest.value)?.unwrap_or(0);
    if asked.is_some_and(|asked| min_tokens > asked) {
        let message = format!(
            "{} is {min_tokens}, more than {} allows",
            fewest.name, most.name
        );
        return Err(ApiError::invalid_param(fewest.name, message));
    }
    check_stops(&request.stop)?;
    Ok(JobLimits {
        max_tokens,
        must_fit,
        min_tokens,
        ignore_eos: request.ignore_eos,
        stop: request.stop,
        stop_tokens: stop_tokens(&request.stop_token_ids, vocabulary_size)?,
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
