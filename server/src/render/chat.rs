//! Answers of a chat: whole (`json`), and as server-sent events ([`super::sse`]).

use axum::response::Response;

use super::gather::Gathered;
use super::sse::Chunks;
use super::{Head, Renderer, json};
use crate::reading::Reading;
use crate::validate::Delivery;

/// What an answer is written with.
pub struct Chat {
    /// What its parts share.
    pub head: Head,
    /// How it is wanted.
    pub delivery: Delivery,
    /// How it is read.
    pub reading: Reading,
}

impl Renderer for Chat {
    type Stream = Chunks;

    fn stream(self, prompt_tokens: usize, answers: usize) -> Chunks {
        let Self {
            head,
            delivery,
            reading,
        } = self;
        Chunks::new(head, delivery, &reading, prompt_tokens, answers)
    }

    fn whole(self, gathered: Gathered) -> Response {
        json::answer(&self.head, self.delivery.logprobs, &self.reading, gathered)
    }
}
