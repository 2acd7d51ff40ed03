//! Waiting for whole answers.

use super::no_answer::NoAnswer;
use crate::error::ApiError;
use crate::observe::GenerationLog;
use crate::scheduler::{Choices, Event, Finish, TokenLogprobs};

/// An answer from its beginning to its end.
#[derive(Debug, Default)]
pub struct Whole {
    /// Its text.
    pub text: String,
    /// Where in it the text ends that is complete with each token.
    pub ends: Vec<usize>,
    /// Of its tokens, where they were asked for.
    pub logprobs: Vec<TokenLogprobs>,
    /// `None` until it has ended.
    pub finish: Option<Finish>,
}

/// All answers of a request.
#[derive(Debug)]
pub struct Gathered {
    /// By their numbers.
    pub answers: Vec<Whole>,
    /// What they cost together.
    pub finish: Finish,
}

/// Collects the events of all answers, so many to each prompt. Dropping the future cancels them.
///
/// # Errors
/// 500 when the engine fails, 503 when the server stops first.
pub async fn gather(
    mut choices: Choices,
    per_prompt: usize,
    mut log: GenerationLog,
) -> Result<Gathered, ApiError> {
    let mut answers: Vec<Whole> = (0..choices.count()).map(|_| Whole::default()).collect();
    while let Some((number, event)) = choices.next().await {
        let answer = &mut answers[number];
        match event {
            Some(Event::Text { text, logprobs }) => {
                log.text();
                answer.text.push_str(&text);
                answer.ends.push(answer.text.len());
                answer.logprobs.extend(logprobs);
            }
            Some(Event::Finished(finish)) => answer.finish = Some(finish),
            event => return Err(NoAnswer::of(event).logged(&mut log)),
        }
    }
    let finishes: Vec<Finish> = answers.iter().filter_map(|answer| answer.finish).collect();
    let Some(finish) = Finish::together(&finishes, per_prompt) else {
        return Err(NoAnswer::of(None).logged(&mut log));
    };
    log.finished(finish);
    Ok(Gathered { answers, finish })
}

impl Whole {
    /// Why it ended, as the API says it.
    pub fn reason(&self) -> &'static str {
        self.finish.map_or("stop", |finish| finish.reason.name())
    }
}
