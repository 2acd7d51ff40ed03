//! The wire types: what a request may hold ([`request`], taken apart by [`take`]) and what an answer is made
//! of ([`response`], [`embeddings`], [`ollama`]); and what becomes of each field of a request ([`fields`]). No logic: ranges
//! and limits are checked in [`crate::validate`].

pub mod embeddings;
pub mod fields;
pub mod ollama;
pub mod request;
pub mod response;
pub mod take;
