//! Why a report could not be made.

/// Why a report cannot be rendered; none that a user could cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A template does not fit the value.
    #[error("a template of the report: {0:#}")]
    Template(#[from] minijinja::Error),
    /// A chart.
    #[error("a chart of the report: {0}")]
    Chart(String),
    /// A table.
    #[error("a table of the report: {0}")]
    Table(String),
    /// The value as JSON.
    #[error("the report as JSON: {0}")]
    Json(#[from] serde_json::Error),
}
