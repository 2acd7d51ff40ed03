//! The expert that every token uses beside those that it chooses (Qwen 2 MoE): a dense feed-forward
//! whose result counts for the sigmoid of a score of its own.

use super::buffers::{ExpertBuffers, SharedBuffers};
use crate::model::ops::{Input, Target};
use crate::model::step::Step;
use crate::model::weights::SharedExpert;

impl Step<'_, '_> {
    /// Weights and hidden vectors of all rows; `input` is `[rows][embedding_length]`.
    pub(super) fn shared_gate(
        &mut self,
        expert: &SharedExpert,
        input: Input<'_>,
        buffers: &mut ExpertBuffers,
    ) {
        let SharedBuffers {
            scores,
            weights,
            hidden,
        } = &mut buffers.shared;
        let padded = expert.router.width();
        scores.resize(self.rows * padded, 0.0);
        self.project(&expert.router, input, Target::Store, scores);
        weights.clear();
        let scores = scores.chunks_exact(padded).take(self.rows);
        weights.extend(scores.map(|row| 1.0 / (1.0 + (-row[0]).exp())));
        hidden.resize(self.rows * expert.dense.down.matrices[0].columns, 0.0);
        self.gate(&expert.dense.gated, input, hidden);
    }

    /// Adds the weighted results to `out`, after [`Step::shared_gate`].
    pub(super) fn shared_down(
        &mut self,
        expert: &SharedExpert,
        buffers: &ExpertBuffers,
        out: &mut [f32],
    ) {
        let SharedBuffers {
            weights, hidden, ..
        } = &buffers.shared;
        let input = Input::Plain(hidden);
        self.project(&expert.dense.down, input, Target::AddWeighted(weights), out);
    }
}
