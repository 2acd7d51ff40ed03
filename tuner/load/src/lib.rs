//! A load client: drives any server of the OpenAI API through its public API only, and measures what its users
//! would see.
//!
//! Reading order: [`prompts`] (what is asked, of which [`endpoint`]), [`arrivals`] (when), [`mod@drive`] (both
//! together), [`client`] with [`address`], [`events`] and [`chunk`] (one request), [`record`] (its times by
//! definition), [`summary`] with [`order`] (all of them), [`output`]. Connections come from a trait and time from
//! tokio, so the definitions are tested on planted times, without sockets and without waiting.
#![forbid(unsafe_code)]

pub mod address;
pub mod arrivals;
pub mod chunk;
pub mod client;
pub mod drive;
pub mod endpoint;
pub mod events;
pub mod order;
pub mod output;
pub mod prompts;
pub mod record;
pub mod summary;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use endpoint::Endpoint;
