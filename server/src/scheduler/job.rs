//! What runs, valid by construction, and what comes back.

use std::fmt;
use std::time::Duration;

use sysinfer_engine::{Drafts, NotFinite, SamplingOptions};

use super::{BackendError, Guide};

/// How long an answer may be, and what ends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobLimits {
    /// Most tokens of the answer. Cut to what the context leaves, unless all must fit.
    pub max_tokens: usize,
    /// Refuse the job if the context leaves less than `max_tokens`.
    pub must_fit: bool,
    /// Fewest tokens before an end token is allowed.
    pub min_tokens: usize,
    /// Never end by an end token.
    pub ignore_eos: bool,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
}

/// A request that can be run: the prompt fits the context and every number is in range.
pub struct ValidJob {
    prompt: Vec<u32>,
    limits: JobLimits,
    sampling: SamplingOptions,
    fallback_seed: u64,
    top_logprobs: Option<usize>,
    guide: Option<Box<dyn Guide>>,
    shown: Vec<u32>,
}

/// Why values do not make a [`ValidJob`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum JobError {
    /// Nothing to continue.
    #[error("the conversation renders to no tokens; send at least one message with text")]
    EmptyPrompt,
    /// No room for a single token of answer.
    #[error(
        "the conversation has {prompt_tokens} tokens and the context holds {context_tokens}, answer included; shorten it"
    )]
    Context {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens of the context.
        context_tokens: usize,
    },
    /// Room for less than was asked for.
    #[error(
        "the conversation has {prompt_tokens} tokens and the answer was to have {asked}, but the context holds {context_tokens} together; shorten the conversation or ask for less"
    )]
    Answer {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens that the answer was to have.
        asked: usize,
        /// Tokens of the context.
        context_tokens: usize,
    },
    /// An option of the sampler is out of range.
    #[error(transparent)]
    Sampling(#[from] sysinfer_engine::sampling::SamplingError),
}

impl fmt::Debug for ValidJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidJob")
            .field("prompt", &self.prompt)
            .field("limits", &self.limits)
            .field("sampling", &self.sampling)
            .field("fallback_seed", &self.fallback_seed)
            .field("top_logprobs", &self.top_logprobs)
            .field("guided", &self.guide.is_some())
            .field("shown", &self.shown)
            .finish()
    }
}

impl ValidJob {
    /// Checks that `prompt` leaves room in a context of `context_tokens` and the options are in range.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn new(
        prompt: Vec<u32>,
        context_tokens: usize,
        mut limits: JobLimits,
        sampling: SamplingOptions,
        fallback_seed: u64,
    ) -> Result<Self, JobError> {
        if prompt.is_empty() {
            return Err(JobError::EmptyPrompt);
        }
        let prompt_tokens = prompt.len();
        if prompt_tokens >= context_tokens {
            return Err(JobError::Context {
                prompt_tokens,
                context_tokens,
            });
        }
        let room = context_tokens - prompt_tokens;
        let asked = match limits.must_fit {
            true => limits.max_tokens.max(limits.min_tokens),
            false => limits.min_tokens,
        };
        if asked > room {
            return Err(JobError::Answer {
                prompt_tokens,
                asked,
                context_tokens,
            });
        }
        sampling.validate()?;
        limits.max_tokens = limits.max_tokens.clamp(1, room);
        limits.stop.retain(|text| !text.is_empty());
        Ok(Self {
            prompt,
            limits,
            sampling,
            fallback_seed,
            top_logprobs: None,
            guide: None,
            shown: Vec::new(),
        })
    }

    /// The same job, whose answer is to have a form.
    #[must_use]
    pub fn with_guide(mut self, guide: Box<dyn Guide>) -> Self {
        self.guide = Some(guide);
        self
    }

    /// The same job, whose answer has these tokens in its text by their names, though they are control tokens.
    #[must_use]
    pub fn with_shown(mut self, tokens: Vec<u32>) -> Self {
        self.shown = tokens;
        self
    }

    /// The same job, reporting logprobs of each token and of the `count` most likely ones.
    #[must_use]
    pub fn with_logprobs(mut self, count: usize) -> Self {
        self.top_logprobs = Some(count);
        self
    }

    /// Tokens of the conversation; at least one.
    pub fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    /// Length and end of the answer; `max_tokens` is at least 1 and fits the context.
    pub fn limits(&self) -> &JobLimits {
        &self.limits
    }

    /// How tokens are drawn; validated.
    pub fn sampling(&self) -> &SamplingOptions {
        &self.sampling
    }

    /// Seed of the draws where the request has none.
    pub fn fallback_seed(&self) -> u64 {
        self.fallback_seed
    }

    /// What keeps the answer in its form, for whoever makes the answer; there is none the next time.
    pub fn take_guide(&mut self) -> Option<Box<dyn Guide>> {
        self.guide.take()
    }

    /// Control tokens whose names are part of the answer's text.
    pub fn shown(&self) -> &[u32] {
        &self.shown
    }

    /// Alternatives to report per token; `None`: report no logprobs.
    pub fn top_logprobs(&self) -> Option<usize> {
        self.top_logprobs
    }
}

/// News of a job, in order. After any but `Text` nothing follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// New text. Empty where a token completed no character yet, or may begin a stop text.
    Text {
        /// Whole characters.
        text: String,
        /// Of the token that led to this event, when asked for.
        logprobs: Option<TokenLogprobs>,
    },
    /// The answer is complete.
    Finished(Finish),
    /// The engine failed.
    Failed(BackendError),
    /// The model gave this job no logits to draw from.
    NotFinite(NotFinite),
    /// The server stops, and does not wait for the rest.
    CutOff,
}

/// A token, how likely it was, and what else was.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    /// The token that was drawn.
    pub chosen: Logprob,
    /// The most likely ones, most likely first.
    pub top: Vec<Logprob>,
}

/// A token's text and the natural logarithm of its probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprob {
    /// Bytes of the token; maybe only part of a character.
    pub bytes: Vec<u8>,
    /// Under the model's own distribution, before temperature and filters.
    pub logprob: f32,
}

/// How an answer ended and what it cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finish {
    /// Why it ended.
    pub reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of these, tokens whose keys and values were still in the cache.
    pub cached_tokens: usize,
    /// Tokens generated, the end token included.
    pub completion_tokens: usize,
    /// Tokens that lookup drafted, and how many of them the answer has.
    pub drafts: Drafts,
    /// From admission to the first token.
    pub prefill_time: Duration,
    /// From the first token to the last.
    pub decode_time: Duration,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// An end token or a stop text.
    Stop,
    /// `max_tokens`, or the context is full.
    Length,
}

impl FinishReason {
    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
        }
    }
}

impl Finish {
    /// Tokens per second after the first; `None` where there are none.
    pub fn decode_tokens_per_second(&self) -> Option<f64> {
        let seconds = self.decode_time.as_secs_f64();
        let tokens = self.completion_tokens.checked_sub(1)?;
        (tokens > 0 && seconds > 0.0).then(|| tokens as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(prompt_tokens: usize, context: usize, max_tokens: usize) -> Result<ValidJob, JobError> {
        let limits = JobLimits {
            max_tokens,
            ..JobLimits::default()
        };
        ValidJob::new(
            vec![1; prompt_tokens],
            context,
            limits,
            SamplingOptions::default(),
            0,
        )
    }

    #[test]
    fn an_answer_never_outgrows_the_context() {
        let cases = [
            ((10, 100, 50), 50),
            ((10, 100, 500), 90),
            ((99, 100, 7), 1),
            ((1, 100, 0), 1),
        ];
        for ((prompt, context, asked), wanted) in cases {
            let job = job(prompt, context, asked).expect("valid");
            assert_eq!(
                job.limits().max_tokens,
                wanted,
                "{prompt} {context} {asked}"
            );
        }
    }

    #[test]
    fn what_must_fit_is_not_cut() {
        let cases = [
            ((50, 0, true), true),
            ((51, 0, true), false),
            ((51, 0, false), true),
            ((500, 50, false), true),
            ((500, 51, false), false),
        ];
        for ((max_tokens, min_tokens, must_fit), fits) in cases {
            let limits = JobLimits {
                max_tokens,
                min_tokens,
                must_fit,
                ..JobLimits::default()
            };
            let job = ValidJob::new(vec![1; 50], 100, limits, SamplingOptions::default(), 0);
            let refused = matches!(job, Err(JobError::Answer { .. }));
            assert_eq!(refused, !fits, "{max_tokens} {min_tokens} {must_fit}");
        }
    }

    #[test]
    fn impossible_jobs_are_refused() {
        assert_eq!(job(0, 100, 1).err(), Some(JobError::EmptyPrompt));
        let message = job(100, 100, 1).expect_err("too long").to_string();
        assert!(message.contains("100 tokens"), "{message}");
        let sampling = SamplingOptions {
            top_p: 2.0,
            ..SamplingOptions::default()
        };
        let job = ValidJob::new(vec![1], 10, JobLimits::default(), sampling, 0);
        assert!(matches!(job, Err(JobError::Sampling(_))));
    }
}
