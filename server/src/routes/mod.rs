//! Handlers: parse, validate, submit, render. The work is elsewhere.

pub mod apply_template;
pub mod body;
pub mod chat;
pub mod completions;
pub mod description;
pub mod embeddings;
pub mod generation;
pub mod health;
pub mod metrics;
pub mod models;
pub mod ollama;
pub mod page;
pub mod props;
pub mod queue_slot;
pub mod responses;

pub mod tokenize;
