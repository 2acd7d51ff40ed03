//! Between HTTP and the engine: who runs when, and how answers come back.
//!
//! A [`Job`] goes into the bounded [`Queue`]; the caller gets [`Events`], and [`Choices`] of several. One OS thread, the
//! [`worker`], admits jobs to a [`Backend`] as long as that has room and drives it step by step; all live
//! jobs share a step, and [`compose`] says what goes into it. Dropping the [`Events`]
//! cancels the job, at the next step or while it still waits, and touches no other job. Nothing
//! here knows HTTP or a tokenizer.

mod backend;
pub mod choices;
pub mod compose;
pub mod events;
mod failure;
pub mod guide;
pub mod inputs;
pub mod job;
pub mod meters;
pub mod outcome;
pub mod queue;
pub mod report;
pub mod waits;
mod work;
pub mod worker;

pub use backend::{Backend, JobId, NotAdmitted};
pub use choices::Choices;
pub use events::Events;
pub use failure::BackendError;
pub use guide::{Guide, TokenSet};
pub use inputs::ValidInputs;
pub use job::{JobLimits, ValidJob};
pub use meters::Meters;
pub use outcome::{Embedded, Event, Finish, FinishReason, Logprob, TokenLogprobs};
pub use queue::{Queue, Refusal};
pub use report::StepReport;
pub use waits::{Wait, Waits};
pub use work::Job;
