//! Tools: functions that a request offers to the model, and the calls of them in its answer.
//!
//! [`asked`] finds in a body what is offered and what may be called. A model calls in the syntax that it was
//! trained on, which its chat template tells: [`mod@format`] reads it there. [`grammar`] has that syntax for
//! [`crate::constraint`], so that calls are of functions that were offered and their arguments have their schema;
//! [`parser`] finds the calls in the text of an answer, piece by piece. A template that renders no tools, or whose
//! syntax is none of these, is served by [`generic`]: the tools are described in the system's message.

pub mod asked;
pub mod format;
pub mod generic;
pub mod grammar;
pub mod parser;

pub use asked::{Choice, Offer, Tool};
pub use format::{ChatFormat, Syntax};
