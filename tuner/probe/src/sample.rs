//! What is kept of a measurement, and where it goes.

use sysinfer_engine::Plan;

use crate::reading::Point;
use crate::stage::Stage;
use crate::voids::Disturbance;
use crate::work::Work;

/// Whether a sample counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Validity {
    /// Nothing disturbed it.
    #[default]
    Valid,
    /// Void, but it counts: the host was not going to be quieter.
    Kept(Disturbance),
    /// Void, and taken once more.
    Discarded(Disturbance),
}

impl Validity {
    /// Whether anything may be done by the sample.
    pub fn counts(&self) -> bool {
        !matches!(self, Self::Discarded(_))
    }
}

/// One run, with what it was measured under.
pub struct Record<'a> {
    /// Stage of the search.
    pub stage: Stage,
    /// Name within the stage.
    pub candidate: &'a str,
    /// The complete plan.
    pub plan: &'a Plan,
    /// What was run.
    pub work: &'a Work,
    /// What was timed.
    pub points: &'a [Point],
    /// The latest read bandwidth, GB/s.
    pub read_gb_per_second: Option<f64>,
    /// Whether it counts.
    pub validity: &'a Validity,
}

/// Where samples go.
pub trait Sink {
    /// Keeps one sample; when it returns, the sample survives the end of the process.
    ///
    /// # Errors
    /// It could not be written.
    fn record(&mut self, record: &Record<'_>) -> std::io::Result<()>;
}

/// Forgets every sample: for `bench`, which leaves no files.
pub struct Nowhere;

impl Sink for Nowhere {
    fn record(&mut self, _record: &Record<'_>) -> std::io::Result<()> {
        Ok(())
    }
}
