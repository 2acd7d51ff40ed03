//! The tuned profile: a plan, and the evidence that it is the right one for a host and a model.
//!
//! `sysinfer-tune` writes it, `sysinfer-server` reads it, people edit it. So an unknown key, a
//! wrong type or another schema is an error that names the line, and a profile from another host
//! is recognised by its facts rather than by a file name. This crate measures nothing and reads
//! no clock: a profile is a fact, not an activity.
//!
//! Reading order: [`schema`] (what the file says), [`serving`] (for many users), [`parse`] (text to [`Profile`]), [`render`]
//! (and back, with comments), [`matching`] (does it apply here), [`trust`] (is its run to be trusted),
//! [`gain`] (what of its gain is proven), [`store`] (files).
#![forbid(unsafe_code)]

pub mod error;
pub mod gain;
mod length;
pub mod matching;
pub mod parse;
pub mod render;
pub mod schema;
pub mod serving;
pub mod store;
mod suggest;
pub mod trust;
mod validate;

pub use error::ProfileError;
pub use gain::Gain;
pub use length::{LengthEvidence, MAX_RUNS};
pub use matching::{Difference, HostMatch, Notice};
pub use schema::{Created, Evidence, MAX_LENGTHS, ModelFacts, Profile, SCHEMA};
pub use serving::{Serving, StepEvidence};
pub use sysinfer_machine::HostInfo;
