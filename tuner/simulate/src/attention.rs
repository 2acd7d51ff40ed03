//! Attention on a simulated host: who reads which keys and values, where they lie, and how long that takes.
//!
//! Who has which heads, and how units of work are divided, is asked of the engine. Every head is taken to
//! read all positions, also where ALiBi would let it leave some out.

use sysinfer_engine::Plan;
use sysinfer_engine::kv::HeadShares;
use sysinfer_engine::model::attention::divide::{divide, prompt_tokens, row_cost, unit_home};
use sysinfer_engine::model::attention::merges_together;
use sysinfer_kernels::attention::PARTIAL_HEAD;

use super::crew::Crew;
use super::machine::{Machine, overlapped};
use super::reading::Reads;
use super::setting::{Heads, Setting};

impl Heads {
    /// The node of a unit's keys and values.
    fn home(&self, unit: &Unit) -> Option<usize> {
        let turn = self.shares.turns().of_position(unit.start);
        self.homes.as_ref().map(|homes| homes[turn][unit.head])
    }
}

/// What attention of one decode step waits for, all layers, seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AttentionParts {
    /// Memory, cores' share of it and arithmetic of units.
    pub(super) units: [f64; 3],
    /// Cores' reading and their arithmetic of merging what units leave.
    pub(super) merging: [f64; 2],
    /// Meeting once more, where workers merge together.
    pub(super) meeting: f64,
}

/// A unit of a decode step.
struct Unit {
    worker: usize,
    head: usize,
    start: usize,
    positions: usize,
}

impl AttentionParts {
    /// All of it.
    pub(super) fn seconds(self) -> f64 {
        overlapped(&self.units) + overlapped(&self.merging) + self.meeting
    }
}

impl Machine {
    /// The heads of the model for a team beside the decode team, both under this plan.
    pub(super) fn heads(&self, plan: &Plan, decode: &Crew, team: &Crew) -> Heads {
        let (count, chunk) = (self.shape.info.kv_heads, plan.blocking.attention_chunk);
        // The engine takes threads that may move for those of one node.
        let known = |crew: &Crew| match crew.pinned {
            true => crew.nodes.clone(),
            false => vec![0; crew.threads()],
        };
        let decode_nodes = known(decode);
        let shares = |nodes: &[usize]| HeadShares::of_team(count, chunk, &decode_nodes, nodes);
        let writers = shares(&decode_nodes);
        let of_turn = |turn| {
            let mut homes = vec![0; count];
            for (worker, node) in decode_nodes.iter().enumerate() {
                homes[writers.written(turn).by(worker)].fill(*node);
            }
            homes
        };
        let homes = || (0..writers.turns().homes).map(of_turn).collect();
        Heads {
            homes: decode.pinned.then(homes),
            shares: shares(&known(team)),
        }
    }

    /// Attention of one decode step over `positions`, seconds.
    pub(super) fn attention_seconds(&self, setting: &Setting<'_>, positions: usize) -> f64 {
        self.attention_parts(setting, positions).seconds()
    }

    /// What that waits for. Units are (key/value head, chunk of positions) and belong to the workers that
    /// share the head; small chunks balance well, but every unit costs, and leaves results to be merged, by every
    /// worker for itself or, where they are many, by all together.
    pub(super) fn attention_parts(
        &self,
        setting: &Setting<'_>,
        positions: usize,
    ) -> AttentionParts {
        let (crew, info, compute) = (setting.crew, &self.shape.info, &self.description.compute);
        let units = decode_units(setting, positions);
        let (size, group) = (self.shape.head_size as f64, self.group());
        let of_layer = info.kv_bytes_per_position as f64 / info.layers.max(1) as f64;
        let bytes_each = of_layer / info.kv_heads.max(1) as f64;
        let products_each = 2.0 * group as f64 * size;
        let rate = compute.attention_gmac_per_second.of_group(group) * 1e9;
        let mut reads = vec![Reads::default(); crew.threads()];
        let mut seconds = vec![0.0; crew.threads()];
        let mut given = vec![0.0; self.layout.nodes];
        let mut left_on = vec![0.0; self.layout.nodes];
        for unit in &units {
            let (bytes, node) = (unit.positions as f64 * bytes_each, crew.nodes[unit.worker]);
            let home = setting.heads.home(unit);
            match home {
                Some(home) if home != node => reads[unit.worker].far += bytes,
                _ => reads[unit.worker].near += bytes,
            }
            match home {
                Some(home) => given[home] += bytes,
                None => crew.spread(bytes, &mut given),
            }
            left_on[node] += 1.0 / units.len() as f64;
            let work = unit.positions as f64 * products_each / rate;
            seconds[unit.worker] += work / self.core_factor(crew, unit.worker)
                + self.description.step.attention_unit_us * 1e-6;
        }
        let (way, core) = self.read_seconds(crew, |worker| reads[worker]);
        let memory = way.max(self.giving_seconds(&given));
        let busiest = seconds.into_iter().fold(0.0, f64::max);
        // What another core has just written comes as fast as from the memory of its node: assumed.
        let partials = (group * units.len()) as f64;
        let partial_bytes = partials * (PARTIAL_HEAD as f64 + size) * size_of::<f32>() as f64;
        let heads = info.heads.max(1);
        let together = merges_together(partial_bytes as usize, crew.threads());
        // The worker with most heads is waited for, unless each merges all of them; then each reads what all have
        // merged.
        let (share, finished, meeting) = match together {
            true => (
                heads.div_ceil(crew.threads()) as f64 / heads as f64,
                heads as f64 * size * size_of::<f32>() as f64,
                self.barrier_seconds(crew),
            ),
            false => (1.0, 0.0, 0.0),
        };
        let workers_on = crew.node_shares(self.layout.nodes);
        let fetched = self.read_seconds(crew, |worker| {
            let node = crew.nodes[worker];
            Reads::of(share * partial_bytes, left_on[node])
                .and(Reads::of(finished, workers_on[node]))
        });
        let slowest = (0..crew.threads()).map(|worker| self.core_factor(crew, worker));
        let slowest = slowest.fold(f64::INFINITY, f64::min);
        let merged = share * partials * size / (compute.merge_rate() * 1e9 * slowest);
        let layers = info.layers.max(1) as f64;
        AttentionParts {
            units: [memory, core, busiest].map(|part| layers * part),
            merging: [fetched.1, merged].map(|part| layers * part),
            meeting: layers * meeting,
        }
    }

    /// Attention of a chunk of a prompt behind `before` positions. Arithmetic alone: rows of a unit share
    /// what they read.
    pub(super) fn prompt_attention_seconds(&self, setting: &Setting<'_>, before: usize) -> f64 {
        let (crew, info) = (setting.crew, &self.shape.info);
        let group = self.group();
        let tile = prompt_tokens(group);
        let tiles = (0..setting.rows).step_by(tile).map(|first| {
            let rows = tile.min(setting.rows - first);
            (rows, before + first + rows)
        });
        let tiles: Vec<(usize, usize)> = tiles.collect();
        let costs: Vec<usize> = tiles
            .iter()
            .map(|(rows, seen)| rows * row_cost(*seen))
            .collect();
        let products_each = (2 * group * self.shape.head_size) as f64;
        let rate = self.description.compute.prompt_attention_gmac_per_second * 1e9;
        let mut busiest: f64 = 0.0;
        let home = |unit| unit_home(setting.heads.shares.turns(), unit, 1, 0);
        each_share(setting, &costs, home, |worker, units| {
            let products = units.iter().map(|unit| {
                let (rows, seen) = tiles[unit % tiles.len()];
                (rows * seen) as f64 * products_each
            });
            let seconds = products.sum::<f64>() / (rate * self.core_factor(crew, worker));
            busiest = busiest.max(seconds);
        });
        info.layers as f64 * busiest
    }

    /// Query heads per key/value head.
    fn group(&self) -> usize {
        self.shape.info.heads / self.shape.info.kv_heads.max(1)
    }
}

/// The units of a decode step over `positions`.
fn decode_units(setting: &Setting<'_>, positions: usize) -> Vec<Unit> {
    let chunk = setting.plan.blocking.attention_chunk.max(1);
    let chunks = (0..positions)
        .step_by(chunk)
        .map(|start| chunk.min(positions - start));
    let chunks: Vec<usize> = chunks.collect();
    let costs: Vec<usize> = chunks
        .iter()
        .map(|positions| row_cost(*positions))
        .collect();
    let turns = setting.heads.shares.turns();
    let home = |unit: usize| {
        let start = unit % chunks.len() * chunk;
        unit_home(turns, unit / chunks.len(), chunks.len(), start)
    };
    let mut all = Vec::new();
    each_share(setting, &costs, home, |worker, units| {
        all.extend(units.iter().map(|unit| Unit {
            worker,
            head: unit / chunks.len(),
            start: unit % chunks.len() * chunk,
            positions: chunks[unit % chunks.len()],
        }));
    });
    all
}

/// Divides the units of all heads, each of which has those of `costs`, and hands every worker's out by
/// their numbers: head by head, and in the order of `costs`. `home` says whose turn a unit is.
fn each_share(
    setting: &Setting<'_>,
    costs: &[usize],
    home: impl Fn(usize) -> usize,
    mut take: impl FnMut(usize, &[usize]),
) {
    for group in setting.heads.shares.groups() {
        let units = group.heads.start * costs.len()..group.heads.end * costs.len();
        let own = |unit: &usize| group.turn.is_none_or(|turn| turn == home(*unit));
        let units: Vec<usize> = units.filter(own).collect();
        let costs: Vec<usize> = units.iter().map(|unit| costs[unit % costs.len()]).collect();
        let shares = divide(&costs, group.workers.len());
        for (worker, share) in group.workers.clone().zip(shares) {
            take(worker, &units[share]);
        }
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::Preset;
    use sysinfer_machine::MapPolicy;

    use super::super::Description;
    use super::super::tests::{machine, plan};
    use super::*;

    /// 4 nodes of 4 cores of 20 GB/s on 50 GB/s each; what is remote costs `remote` of the rate.
    fn four_nodes(remote: f64, preset: Preset) -> Machine {
        let change = |host: &mut Description| {
            host.topology = "pack:2 numa:2 l3:1 core:4 pu:1".into();
            host.memory.remote_factor = remote;
        };
        machine(change, preset)
    }

    fn parts(machine: &Machine, plan: &Plan, positions: usize) -> AttentionParts {
        let crew = machine.crew(&plan.decode).expect("CPUs are there");
        let heads = machine.heads(plan, &crew, &crew);
        machine.attention_parts(&Setting::of_decode(&crew, plan, &heads), positions)
    }

    /// The plan with a decode team on just these CPUs.
    fn on(plan: &Plan, cpus: &[usize]) -> Plan {
        let mut plan = plan.clone();
        plan.decode.cpus = cpus.to_vec();
        plan.decode.threads = cpus.len();
        plan
    }

    #[test]
    fn four_nodes_read_an_equal_part_of_the_cache_from_their_own_memory() {
        for preset in [Preset::Llama3_8b, Preset::Baichuan2_13b] {
            let near = four_nodes(1.0, preset);
            let plan = plan(&near, MapPolicy::Spread, 16);
            let all = 2048.0 * near.shape.info.kv_bytes_per_position as f64;
            let units = parts(&near, &plan, 2048).units;
            assert!(
                (units[0] / (all / 4.0 / 50e9) - 1.0).abs() < 1e-9,
                "{units:?}"
            );
            // And that of a node is divided among its workers evenly enough.
            assert!(
                (0.99..1.2).contains(&(units[1] / (all / 16.0 / 20e9))),
                "{units:?}"
            );
            let far = four_nodes(0.01, preset);
            assert_eq!(parts(&far, &plan, 2048).units, units, "nothing is remote");
        }
    }

    #[test]
    fn heads_that_do_not_divide_have_positions_on_every_node() {
        // Eight heads, three nodes of four workers, which have 256 positions in turn.
        let cpus: Vec<usize> = (0..12).collect();
        let [near, far] = [1.0, 0.5].map(|remote| {
            let machine = four_nodes(remote, Preset::Llama3_8b);
            let mut plan = on(&plan(&machine, MapPolicy::Compact, 16), &cpus);
            plan.blocking.attention_chunk = 256;
            parts(&machine, &plan, 2048).units
        });
        let machine = four_nodes(1.0, Preset::Llama3_8b);
        let all = 2048.0 * machine.shape.info.kv_bytes_per_position as f64;
        // Three of eight turns are the first node's.
        let memory = all * 3.0 / 8.0 / 50e9;
        assert!((near[0] / memory - 1.0).abs() < 1e-9, "{near:?}");
        assert_eq!(far, near, "nothing is remote");
    }

    #[test]
    fn a_cache_without_a_division_costs_what_is_remote() {
        // Workers of two nodes each take turns, so heads are where they are written first: with every other
        // worker, since there are half as many. The worker beside it reads half of the head.
        let cpus = [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15];
        let [near, far] = [1.0, 0.5].map(|remote| {
            let machine = four_nodes(remote, Preset::Llama3_8b);
            let plan = on(&plan(&machine, MapPolicy::Compact, 16), &cpus);
            parts(&machine, &plan, 2048).units
        });
        let machine = four_nodes(1.0, Preset::Llama3_8b);
        let all = 2048.0 * machine.shape.info.kv_bytes_per_position as f64;
        let memory = all / 2.0 / 50e9;
        assert!((near[0] / memory - 1.0).abs() < 1e-9, "two nodes: {near:?}");
        let core = all / 16.0 / 20e9;
        assert!((near[1] / core - 1.0).abs() < 1e-9, "{near:?}");
        assert!((far[1] / core - 2.0).abs() < 1e-9, "{far:?}");
        assert_eq!(far[2], near[2]);
    }

    #[test]
    fn workers_without_a_place_find_a_part_of_the_cache_on_every_node() {
        let machine = four_nodes(0.5, Preset::Llama3_8b);
        let pinned = plan(&machine, MapPolicy::Spread, 16);
        let mut moving = pinned.clone();
        moving.decode = sysinfer_engine::PhasePlan::unpinned(16);
        let (stays, moves) = (
            parts(&machine, &pinned, 2048),
            parts(&machine, &moving, 2048),
        );
        // A quarter is near, the rest takes twice as long, and caches are left behind.
        let factor = (0.25 + 0.75 / 0.5) / 0.9;
        let ratio = moves.units[1] / stays.units[1];
        assert!((ratio / factor - 1.0).abs() < 1e-9, "{ratio} {factor}");
    }

    #[test]
    fn the_node_with_fewest_workers_is_waited_for() {
        let five = |host: &mut Description| host.topology = "pack:2 numa:2 l3:1 core:5 pu:1".into();
        let machine = machine(five, Preset::Llama3_8b);
        let mut full = plan(&machine, MapPolicy::Compact, 20);
        full.blocking.attention_chunk = 64;
        // One of the last node is missing: it has as many heads as the others.
        let fewer = on(&full, &(0..19).collect::<Vec<usize>>());
        let ratio = parts(&machine, &fewer, 4096).units[2] / parts(&machine, &full, 4096).units[2];
        assert!((1.2..=1.25).contains(&ratio), "{ratio}");
        let prompt = |plan: &Plan| {
            let crew = machine.crew(&plan.decode).expect("CPUs are there");
            let heads = machine.heads(plan, &crew, &crew);
            let setting = Setting {
                rows: 512,
                ..Setting::of_decode(&crew, plan, &heads)
            };
            machine.prompt_attention_seconds(&setting, 3584)
        };
        let ratio = prompt(&fewer) / prompt(&full);
        assert!((1.2..=1.25).contains(&ratio), "{ratio}");
        // 20 workers without imbalance: rows see what is before them and their tile.
        let info = &machine.shape.info;
        let products = 2.0 * (info.layers * info.heads * 128 * 512) as f64 * (3584.0 + 264.0);
        let even = products / (20.0 * 20e9);
        assert!(
            (1.0..1.05).contains(&(prompt(&full) / even)),
            "{}",
            prompt(&full) / even
        );
    }

    #[test]
    fn few_results_are_merged_by_each_and_many_together() {
        let machine = four_nodes(0.5, Preset::Llama3_8b);
        let mut plan = plan(&machine, MapPolicy::Spread, 16);
        let mut merging = |chunk| {
            plan.blocking.attention_chunk = chunk;
            parts(&machine, &plan, 4096)
        };
        // Chunks of 32 heads and 32 layers, 130 numbers of 4 bytes: a quarter near, the rest at half the rate. Three
        // chunks are 50 kB a layer, which each of 16 merges for itself; of 16 chunks each merges two heads.
        for (chunk, chunks, share) in [(1400, 3.0, 1.0), (256, 16.0, 2.0 / 32.0)] {
            let found = merging(chunk);
            let partials = share * chunks * 32.0 * 32.0;
            // What is merged together is read once more by all, 16 KB a layer.
            let finished = if share < 1.0 {
                32.0 * 32.0 * 128.0
            } else {
                0.0
            };
            let read = (partials * 130.0 + finished) * 4.0 * (0.25 + 0.75 / 0.5) / 20e9;
            let merged = partials * 128.0 / 10e9;
            for (found, expected) in found.merging.into_iter().zip([read, merged]) {
                assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
            }
            assert_eq!(found.meeting > 0.0, share < 1.0, "{chunk}");
        }
    }

    #[test]
    fn query_heads_that_share_keys_are_faster_together() {
        use super::super::kernel_rate::AttentionRate;
        let rated = |preset| {
            let change = |host: &mut Description| {
                host.compute.attention_gmac_per_second =
                    AttentionRate::ByHeads([5.0, 8.0, 9.0, 10.0]);
                host.step.attention_unit_us = 0.0;
            };
            let machine = machine(change, preset);
            let plan = plan(&machine, MapPolicy::Compact, 1);
            let info = &machine.shape.info;
            let products = (2 * info.layers * info.heads * 128 * 1024) as f64;
            products / parts(&machine, &plan, 1024).units[2] / 1e9
        };
        let (group_of_4, group_of_1) = (rated(Preset::Llama3_8b), rated(Preset::Baichuan2_13b));
        assert!((group_of_4 - 10.0).abs() < 1e-6, "{group_of_4}");
        assert!((group_of_1 - 5.0).abs() < 1e-6, "{group_of_1}");
    }
}
