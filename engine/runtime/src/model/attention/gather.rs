//! Partial results of a step's attention, and what is merged of them.

use sysinfer_kernels::attention::{PARTIAL_HEAD, merge};

use super::plan::AttentionPlan;

impl AttentionPlan<'_> {
    /// The partial results, to be merged as the next product's input.
    pub fn gather<'g>(&'g self, partials: &'g [f32]) -> Gather<'g> {
        Gather {
            plan: self,
            partials,
        }
    }
}

/// Partial results of a step's attention.
#[derive(Debug)]
pub struct Gather<'g> {
    plan: &'g AttentionPlan<'g>,
    pub(super) partials: &'g [f32],
}

impl Gather<'_> {
    /// The finished attention of one row: all heads side by side. `total` is scratch.
    pub fn row(&self, row: usize, total: &mut Vec<f32>, out: &mut [f32]) {
        for (head, out) in out.chunks_exact_mut(self.plan.cache.head_size).enumerate() {
            self.head(row, head, total, out);
        }
    }

    /// The same of one query head.
    pub(super) fn head(&self, row: usize, head: usize, total: &mut Vec<f32>, out: &mut [f32]) {
        let plan = self.plan;
        let values = PARTIAL_HEAD + plan.cache.head_size;
        let pieces = &plan.pieces[row * plan.cache.heads + head / plan.group];
        let within = pieces.offset + head % plan.group * values;
        // The last chunk first, as within a unit.
        let units = plan.chains[pieces.chain.clone()].iter().rev();
        let parts = units.map(|unit| &self.partials[unit + within..][..values]);
        merge(parts, total, out);
    }
}
