//! What runs, valid by construction.

use std::fmt;

use sysinfer_engine::SamplingOptions;

use super::{Guide, TokenSet};

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
    /// Tokens that end the answer as the model's own end tokens do, also where those are ignored.
    pub stop_tokens: Vec<u32>,
}

/// A request that can be run: the prompt fits the context and every number is in range.
pub struct ValidJob {
    prompt: Vec<u32>,
    limits: JobLimits,
    sampling: SamplingOptions,
    fallback_seed: u64,
    top_logprobs: Option<usize>,
    allowed: Option<TokenSet>,
    shows_specials: bool,
    guide: Option<Box<dyn Guide>>,
    shown: Vec<u32>,
}

/// Why values do not make a [`ValidJob`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum JobError {
    /// Nothing to continue.
    #[error("the prompt has no tokens; send some text")]
    EmptyPrompt,
    /// No room for a single token of answer.
    #[error(
        "the prompt is too long: it has {prompt_tokens} tokens and the context holds {context_tokens}, answer included; shorten it"
    )]
    Context {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens of the context.
        context_tokens: usize,
    },
    /// Room for less than was asked for.
    #[error(
        "the prompt is too long for its answer: it has {prompt_tokens} tokens and the answer was to have {asked}, but the context holds {context_tokens} together; shorten the prompt or ask for less"
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
            .field("allowed", &self.allowed.is_some())
            .field("shows_specials", &self.shows_specials)
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
            allowed: None,
            shows_specials: false,
            guide: None,
            shown: Vec::new(),
        })
    }

    /// The same job, whose answer is made of `tokens` alone.
    #[must_use]
    pub fn with_allowed(mut self, tokens: TokenSet) -> Self {
        self.allowed = Some(tokens);
        self
    }

    /// The same job, in whose answer control tokens are shown by their names.
    #[must_use]
    pub fn with_specials(mut self) -> Self {
        self.shows_specials = true;
        self
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

    /// Tokens of the prompt; at least one.
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

    /// The tokens that the answer is made of; `None`: all.
    pub fn allowed(&self) -> Option<&TokenSet> {
        self.allowed.as_ref()
    }

    /// Whether control tokens are shown by their names.
    pub fn shows_specials(&self) -> bool {
        self.shows_specials
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
