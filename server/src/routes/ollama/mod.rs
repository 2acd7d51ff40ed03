//! Ollama's API: the same answers for clients that speak no other.

mod answers;
mod embeddings;
mod errors;
mod models;

pub use answers::{chat, generate};
pub use embeddings::{embed, embeddings};
pub use errors::in_its_form;
pub use models::{show, tags, version};
