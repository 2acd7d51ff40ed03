//! The model of a step at its limits, and against what was measured on a real host.

use std::cell::Cell;
use std::path::Path;

use sysinfer_engine::{ModelShape, PhasePlan, Plan, Precision, Preset};
use sysinfer_machine::{MapPolicy, place};
use sysinfer_probe::{Probe, Work};

use super::crew::OVERCOMMIT_SLOWDOWN;
use super::limits::{Bound, section};
use super::{Description, Machine, SimulatedHost, SimulatedProbe};

/// A host of round numbers: 4 cores of 20 GB/s with two threads each on 50 GB/s.
pub(crate) const HOST: &str = r#"
name = "round"
simulated = true
description = "for tests"
topology = "pack:1 numa:1 l3:1 core:4 pu:2"
architecture = "x86_64"
memory_gb = 64.0
l2_kib = 1024.0
l3_mib = 32.0
seed = 1
study_model = "llama3.2-1b"

[memory]
node_gb_per_second = 50.0
core_gb_per_second = 20.0
smt_gain = 0.8
remote_factor = 0.5
unpinned_factor = 0.9

[compute]
clock_ghz = 3.0
clock_all_cores_ghz = 3.0
smt_gain = 1.2
decode_gmac_per_second = 1000.0
prefill_gmac_per_second = 100.0
attention_gmac_per_second = 10.0
prompt_attention_gmac_per_second = 20.0
unpack_rows = 8.0
cache_loss = 0.3

[barrier]
base_us = 0.0
per_doubling_us = 1.0
per_node_us = 1.0
per_package_us = 1.0

[step]
fixed_us = 0.0
attention_unit_us = 0.1
full_host_loss = 0.05

[prefetch]
best_bytes = 2048.0
loss_per_doubling = 0.02
loss_without = 0.1

[noise]
sigma = 0.03
drift_sigma = 0.02
drift_seconds = 60.0
outlier_chance = 0.01
outlier_most = 0.4
void_chance = 0.01

[[kernels]]
name = "fast"
block = "Q4_0"
role = "decode"
gmac_per_second = 1000.0

[[kernels]]
name = "slow"
block = "Q4_0"
role = "decode"
gmac_per_second = 2.0
"#;

pub(super) fn machine(change: impl Fn(&mut Description), preset: Preset) -> Machine {
    let mut description = Description::parse(HOST, "round").expect("a good host");
    change(&mut description);
    let host = SimulatedHost::new(description).expect("a topology");
    host.machine(ModelShape::of_preset(preset, Precision::default()).expect("known types"))
}

pub(super) fn plan(machine: &Machine, policy: MapPolicy, threads: usize) -> Plan {
    let cpus = place(&machine.topology, policy, threads).expect("room");
    let map = policy.name().into();
    let mut plan = Plan::with_threads(PhasePlan { threads, map, cpus });
    plan.blocking.prefetch_bytes = 2048;
    plan
}

fn decode_gb(machine: &Machine, plan: &Plan) -> f64 {
    let seconds = machine.decode_seconds(plan, 16, 17).expect("runs");
    machine.shape.info.decode_bytes as f64 / seconds / 1e9
}

#[test]
fn decoding_is_bound_by_cores_first_and_by_the_node_then() {
    let machine = machine(|_| {}, Preset::Llama3_8b);
    let rate = |threads| decode_gb(&machine, &plan(&machine, MapPolicy::Compact, threads));
    let rates: Vec<f64> = (1..=4).map(rate).collect();
    assert!(
        (18.0..=20.0).contains(&rates[0]),
        "one core's own limit: {rates:?}"
    );
    assert!(
        rates[1] > 1.8 * rates[0],
        "two cores read twice as much: {rates:?}"
    );
    assert!(
        rates[3] < 50.0 && rates[3] > 42.0,
        "the node's limit: {rates:?}"
    );
    assert!(
        rates[3] < 1.2 * rates[2],
        "the fourth adds little: {rates:?}"
    );
    let slow_kernel = |kernel: &str| {
        let mut plan = plan(&machine, MapPolicy::Compact, 2);
        plan.kernels.entry("Q4_0".into()).or_default().decode = Some(kernel.into());
        decode_gb(&machine, &plan)
    };
    assert!(
        slow_kernel("slow") < 0.2 * slow_kernel("fast"),
        "bound by arithmetic"
    );
}

#[test]
fn a_step_is_bound_by_what_takes_longest() {
    let machine = machine(|_| {}, Preset::Llama3_8b);
    let limits = |threads, kernel: &str| {
        let mut plan = plan(&machine, MapPolicy::Compact, threads);
        plan.kernels.entry("Q4_0".into()).or_default().decode = Some(kernel.into());
        machine.decode_limits(&plan, 4096).expect("runs")
    };
    for (threads, kernel, bound, gb_per_second) in [
        (1, "fast", Bound::Reading, 20.0),
        (4, "fast", Bound::Memory, 50.0),
        // 3.93 of 4.89 GB are Q4_0: at 4 x 2 x 10^9 products a second of 0.5625 bytes they take 0.87 s.
        (4, "slow", Bound::Arithmetic, 5.5),
    ] {
        let found = limits(threads, kernel);
        assert_eq!(found.bound(), bound, "{threads} {kernel}: {found:?}");
        let parts = [found.memory, found.reading, found.arithmetic, found.rest];
        let longest = parts.into_iter().fold(0.0, f64::max);
        let rate = found.bytes / longest / 1e9;
        assert!((rate / gb_per_second - 1.0).abs() < 0.15, "{rate}");
        assert!(longest <= found.step && found.step <= parts.iter().sum());
        let waits = [found.weights, found.attention, found.merging, found.rest];
        assert!((waits.iter().sum::<f64>() / found.step - 1.0).abs() < 1e-9);
        assert!(waits[..3].iter().all(|wait| *wait > 0.0), "{waits:?}");
    }
    let found = limits(4, "fast");
    let kv = 4096.0 * machine.shape.info.kv_bytes_per_position as f64;
    assert_eq!(found.bytes, machine.shape.info.decode_bytes as f64 + kv);
    let section = section(
        &machine,
        &plan(&machine, MapPolicy::Compact, 4),
        &[32, 4096],
    );
    let section = section.expect("runs").expect("two lengths");
    assert!(section.lines[0].starts_with("At 32 tokens bound by memory: kernels could read "));
    assert!(
        section.lines[1].contains("memory gives 50 GB/s"),
        "{section:?}"
    );
    assert!(
        section
            .rows
            .iter()
            .all(|row| row.len() == section.header.len())
    );
}

#[test]
fn shipped_hosts_have_kernels_of_this_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hosts");
    let files = std::fs::read_dir(folder).expect("the folder of hosts");
    let mut checked = 0;
    for file in files.map(|entry| entry.expect("a file").path()) {
        let host = Description::load(&file).expect("a good file");
        // Tables of kernels are those of the architecture that this was built for.
        if host.architecture != std::env::consts::ARCH {
            continue;
        }
        for kernel in &host.kernels {
            let found = sysinfer_kernels::table::named(&kernel.name);
            let found = found.unwrap_or_else(|| panic!("{}: {}", file.display(), kernel.name));
            let expected = (&*kernel.block, &*kernel.role);
            assert_eq!((found.block.name(), found.phase.name()), expected);
        }
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn siblings_share_a_core_and_a_full_host_loses() {
    let machine = machine(|_| {}, Preset::Llama3_8b);
    let rate = |policy, threads| decode_gb(&machine, &plan(&machine, policy, threads));
    let (apart, together) = (rate(MapPolicy::Compact, 2), rate(MapPolicy::Smt, 2));
    assert!(together < 0.45 * apart, "{together} of {apart}");
    let (cores, all) = (rate(MapPolicy::Compact, 4), rate(MapPolicy::Compact, 8));
    assert!(
        all < 0.96 * cores,
        "siblings add nothing and no CPU is left: {all} of {cores}"
    );
}

#[test]
fn a_quota_throttles_everybody() {
    let limited = machine(|host| host.cpu_quota = Some(2.5), Preset::Llama3_8b);
    let rate = |threads| decode_gb(&limited, &plan(&limited, MapPolicy::Compact, threads));
    let free = machine(|_| {}, Preset::Llama3_8b);
    assert_eq!(
        rate(2),
        decode_gb(&free, &plan(&free, MapPolicy::Compact, 2))
    );
    let slowdown = decode_gb(&free, &plan(&free, MapPolicy::Compact, 3)) / rate(3);
    assert!(
        (slowdown / OVERCOMMIT_SLOWDOWN - 1.0).abs() < 1e-9,
        "{slowdown}"
    );
    let mut twice = plan(&free, MapPolicy::Compact, 2);
    twice.decode.cpus = vec![0, 0];
    assert!(decode_gb(&free, &twice) < 1.0, "two workers on one CPU");
}

#[test]
fn weights_of_other_nodes_cost() {
    let two = |host: &mut Description| host.topology = "pack:2 numa:1 l3:1 core:4 pu:1".into();
    let machine = machine(two, Preset::Llama3_8b);
    let local = plan(&machine, MapPolicy::Spread, 8);
    let mut apart = local.clone();
    apart.decode = plan(&machine, MapPolicy::Compact, 4).decode;
    apart.prefill.cpus = machine.topology.nodes[1].cpus.clone();
    apart.prefill.threads = 4;
    let mut beside = apart.clone();
    beside.prefill.cpus = machine.topology.nodes[0].cpus.clone();
    let seconds = |plan: &Plan| machine.prefill_seconds(plan, 8).expect("runs");
    assert!(seconds(&apart) > 1.1 * seconds(&beside));
    let mut moving = local.clone();
    moving.decode = PhasePlan::unpinned(8);
    assert!(decode_gb(&machine, &moving) < 0.9 * decode_gb(&machine, &local));
}

#[test]
fn block_sizes_have_an_optimum_inside() {
    let machine = machine(|_| {}, Preset::Llama3_8b);
    let base = plan(&machine, MapPolicy::Compact, 4);
    let best_of = |sizes: &[usize], rate: &dyn Fn(usize) -> f64| -> usize {
        *sizes
            .iter()
            .max_by(|a, b| rate(**a).total_cmp(&rate(**b)))
            .expect("sizes")
    };
    let with = |set: &dyn Fn(&mut Plan)| {
        let mut plan = base.clone();
        set(&mut plan);
        plan
    };
    let prompt = |plan: Plan| 1.0 / machine.prefill_seconds(&plan, 512).expect("runs");
    let rows = best_of(&[4, 16, 32, 64, 128, 256], &|rows| {
        prompt(with(&|p| p.blocking.prefill_rows = rows))
    });
    assert!((32..=128).contains(&rows), "{rows}");
    let deep = |plan: Plan| 1.0 / machine.decode_seconds(&plan, 1024, 1040).expect("runs");
    // Eight heads are no even shares of three workers.
    let three = plan(&machine, MapPolicy::Compact, 3).decode;
    let chunk = best_of(&[32, 128, 256, 512, 2048], &|chunk| {
        deep(with(&|p| {
            p.decode = three.clone();
            p.blocking.attention_chunk = chunk;
        }))
    });
    assert!((64..=1024).contains(&chunk), "{chunk}");
    let prefetch = best_of(&[0, 512, 2048, 8192], &|bytes| {
        deep(with(&|p| p.blocking.prefetch_bytes = bytes))
    });
    assert_eq!(prefetch, 2048);
}

#[test]
fn samples_scatter_about_the_truth_and_take_virtual_time() {
    let quiet = machine(|host| host.noise.outlier_chance = 0.0, Preset::Tiny);
    let (time, plan) = (Cell::new(0.0), plan(&quiet, MapPolicy::Compact, 2));
    let mut probe = SimulatedProbe::new(&quiet, 3, &time);
    let work = Work::Decode {
        prompt_tokens: 16,
        lengths: vec![272],
    };
    let truth = quiet.true_rate(&plan, &work).expect("runs");
    let readings: Vec<_> = (0..400)
        .map(|_| probe.measure(&plan, &work).expect("runs"))
        .collect();
    let voids = readings
        .iter()
        .filter(|reading| reading.disturbed.is_some())
        .count();
    assert!((1..20).contains(&voids), "{voids}");
    let rates: Vec<f64> = readings
        .iter()
        .filter_map(|reading| reading.tokens_per_second())
        .collect();
    let middle = sysinfer_stats::median(&rates);
    assert!((middle / truth - 1.0).abs() < 0.08, "{middle} of {truth}");
    assert!(time.get() > 0.0 && probe.runs == 400);
    let mut foreign = plan.clone();
    foreign.decode.cpus = vec![0, 99];
    assert!(probe.measure(&foreign, &work).is_err(), "no such CPU");
}

#[test]
fn sampled_rates_of_a_simulated_host_are_those_of_whole_runs() {
    use sysinfer_table::sampled::rates::sampled;
    use sysinfer_table::{Stops, TableData};
    let machine = machine(
        |host| {
            let noise = &mut host.noise;
            (noise.sigma, noise.drift_sigma) = (0.0, 0.0);
            (noise.outlier_chance, noise.void_chance) = (0.0, 0.0);
        },
        Preset::Llama3_8b,
    );
    let (time, plan) = (Cell::new(0.0), plan(&machine, MapPolicy::Compact, 4));
    let mut probe = SimulatedProbe::new(&machine, 3, &time);
    let decode = |lengths: Vec<usize>| Work::Decode {
        prompt_tokens: 16,
        lengths,
    };
    let (mut data, mut pass) = (TableData::default(), Stops::new());
    for point in probe
        .measure(&plan, &decode(vec![32, 64]))
        .expect("runs")
        .points
    {
        data.decode.insert(point.total_tokens, vec![point]);
    }
    let contexts = [64, 128, 512, 1024, 2048, 4096];
    let (mut prompt_seconds, before) = (0.0, time.get());
    for (index, total_tokens) in contexts.into_iter().enumerate() {
        let from_tokens = if index > 2 { contexts[index - 1] } else { 0 };
        let work = Work::Visit {
            from_tokens,
            total_tokens,
            groups: 12,
            group_steps: 1,
        };
        let points = probe.measure(&plan, &work).expect("runs").points;
        prompt_seconds = points[0].seconds + if index > 2 { prompt_seconds } else { 0.0 };
        pass.insert(total_tokens, points[1..].to_vec());
    }
    assert!(time.get() - before > prompt_seconds, "visits take time");
    let whole_prompt = machine.prefill_seconds(&plan, 4096).expect("runs");
    assert!((prompt_seconds / whole_prompt - 1.0).abs() < 0.01);
    data.passes.push(pass);
    for (length, found) in sampled(&data, 16, &[128, 512, 1024, 2048, 4096]) {
        let truth = machine
            .true_rate(&plan, &decode(vec![length]))
            .expect("runs");
        let error = found.rate.median / truth - 1.0;
        assert!(error.abs() < 0.01, "{length}: {error}");
    }
}

/// Decode tables that were recorded on the real host, (total tokens, tokens/s), by the kernels of then.
const RECORDED: [(&str, &[(usize, f64)]); 2] = [
    (
        "llama3-8b",
        &[(32, 8.669), (64, 8.783), (128, 7.729), (256, 7.121)],
    ),
    (
        "smollm2-135m",
        &[
            (32, 230.255),
            (64, 195.383),
            (128, 206.152),
            (256, 204.966),
            (512, 195.918),
            (1024, 166.316),
            (2048, 133.541),
            (4096, 93.141),
        ],
    ),
];

/// The shape of SmolLM2-135M as its Q4_1 file has it (metadata of the file; the widths are the
/// tiny preset's with its own numbers, since it is no preset).
fn smollm2() -> ModelShape {
    use sysinfer_engine::{MatrixShape, Product};
    use sysinfer_formats::TensorType::{Q4_1, Q8_0};
    use sysinfer_kernels::Layout;
    let matrix = |block, rows: usize, columns: usize| {
        let layout = Layout::of(block).expect("a packed type");
        let packed_bytes = rows.div_ceil(8) * layout.group_bytes(columns);
        MatrixShape {
            block,
            rows,
            columns,
            experts: 1,
            packed_bytes,
        }
    };
    let product = |matrices| Product {
        matrices,
        used: 1,
        count: 30,
    };
    let mut info = ModelShape::of_preset(Preset::Tiny, Precision::default())
        .expect("known")
        .info;
    (info.layers, info.heads, info.kv_heads) = (30, 9, 3);
    (info.embedding_length, info.kv_bytes_per_position) = (576, 23_040);
    info.decode_bytes = 96_436_224;
    info.block_types = vec!["Q4_1".into(), "Q8_0".into()];
    ModelShape {
        info,
        head_size: 64,
        layers: vec![
            product(vec![
                matrix(Q4_1, 576, 576),
                matrix(Q4_1, 192, 576),
                matrix(Q4_1, 192, 576),
            ]),
            product(vec![matrix(Q4_1, 576, 576)]),
            product(vec![matrix(Q4_1, 1536, 576), matrix(Q4_1, 1536, 576)]),
            product(vec![matrix(Q4_1, 576, 1536)]),
        ],
        output: Product {
            matrices: vec![matrix(Q8_0, 49_152, 576)],
            used: 1,
            count: 1,
        },
    }
}

#[test]
fn the_model_of_a_real_host_predicts_its_recorded_tables() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hosts/amd-epyc-2-cores.toml");
    for (model, table) in RECORDED {
        let host = SimulatedHost::load(&file).expect("a good file");
        let shape = match Preset::from_name(model) {
            Some(preset) => {
                ModelShape::of_preset(preset, Precision::default()).expect("known types")
            }
            None => smollm2(),
        };
        let read = |product: &sysinfer_engine::Product| -> usize {
            product.count
                * product
                    .matrices
                    .iter()
                    .map(|m| m.packed_bytes)
                    .sum::<usize>()
        };
        let bytes: usize = shape.layers.iter().map(read).sum::<usize>() + read(&shape.output);
        assert_eq!(
            bytes as u64, shape.info.decode_bytes,
            "{model}: as its profile has it"
        );
        let plan = host.default_plan(&shape.info.block_types);
        let machine = host.machine(shape);
        for &(length, recorded) in table {
            let work = Work::Decode {
                prompt_tokens: 16,
                lengths: vec![length],
            };
            let predicted = machine.true_rate(&plan, &work).expect("runs");
            let error = predicted / recorded - 1.0;
            assert!(
                error.abs() < 0.1,
                "{model} {length}: {predicted:.2}, recorded {recorded:.2}"
            );
        }
    }
}
