//! Continued texts: whole, and as server-sent events, which are of the same form.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::gather::Gathered;
use super::so_far::SoFar;
use super::sse::{COMMENT, DONE};
use super::stream::Format;
use super::unsent::Unsent;
use super::{Head, Renderer, token, usage};
use crate::api::response::{TextChoice, TextCompletion, TextLogprobs, Usage};
use crate::error::ApiError;
use crate::scheduler::{Finish, TokenLogprobs};
use crate::validate::Delivery;

/// What continued texts are written with.
pub struct Texts {
    /// What their parts share.
    pub head: Head,
    /// How they are wanted.
    pub delivery: Delivery,
    /// What they begin with: one for each prompt, or none.
    pub echoes: Vec<String>,
}

impl Renderer for Texts {
    type Stream = TextChunks;

    fn stream(self, prompt_tokens: usize, answers: usize) -> TextChunks {
        let Self {
            head,
            delivery,
            echoes,
        } = self;
        TextChunks::new(head, delivery, echoes, prompt_tokens, answers)
    }

    fn whole(self, gathered: Gathered) -> Response {
        answer(&self.head, self.delivery, &self.echoes, gathered)
    }
}

/// The object of whole answers; each begins with its one of `echoes`, where there are any.
fn answer(head: &Head, delivery: Delivery, echoes: &[String], gathered: Gathered) -> Response {
    let answers = gathered.answers.into_iter().enumerate();
    let choices = answers.map(|(index, answer)| {
        let echo = echo(echoes, delivery, index);
        let finish_reason = Some(answer.reason());
        let mut logprobs = delivery.logprobs.then(TextLogprobs::default);
        let mut offset = 0;
        for found in answer.logprobs {
            let list = logprobs.get_or_insert_default();
            add(list, found, &mut offset);
        }
        TextChoice {
            index,
            text: [echo, &answer.text].concat(),
            logprobs,
            finish_reason,
        }
    });
    let choices = choices.collect();
    Json(body(head, choices, Some(Some(usage(&gathered.finish))))).into_response()
}

/// What an answer begins with.
fn echo(echoes: &[String], delivery: Delivery, index: usize) -> &str {
    let prompt = echoes.get(index / delivery.per_prompt.max(1));
    prompt.map_or("", String::as_str)
}

fn body(head: &Head, choices: Vec<TextChoice>, usage: Option<Option<Usage>>) -> TextCompletion<'_> {
    TextCompletion {
        id: &head.id,
        object: "text_completion",
        created: head.created,
        model: &head.model,
        choices,
        usage,
    }
}

/// Adds a token that begins `offset` characters behind the beginning of the answer.
fn add(list: &mut TextLogprobs, found: TokenLogprobs, offset: &mut usize) {
    let TokenLogprobs { chosen, top } = found;
    let chosen = token(chosen);
    let mut likely = Map::new();
    for found in top.into_iter().map(token) {
        // Parts of characters look alike; the likeliest counts.
        likely.entry(found.token).or_insert(found.logprob.into());
    }
    likely
        .entry(chosen.token.clone())
        .or_insert(chosen.logprob.into());
    list.text_offset.push(*offset);
    *offset += chosen.token.chars().count();
    list.tokens.push(chosen.token);
    list.token_logprobs.push(chosen.logprob);
    list.top_logprobs.push(Value::Object(likely));
}

/// Makes the chunks of a request's answers.
pub struct TextChunks {
    head: Head,
    delivery: Delivery,
    echoes: Vec<String>,
    so_far: SoFar,
    /// Characters of each answer whose logprobs have been sent.
    offsets: Vec<usize>,
}

impl TextChunks {
    /// For so many answers to prompts of `prompt_tokens` together.
    fn new(
        head: Head,
        delivery: Delivery,
        echoes: Vec<String>,
        prompt_tokens: usize,
        answers: usize,
    ) -> Self {
        Self {
            head,
            delivery,
            echoes,
            so_far: SoFar::new(delivery, prompt_tokens, answers),
            offsets: vec![0; answers],
        }
    }

    fn push(&self, choice: TextChoice, unsent: &mut Unsent) {
        unsent.event(&body(&self.head, vec![choice], self.so_far.usage()));
    }
}

impl Format for TextChunks {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn begin(&mut self, unsent: &mut Unsent) {
        if self.echoes.is_empty() {
            return;
        }
        for index in 0..self.offsets.len() {
            let text = echo(&self.echoes, self.delivery, index).to_owned();
            let choice = TextChoice {
                index,
                text,
                ..TextChoice::default()
            };
            self.push(choice, unsent);
        }
    }

    fn text(
        &mut self,
        index: usize,
        text: &str,
        logprobs: Option<TokenLogprobs>,
        unsent: &mut Unsent,
    ) {
        self.so_far.token(index);
        if text.is_empty() && logprobs.is_none() {
            return;
        }
        let logprobs = logprobs.map(|found| {
            let mut list = TextLogprobs::default();
            add(&mut list, found, &mut self.offsets[index]);
            list
        });
        let choice = TextChoice {
            index,
            text: text.to_owned(),
            logprobs,
            finish_reason: None,
        };
        self.push(choice, unsent);
    }

    fn finished(&mut self, index: usize, finish: &Finish, unsent: &mut Unsent) {
        self.so_far.finished(index, finish);
        let choice = TextChoice {
            index,
            finish_reason: Some(finish.reason.name()),
            ..TextChoice::default()
        };
        self.push(choice, unsent);
    }

    fn end(&mut self, whole: &Finish, unsent: &mut Unsent) {
        if self.so_far.at_the_end() {
            unsent.event(&body(&self.head, Vec::new(), Some(Some(usage(whole)))));
        }
        unsent.event_of_text(DONE);
    }

    fn failed(&mut self, error: &ApiError, unsent: &mut Unsent) {
        unsent.event(&error.body());
    }

    fn silence(&self, unsent: &mut Unsent) {
        unsent.text(COMMENT);
    }
}
