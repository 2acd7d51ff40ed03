//! The merges of a byte-level vocabulary, and merging one word by them.
//!
//! The pair of the lowest rank is merged first, the leftmost among equals, until no pair is left
//! (Sennrich et al., 2016). With a heap of candidates that takes n log n for a word of n bytes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::number_table::NumberTable;

/// Stands for "no neighbour".
const NONE: usize = usize::MAX;

/// Two tokens that become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Merge {
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) merged: u32,
}

/// All merges; the rank of one is its position in the file.
#[derive(Debug)]
pub(super) struct Merges {
    by_rank: Vec<Merge>,
    ranks: NumberTable,
}

impl Merges {
    /// No merges yet, with room for `count`, which has 31 bits.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            by_rank: Vec::with_capacity(count),
            ranks: NumberTable::with_capacity(count),
        }
    }

    /// Adds the merge of the next rank. Of two for the same pair the first counts.
    pub(super) fn push(&mut self, merge: Merge) {
        let (by_rank, rank) = (&self.by_rank, self.by_rank.len() as u32);
        let pair = (merge.left, merge.right);
        let is_same =
            |other: u32| (by_rank[other as usize].left, by_rank[other as usize].right) == pair;
        self.ranks.entry(pair, rank, is_same);
        self.by_rank.push(merge);
    }

    /// Rank and result of merging a pair, if there is a merge for it.
    fn find(&self, left: u32, right: u32) -> Option<(u32, u32)> {
        let at = |rank: u32| self.by_rank[rank as usize];
        let is_same = |rank: u32| at(rank).left == left && at(rank).right == right;
        let rank = self.ranks.find((left, right), is_same)?;
        Some((rank, at(rank).merged))
    }
}

/// A word while it is merged; its memory is used for word after word.
#[derive(Debug, Default)]
pub(super) struct Word {
    symbols: Vec<Symbol>,
    candidates: BinaryHeap<Reverse<Candidate>>,
}

/// A token in a doubly linked list.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    token: u32,
    is_gone: bool,
    previous: usize,
    next: usize,
}

/// A merge that may be done: the lowest rank first, then the leftmost. It is stale once either token
/// is another one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    position: usize,
}

impl Word {
    /// Merges `tokens` and appends what is left to `merged`.
    pub(super) fn merge(
        &mut self,
        tokens: impl ExactSizeIterator<Item = u32>,
        merges: &Merges,
        merged: &mut Vec<u32>,
    ) {
        self.fill(tokens);
        for left in 0..self.symbols.len() {
            self.consider(left, merges);
        }
        while let Some(Reverse(Candidate { rank, position })) = self.candidates.pop() {
            self.apply(rank, position, merges);
        }
        let left = self.symbols.iter().filter(|symbol| !symbol.is_gone);
        merged.extend(left.map(|symbol| symbol.token));
    }

    fn fill(&mut self, tokens: impl ExactSizeIterator<Item = u32>) {
        let last = tokens.len().wrapping_sub(1);
        self.symbols.clear();
        self.symbols.reserve_exact(tokens.len());
        let symbol = |(index, token): (usize, u32)| Symbol {
            token,
            is_gone: false,
            previous: index.wrapping_sub(1),
            next: if index == last { NONE } else { index + 1 },
        };
        self.symbols.extend(tokens.enumerate().map(symbol));
        self.candidates.reserve_exact(self.symbols.len());
    }

    /// Enters the merge of the symbol at `left` with its right neighbour, if there is one.
    fn consider(&mut self, left: usize, merges: &Merges) {
        let Some(&Symbol { token, next, .. }) = self.symbols.get(left) else {
            return;
        };
        let Some(right) = self.symbols.get(next) else {
            return;
        };
        if let Some((rank, _)) = merges.find(token, right.token) {
            let position = left;
            self.candidates.push(Reverse(Candidate { rank, position }));
        }
    }

    /// Does a merge unless it is stale.
    fn apply(&mut self, rank: u32, position: usize, merges: &Merges) {
        let Merge {
            left,
            right,
            merged,
        } = merges.by_rank[rank as usize];
        let symbol = self.symbols[position];
        let Some(&neighbour) = self.symbols.get(symbol.next) else {
            return;
        };
        if symbol.is_gone || (symbol.token, neighbour.token) != (left, right) {
            return;
        }
        self.symbols[symbol.next].is_gone = true;
        self.symbols[position].token = merged;
        self.symbols[position].next = neighbour.next;
        if let Some(after) = self.symbols.get_mut(neighbour.next) {
            after.previous = position;
        }
        self.consider(symbol.previous, merges);
        self.consider(position, merges);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merges(list: &[(u32, u32, u32)]) -> Merges {
        let mut merges = Merges::with_capacity(list.len());
        for &(left, right, merged) in list {
            merges.push(Merge {
                left,
                right,
                merged,
            });
        }
        merges
    }

    fn merged(tokens: &[u32], merges: &Merges) -> Vec<u32> {
        let mut left = Vec::new();
        Word::default().merge(tokens.iter().copied(), merges, &mut left);
        left
    }

    #[test]
    fn ranks_come_before_places_and_places_from_the_left() {
        let merges = merges(&[(1, 2, 12), (0, 1, 10), (3, 3, 33), (33, 33, 99)]);
        let cases: [(&[u32], &[u32]); 7] = [
            (&[], &[]),
            (&[1], &[1]),
            (&[0, 1], &[10]),
            (&[0, 1, 2], &[0, 12]),
            (&[3, 3, 3], &[33, 3]),
            (&[3, 3, 3, 3, 3], &[99, 3]),
            (&[0, 1, 0, 1, 2], &[10, 0, 12]),
        ];
        for (tokens, wanted) in cases {
            assert_eq!(merged(tokens, &merges), wanted, "{tokens:?}");
        }
    }

    #[test]
    fn the_first_of_two_merges_of_a_pair_counts() {
        let merges = merges(&[(0, 1, 7), (1, 2, 8), (0, 1, 9)]);
        assert_eq!(merged(&[0, 1, 2], &merges), [7, 2]);
    }

    /// A merge can result in a token that it was made of, where a vocabulary names two tokens alike.
    #[test]
    fn merging_ends_whatever_the_merges_say() {
        let merges = merges(&[(0, 0, 0), (1, 0, 1), (0, 1, 0)]);
        assert_eq!(merged(&[0; 100], &merges), [0]);
        assert_eq!(merged(&[1, 0, 0, 1], &merges), [1, 1]);
    }
}
