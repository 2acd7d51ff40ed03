//! Who is told of jobs and steps.

use std::sync::Arc;

use crate::metrics::jobs::JobMeters;
use crate::metrics::steps::StepMeters;
use crate::rate::Tally;

/// What measures jobs and steps. The default measures nothing that anybody sees.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    /// What clients see of their answers.
    pub jobs: Arc<JobMeters>,
    /// What the engine does.
    pub steps: StepMeters,
    /// How fast it decodes.
    pub tally: Arc<Tally>,
}
