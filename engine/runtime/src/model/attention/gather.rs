//! Merging partial results into finished attention.

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
    partials: &'g [f32],
}

impl Gather<'_> {
    /// The finished attention of one row: all heads side by side. `total` is scratch.
    pub fn row(&self, row: usize, total: &mut Vec<f32>, out: &mut [f32]) {
        let plan = self.plan;
        let size = plan.cache.head_size;
        for (kv_head, out) in out.chunks_exact_mut(plan.group * size).enumerate() {
            let pieces = &plan.pieces[row * plan.cache.heads + kv_head];
            for (head, out) in out.chunks_exact_mut(size).enumerate() {
                let within = pieces.offset + head * (PARTIAL_HEAD + size);
                // The last chunk first, as within a unit.
                let units = plan.chains[pieces.chain.clone()].iter().rev();
                let parts =
                    units.map(|unit| &self.partials[unit + within..][..PARTIAL_HEAD + size]);
                merge(parts, total, out);
            }
        }
    }
}
