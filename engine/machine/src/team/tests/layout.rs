//! Layouts of machines that are not this one: who meets whom, and in how many steps.

use std::collections::{BTreeMap, BTreeSet};

use crate::team::barrier::layout::{Layout, MAX_ARRIVALS};
use crate::{Cpu, CpuList, Topology};

const KUNPENG: &str = "pack:2 numa:2 l3:1 core:24 pu:1";

/// Where members on these CPUs are, the leader included.
fn places(topology: &Topology, cpus: &[usize]) -> Vec<Option<Cpu>> {
    let place = |&cpu| topology.cpu(cpu).copied();
    cpus.iter().map(place).collect()
}

fn all_places(description: &str) -> Vec<Option<Cpu>> {
    let topology = Topology::from_synthetic(description).unwrap();
    topology.cpus.iter().copied().map(Some).collect()
}

/// The workers that each counter has below it.
fn below(layout: &Layout) -> Vec<BTreeSet<usize>> {
    let mut below = vec![BTreeSet::new(); layout.steps.len()];
    for (worker, seat) in layout.seats.iter().enumerate() {
        let mut step = seat.step;
        while let Some(index) = step {
            below[index].insert(worker);
            step = layout.steps[index].next;
        }
    }
    below
}

/// What holds for every layout.
fn check(places: &[Option<Cpu>]) -> Layout {
    let layout = Layout::of(places);
    let below = below(&layout);
    assert_eq!(layout.seats.len(), places.len());
    // Everyone counts up once, whoever is last goes on, and the end comes with the last one only.
    let mut arrived = vec![0; layout.steps.len()];
    let mut ends = 0;
    for seat in &layout.seats {
        assert_eq!(ends, 0, "somebody is still to come");
        let mut step = seat.step;
        while let Some(index) = step {
            arrived[index] += 1;
            if arrived[index] < layout.steps[index].arrivals {
                break;
            }
            step = layout.steps[index].next;
        }
        ends += usize::from(step.is_none());
    }
    assert_eq!(ends, usize::from(!places.is_empty()));
    for (index, step) in layout.steps.iter().enumerate() {
        assert_eq!(arrived[index], step.arrivals, "counted up by all");
        assert!((2..=MAX_ARRIVALS).contains(&(step.arrivals as usize)));
        assert!(step.next.is_none_or(|next| next > index));
        assert!(below[index].len() >= step.arrivals as usize);
    }
    check_levels(places, &below);
    // A gate for every node, and nobody from elsewhere there.
    let mut nodes = BTreeMap::new();
    for (seat, place) in layout.seats.iter().zip(places) {
        let node = place.map(|cpu| cpu.node);
        assert_eq!(*nodes.entry(seat.gate).or_insert(node), node);
    }
    let different: BTreeSet<_> = nodes.values().collect();
    assert_eq!((nodes.len(), different.len()), (layout.gates, layout.gates));
    layout
}

/// Who meets someone from another part of a level has met all of its own part, as far as that part is
/// within one of the level above: parts meet as wholes.
fn check_levels(places: &[Option<Cpu>], below: &[BTreeSet<usize>]) {
    let levels: [fn(&Cpu) -> Vec<usize>; 4] = [
        |cpu| vec![cpu.package],
        |cpu| vec![cpu.package, cpu.node],
        |cpu| vec![cpu.package, cpu.node, cpu.cluster],
        |cpu| vec![cpu.package, cpu.node, cpu.cluster, cpu.core],
    ];
    for level in levels {
        let part = |worker: &usize| places[*worker].as_ref().map(level);
        let mut whole = BTreeMap::<_, BTreeSet<usize>>::new();
        for worker in 0..places.len() {
            whole.entry(part(&worker)).or_default().insert(worker);
        }
        for workers in below {
            let parts: BTreeSet<_> = workers.iter().map(part).collect();
            if parts.len() > 1 {
                for part in parts {
                    assert!(whole[&part].is_subset(workers), "{part:?} meets in pieces");
                }
            }
        }
    }
}

/// How many counters each worker goes by at most.
fn depth(layout: &Layout) -> usize {
    let steps = |first| {
        let next = |step: &usize| layout.steps[*step].next;
        std::iter::successors(first, next).count()
    };
    let depths = layout.seats.iter().map(|seat| steps(seat.step));
    depths.max().unwrap_or(0)
}

/// How many counters have how many arrivals.
fn arrivals(layout: &Layout) -> Vec<(u32, usize)> {
    let mut counts = BTreeMap::new();
    for step in &layout.steps {
        *counts.entry(step.arrivals).or_default() += 1;
    }
    counts.into_iter().collect()
}

#[test]
fn the_reference_machine_meets_within_nodes_then_packages() {
    let list: CpuList = "0-21,24-45,48-69,72-93".parse().unwrap();
    let topology = Topology::from_synthetic(KUNPENG).unwrap();
    let places = places(&topology, list.as_slice());
    let layout = check(&places[1..]);
    assert_eq!((layout.gates, depth(&layout)), (4, 4));
    // 22 cores (21 beside the leader) are 8 + 7 + 7, which meet for their node; two nodes make a
    // package, two packages the team.
    assert_eq!(arrivals(&layout), [(2, 3), (3, 4), (7, 9), (8, 3)]);
    let gates: Vec<usize> = layout.seats.iter().map(|seat| seat.gate).collect();
    let expected = [vec![0; 21], vec![1; 22], vec![2; 22], vec![3; 22]].concat();
    assert_eq!(gates, expected);
}

#[test]
fn clusters_of_four_cores_meet_first() {
    let layout = check(&all_places("pack:2 numa:2 l3:1 group:6 core:4 pu:1"));
    assert_eq!(
        arrivals(&layout),
        [(2, 3), (4, 24), (6, 4)],
        "packages and team, clusters, nodes"
    );
    assert_eq!((layout.gates, depth(&layout)), (4, 4));
}

#[test]
fn hardware_threads_of_a_core_meet_first() {
    let layout = check(&all_places("pack:1 numa:1 l3:1 core:4 pu:2"));
    assert_eq!(arrivals(&layout), [(2, 4), (4, 1)]);
    assert_eq!((layout.gates, depth(&layout)), (1, 2));
    // One thread of each core: nothing to meet within one.
    let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:8 pu:2").unwrap();
    let layout = check(&places(&topology, &[0, 2, 4, 6, 8, 10, 12, 14]));
    assert_eq!(arrivals(&layout), [(8, 1)]);
}

/// Many x86 hosts count CPUs over the nodes in turn, and a list can name CPUs in any order.
#[test]
fn numbers_that_interleave_over_nodes_do_not_mix_them() {
    let mut topology = Topology::from_synthetic("pack:2 numa:1 l3:1 core:12 pu:2").unwrap();
    let cpus = topology.cpus.len();
    for (position, cpu) in topology.cpus.iter_mut().enumerate() {
        cpu.id = position % 24 * 2 + position / 24;
    }
    let ids: Vec<usize> = (0..cpus).collect();
    let places = places(&topology, &ids);
    let nodes: Vec<_> = places.iter().map(|place| place.unwrap().node).collect();
    assert_eq!(nodes[..4], [0, 1, 0, 1]);
    let layout = check(&places);
    assert_eq!(layout.gates, 2);
    assert_eq!(arrivals(&layout), [(2, 24 + 2 + 1), (6, 4)]);
    check(&places[1..]);
}

#[test]
fn teams_on_one_node_have_one_gate() {
    let topology = Topology::from_synthetic(KUNPENG).unwrap();
    let layout = check(&places(&topology, &[50, 49, 48]));
    assert_eq!((layout.gates, arrivals(&layout)), (1, vec![(3, 1)]));
    let node = check(
        &topology.cpus[..24]
            .iter()
            .copied()
            .map(Some)
            .collect::<Vec<_>>(),
    );
    assert_eq!((node.gates, arrivals(&node)), (1, vec![(3, 1), (8, 3)]));
}

#[test]
fn one_worker_needs_no_counter() {
    for places in [all_places("pack:1 numa:1 core:1 pu:1"), vec![None]] {
        let layout = check(&places);
        assert_eq!((layout.gates, layout.steps.len()), (1, 0));
    }
    let nobody = check(&[]);
    assert_eq!((nobody.gates, nobody.steps.len()), (0, 0));
}

#[test]
fn those_without_a_place_meet_by_number() {
    for (workers, steps) in [
        (8, vec![(8, 1)]),
        (9, vec![(2, 1), (4, 1), (5, 1)]),
        (127, vec![(2, 1), (7, 1), (8, 17)]),
    ] {
        let layout = check(&vec![None; workers]);
        assert_eq!((layout.gates, arrivals(&layout)), (1, steps), "{workers}");
    }
    let first = check(&[None; 127]).seats[..7].to_vec();
    assert!(first.iter().all(|seat| seat.step == first[0].step));
    // Beside those who have one, in a tree and at a gate of their own.
    let topology = Topology::from_synthetic(KUNPENG).unwrap();
    let layout = check(&places(&topology, &[0, 1, 1_000_000, 30, 2_000_000]));
    assert_eq!((layout.gates, arrivals(&layout)), (3, vec![(2, 4)]));
}

/// Firmware can be wrong, and a CPU be given to two members.
#[test]
fn any_places_make_a_tree() {
    let mut places = all_places("pack:2 numa:2 l3:1 core:24 pu:1");
    for (position, place) in places.iter_mut().enumerate() {
        let cpu = place.as_mut().unwrap();
        cpu.package = position % 3;
        cpu.node = position % 5 % 4;
        cpu.cluster = position % 7;
    }
    check(&places);
    check(&vec![places[0]; 200]);
    check(&all_places("pack:20 numa:1 core:20 pu:1"));
    let most = check(&all_places("pack:2 numa:2 l3:4 core:128 pu:2"));
    assert!(depth(&most) <= 8, "{}", depth(&most));
    assert_eq!(depth(&check(&[None; 4095])), 4);
}
