//! The same logits, to the bit, however workers and the cache are on NUMA nodes: this host's CPUs are said to be on
//! one each, and the engine places and divides by what it is told.

use sysinfer_engine::{CacheType, Engine, Entry, PhasePlan, Plan, Precision, Preset, Wanted};
use sysinfer_machine::{Topology, allowed_cpus};

const PROMPT: usize = 300;
const DECODED: u32 = 5;

/// Teams whose workers are on the first CPU, the second or the third, each of which is a node.
struct Teams {
    decode: &'static [usize],
    prefill: &'static [usize],
    /// What the engine says of the cache.
    cache: &'static str,
}

const TEAMS: [Teams; 9] = [
    Teams {
        decode: &[0, 1],
        prefill: &[0, 1],
        cache: "on each of nodes 0, 1",
    },
    Teams {
        decode: &[1, 1, 0, 0],
        prefill: &[1, 0],
        cache: "on each of nodes 1, 0",
    },
    Teams {
        decode: &[0, 0, 0, 1, 1, 1],
        prefill: &[0, 1, 1],
        cache: "on each of nodes 0, 1",
    },
    // A team that is not on these nodes, or in another order.
    Teams {
        decode: &[0, 1],
        prefill: &[0],
        cache: "on each of nodes 0, 1",
    },
    Teams {
        decode: &[0, 0, 1, 1],
        prefill: &[1, 0, 0],
        cache: "on each of nodes 0, 1",
    },
    Teams {
        decode: &[0, 1, 0],
        prefill: &[0, 1],
        cache: "not neighbours",
    },
    // Four heads do not divide by three nodes.
    Teams {
        decode: &[0, 1, 2],
        prefill: &[0, 1, 2],
        cache: "128 positions in turn on each of nodes 0, 1, 2",
    },
    Teams {
        decode: &[2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1, 1],
        prefill: &[2, 0, 0, 1],
        cache: "128 positions in turn on each of nodes 2, 0, 1",
    },
    Teams {
        decode: &[0, 1, 2],
        prefill: &[2, 1],
        cache: "128 positions in turn",
    },
];

/// A CPU that no host has: workers that are to be on it run wherever they are put.
const NO_CPU: usize = 100_000;

/// Three CPUs, two of this host at least, each on a node of its own; `None` where there are not as many.
fn nodes() -> Option<Topology> {
    let cpus = allowed_cpus();
    if cpus.len() < 2 {
        return None;
    }
    let cpus: Vec<usize> = cpus.into_iter().chain([NO_CPU]).take(3).collect();
    let mut topology = Topology::flat(&cpus);
    let mut nodes = Vec::new();
    for (node, cpu) in topology.cpus.iter_mut().enumerate() {
        cpu.node = node;
        let mut own = topology.nodes[0].clone();
        (own.id, own.cpus) = (node, vec![cpu.id]);
        nodes.push(own);
    }
    topology.nodes = nodes;
    Some(topology)
}

fn engine(topology: &Topology, teams: Option<&Teams>, cache: CacheType) -> Engine {
    let phase = |workers: &[usize]| PhasePlan {
        threads: workers.len(),
        map: "given".into(),
        cpus: workers.iter().map(|node| topology.cpus[*node].id).collect(),
    };
    let mut plan = Plan::with_threads(PhasePlan::unpinned(1));
    plan.blocking.attention_chunk = 32;
    if let Some(teams) = teams {
        (plan.decode, plan.prefill) = (phase(teams.decode), phase(teams.prefill));
    }
    let precision = Precision::with_cache(cache);
    Engine::synthetic(Preset::Tiny, plan, precision, topology, &mut |_| {}).expect("an engine")
}

/// Logits of a prompt, of tokens behind it, of many rows at once, and of a second sequence that takes over
/// what the first one began with.
fn logits(engine: &mut Engine) -> Vec<Vec<f32>> {
    engine.stock_cache(200).expect("a little memory");
    let prompt: Vec<u32> = (0..PROMPT as u32).map(|token| token * 7 % 500).collect();
    let mut got = Vec::new();
    let mut step = |engine: &mut Engine, batch: &mut [Entry<'_>]| {
        let logits = engine.step(batch).expect("it runs");
        let rows = (0..logits.rows()).map(|row| logits.row(row).expect("finite").to_vec());
        got.extend(rows);
    };
    let mut first = engine.sequence(PROMPT + 64).expect("it fits");
    let whole = Entry {
        sequence: &mut first,
        tokens: &prompt,
        wanted: Wanted::Last,
    };
    step(engine, &mut [whole]);
    for token in 0..DECODED {
        let next = Entry {
            sequence: &mut first,
            tokens: &[token],
            wanted: Wanted::Last,
        };
        step(engine, &mut [next]);
    }
    // So many chunks of so many rows that several workers merge them together.
    let several = Entry {
        sequence: &mut first,
        tokens: &[1, 2, 3, 4, 5, 6, 7, 8],
        wanted: Wanted::All,
    };
    step(engine, &mut [several]);
    engine.keep(first);
    let mut second = engine.sequence_of(&prompt[..200], PROMPT).expect("it fits");
    assert_eq!(second.len(), 200, "the first one's beginning");
    let mut third = engine.sequence(64).expect("it fits");
    let both = [
        Entry {
            sequence: &mut second,
            tokens: &prompt[200..],
            wanted: Wanted::All,
        },
        Entry {
            sequence: &mut third,
            tokens: &prompt[..20],
            wanted: Wanted::Last,
        },
    ];
    step(engine, &mut both.map(|entry| entry));
    got
}

#[test]
fn where_heads_are_does_not_show_in_a_result() {
    let Some(topology) = nodes() else {
        println!("SKIPPED: this process may use one CPU");
        return;
    };
    for cache in CacheType::ALL {
        let wanted = logits(&mut engine(&topology, None, cache));
        for teams in &TEAMS {
            let mut engine = engine(&topology, Some(teams), cache);
            let pins = engine.pins();
            assert!(pins.contains(teams.cache), "{:?}: {pins}", teams.decode);
            let how = format!(
                "{cache:?}, decode on {:?}, prefill on {:?}",
                teams.decode, teams.prefill
            );
            assert!(logits(&mut engine) == wanted, "{how}");
        }
    }
}

/// Node 1 is none of this host's, so that all that is wanted there is elsewhere.
#[test]
fn memory_on_another_node_is_named() {
    let Some(topology) = nodes() else {
        println!("SKIPPED: this process may use one CPU");
        return;
    };
    let mut engine = engine(&topology, Some(&TEAMS[0]), CacheType::F16);
    engine.stock_cache(200).expect("a little memory");
    let located = match engine.residency() {
        Ok(located) => located,
        Err(error) => {
            println!("SKIPPED: the kernel does not say where pages are: {error}");
            return;
        }
    };
    let kinds: Vec<_> = located
        .iter()
        .map(|known| (known.what, known.wanted))
        .collect();
    let each = ["weights", "KV cache"].map(|what| [(what, Some(0)), (what, Some(1))]);
    assert_eq!(kinds, each.concat());
    for known in &located {
        assert!(known.found.present() > 0, "{known:?}");
        if known.found.bytes.keys().any(|node| *node > 0) {
            println!("SKIPPED: this host has several nodes: {known:?}");
            return;
        }
        let warning = known.warning();
        assert_eq!(warning.is_some(), known.wanted == Some(1), "{known:?}");
        let needed = format!("100 % of the {} that workers of node 1", known.what);
        assert!(warning.is_none_or(|warning| warning.contains(&needed)));
    }
}

#[test]
fn another_plan_moves_the_heads() {
    let Some(topology) = nodes() else {
        println!("SKIPPED: this process may use one CPU");
        return;
    };
    let wanted = logits(&mut engine(&topology, None, CacheType::F16));
    let mut moving = engine(&topology, Some(&TEAMS[0]), CacheType::F16);
    for teams in TEAMS.iter().rev() {
        let plan = engine(&topology, Some(teams), CacheType::F16)
            .plan()
            .clone();
        moving.replan(plan).expect("it can be followed");
        assert!(moving.pins().contains(teams.cache), "{}", moving.pins());
        assert!(logits(&mut moving) == wanted, "{:?}", teams.decode);
    }
}
