//! What comes back of a job: its events, and how it ended.

use std::time::Duration;

use sysinfer_engine::{Drafts, NotFinite};

use super::BackendError;

/// News of a job, in order. After any but `Text` nothing follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A token, and the text that is complete with it: none where it completed no character yet, or may
    /// begin a stop text. An end token is one only where text was held back until then.
    Text {
        /// Whole characters.
        text: String,
        /// Of the token, when asked for.
        logprobs: Option<TokenLogprobs>,
    },
    /// The answer is complete.
    Finished(Finish),
    /// All inputs have been read.
    Embedded(Embedded),
    /// The engine failed.
    Failed(BackendError),
    /// The model gave this job no logits to draw from, or no states to make a mean of.
    NotFinite(NotFinite),
    /// The server stops, and does not wait for the rest.
    CutOff,
}

/// Text whose logprobs nobody asked for.
#[cfg(test)]
pub(crate) fn text(text: &str) -> Event {
    Event::Text {
        text: text.into(),
        logprobs: None,
    }
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

/// What embeddings are made from, and what it cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// The mean hidden state of each input, in their order: finite values, as many as the model is wide.
    pub means: Vec<Vec<f32>>,
    /// Tokens of all inputs.
    pub prompt_tokens: usize,
    /// From admission to the last of them.
    pub time: Duration,
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
    /// What all answers to a request cost together, so many to each of its prompts. A prompt is read once.
    pub fn together(answers: &[Finish], per_prompt: usize) -> Option<Finish> {
        let mut prompts = answers.iter().step_by(per_prompt.max(1));
        let mut whole = *prompts.next()?;
        for prompt in prompts {
            whole.prompt_tokens += prompt.prompt_tokens;
            whole.cached_tokens += prompt.cached_tokens;
        }
        for answer in &answers[1..] {
            whole.reason = answer.reason;
            whole.completion_tokens += answer.completion_tokens;
            whole.drafts.drafted += answer.drafts.drafted;
            whole.drafts.accepted += answer.drafts.accepted;
            whole.prefill_time = whole.prefill_time.max(answer.prefill_time);
            whole.decode_time = whole.decode_time.max(answer.decode_time);
        }
        Some(whole)
    }

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

    #[test]
    fn answers_to_one_prompt_read_it_once() {
        let finish = |prompt_tokens, completion_tokens| Finish {
            reason: FinishReason::Stop,
            prompt_tokens,
            cached_tokens: 1,
            completion_tokens,
            drafts: Drafts::default(),
            prefill_time: Duration::from_secs(completion_tokens as u64),
            decode_time: Duration::ZERO,
        };
        let answers = [finish(5, 1), finish(5, 2), finish(7, 4), finish(7, 3)];
        let whole = Finish::together(&answers, 2).expect("there are some");
        let tokens = (
            whole.prompt_tokens,
            whole.cached_tokens,
            whole.completion_tokens,
        );
        assert_eq!(tokens, (12, 2, 10));
        assert_eq!(whole.prefill_time, Duration::from_secs(4));
        assert_eq!(Finish::together(&[], 1), None);
    }
}
