//! What `GET /metrics` shows, in the text format of Prometheus: every metric is a row of [`rows`], which says what
//! it is called here and in vLLM. [`Metrics`] has the handles; [`jobs`] measures what clients see, where events
//! leave for them, [`steps`] what the engine does, [`http`] what is answered.
//!
//! There is no global recorder: each server has its own, so tests do not disturb each other.

mod bounds;
pub mod http;
pub mod jobs;
mod registry;
pub mod row;
pub mod rows;
mod series;
mod server;
pub mod steps;
mod text;

pub use server::{Metrics, Now};
