//! Ollama's API: the same answers for clients that speak no other.

mod answers;
mod embeddings;
mod errors;
mod models;

pub use answers::{chat, chat_described, generate, generate_described};
pub use embeddings::{embed, embed_described, embeddings, embeddings_described};
pub use errors::in_its_form;
pub use models::{show, show_described, tags, tags_described, version, version_described};
