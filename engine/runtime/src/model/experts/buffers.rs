//! What a step of experts writes; kept between steps.

use sysinfer_machine::Lines;

use super::routing::Routing;

/// What a step of experts writes; kept between steps.
#[derive(Debug, Default)]
pub struct ExpertBuffers {
    /// `[row][expert]`, padded to whole row groups.
    pub(super) scores: Vec<f32>,
    pub(super) routing: Routing,
    /// `[use][feed_forward_length]`, uses in the order of [`Routing`].
    pub(super) hidden: Lines,
    pub(super) shared: SharedBuffers,
}

/// What a step of shared experts writes; kept between steps.
#[derive(Debug, Default)]
pub(super) struct SharedBuffers {
    /// `[row]`, padded to whole row groups.
    pub(super) scores: Vec<f32>,
    /// What the result of each row counts for.
    pub(super) weights: Vec<f32>,
    /// `[row][shared_length]`.
    pub(super) hidden: Vec<f32>,
}
