//! Statistics of samples: pure functions with worked examples as tests.
//!
//! [`comparison`] is the one test of whether two rates differ; [`family`] makes it of many rates at once.
#![forbid(unsafe_code)]

pub mod between_runs;
pub mod bootstrap;
pub mod comparison;
pub mod family;
pub mod interval;
pub mod robust;
pub mod samples;
pub mod scale;
pub mod summary;

pub use comparison::{Comparison, Verdict};
pub use interval::Estimate;
pub use samples::Samples;
pub use scale::Scale;
pub use summary::{Summary, median, median_of};
