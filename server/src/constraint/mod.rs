//! Answers of a form that the request asks for: JSON, JSON of a schema, a choice, a regular expression, a grammar.
//!
//! [`asked`] finds in a body what is asked, under the names of OpenAI, vLLM, SGLang, llama-server and Ollama; [`grammars`] compiles
//! it for the model's vocabulary (by llguidance, within bounds of time and memory), which finds what cannot be
//! followed before anything is generated; [`shape`] puts thoughts before it and calls of tools beside it; [`follow`]
//! is what follows an answer. Nothing that was asked is ever ignored.

pub mod asked;
mod calendar;
pub mod follow;
mod gbnf;
pub mod grammars;
mod levels;
pub mod shape;

pub use asked::{Asked, Form};
pub use grammars::Grammars;
pub use shape::Shape;
