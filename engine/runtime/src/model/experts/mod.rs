//! A feed-forward of experts (arXiv:1701.06538): a router scores all of them for every row, the best
//! few compute, and their results are added, weighted.
//!
//! Rows are grouped by expert, so that an expert's weights are read once for all its rows and the
//! others' not at all. Experts go in ascending order within every row, grouped or alone, so that
//! grouping does not show in a result.

mod pass;
mod routing;
mod shared;

pub use routing::Routing;
pub use shared::SharedExpert;

use shared::SharedBuffers;

use super::config::Experts;
use super::matrix::{Matrix, Shares};
use super::weights::Projection;

/// The experts of one layer.
#[derive(Debug)]
pub struct ExpertLayer {
    /// Experts that a row uses, and how they are weighed.
    pub rule: Experts,
    /// `embedding_length` to a score per expert.
    pub router: Projection,
    /// Goes through the activation function: `embedding_length` to `feed_forward_length`.
    pub gate: Matrix,
    /// Multiplies it.
    pub up: Matrix,
    /// `feed_forward_length` to `embedding_length`.
    pub down: Matrix,
    /// Row groups of one expert's gate or up, by worker.
    pub hidden_shares: Shares,
    /// Row groups of one expert's down, by worker.
    pub output_shares: Shares,
    /// The expert that every row uses.
    pub shared: Option<SharedExpert>,
}

/// What a step of experts writes; kept between steps.
#[derive(Debug, Default)]
pub struct ExpertBuffers {
    /// `[row][expert]`, padded to whole row groups.
    scores: Vec<f32>,
    routing: Routing,
    /// `[use][feed_forward_length]`, uses in the order of [`Routing`].
    hidden: Vec<f32>,
    shared: SharedBuffers,
}
