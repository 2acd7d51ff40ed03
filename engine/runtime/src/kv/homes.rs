//! On which NUMA nodes the cache is.
//!
//! Where several nodes work, each has an equal part of the heads, for all positions. Where heads cannot be divided
//! like that, each has all heads of the positions that are its turn. A node's workers write and read what it has,
//! and nobody else does. Where neither is even, all workers share everything, and pages lie where they were written
//! first.

use std::fmt::{self, Display, Formatter};

use super::BLOCK_POSITIONS;
use crate::nodes::runs;

/// Nodes may have workers in different numbers as long as the most are no more than the fewest by this: each
/// has as much of the cache as the others, and all wait for the slowest.
const MAX_UNEVEN: f64 = 1.25;

/// Where the cache is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Homes {
    /// All workers are on one node.
    One,
    /// An equal part of the heads on each, in the order of their workers.
    ByHead(Vec<usize>),
    /// All heads of some blocks on each.
    ByPosition {
        /// The nodes, in the order of their workers.
        nodes: Vec<usize>,
        /// Which blocks each has.
        turns: Turns,
    },
    /// Wherever it is written first, and why.
    Anywhere(&'static str),
}

/// Blocks of a sequence by the home that has them: so many in a row at each, in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// Homes that take turns, at least 1.
    pub homes: usize,
    /// Blocks of a turn, at least 1.
    pub blocks: usize,
}

impl Turns {
    /// One home has all blocks, or a part of each.
    pub(crate) const NONE: Turns = Turns {
        homes: 1,
        blocks: 1,
    };

    /// The home of a sequence's block of that number.
    pub(crate) fn home(self, block: usize) -> usize {
        block / self.blocks % self.homes
    }

    /// The home of a position.
    pub fn of_position(self, position: usize) -> usize {
        self.home(position / BLOCK_POSITIONS)
    }
}

impl Homes {
    /// Decides for so many heads and the nodes of the decode team's workers, in their order; attention reads
    /// `chunk` positions at a time.
    pub(crate) fn of(heads: usize, chunk: usize, nodes: &[usize]) -> Homes {
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
        let counts = || runs.iter().map(|(_, workers)| workers.len());
        let (most, fewest) = (counts().max(), counts().min());
        let uneven = most.unwrap_or(1) as f64 / fewest.unwrap_or(1) as f64;
        if uneven > MAX_UNEVEN {
            return Homes::Anywhere("nodes have workers in too different numbers");
        }
        if heads.is_multiple_of(homes.len()) {
            return Homes::ByHead(homes);
        }
        let turns = Turns {
            homes: homes.len(),
            // What is read at a time is at one home.
            blocks: chunk.div_ceil(BLOCK_POSITIONS),
        };
        let nodes = homes;
        Homes::ByPosition { nodes, turns }
    }

    /// Parts that a block has.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Homes::ByHead(nodes) => nodes.len(),
            _ => 1,
        }
    }

    /// Which blocks are at which home.
    pub(crate) fn turns(&self) -> Turns {
        match self {
            Homes::ByPosition { turns, .. } => *turns,
            _ => Turns::NONE,
        }
    }

    /// The node of each home, where there are several: of each part of a block, or of each turn.
    pub(crate) fn nodes(&self) -> Option<&[usize]> {
        match self {
            Homes::ByHead(nodes) | Homes::ByPosition { nodes, .. } => Some(nodes),
            Homes::One | Homes::Anywhere(_) => None,
        }
    }
}

impl Display for Homes {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let list = |nodes: &[usize]| {
            let nodes: Vec<String> = nodes.iter().map(usize::to_string).collect();
            nodes.join(", ")
        };
        match self {
            Homes::One => formatter.write_str("on one node"),
            Homes::ByHead(nodes) => write!(
                formatter,
                "an equal part of the heads on each of nodes {}",
                list(nodes)
            ),
            Homes::ByPosition { nodes, turns } => write!(
                formatter,
                "{} positions in turn on each of nodes {}, by which the model's key/value heads do not divide",
                turns.blocks * BLOCK_POSITIONS,
                list(nodes)
            ),
            Homes::Anywhere(why) => write!(formatter, "where it is written first: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::workers;

    #[test]
    fn heads_are_given_to_nodes_where_they_divide() {
        let by_head = |nodes: &[usize]| Homes::ByHead(nodes.to_vec());
        let cases = [
            (8, workers(&[(0, 4)]), Homes::One),
            (
                8,
                workers(&[(0, 22), (1, 22), (2, 22), (3, 22)]),
                by_head(&[0, 1, 2, 3]),
            ),
            // Baichuan2-13B, Qwen3-30B-A3B; nodes in any order.
            (40, workers(&[(2, 12), (0, 12)]), by_head(&[2, 0])),
            (
                4,
                workers(&[(0, 5), (1, 4), (2, 5), (3, 4)]),
                by_head(&[0, 1, 2, 3]),
            ),
        ];
        for (heads, nodes, wanted) in cases {
            assert_eq!(Homes::of(heads, 256, &nodes), wanted, "{heads} {nodes:?}");
        }
        for (heads, nodes, word) in [
            (8, workers(&[(0, 1), (1, 1), (0, 1)]), "neighbours"),
            (8, workers(&[(0, 8), (1, 4)]), "different numbers"),
        ] {
            let homes = Homes::of(heads, 256, &nodes);
            assert!(homes.to_string().contains(word), "{homes}");
            assert_eq!((homes.parts(), homes.nodes()), (1, None));
            assert_eq!(homes.turns(), Turns::NONE);
        }
    }

    #[test]
    fn positions_are_given_to_nodes_where_heads_do_not_divide() {
        // Qwen2.5-3B has two heads.
        let nodes = workers(&[(0, 8), (1, 8), (2, 8), (3, 8)]);
        for (chunk, blocks) in [(32, 1), (128, 1), (256, 2), (200, 2), (4096, 32)] {
            let homes = Homes::of(2, chunk, &nodes);
            let turns = Turns { homes: 4, blocks };
            assert_eq!((homes.parts(), homes.turns()), (1, turns));
            assert_eq!(homes.nodes(), Some(&[0, 1, 2, 3][..]));
            assert!(homes.to_string().contains("do not divide"), "{homes}");
            let turn = blocks * BLOCK_POSITIONS;
            let found = [0, turn - 1, turn, 3 * turn, 4 * turn].map(|at| turns.of_position(at));
            assert_eq!(found, [0, 0, 1, 3, 0], "{chunk}");
        }
    }
}
