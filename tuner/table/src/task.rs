//! What a table asks of a host.

use sysinfer_engine::Plan;

use crate::speed::Speed;
use crate::table_plan::TablePlan;

/// A plan to measure over all lengths of a table.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The lengths.
    pub table: &'a TablePlan,
    /// How long things take, for what is still to come.
    pub speed: &'a Speed,
    /// When the last run has to have ended, seconds of the session's clock; `None`: whenever.
    pub until: Option<f64>,
}
