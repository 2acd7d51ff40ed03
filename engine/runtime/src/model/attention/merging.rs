//! Merging partial results into finished attention.
//!
//! Every worker needs all of it for the product behind. Where the results are few, each merges them for itself, in
//! the region of that product; where they are many, which is where contexts are long, workers share the merging and
//! meet once more, so that each reads what all have left only once.

use sysinfer_machine::{Lines, Ranges, each, ranges};

use super::gather::Gather;
use super::plan::AttentionPlan;
use crate::model::ops::{Input, SHARE_INPUT_FROM};
use crate::model::step::{Kind, Step, run_region};

/// Bytes of partial results from which on workers share the merging: what a core reads, partly from other nodes, in
/// the time that a team takes to meet (64 KiB at 11 GB/s are 6 microseconds).
const SHARE_MERGING_FROM: usize = 64 << 10;

/// Whether the workers of a step with few rows merge so many bytes of partial results together.
pub fn merges_together(bytes: usize, threads: usize) -> bool {
    bytes >= SHARE_MERGING_FROM && threads > 1
}

impl AttentionPlan<'_> {
    /// The finished attention as the next product's input: merged in `merged` by all workers, or to be merged by
    /// each. The same to the bit.
    pub fn merged<'g>(
        &self,
        step: &mut Step<'_, '_>,
        gather: &'g Gather<'g>,
        merged: &'g mut Lines,
    ) -> Input<'g> {
        let bytes = size_of_val(gather.partials);
        // Many rows are prepared by all workers anyway.
        if step.rows >= SHARE_INPUT_FROM || !merges_together(bytes, step.lead.threads()) {
            return Input::Attended(gather);
        }
        let (size, heads) = (self.cache.head_size, self.cache.heads * self.group);
        merged.resize(step.rows * heads * size);
        let shares = Ranges::split(step.rows * heads, 1, step.lead.threads());
        let cuts = shares.scaled(size);
        let parts = (each(step.scratch), ranges(merged, &cuts));
        let kind = Kind::Attention;
        run_region(step.lead, kind, parts, |worker, (scratch, out)| {
            for (item, out) in shares.get(worker).zip(out.chunks_exact_mut(size)) {
                gather.head(item / heads, item % heads, &mut scratch.merged, out);
            }
        });
        Input::Plain(merged)
    }
}
