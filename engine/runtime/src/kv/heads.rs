//! Heads of the cache and the NUMA nodes and workers that have them.
//!
//! Where several nodes work, each has an equal part of the heads, for all positions: its workers write and read
//! them, and nobody else does. Where heads cannot be divided like that, all workers share all of them, and
//! pages lie where they were written first.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use sysinfer_kernels::attention::{CacheType, TILE};
use sysinfer_machine::{Pages, Ranges};

use super::KvShape;
use crate::nodes::runs;

/// Nodes may have workers in different numbers as long as the most are no more than the fewest by this: each
/// has as many heads as the others, and all wait for the slowest.
const MOST_UNEVEN: f64 = 1.25;

/// Where heads are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Homes {
    /// All workers are on one node.
    One,
    /// An equal part of the heads on each, in the order of their workers.
    ByNode(Vec<usize>),
    /// Wherever they are written first, and why.
    Anywhere(&'static str),
}

impl Homes {
    /// Decides for the nodes of the decode team's workers, in their order.
    pub(crate) fn of(heads: usize, nodes: &[usize]) -> Homes {
        let runs = runs(nodes);
        if runs.len() < 2 {
            return Homes::One;
        }
        let homes: Vec<usize> = runs.iter().map(|(node, _)| *node).collect();
        let mut distinct = homes.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() < homes.len() {
            return Homes::Anywhere("workers of one node are not neighbours");
        }
        if !heads.is_multiple_of(homes.len()) {
            return Homes::Anywhere("the model's key/value heads do not divide by the nodes");
        }
        let counts = || runs.iter().map(|(_, workers)| workers.len());
        let (most, fewest) = (counts().max(), counts().min());
        let uneven = most.unwrap_or(1) as f64 / fewest.unwrap_or(1) as f64;
        if uneven > MOST_UNEVEN {
            return Homes::Anywhere("nodes have workers in too different numbers");
        }
        Homes::ByNode(homes)
    }

    /// Parts that a block has.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Homes::ByNode(nodes) => nodes.len(),
            Homes::One | Homes::Anywhere(_) => 1,
        }
    }

    /// The node of each part, where there are several.
    pub(crate) fn nodes(&self) -> Option<&[usize]> {
        match self {
            Homes::ByNode(nodes) => Some(nodes),
            Homes::One | Homes::Anywhere(_) => None,
        }
    }
}

impl Display for Homes {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Homes::One => formatter.write_str("on one node"),
            Homes::ByNode(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(usize::to_string).collect();
                write!(
                    formatter,
                    "an equal part of the heads on each of nodes {}",
                    nodes.join(", ")
                )
            }
            Homes::Anywhere(why) => write!(formatter, "where it is written first: {why}"),
        }
    }
}

/// Workers that share some heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Of the team.
    pub workers: Range<usize>,
    /// Of the cache.
    pub heads: Range<usize>,
}

/// Which heads the workers of a team have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadShares {
    /// All workers and all heads, both ascending.
    groups: Vec<Group>,
    /// The heads that each worker writes.
    writers: Ranges,
    /// Where those lie in a layer of a block.
    spans: Ranges,
}

impl HeadShares {
    /// For workers on these nodes: those of a part's home have its heads, if there are workers on just the
    /// homes, in their order.
    pub(crate) fn new(shape: KvShape, homes: &Homes, nodes: &[usize]) -> HeadShares {
        let runs = runs(nodes);
        let at_home = homes
            .nodes()
            .is_some_and(|homes| runs.iter().map(|(node, _)| node).eq(homes));
        let groups: Vec<Group> = match at_home {
            true => (runs.into_iter().enumerate())
                .map(|(part, (_, workers))| Group {
                    workers,
                    heads: part * shape.part_heads()..(part + 1) * shape.part_heads(),
                })
                .collect(),
            false => vec![Group {
                workers: 0..nodes.len(),
                heads: 0..shape.heads,
            }],
        };
        let of_group = |group: &Group| {
            let first = group.heads.start;
            let split = Ranges::split(group.heads.len(), 1, group.workers.len());
            let heads: Vec<Range<usize>> = split.iter().collect();
            heads
                .into_iter()
                .map(move |own| own.start + first..own.end + first)
        };
        let writers = groups.iter().flat_map(of_group).collect();
        let writers = Ranges::from_ranges(shape.heads, writers).expect("groups ascend");
        HeadShares {
            spans: shape.spans(&writers),
            groups,
            writers,
        }
    }

    /// For a team on `nodes` beside a decode team on `decode_nodes`, without a cache: for what reasons about
    /// speed.
    pub fn of_team(heads: usize, decode_nodes: &[usize], nodes: &[usize]) -> HeadShares {
        let homes = Homes::of(heads, decode_nodes);
        // Who has which heads does not depend on what these look like.
        let shape = KvShape::new(1, heads, TILE, CacheType::F16);
        Self::new(shape.in_parts(homes.parts(), Pages::Normal), &homes, nodes)
    }

    /// Workers and the heads that they share, both ascending.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The heads that a worker writes.
    pub fn written_by(&self, worker: usize) -> Range<usize> {
        self.writers.get(worker)
    }

    /// Where the heads of each worker lie in a layer of a block.
    pub(crate) fn spans(&self) -> &Ranges {
        &self.spans
    }

    /// Workers of the team.
    pub(crate) fn workers(&self) -> usize {
        self.writers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(counts: &[(usize, usize)]) -> Vec<usize> {
        let of_node = |(node, count): &(usize, usize)| vec![*node; *count];
        counts.iter().flat_map(of_node).collect()
    }

    #[test]
    fn heads_are_given_to_nodes_where_they_divide() {
        let by_node = |nodes: &[usize]| Homes::ByNode(nodes.to_vec());
        let cases = [
            (8, workers(&[(0, 4)]), Homes::One),
            (
                8,
                workers(&[(0, 22), (1, 22), (2, 22), (3, 22)]),
                by_node(&[0, 1, 2, 3]),
            ),
            // Baichuan2-13B, Qwen3-30B-A3B; nodes in any order.
            (40, workers(&[(2, 12), (0, 12)]), by_node(&[2, 0])),
            (
                4,
                workers(&[(0, 5), (1, 4), (2, 5), (3, 4)]),
                by_node(&[0, 1, 2, 3]),
            ),
        ];
        for (heads, nodes, wanted) in cases {
            assert_eq!(Homes::of(heads, &nodes), wanted, "{heads} {nodes:?}");
        }
        for (heads, nodes, word) in [
            (3, workers(&[(0, 2), (1, 2)]), "divide"),
            (2, workers(&[(0, 1), (1, 1), (2, 1), (3, 1)]), "divide"),
            (8, workers(&[(0, 1), (1, 1), (0, 1)]), "neighbours"),
            (8, workers(&[(0, 8), (1, 4)]), "different numbers"),
        ] {
            let homes = Homes::of(heads, &nodes);
            assert!(homes.to_string().contains(word), "{homes}");
            assert_eq!((homes.parts(), homes.nodes()), (1, None));
        }
    }

    #[test]
    fn every_head_has_writers_on_its_own_node_alone() {
        for (heads, nodes) in [
            (8, workers(&[(0, 22), (1, 22), (2, 22), (3, 22)])),
            (40, workers(&[(0, 24), (1, 24), (2, 24), (3, 24)])),
            (4, workers(&[(1, 16), (0, 16)])),
            (8, workers(&[(0, 1), (1, 1)])),
        ] {
            let homes = Homes::of(heads, &nodes);
            let shape = KvShape::new(2, heads, 128, CacheType::F16);
            let shape = shape.in_parts(homes.parts(), Pages::Transparent);
            let shares = HeadShares::new(shape, &homes, &nodes);
            let bare = HeadShares::of_team(heads, &nodes, &nodes);
            assert_eq!(
                (&bare.groups, &bare.writers),
                (&shares.groups, &shares.writers)
            );
            let home = |head: usize| homes.nodes().expect("several")[head / shape.part_heads()];
            let mut written = vec![0; heads];
            for (worker, node) in nodes.iter().enumerate() {
                for head in shares.written_by(worker) {
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
    fn a_team_on_other_nodes_shares_all_heads() {
        let homes = Homes::of(8, &[0, 0, 1, 1]);
        let shape = KvShape::new(1, 8, 8, CacheType::F16).in_parts(2, Pages::Normal);
        for nodes in [&[0, 0, 0][..], &[0, 1, 2, 3], &[1, 0], &[0]] {
            let shares = HeadShares::new(shape, &homes, nodes);
            assert_eq!(shares.groups().len(), 1, "{nodes:?}");
            assert_eq!(shares.workers(), nodes.len());
            // A worker's heads lie within its span, also where they are of two parts.
            for worker in 0..nodes.len() {
                let span = shares.spans().get(worker);
                for head in shares.written_by(worker) {
                    let start = shape.head_start(head);
                    assert!(span.start <= start && start + shape.head_bytes() <= span.end);
                }
            }
        }
    }
}
