//! Bodies of requests for answers, field by field: of a [`chat`], of a [`completion`], and what both say of
//! their [`answer`]s. What becomes of each field is in [`super::fields`].

pub mod answer;
pub mod chat;
pub mod completion;

pub use answer::{Answer, WireSampling};
pub use chat::ChatRequest;
pub use completion::{CompletionRequest, WirePrompt};
