//! Whose memory workers read, on hosts that are only described: the real loader and the real step run with as
//! many workers as the host would have, each of which is told the node that it is on. What is read where is noted
//! as it happens; which pages would be on which node follows from who writes first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use sysinfer_machine::{Lines, MapPolicy, Topology, place};

use super::loading::SYNTHETIC_SEED;
use super::*;
use crate::model::config::{Config, Experts};
use crate::model::matrix::Shares;
use crate::model::preset::Preset;
use crate::model::source::Synthetic;
use crate::model::weights::FeedForward;
use crate::noted::addresses;
use crate::plan::PhasePlan;
use crate::sequence::Sequence;

const VOCABULARY: usize = 2048;
const EXPERTS: usize = 16;
/// Tokens of the sequence: two blocks of the cache and some of a third.
const TOKENS: usize = 300;
/// Pages of hosts: x86-64 and arm64 have 4 KiB, arm64 may have 64 KiB, huge ones are of 2 MiB.
const PAGES: [usize; 3] = [4 << 10, 64 << 10, 2 << 20];

/// A preset's shape with one layer, few tokens and few experts: its layers are alike.
fn model(preset: Preset) -> (Synthetic, Config) {
    let few = |experts: Experts| Experts {
        count: EXPERTS,
        ..experts
    };
    let config = preset.config();
    let config = Config {
        layers: 1,
        vocabulary_size: VOCABULARY,
        experts: config.experts.map(few),
        ..config
    };
    let mut source = Synthetic::new(preset, SYNTHETIC_SEED);
    source.reshape(|tensor| {
        if tensor.matrices > 1 {
            tensor.rows = tensor.rows / tensor.matrices * EXPERTS;
            tensor.matrices = EXPERTS;
        }
        match tensor.name.as_str() {
            "token_embd.weight" | "output.weight" => tensor.rows = VOCABULARY,
            "blk.0.ffn_gate_inp.weight" => tensor.rows = EXPERTS,
            _ => {}
        }
        !tensor.name.starts_with("blk.") || tensor.name.starts_with("blk.0.")
    });
    (source, config)
}

/// A host that this one is taken for: pins to CPUs that it does not have are refused, and change nothing here.
fn host(description: &str) -> Topology {
    let topology = Topology::from_synthetic(description).expect("a topology");
    Topology {
        is_this_host: true,
        ..topology
    }
}

/// Leaves only some nodes to this process, as a cpuset does.
fn hidden(mut topology: Topology, nodes: &[usize]) -> Topology {
    topology.cpus.retain(|cpu| nodes.contains(&cpu.node));
    topology.nodes.retain(|node| nodes.contains(&node.id));
    topology
}

/// Numbers CPUs as some firmware does: one of each node in turn.
fn interleaved(mut topology: Topology) -> Topology {
    let nodes = topology.nodes.len();
    let mut new = BTreeMap::new();
    for (place, node) in topology.nodes.iter_mut().enumerate() {
        for (rank, cpu) in node.cpus.iter_mut().enumerate() {
            new.insert(*cpu, rank * nodes + place);
            *cpu = new[cpu];
        }
    }
    topology
        .cpus
        .iter_mut()
        .for_each(|cpu| cpu.id = new[&cpu.id]);
    topology
}

fn plan(topology: &Topology, policy: MapPolicy, threads: usize) -> Plan {
    let phase = PhasePlan {
        threads,
        map: policy.name().into(),
        cpus: place(topology, policy, threads).expect("there are as many"),
    };
    let mut plan = Plan::with_threads(phase);
    plan.blocking.attention_chunk = 64;
    plan
}

fn engine(preset: Preset, topology: &Topology, plan: Plan) -> Engine {
    let (source, config) = model(preset);
    let precision = Precision::default();
    Engine::of_source(&source, config, plan, precision, topology, &mut |_| {}).expect("an engine")
}

/// Who reads what of some memory, and which node each page of it is on.
struct Memory {
    /// By the number of the page; nodes of all who write there before anybody reads.
    written: BTreeMap<usize, BTreeSet<usize>>,
    page: usize,
}

impl Memory {
    fn new(page: usize, writes: impl Iterator<Item = (usize, Range<usize>)>) -> Memory {
        let mut written = BTreeMap::<usize, BTreeSet<usize>>::new();
        for (node, bytes) in writes.filter(|(_, bytes)| !bytes.is_empty()) {
            for page in bytes.start / page..=(bytes.end - 1) / page {
                written.entry(page).or_default().insert(node);
            }
        }
        Memory { written, page }
    }

    /// Bytes of these that may be on another node than `node`, if first touch alone decides.
    fn remote(&self, node: usize, bytes: &Range<usize>) -> usize {
        let mut remote = 0;
        let mut at = bytes.start;
        while at < bytes.end {
            let end = bytes.end.min((at / self.page + 1) * self.page);
            let nodes = &self.written[&(at / self.page)];
            if nodes.len() > 1 || !nodes.contains(&node) {
                remote += end - at;
            }
            at = end;
        }
        remote
    }
}

/// What a step reads.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    bytes: usize,
    /// By [`PAGES`], where the system refuses to bind memory.
    remote: [usize; 3],
    /// Where it binds.
    remote_bound: usize,
}

impl Read {
    fn add(&mut self, other: &Read) {
        self.bytes += other.bytes;
        self.remote_bound += other.remote_bound;
        for (sum, remote) in self.remote.iter_mut().zip(other.remote) {
            *sum += remote;
        }
    }
}

/// What a step of one token reads of weights and cache, after a prompt. Everything is read once, and by workers
/// whose shares are as even as row groups allow.
fn step(engine: &mut Engine) -> [Read; 2] {
    let prompt: Vec<u32> = (0..TOKENS as u32).collect();
    let mut sequence = engine.sequence(TOKENS + 8).expect("there is no limit");
    let run = |engine: &mut Engine, sequence: &mut Sequence, tokens: &[u32]| {
        let entry = Entry {
            sequence,
            tokens,
            wanted: Wanted::Last,
        };
        engine.step(&mut [entry]).map(drop).expect("it runs");
    };
    run(engine, &mut sequence, &prompt);
    engine
        .model
        .weights
        .matrices()
        .for_each(|matrix| matrix.reads.begin());
    sequence
        .blocks()
        .iter()
        .for_each(|block| block.reads.begin());
    run(engine, &mut sequence, &[1]);
    [weights(engine), cache(engine, &sequence)]
}

fn weights(engine: &Engine) -> Read {
    let (nodes, _) = engine.teams.nodes(&engine.topology);
    let mut all = Read::default();
    // Every page of all matrices, since they share some.
    let written = PAGES.map(|page| {
        let matrices = engine.model.weights.matrices();
        let writes = matrices.flat_map(|matrix| matrix.writers());
        Memory::new(
            page,
            writes.map(|(_, node, bytes)| (node, addresses(bytes))),
        )
    });
    for matrix in engine.model.weights.matrices() {
        let writers = matrix.writers();
        let home = |at: usize| {
            let part = writers
                .iter()
                .find(|(_, _, bytes)| addresses(bytes).contains(&at));
            part.expect("what is read was packed").1
        };
        let group = matrix.len_bytes() / matrix.groups() / matrix.experts;
        let mut once = BTreeSet::new();
        let mut shares = vec![0; nodes.len()];
        for (worker, bytes) in matrix.reads.take() {
            let node = nodes[worker];
            shares[worker] += bytes.len() / group;
            let mut read = Read {
                bytes: bytes.len(),
                ..Read::default()
            };
            for start in bytes.clone().step_by(group) {
                assert!(once.insert(start), "a row group is read twice");
                read.remote_bound += if home(start) == node { 0 } else { group };
            }
            read.remote = [0, 1, 2].map(|page| written[page].remote(node, &bytes));
            all.add(&read);
        }
        if matrix.experts == 1 {
            assert_eq!(
                once.len(),
                matrix.groups(),
                "{} x {}",
                matrix.columns,
                matrix.rows
            );
        }
    }
    all
}

fn cache(engine: &Engine, sequence: &Sequence) -> Read {
    let (nodes, _) = engine.teams.nodes(&engine.topology);
    let shape = engine.cache.shape();
    let mut all = Read::default();
    for (number, block) in sequence.blocks().iter().enumerate() {
        let turn = engine.homes.turns().home(number);
        let written = engine.heads.decode.written(turn);
        let heads = |worker| written.by(worker).map(move |head| (worker, head));
        let writes = || {
            let all = (0..nodes.len()).flat_map(heads);
            all.map(|(worker, head)| (nodes[worker], addresses(block.head_part(0, head))))
        };
        // Parts that are smaller than a page of the larger kinds begin at smaller ones, and take no others.
        let part = 1 << shape.part_stride().trailing_zeros();
        let pages = PAGES.map(|page| match engine.homes.parts() {
            1 => page,
            _ => page.min(part),
        });
        let written = pages.map(|page| Memory::new(page, writes()));
        for (worker, bytes) in block.reads.take() {
            let head = (0..shape.heads).find(|head| {
                let head = addresses(block.head_part(0, *head));
                head.start <= bytes.start && bytes.end <= head.end
            });
            let head = head.expect("reads are of one head");
            let home = match engine.homes.nodes() {
                Some(homes) => homes[turn + head / shape.part_heads()],
                None => nodes[worker],
            };
            let elsewhere = home != nodes[worker];
            all.add(&Read {
                bytes: bytes.len(),
                remote: [0, 1, 2].map(|page| written[page].remote(nodes[worker], &bytes)),
                remote_bound: if elsewhere { bytes.len() } else { 0 },
            });
        }
    }
    all
}

/// By how many row groups of a product the workers' shares differ at most.
fn unevenness(engine: &Engine) -> usize {
    let weights = &engine.model.weights;
    let mut all = vec![&weights.output.shares];
    for layer in &weights.layers {
        all.extend([&layer.qkv.shares, &layer.attention_output.shares]);
        match &layer.feed_forward {
            FeedForward::Dense(dense) => all.extend([&dense.gated.shares, &dense.down.shares]),
            FeedForward::Experts(experts) => {
                let router = &experts.router.shares;
                all.extend([router, &experts.hidden_shares, &experts.output_shares]);
            }
        }
    }
    let uneven = |shares: &Shares| {
        let lens = || {
            let groups = &shares.of(Phase::Decode).groups;
            groups.iter().map(|range| range.len())
        };
        lens().max().unwrap_or(0) - lens().min().unwrap_or(0)
    };
    all.into_iter().map(uneven).max().unwrap_or(0)
}

/// Columns that a node's workers write end where a cache line does.
fn assert_lines_of_one_node(engine: &Engine) {
    let (nodes, _) = engine.teams.nodes(&engine.topology);
    for layer in &engine.model.weights.layers {
        for shares in [&layer.qkv.shares, &layer.attention_output.shares] {
            for worker in 1..nodes.len() {
                let start = shares.of(Phase::Decode).columns.get(worker).start;
                let same = nodes[worker] == nodes[worker - 1];
                assert!(
                    same || start.is_multiple_of(Lines::LINE),
                    "{worker}: {start}"
                );
            }
        }
    }
}

fn assert_local(engine: &mut Engine, what: &str) {
    let [weights, cache] = step(engine);
    for (kind, read) in [("weights", &weights), ("cache", &cache)] {
        assert!(read.bytes > 0, "{what}: {kind}");
        let none = ([0; 3], 0);
        assert_eq!(
            (read.remote, read.remote_bound),
            none,
            "{what}: {kind}: {read:?}"
        );
    }
    assert!(unevenness(engine) <= 1, "{what}");
}

#[test]
fn workers_read_the_memory_of_their_own_node() {
    let reference = "pack:2 numa:2 l3:1 core:24 pu:1";
    let spread = |threads| (MapPolicy::Spread, threads);
    let hosts = [
        (
            "two nodes",
            host("pack:2 numa:1 l3:1 core:8 pu:1"),
            spread(16),
        ),
        // 22 workers on each of four nodes, as in the guide of the original.
        ("88 of 96 CPUs", host(reference), spread(88)),
        // Four heads do not divide by three nodes: each has positions.
        (
            "three nodes",
            host("pack:3 numa:1 l3:1 core:8 pu:1"),
            spread(24),
        ),
        (
            "every second core",
            host(reference),
            (MapPolicy::PerCluster, 48),
        ),
        (
            "two nodes of four",
            host(reference),
            (MapPolicy::Compact, 48),
        ),
        (
            "numbers that interleave",
            interleaved(host(reference)),
            spread(88),
        ),
        ("hidden nodes", hidden(host(reference), &[1, 2]), spread(40)),
        (
            "hardware threads",
            host("pack:2 numa:2 l3:1 core:8 pu:2"),
            (MapPolicy::Smt, 64),
        ),
    ];
    for (what, topology, (policy, threads)) in hosts {
        let plan = plan(&topology, policy, threads);
        let mut engine = engine(Preset::Qwen3Moe30b, &topology, plan);
        let (nodes, _) = engine.teams.nodes(&topology);
        for matrix in engine.model.weights.matrices() {
            let writers = matrix.writers().into_iter();
            assert!(
                writers.map(|(_, node, _)| node).eq(nodes.iter().copied()),
                "{what}"
            );
        }
        assert_local(&mut engine, what);
    }
}

/// The table of what a token reads from other nodes, for models and teams as they are used: nothing.
#[test]
fn no_share_of_any_model_is_on_another_node() {
    println!(
        "model, nodes, workers: MB of weights and of cache that a step reads in one layer; on other nodes,"
    );
    println!("bound / by first touch with pages of 4 KiB, 64 KiB, 2 MiB");
    for preset in [
        Preset::Llama3_8b,
        Preset::Baichuan2_13b,
        Preset::Qwen3Moe30b,
    ] {
        for (description, teams) in [
            ("pack:2 numa:1 l3:1 core:64 pu:1", [32, 64, 128]),
            ("pack:2 numa:2 l3:1 core:32 pu:1", [32, 88, 128]),
        ] {
            let topology = host(description);
            let plan = |threads| plan(&topology, MapPolicy::Spread, threads);
            let mut engine = engine(preset, &topology, plan(teams[0]));
            for threads in teams {
                engine.replan(plan(threads)).expect("it can be followed");
                let [weights, cache] = step(&mut engine);
                assert_lines_of_one_node(&engine);
                let none = ([0; 3], 0);
                for (what, read) in [("weights", weights), ("cache", cache)] {
                    println!(
                        "{}, {}, {threads}: {what} {:.2}; {:.2} / {:.2?}",
                        preset.name(),
                        topology.nodes.len(),
                        read.bytes as f64 / 1e6,
                        read.remote_bound as f64 / 1e6,
                        read.remote.map(|bytes| bytes as f64 / 1e6),
                    );
                    assert_eq!((read.remote, read.remote_bound), none, "{what}");
                }
            }
        }
    }
}
