//! Bodies of requests, field by field: of a [`chat`], of a [`completion`], what both say of their [`answer`]s, and
//! of [`embeddings`]; completions and embeddings are of [`prompt`]s. What becomes of each field is in
//! [`super::fields`].

pub mod answer;
pub mod chat;
pub mod completion;
pub mod embeddings;
pub mod prompt;

pub use answer::{Answer, WireSampling};
pub use chat::ChatRequest;
pub use completion::CompletionRequest;
pub use embeddings::{EmbeddingRequest, Encoding};
pub use prompt::WirePrompt;
