//! A feed-forward of experts (arXiv:1701.06538): a router scores all of them for every row, the best
//! few compute, and their results are added, weighted.
//!
//! Rows are grouped by expert, so that an expert's weights are read once for all its rows and the
//! others' not at all. Experts go in ascending order within every row, grouped or alone, so that
//! grouping does not show in a result.

mod buffers;
mod pass;
mod routing;
mod shared;

pub use buffers::ExpertBuffers;
pub use routing::Routing;
