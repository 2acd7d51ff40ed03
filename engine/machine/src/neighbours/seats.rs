//! Which CPUs to pin to where there are more than we need: a pure function of what is there and of who
//! else is pinned to it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Blind, Neighbour, Neighbours};
use crate::{Cpu, MapPolicy, Topology, place};

/// Where threads go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seats {
    /// OS index of each worker's CPU; empty: not pinned.
    pub cpus: Vec<usize>,
    /// What decided it.
    pub why: Why,
}

/// What decides where threads go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Pinned: a thread for every core, or for more. There is nothing to choose.
    EveryCore,
    /// Pinned: no other process is pinned to any CPU of ours.
    Alone,
    /// Pinned, away from these, who work on others of our CPUs.
    Beside(Vec<Neighbour>),
    /// Not pinned: too few cores are free of these.
    Crowded(Vec<Neighbour>),
    /// Not pinned: others may be pinned where we would be.
    Blind(Blind),
    /// Not pinned: there are fewer CPUs than threads.
    NoRoom,
}

/// CPUs for `threads` workers of a process to which the whole topology is open. Where it needs but a
/// part of it, which part is not ours to say: pinning is right only to cores that nobody else is pinned
/// to, and wrong where that cannot be known, for every replica would choose the same.
///
/// Alone on the host the map is [`MapPolicy::Compact`]. Otherwise workers are kept in as few clusters,
/// nodes and packages as have room, those that others use least first; a core with a neighbour on any
/// of its hardware threads is none of ours.
pub fn seats(topology: &Topology, threads: usize, neighbours: &Neighbours) -> Seats {
    let Ok(compact) = place(topology, MapPolicy::Compact, threads) else {
        return unpinned(Why::NoRoom);
    };
    let pinned = |cpus, why| Seats { cpus, why };
    if threads >= topology.cores() {
        return pinned(compact, Why::EveryCore);
    }
    if let Some(blind) = neighbours.blind {
        return unpinned(Why::Blind(blind));
    }
    if neighbours.pinned.is_empty() {
        return pinned(compact, Why::Alone);
    }
    let working = neighbours
        .pinned
        .iter()
        .filter(|one| !one.claims.is_empty());
    let working: Vec<Neighbour> = working.cloned().collect();
    let found = away_from(topology, threads, neighbours);
    match found {
        Some(cpus) if working.is_empty() => pinned(cpus, Why::Alone),
        Some(cpus) => pinned(cpus, Why::Beside(working)),
        None => unpinned(Why::Crowded(working)),
    }
}

fn unpinned(why: Why) -> Seats {
    let cpus = Vec::new();
    Seats { cpus, why }
}

/// One CPU on each of `threads` cores that no neighbour works on; `None` if there are not as many.
/// Neighbours that are idle now may work later: cores without them come first.
fn away_from(topology: &Topology, threads: usize, neighbours: &Neighbours) -> Option<Vec<usize>> {
    let cores_of = |cpus: BTreeSet<usize>| -> BTreeSet<usize> {
        let on = topology.cpus.iter().filter(|cpu| cpus.contains(&cpu.id));
        on.map(|cpu| cpu.core).collect()
    };
    let (worked_on, touched) = (
        cores_of(neighbours.claimed()),
        cores_of(neighbours.touched()),
    );
    let cores: Vec<&Cpu> = topology.cpus.iter().filter(|cpu| cpu.smt == 0).collect();
    let used_in = |of: Part, part: usize| {
        let there = cores.iter().filter(|cpu| of(cpu) == part);
        there.filter(|cpu| touched.contains(&cpu.core)).count()
    };
    let mut free: Vec<(usize, &Cpu)> = cores.iter().copied().enumerate().collect();
    free.retain(|(_, cpu)| !worked_on.contains(&cpu.core));
    // From the narrowest part of the machine to the widest: the first that has room holds them all.
    let with_room = |(of, around): (Part, Part)| {
        let mut parts = BTreeMap::<usize, (usize, &Cpu)>::new();
        for (_, cpu) in &free {
            parts.entry(of(cpu)).or_insert((0, *cpu)).0 += 1;
        }
        let fitting = parts.into_iter().filter(|(_, (room, _))| *room >= threads);
        let used = |part: usize, cpu: &Cpu| (used_in(around, around(cpu)), used_in(of, part));
        let least_used = fitting.min_by_key(|(part, (_, cpu))| used(*part, cpu));
        least_used.map(|(part, _)| (of, part))
    };
    let (of, chosen) = PARTS.into_iter().find_map(with_room)?;
    free.retain(|(_, cpu)| of(cpu) == chosen);
    // Whole nodes before those that others are on, then whole clusters.
    free.sort_by_cached_key(|(place, cpu)| {
        let node = used_in(|cpu| cpu.node, cpu.node);
        let cluster = used_in(|cpu| cpu.cluster, cpu.cluster);
        (node, cpu.node, touched.contains(&cpu.core), cluster, *place)
    });
    free.truncate(threads);
    // Which is settled; neighbouring workers are near each other again.
    free.sort_by_key(|(place, _)| *place);
    Some(free.into_iter().map(|(_, cpu)| cpu.id).collect())
}

/// Which of the parts of one kind a CPU is in.
type Part = fn(&Cpu) -> usize;

/// Kinds of parts, and of what around them decides first: cores of one node share its memory.
const PARTS: [(Part, Part); 4] = [
    (|cpu| cpu.cluster, |cpu| cpu.node),
    (|cpu| cpu.node, |cpu| cpu.node),
    (|cpu| cpu.package, |cpu| cpu.package),
    (|_| 0, |_| 0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CpuList;

    const KUNPENG: &str = "pack:2 numa:2 l3:1 core:24 pu:1";
    const CLUSTERS: &str = "pack:1 numa:2 l3:1 group:6 core:4 pu:1";
    const SMT: &str = "pack:1 numa:1 l3:1 core:4 pu:2";

    fn list(text: &str) -> Vec<usize> {
        let list: Option<CpuList> = (!text.is_empty()).then(|| text.parse().expect("a list"));
        list.map_or(Vec::new(), |list| list.as_slice().to_vec())
    }

    fn neighbours(claims: &[&str], idles: &str) -> Neighbours {
        let one = |(index, claims): (usize, &&str)| Neighbour {
            process: 100 + index,
            name: "other".into(),
            claims: list(claims),
            idles: list(idles),
        };
        Neighbours {
            pinned: claims.iter().enumerate().map(one).collect(),
            blind: None,
        }
    }

    fn chosen(description: &str, threads: usize, neighbours: &Neighbours) -> Seats {
        let topology = Topology::from_synthetic(description).expect("a topology");
        seats(&topology, threads, neighbours)
    }

    #[test]
    fn four_servers_take_a_node_each_and_the_fifth_none() {
        let mut neighbours = Neighbours::default();
        for node in ["0-23", "24-47", "48-71", "72-95"] {
            let seats = chosen(KUNPENG, 24, &neighbours);
            assert_eq!(seats.cpus, list(node));
            neighbours.pinned.push(Neighbour {
                process: neighbours.pinned.len(),
                name: "sysinfer-server".into(),
                claims: seats.cpus,
                idles: Vec::new(),
            });
        }
        let fifth = chosen(KUNPENG, 24, &neighbours);
        assert!(fifth.cpus.is_empty());
        assert_eq!(fifth.why, Why::Crowded(neighbours.pinned));
    }

    #[test]
    fn free_cores_are_chosen_near_each_other() {
        // Topology, threads, what others work on, what others idle on, what is chosen.
        let cases = [
            (KUNPENG, 24, &["0"][..], "", "24-47"),
            // A node of its own has memory of its own, although the first has room.
            (KUNPENG, 12, &["0-11"], "", "24-35"),
            // Full nodes are passed over, half-full ones used where nothing else is left.
            (
                KUNPENG,
                12,
                &["0-11", "24-35", "48-59", "72-95"],
                "",
                "12-23",
            ),
            // Two nodes of one package before one of each.
            (KUNPENG, 48, &["0-23"], "", "48-95"),
            // As many whole nodes as there are; of the last, what is free.
            (KUNPENG, 60, &["0-11"], "", "24-83"),
            (KUNPENG, 80, &["0-11"], "", "12-19,24-95"),
            // Whole clusters before those that others are in.
            (CLUSTERS, 4, &["0"], "", "24-27"),
            (CLUSTERS, 4, &["0", "24"], "", "4-7"),
            (CLUSTERS, 6, &["1", "25-47"], "", "4-9"),
            (CLUSTERS, 22, &["1", "25-47"], "", "0,2,4-23"),
            // A neighbour's core is its own, with all hardware threads.
            (SMT, 2, &["1"], "", "2,4"),
            (SMT, 3, &["0,1"], "", "2,4,6"),
            // Where others idle comes last, as long as there is room elsewhere.
            (KUNPENG, 24, &["90"], "0-2,30,50", "24-47"),
            (KUNPENG, 8, &["90"], "0-23", "24-31"),
            (SMT, 2, &["0"], "2,4,6", "2,4"),
        ];
        for (description, threads, claims, idles, expected) in cases {
            let seats = chosen(description, threads, &neighbours(claims, idles));
            let name = format!("{description} {threads} {claims:?} {idles}");
            assert_eq!(seats.cpus, list(expected), "{name}");
            assert!(matches!(seats.why, Why::Beside(_)), "{name}: {seats:?}");
        }
    }

    #[test]
    fn alone_is_compact_and_every_core_is_no_choice() {
        let topology = Topology::from_synthetic(KUNPENG).expect("a topology");
        let compact = |threads| place(&topology, MapPolicy::Compact, threads).expect("room");
        for threads in [1, 24, 30, 95] {
            let seats = chosen(KUNPENG, threads, &Neighbours::default());
            assert_eq!((seats.cpus, seats.why), (compact(threads), Why::Alone));
        }
        let idle = chosen(KUNPENG, 2, &neighbours(&[""], "0-95"));
        assert_eq!((idle.cpus, idle.why), (compact(2), Why::Alone));
        let crowd = neighbours(&["0-95"], "");
        let all = chosen(KUNPENG, 96, &crowd);
        assert_eq!((all.cpus, all.why), (compact(96), Why::EveryCore));
        let siblings = chosen(SMT, 6, &crowd);
        assert_eq!(siblings.why, Why::EveryCore);
        assert_eq!(siblings.cpus.len(), 6);
    }

    #[test]
    fn threads_stay_unpinned_where_others_may_be() {
        let crowd = neighbours(&["0", "2", "4"], "");
        let seats = chosen(SMT, 2, &crowd);
        assert_eq!(
            (seats.cpus.len(), seats.why),
            (0, Why::Crowded(crowd.pinned))
        );
        let unseen = Neighbours {
            blind: Some(Blind::Container),
            ..Neighbours::default()
        };
        let seats = chosen(SMT, 2, &unseen);
        assert_eq!(
            (seats.cpus.len(), seats.why),
            (0, Why::Blind(Blind::Container))
        );
        // What others do does not matter to those who take every core.
        assert_eq!(chosen(SMT, 4, &unseen).why, Why::EveryCore);
        assert_eq!(chosen(SMT, 9, &unseen).why, Why::NoRoom);
    }
}
