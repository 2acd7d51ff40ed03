//! The model of a step: how long a plan takes on a simulated host, without noise.
//!
//! A step is a row of phases that end at barriers. A phase takes as long as the slowest of three:
//! the node whose memory has most to give, the worker that reads most for what its core can take,
//! and the worker that multiplies most. They overlap, but not perfectly: near the point where two
//! are equal both cost, which `overlapped` makes a smooth knee of.

use sysinfer_engine::engine::{pass_rows, role};
use sysinfer_engine::{MatrixShape, ModelShape, PhasePlan, Plan, Product};
use sysinfer_kernels::Role;
use sysinfer_machine::MapPolicy;
use sysinfer_machine::Topology;

use super::crew::{Crew, Layout};
use super::description::Description;
use crate::measure::Work;

/// The engine's tile loops hold no more rows than this.
const MOST_TILE_ROWS: usize = 256;
/// Exponent of [`overlapped`]: at equal parts a phase takes 12 % longer than either.
const OVERLAP: f64 = 6.0;
/// Positions between two evaluations of a growing context; the time between is linear.
const STRIDE: usize = 32;

/// A described host that runs one model.
pub struct Machine {
    /// Its numbers.
    pub description: Description,
    /// Its CPUs.
    pub topology: Topology,
    /// The model.
    pub shape: ModelShape,
    layout: Layout,
}

/// What all phases of a step have in common.
pub(super) struct Setting<'a> {
    pub(super) crew: &'a Crew,
    pub(super) plan: &'a Plan,
    pub(super) rows: usize,
    /// Share of the weights that lies on the worker's own node.
    pub(super) local: f64,
}

impl<'a> Setting<'a> {
    /// That of a decode step of one sequence, whose weights were placed by the workers that read them.
    pub(super) fn of_decode(crew: &'a Crew, plan: &'a Plan) -> Self {
        Setting {
            crew,
            plan,
            rows: 1,
            local: 1.0,
        }
    }
}

impl Machine {
    /// Puts host and model together.
    pub fn new(description: Description, topology: Topology, shape: ModelShape) -> Machine {
        let layout = Layout::new(&topology);
        Machine {
            description,
            topology,
            shape,
            layout,
        }
    }

    /// Time of the decode steps that grow a sequence from `from` to `to` tokens, seconds.
    ///
    /// # Errors
    /// A plan that cannot run here.
    pub fn decode_seconds(&self, plan: &Plan, from: usize, to: usize) -> Result<f64, String> {
        self.check(plan)?;
        let crew = self.crew(&plan.decode)?;
        let setting = Setting::of_decode(&crew, plan);
        let base = self.step_seconds(&setting, 1);
        let mut seconds = (to - from.min(to)) as f64 * base;
        let mut position = from;
        while position < to {
            let next = (position + STRIDE).min(to);
            let middle = (position + next) / 2 + 1;
            seconds += (next - position) as f64 * self.attention_seconds(&setting, middle);
            position = next;
        }
        Ok(seconds * crew.slowdown)
    }

    /// Time of a prompt up to its last logits, seconds.
    ///
    /// # Errors
    /// A plan that cannot run here.
    pub fn prefill_seconds(&self, plan: &Plan, tokens: usize) -> Result<f64, String> {
        self.check(plan)?;
        let decode = self.crew(&plan.decode)?;
        let crew = self.crew(&plan.prefill)?;
        let local = self.overlap_of_nodes(&decode, &crew);
        let (mut seconds, mut done) = (0.0, 0);
        while done < tokens {
            let rows = pass_rows(plan).min(tokens - done);
            let setting = Setting {
                crew: &crew,
                plan,
                rows,
                local,
            };
            let wanted = usize::from(done + rows == tokens);
            seconds += self.step_seconds(&setting, wanted);
            seconds += self.prompt_attention_seconds(&setting, done);
            done += rows;
        }
        Ok(seconds * crew.slowdown)
    }

    /// Time of one step of so many sequences that hold `positions` tokens each, and of the first rows of a
    /// prompt beside them, seconds.
    ///
    /// # Errors
    /// A plan that cannot run here.
    pub fn batch_seconds(
        &self,
        plan: &Plan,
        (sequences, positions): (usize, usize),
        prompt_rows: usize,
    ) -> Result<f64, String> {
        self.check(plan)?;
        let decode = self.crew(&plan.decode)?;
        let (mut seconds, mut done) = (0.0, 0);
        while done < sequences + prompt_rows {
            let rows = pass_rows(plan).min(sequences + prompt_rows - done);
            // Sequences come first, and only they want logits.
            let wanted = rows.min(sequences.saturating_sub(done));
            let (team, local) = match role(plan, rows) {
                Role::Decode => (&plan.decode, 1.0),
                Role::Prefill => {
                    let crew = self.crew(&plan.prefill)?;
                    (&plan.prefill, self.overlap_of_nodes(&decode, &crew))
                }
            };
            let crew = self.crew(team)?;
            let setting = Setting {
                crew: &crew,
                plan,
                rows,
                local,
            };
            let mut pass = self.step_seconds(&setting, wanted);
            pass += wanted as f64 * self.attention_seconds(&setting, positions);
            let of_prompt = Setting {
                rows: rows - wanted,
                ..setting
            };
            pass += self.prompt_attention_seconds(&of_prompt, done.saturating_sub(sequences));
            seconds += pass * crew.slowdown;
            done += rows;
        }
        Ok(seconds)
    }

    /// What a team reads when it does nothing else, bytes per second.
    ///
    /// # Errors
    /// A team that cannot run here.
    pub fn read_bytes_per_second(&self, team: &PhasePlan) -> Result<f64, String> {
        let crew = self.crew(team)?;
        let bytes = 1e9;
        let each = bytes / crew.threads() as f64;
        let seconds = self.read_seconds(&crew, 1.0, |_| each);
        Ok(bytes / (overlapped(&[seconds.0, seconds.1]) * crew.slowdown))
    }

    /// What threads on `cpus` read from the memory of one node, or each from its own, bytes per second.
    ///
    /// # Errors
    /// CPUs that are not here.
    pub fn stream_bytes_per_second(
        &self,
        cpus: &[usize],
        memory_node: Option<usize>,
    ) -> Result<f64, String> {
        let team = PhasePlan {
            threads: cpus.len(),
            map: MapPolicy::Given.name().into(),
            cpus: cpus.to_vec(),
        };
        let Some(node) = memory_node else {
            return self.read_bytes_per_second(&team);
        };
        let crew = self.crew(&team)?;
        let bytes = 1e9;
        let each = bytes / crew.threads() as f64;
        // Crews and descriptions count nodes; the work names them as the system does.
        let nodes = &self.topology.nodes;
        let node = nodes.iter().position(|found| found.id == node);
        let node = node.ok_or("there is no such memory node with CPUs")?;
        let local = crew.nodes.iter().all(|own| *own == node);
        let (way, core) = self.read_seconds(&crew, f64::from(u8::from(local)), |_| each);
        let memory = bytes / (self.description.memory.node_gb_per_second.at(node) * 1e9);
        Ok(bytes / (overlapped(&[way, core, memory]) * crew.slowdown))
    }

    /// The rate that noise is added to, tokens/s (bytes/s for bandwidth).
    ///
    /// # Errors
    /// A plan that cannot run here.
    pub fn true_rate(&self, plan: &Plan, work: &Work) -> Result<f64, String> {
        Ok(match work {
            Work::Decode {
                prompt_tokens,
                lengths,
            } => {
                let end = lengths.last().copied().unwrap_or(*prompt_tokens);
                let seconds = self.decode_seconds(plan, *prompt_tokens, end)?;
                (end - prompt_tokens.min(&end)) as f64 / seconds.max(1e-12)
            }
            Work::Prefill { tokens } => {
                *tokens as f64 / self.prefill_seconds(plan, *tokens)?.max(1e-12)
            }
            Work::Visit {
                total_tokens,
                groups,
                group_steps,
                ..
            } => {
                let steps = groups * group_steps;
                let start = total_tokens.saturating_sub(steps);
                steps as f64 / self.decode_seconds(plan, start, *total_tokens)?.max(1e-12)
            }
            Work::Batch {
                prompt_tokens,
                sequences,
                prompt_rows,
                steps,
            } => {
                let positions = prompt_tokens + steps / 2;
                let step =
                    |number: &usize| self.batch_seconds(plan, (*number, positions), *prompt_rows);
                let seconds: Vec<f64> = sequences.iter().map(step).collect::<Result<_, _>>()?;
                let tokens: usize = sequences.iter().sum();
                tokens as f64 / seconds.iter().sum::<f64>().max(1e-12)
            }
            Work::Bandwidth => self.read_bytes_per_second(&plan.decode)?,
            Work::Stream { cpus, memory_node } => {
                self.stream_bytes_per_second(cpus, *memory_node)?
            }
        })
    }

    pub(super) fn check(&self, plan: &Plan) -> Result<(), String> {
        plan.validate().map_err(|error| error.to_string())?;
        for (block, choice) in &plan.kernels {
            for name in [&choice.decode, &choice.prefill].into_iter().flatten() {
                let known =
                    |kernel: &&super::KernelRate| kernel.name == *name && kernel.block == *block;
                if !self.description.kernels.iter().any(|kernel| known(&kernel)) {
                    return Err(format!(
                        "the simulated host has no kernel {name} for {block}"
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn crew(&self, team: &PhasePlan) -> Result<Crew, String> {
        Crew::new(team, &self.layout, &self.description)
    }

    /// Weights lie where decode workers touched them first. The engine cuts both teams' shares at the
    /// same node bounds, so what both have of a node is local to the prompt's workers.
    fn overlap_of_nodes(&self, decode: &Crew, prefill: &Crew) -> f64 {
        let (ours, theirs) = (
            prefill.node_shares(self.layout.nodes),
            decode.node_shares(self.layout.nodes),
        );
        ours.iter().zip(theirs).map(|(a, b)| a.min(b)).sum()
    }

    /// Everything of a step but attention.
    pub(super) fn step_seconds(&self, setting: &Setting<'_>, wanted: usize) -> f64 {
        let role = role(setting.plan, setting.rows);
        let mut seconds = self.overhead_seconds(setting, role, wanted);
        for product in &self.shape.layers {
            seconds +=
                product.count as f64 * self.product_seconds(setting, product, role, setting.rows);
        }
        if wanted > 0 {
            seconds += self.product_seconds(setting, &self.shape.output, Role::Decode, wanted);
        }
        seconds + self.spill_seconds(setting)
    }

    /// Barriers of a step, and what it costs whatever it does.
    pub(super) fn overhead_seconds(&self, setting: &Setting<'_>, role: Role, wanted: usize) -> f64 {
        let layers = &self.shape.layers;
        let runs: usize = layers.iter().map(|product| product.count).sum();
        let runs = runs + usize::from(wanted > 0);
        // Appending keys and values, and attention, are phases too; with many rows the input of every
        // product is shared work of one more.
        let phases = runs * if role == Role::Prefill { 2 } else { 1 } + 2 * self.shape.info.layers;
        self.description.step.fixed_us * 1e-6 + phases as f64 * self.barrier_seconds(setting.crew)
    }

    /// One product: memory, cores' share of it, and arithmetic overlap.
    fn product_seconds(
        &self,
        setting: &Setting<'_>,
        product: &Product,
        role: Role,
        rows: usize,
    ) -> f64 {
        overlapped(&self.product_parts(setting, product, role, rows))
    }

    /// Memory, cores' share of it, and arithmetic of one product, seconds.
    pub(super) fn product_parts(
        &self,
        setting: &Setting<'_>,
        product: &Product,
        role: Role,
        rows: usize,
    ) -> [f64; 3] {
        let crew = setting.crew;
        let tile = setting
            .plan
            .blocking
            .prefill_rows
            .clamp(1, MOST_TILE_ROWS)
            .min(rows);
        let (passes, efficiency) = match role {
            Role::Decode => (1.0, 1.0),
            Role::Prefill => (
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
        // Whole row groups are divided, the first workers get one more: that is the imbalance.
        let share = |worker: usize| {
            let extra = usize::from(worker < groups % crew.threads());
            (groups / crew.threads() + extra) as f64 / groups as f64
        };
        let reading = self.read_seconds(crew, setting.local, |worker| bytes * share(worker));
        let reached = match role {
            Role::Decode => self.prefetch_efficiency(setting.plan.blocking.prefetch_bytes),
            Role::Prefill => 1.0,
        };
        let compute = (0..crew.threads())
            .map(|worker| work * share(worker) / self.core_factor(crew, worker))
            .fold(0.0, f64::max);
        // Prefetching hides the latency that keeps a core below its own limit; a node that gives all
        // it has gives no more for it, but loses what waits in between.
        [reading.0 / reached.sqrt(), reading.1 / reached, compute]
    }

    /// The node that takes longest, and the core that takes longest, when every worker reads its bytes.
    fn read_seconds(&self, crew: &Crew, local: f64, bytes: impl Fn(usize) -> f64) -> (f64, f64) {
        let memory = &self.description.memory;
        let mut by_node = vec![0.0; self.layout.nodes];
        let mut core: f64 = 0.0;
        // Threads that move read what another node's thread touched, and leave their caches behind.
        let (local, moved) = if crew.pinned {
            (local, 1.0)
        } else {
            (local / crew.nodes_used as f64, memory.unpinned_factor)
        };
        let far = local + (1.0 - local) / memory.remote_factor;
        for (worker, node) in crew.nodes.iter().enumerate() {
            let bytes = bytes(worker) * far / moved;
            by_node[*node] += bytes;
            let sharers = crew.sharers[worker];
            let gain = if sharers > 1 { memory.smt_gain } else { 1.0 };
            let rate = memory.core_gb_per_second * 1e9 * gain / sharers as f64;
            core = core.max(bytes / rate);
        }
        let node = by_node
            .iter()
            .enumerate()
            .map(|(node, bytes)| bytes / (memory.node_gb_per_second.at(node) * 1e9));
        (node.fold(0.0, f64::max), core)
    }

    /// One core's time for one row of one matrix.
    fn core_seconds(&self, plan: &Plan, matrix: &MatrixShape, role: Role) -> f64 {
        let compute = &self.description.compute;
        let choice = plan.kernels.get(matrix.block.name());
        let (name, usual, word) = match role {
            Role::Decode => (
                choice.and_then(|c| c.decode.as_ref()),
                compute.decode_gmac_per_second,
                "decode",
            ),
            Role::Prefill => (
                choice.and_then(|c| c.prefill.as_ref()),
                compute.prefill_gmac_per_second,
                "prefill",
            ),
        };
        let mut listed = self.description.kernels.iter();
        let listed = listed.find(|kernel| {
            kernel.block == matrix.block.name()
                && kernel.role == word
                && name.is_none_or(|name| kernel.name == *name)
        });
        let clocks = self.description.clocks();
        let seconds = listed.and_then(|kernel| kernel.seconds(matrix, clocks));
        seconds.unwrap_or((matrix.rows * matrix.columns) as f64 / (usual * 1e9))
    }

    /// Rate of a worker over that of a core of its own at the clock that rates are given for: the
    /// clock falls as cores get busy, and two threads of a core share its units.
    fn core_factor(&self, crew: &Crew, worker: usize) -> f64 {
        self.clock_factor(crew) * self.smt_factor(crew.sharers[worker])
    }

    fn smt_factor(&self, sharers: usize) -> f64 {
        match sharers {
            1 => 1.0,
            _ => self.description.compute.smt_gain / sharers as f64,
        }
    }

    fn clock_factor(&self, crew: &Crew) -> f64 {
        let compute = &self.description.compute;
        let (busy, all) = crew.busy_cores;
        let share = busy.saturating_sub(1) as f64 / all.saturating_sub(1).max(1) as f64;
        1.0 - share * (1.0 - compute.clock_all_cores_ghz / compute.clock_ghz)
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
    fn spill_seconds(&self, setting: &Setting<'_>) -> f64 {
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
        let (node, core) = self.read_seconds(setting.crew, 1.0, |_| each);
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

    fn barrier_seconds(&self, crew: &Crew) -> f64 {
        let barrier = &self.description.barrier;
        if crew.threads() < 2 {
            return 0.0;
        }
        let doublings = (crew.threads() as f64).log2();
        let (nodes, packages) = (crew.nodes_used - 1, crew.packages_used - 1);
        let across = nodes as f64 * barrier.per_node_us + packages as f64 * barrier.per_package_us;
        1e-6 * (barrier.base_us + doublings * barrier.per_doubling_us + across)
    }

    /// Attention of one decode step over `positions`. Units are (key/value head, chunk of positions);
    /// the worker with most of them is waited for. Small chunks balance well, but every unit costs,
    /// and every worker merges the partial results of all chunks for itself.
    pub(super) fn attention_seconds(&self, setting: &Setting<'_>, positions: usize) -> f64 {
        let (parts, merge) = self.attention_parts(setting, positions);
        overlapped(&parts) + merge
    }

    /// Memory, cores' share of it, and arithmetic of a step's attention, and what merging adds, seconds.
    pub(super) fn attention_parts(
        &self,
        setting: &Setting<'_>,
        positions: usize,
    ) -> ([f64; 3], f64) {
        let (crew, info) = (setting.crew, &self.shape.info);
        let chunks = positions.div_ceil(setting.plan.blocking.attention_chunk.max(1));
        let units = info.kv_heads * chunks;
        let most = units.div_ceil(crew.threads()) as f64;
        let in_unit = positions as f64 / chunks as f64;
        let group = (info.heads / info.kv_heads.max(1)) as f64;
        let factor = self.clock_factor(crew) * self.smt_factor(crew.most_sharers());
        let rate = self.description.compute.attention_gmac_per_second * 1e9 * factor;
        let head = self.shape.head_size as f64;
        let unit =
            2.0 * group * head * in_unit / rate + self.description.step.attention_unit_us * 1e-6;
        let merge = (info.heads * chunks) as f64 * head / rate;
        let layers = info.layers.max(1) as f64;
        let bytes = info.kv_bytes_per_position as f64 / layers * positions as f64;
        let busy = units.min(crew.threads()).max(1) as f64;
        let (node, core) =
            self.read_seconds(
                crew,
                1.0,
                |worker| if worker < units { bytes / busy } else { 0.0 },
            );
        let parts = [node, core, most * unit].map(|part| layers * part);
        (parts, layers * merge)
    }

    /// Attention of a chunk of a prompt behind `before` positions: its rows look at all of them and,
    /// on average, at half of their own.
    fn prompt_attention_seconds(&self, setting: &Setting<'_>, before: usize) -> f64 {
        let (crew, info) = (setting.crew, &self.shape.info);
        let seen = before as f64 + setting.rows as f64 / 2.0;
        let work = 2.0
            * (info.layers * info.heads * self.shape.head_size) as f64
            * seen
            * setting.rows as f64;
        let all: f64 = (0..crew.threads())
            .map(|worker| self.core_factor(crew, worker))
            .sum();
        work / (self.description.compute.prompt_attention_gmac_per_second * 1e9 * all)
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

/// Time of things that overlap: the longest, and more where others are nearly as long.
fn overlapped(parts: &[f64]) -> f64 {
    let longest = parts.iter().copied().fold(0.0, f64::max);
    if longest <= 0.0 {
        return 0.0;
    }
    let sum: f64 = parts
        .iter()
        .map(|part| (part / longest).powf(OVERLAP))
        .sum();
    longest * sum.powf(1.0 / OVERLAP)
}
