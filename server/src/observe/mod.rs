//! What is said of each request: its id, a line of the log, a line of the access log.
//!
//! `x-request-id` is taken over from the client if it is sane, made otherwise, and sent back. A generation
//! writes its lines when it ends ([`GenerationLog`]), long after its response began; everything else is written
//! by [`observe`].

mod access_log;
mod facts;
mod generation;
mod line;
mod middleware;

pub use access_log::AccessLog;
pub use facts::{LoggedElsewhere, RequestFacts};
pub use generation::GenerationLog;
pub use middleware::observe;
