//! The wire types: what a request may hold ([`request`], read as [`mod@json`] and taken apart by [`take`]) and
//! what an answer is made of ([`response`], [`responses`], [`embeddings`], [`ollama`],
//! [`mod@error`]); and what becomes of each
//! field of a request ([`fields`]). No logic: ranges and limits are checked in [`crate::validate`].

pub mod embeddings;
pub mod error;
pub mod fields;
pub mod json;
pub mod ollama;
pub mod request;
pub mod response;
pub mod responses;
pub mod take;
