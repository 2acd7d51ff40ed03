//! The trait through which a search sees a host.

use sysinfer_engine::{Phase, Plan, StepTimes};

use crate::cores::CoreReading;
use crate::reading::Reading;
use crate::stage::Stage;
use crate::work::Work;

/// Why a run gave no reading.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// This plan cannot be run here; others can.
    #[error("{0}")]
    Refused(String),
    /// A replay, and its journal has no such sample.
    #[error("{0}")]
    Unrecorded(String),
    /// Nothing more can be measured.
    #[error("{0}")]
    Failed(String),
}

/// Something that can be measured under a plan.
pub trait Probe {
    /// Moves to the plan, warms up, runs the work and times it.
    ///
    /// # Errors
    /// [`ProbeError::Refused`] when the plan is at fault, [`ProbeError::Unrecorded`] when a replay ends, else
    /// [`ProbeError::Failed`].
    fn measure(&mut self, plan: &Plan, work: &Work) -> Result<Reading, ProbeError>;

    /// Reads a prompt and decodes some tokens, so as to reach `total_tokens`, and says where the time
    /// of each of these steps went. Empty where the probe cannot look inside a step.
    ///
    /// # Errors
    /// As [`Probe::measure`].
    fn split(&mut self, _plan: &Plan, _total_tokens: usize) -> Result<Steps, ProbeError> {
        Ok(Steps::default())
    }

    /// How fast the cores of the team of `phase` are at the moment, as far as the probe can tell. It is no
    /// sample: no search decides by it.
    ///
    /// # Errors
    /// [`ProbeError::Failed`]: a probe that keeps a journal could not write to it.
    fn cores(&mut self, _plan: &Plan, _phase: Phase) -> Result<CoreReading, ProbeError> {
        Ok(CoreReading::default())
    }

    /// Says what the next measurements are for; of use to a probe that keeps a journal.
    fn announce(&mut self, _stage: Stage, _candidate: &str) {}
}

/// Where the time of steps went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    /// The prompt, if it was long enough to count as one.
    pub prefill: Vec<StepTimes>,
    /// Tokens that were decoded behind it, one step each.
    pub decode: Vec<StepTimes>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
}
