//! The OpenAI wire types: what a request may hold ([`request`]) and what an answer is made of
//! ([`response`]). No logic: ranges and limits are checked in [`crate::validate`].

pub mod request;
pub mod response;
