//! Products of a step on a simulated host: memory, what cores take of it, and their arithmetic.

use sysinfer_engine::{MatrixShape, Phase, Plan, Product};
use sysinfer_machine::Ranges;

use super::machine::{Machine, overlapped};
use super::reading::Reads;
use super::setting::Setting;

/// The engine's tile loops hold no more rows than this.
const MAX_TILE_ROWS: usize = 256;

impl Machine {
    /// One product: memory, cores' share of it, and arithmetic overlap.
    pub(super) fn product_seconds(
        &self,
        setting: &Setting<'_>,
        product: &Product,
        role: Phase,
        rows: usize,
    ) -> f64 {
        overlapped(&self.product_parts(setting, product, role, rows))
    }

    /// Memory, cores' share of it, and arithmetic of one product, seconds.
    pub(super) fn product_parts(
        &self,
        setting: &Setting<'_>,
        product: &Product,
        role: Phase,
        rows: usize,
    ) -> [f64; 3] {
        let crew = setting.crew;
        let tile = setting
            .plan
            .blocking
            .prefill_rows
            .clamp(1, MAX_TILE_ROWS)
            .min(rows);
        let (passes, efficiency) = match role {
            Phase::Decode => (1.0, 1.0),
            Phase::Prefill => (
                rows.div_ceil(tile) as f64,
                self.tile_efficiency(product, tile),
            ),
        };
        let bytes = passes
            * product
                .matrices
                .iter()
                .map(|m| touched_bytes(m, product.used, rows))
                .sum::<f64>();
        let work: f64 = product
            .matrices
            .iter()
            .map(|m| self.core_seconds(setting.plan, m, role))
            .sum();
        let work = work * (product.used * rows) as f64 / efficiency;
        let groups: usize = product.matrices.iter().map(MatrixShape::groups).sum();
        // Whole row groups are divided: that is the imbalance.
        let shares = Ranges::split(groups, 1, crew.threads());
        let share = |worker: usize| shares.get(worker).len() as f64 / groups as f64;
        let reads = |worker| Reads::of(bytes * share(worker), setting.local);
        let reading = self.read_seconds(crew, reads);
        let reached = match role {
            Phase::Decode => self.prefetch_efficiency(setting.plan.blocking.prefetch_bytes),
            Phase::Prefill => 1.0,
        };
        let compute = (0..crew.threads())
            .map(|worker| work * share(worker) / self.core_factor(crew, worker))
            .fold(0.0, f64::max);
        // Prefetching hides the latency that keeps a core below its own limit; a node that gives all
        // it has gives no more for it, but loses what waits in between.
        [reading.0 / reached.sqrt(), reading.1 / reached, compute]
    }

    /// One core's time for one row of one matrix.
    fn core_seconds(&self, plan: &Plan, matrix: &MatrixShape, role: Phase) -> f64 {
        let compute = &self.description.compute;
        let choice = plan.kernels.get(matrix.block.name());
        let name = choice.and_then(|choice| choice.of(role));
        let usual = match role {
            Phase::Decode => compute.decode_gmac_per_second,
            Phase::Prefill => compute.prefill_gmac_per_second,
        };
        let mut listed = self.description.kernels.iter();
        let listed = listed.find(|kernel| {
            kernel.block == matrix.block.name()
                && kernel.role == role.name()
                && name.is_none_or(|name| kernel.name == name)
        });
        let clocks = self.description.clocks();
        let seconds = listed.and_then(|kernel| kernel.seconds(matrix, clocks));
        seconds.unwrap_or((matrix.rows * matrix.columns) as f64 / (usual * 1e9))
    }

    /// Share of a core's peak in a tile loop: unpacking a row group's weights is paid once per tile,
    /// and activations that crowd the second-level cache are fetched again for every row group.
    fn tile_efficiency(&self, product: &Product, tile: usize) -> f64 {
        let compute = &self.description.compute;
        let columns = product
            .matrices
            .iter()
            .map(|m| m.columns)
            .max()
            .unwrap_or(1);
        let of_cache = (tile * columns) as f64 / (self.description.l2_kib * 1024.0);
        let crowded = ((of_cache - 0.25) / 0.75).clamp(0.0, 1.0);
        tile as f64 / (tile as f64 + compute.unpack_rows) * (1.0 - compute.cache_loss * crowded)
    }

    /// Activations between the products of a layer that the last-level cache does not hold are
    /// written to memory and read again.
    pub(super) fn spill_seconds(&self, setting: &Setting<'_>) -> f64 {
        let columns = self
            .shape
            .layers
            .iter()
            .flat_map(|product| &product.matrices)
            .map(|m| m.columns);
        let widest = columns.max().unwrap_or(0);
        let bytes = (4 * setting.rows * (2 * self.shape.info.embedding_length + widest)) as f64;
        let spilt = (bytes - self.description.l3_mib * 1048576.0).max(0.0);
        let each = 2.0 * spilt / setting.crew.threads() as f64;
        let (node, core) = self.read_seconds(setting.crew, |_| Reads::of(each, 1.0));
        self.shape.info.layers as f64 * overlapped(&[node, core])
    }

    fn prefetch_efficiency(&self, bytes: usize) -> f64 {
        let prefetch = &self.description.prefetch;
        let loss = match bytes {
            0 => prefetch.loss_without,
            _ => {
                let doublings = (bytes as f64 / prefetch.best_bytes).log2().abs();
                (doublings * prefetch.loss_per_doubling).min(prefetch.loss_without)
            }
        };
        1.0 - loss
    }
}

/// Bytes of a matrix that `rows` tokens read: of experts, those that at least one token chooses.
fn touched_bytes(matrix: &MatrixShape, used: usize, rows: usize) -> f64 {
    let each = matrix.packed_bytes as f64 / matrix.experts as f64;
    let unused = 1.0 - used as f64 / matrix.experts as f64;
    if matrix.experts == 1 {
        return each;
    }
    each * matrix.experts as f64 * (1.0 - unused.max(0.0).powi(rows.min(1 << 20) as i32))
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::Preset;
    use sysinfer_machine::MapPolicy;

    use super::super::tests::{machine, plan};
    use super::*;

    #[test]
    fn nodes_with_as_many_workers_read_as_much_although_groups_do_not_divide() {
        let nodes = "pack:2 numa:2 l3:1 core:22 pu:1";
        let machine = machine(|host| host.topology = nodes.into(), Preset::Llama3_8b);
        let plan = plan(&machine, MapPolicy::Compact, 88);
        let crew = machine.crew(&plan.decode).expect("CPUs are there");
        let heads = machine.heads(&plan, &crew, &crew);
        let setting = Setting::of_decode(&crew, &plan, &heads);
        // 512 row groups: 5.8 for a worker, 128 for a node.
        let product = &machine.shape.layers[1];
        let bytes = product.matrices[0].packed_bytes as f64;
        let [memory, core, _] = machine.product_parts(&setting, product, Phase::Decode, 1);
        assert!(
            (memory / (bytes / 4.0 / 50e9) - 1.0).abs() < 1e-9,
            "{memory}"
        );
        assert!(
            (core / (bytes * 6.0 / 512.0 / 20e9) - 1.0).abs() < 1e-9,
            "{core}"
        );
    }
}
