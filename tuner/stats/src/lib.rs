//! Statistics of samples: pure functions with worked examples as tests.
#![forbid(unsafe_code)]

pub mod bootstrap;
pub mod errors;
pub mod interval;
pub mod minutes;
pub mod pooled;
pub mod robust;
pub mod summary;

pub use interval::Estimate;
pub use robust::Gap;
pub use summary::{Summary, median, median_of};
