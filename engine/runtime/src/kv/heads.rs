//! Which workers of a team have which heads of the cache, on the nodes where these are.

use std::ops::Range;

use sysinfer_kernels::attention::{CacheType, TILE};
use sysinfer_machine::{Pages, Ranges};

use super::homes::{Homes, Turns};
use super::shape::KvShape;
use crate::nodes::runs;

/// Workers that share some heads, at some positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Of the team.
    pub workers: Range<usize>,
    /// Of the cache.
    pub heads: Range<usize>,
    /// The home whose turns these are; `None`: all positions.
    pub turn: Option<usize>,
}

/// Which heads the workers of a team have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadShares {
    /// All workers, ascending; together they have all heads at all positions.
    groups: Vec<Group>,
    /// Which blocks are at which home.
    turns: Turns,
    /// Of blocks at each home.
    written: Vec<Written>,
}

/// Who writes the heads of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Heads by worker.
    heads: Ranges,
    /// Where these lie in a layer of the block.
    spans: Ranges,
}

impl Written {
    fn new(shape: KvShape, heads: Vec<Range<usize>>) -> Written {
        let heads = Ranges::from_ranges(shape.heads, heads).expect("groups ascend");
        Written {
            spans: shape.spans(&heads),
            heads,
        }
    }

    /// The heads that a worker writes.
    pub fn by(&self, worker: usize) -> Range<usize> {
        self.heads.get(worker)
    }

    /// Where the heads of each worker lie in a layer.
    pub(crate) fn spans(&self) -> &Ranges {
        &self.spans
    }
}

impl HeadShares {
    /// For workers on these nodes: those of a home have what it has, if there are workers on just the homes, in
    /// their order; else all share everything.
    pub(crate) fn new(shape: KvShape, homes: &Homes, nodes: &[usize]) -> HeadShares {
        let runs = runs(nodes);
        let turns = homes.turns();
        let at_home = homes
            .nodes()
            .is_some_and(|homes| runs.iter().map(|(node, _)| node).eq(homes));
        let all = Group {
            workers: 0..nodes.len(),
            heads: 0..shape.heads,
            turn: None,
        };
        let runs = runs.into_iter().enumerate();
        let groups: Vec<Group> = match homes {
            Homes::ByHead(_) if at_home => runs
                .map(|(part, (_, workers))| Group {
                    workers,
                    heads: part * shape.part_heads()..(part + 1) * shape.part_heads(),
                    turn: None,
                })
                .collect(),
            Homes::ByPosition { .. } if at_home => runs
                .map(|(home, (_, workers))| Group {
                    workers,
                    turn: Some(home),
                    ..all.clone()
                })
                .collect(),
            _ => vec![all],
        };
        let written = (0..turns.homes).map(|home| {
            let heads = groups.iter().flat_map(|group| writers(group, home));
            Written::new(shape, heads.collect())
        });
        HeadShares {
            written: written.collect(),
            groups,
            turns,
        }
    }

    /// For a team on `nodes` beside a decode team on `decode_nodes`, without a cache: for what reasons about
    /// speed. Attention reads `chunk` positions at a time.
    pub fn of_team(
        heads: usize,
        chunk: usize,
        decode_nodes: &[usize],
        nodes: &[usize],
    ) -> HeadShares {
        let homes = Homes::of(heads, chunk, decode_nodes);
        // Who has which heads does not depend on what these look like.
        let shape = KvShape::new(1, heads, TILE, CacheType::F16);
        Self::new(shape.in_parts(homes.parts(), Pages::Normal), &homes, nodes)
    }

    /// Workers and the heads that they share, both ascending.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Which blocks are at which home.
    pub fn turns(&self) -> Turns {
        self.turns
    }

    /// Who writes blocks at that home.
    pub fn written(&self, home: usize) -> &Written {
        &self.written[home]
    }

    /// Workers of the team.
    pub(crate) fn workers(&self) -> usize {
        self.groups.iter().map(|group| group.workers.len()).sum()
    }
}

/// The heads of each worker of a group in a block that is at `home`.
fn writers(group: &Group, home: usize) -> Vec<Range<usize>> {
    match group.turn {
        // Nothing, between those before and those behind.
        Some(turn) if turn < home => vec![0..0; group.workers.len()],
        Some(turn) if turn > home => vec![group.heads.end..group.heads.end; group.workers.len()],
        _ => {
            let first = group.heads.start;
            let split = Ranges::split(group.heads.len(), 1, group.workers.len());
            let own = split.iter();
            own.map(|own| own.start + first..own.end + first).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::workers;

    #[test]
    fn every_head_has_writers_on_its_own_node_alone() {
        for (heads, nodes) in [
            (8, workers(&[(0, 22), (1, 22), (2, 22), (3, 22)])),
            (40, workers(&[(0, 24), (1, 24), (2, 24), (3, 24)])),
            (4, workers(&[(1, 16), (0, 16)])),
            (8, workers(&[(0, 1), (1, 1)])),
        ] {
            let homes = Homes::of(heads, 256, &nodes);
            let shape = KvShape::new(2, heads, 128, CacheType::F16);
            let shape = shape.in_parts(homes.parts(), Pages::Transparent);
            let shares = HeadShares::new(shape, &homes, &nodes);
            let bare = HeadShares::of_team(heads, 256, &nodes, &nodes);
            assert_eq!(bare.groups, shares.groups);
            let home = |head: usize| homes.nodes().expect("several")[head / shape.part_heads()];
            let mut written = vec![0; heads];
            for (worker, node) in nodes.iter().enumerate() {
                for head in shares.written(0).by(worker) {
                    written[head] += 1;
                    assert_eq!(home(head), *node, "head {head}, worker {worker}");
                }
            }
            assert!(written.iter().all(|count| *count == 1), "{written:?}");
            for group in shares.groups() {
                let at_home =
                    |worker: usize| group.heads.clone().all(|head| home(head) == nodes[worker]);
                assert!(group.workers.clone().all(at_home), "{group:?}");
            }
        }
    }

    #[test]
    fn positions_have_writers_on_their_own_node_alone() {
        let nodes = workers(&[(3, 2), (1, 2), (0, 2)]);
        let homes = Homes::of(2, 256, &nodes);
        let shape = KvShape::new(2, 2, 64, CacheType::F16);
        let shares = HeadShares::new(shape, &homes, &nodes);
        assert_eq!((shares.groups().len(), shares.workers()), (3, 6));
        for (home, node) in [3, 1, 0].into_iter().enumerate() {
            let written = shares.written(home);
            let mut heads = Vec::new();
            for worker in 0..6 {
                let own = written.by(worker);
                assert!(own.is_empty() || nodes[worker] == node, "{home} {worker}");
                assert_eq!(own.is_empty(), written.spans().get(worker).is_empty());
                heads.extend(own);
            }
            assert_eq!(heads, [0, 1]);
        }
        // Another team shares blocks at all homes.
        let shares = HeadShares::new(shape, &homes, &[0, 0]);
        assert_eq!((shares.groups().len(), shares.workers()), (1, 2));
        assert!((0..3).all(|home| shares.written(home).by(1) == (1..2)));
    }

    #[test]
    fn a_team_on_other_nodes_shares_all_heads() {
        let homes = Homes::of(8, 256, &[0, 0, 1, 1]);
        let shape = KvShape::new(1, 8, 8, CacheType::F16).in_parts(2, Pages::Normal);
        for nodes in [&[0, 0, 0][..], &[0, 1, 2, 3], &[1, 0], &[0]] {
            let shares = HeadShares::new(shape, &homes, nodes);
            assert_eq!(shares.groups().len(), 1, "{nodes:?}");
            assert_eq!(shares.workers(), nodes.len());
            // A worker's heads lie within its span, also where they are of two parts.
            for worker in 0..nodes.len() {
                let span = shares.written(0).spans().get(worker);
                for head in shares.written(0).by(worker) {
                    let start = shape.head_start(head);
                    assert!(span.start <= start && start + shape.head_bytes() <= span.end);
                }
            }
        }
    }
}
