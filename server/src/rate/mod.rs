//! How fast answers are decoded now, beside what the profile measured of the same steps, and what most likely
//! makes the difference.
//!
//! The engine's thread adds each step to a [`Tally`]: a few atomics. Steps are compared like with like: those that
//! only extend answers, without a part of a prompt and without a draft, against what [`TunedSteps`] expect of so
//! many answers at their lengths. Once a second, while steps are taken, [`Rate::look`] adds them up over the last
//! ten seconds and reads what the kernel tells of the meantime ([`readings`]); [`cause`] decides by both, a pure
//! function. [`watch`] is the thread that does so in a server.

mod alarm;
pub mod cause;
pub mod differences;
mod now;
pub mod readings;
mod tally;
pub mod tuned;
pub mod watch;
mod words;

pub use now::{Rate, RateNow};
pub use tally::Tally;
pub use tuned::{Tuned, TunedSteps};
