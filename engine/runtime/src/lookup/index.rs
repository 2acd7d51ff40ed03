//! Which earlier place of a sequence looks most like its end.

use std::collections::HashMap;

/// Tokens of the long and of the short n-grams that earlier places are found by.
const LONG: usize = 4;
const SHORT: usize = 2;
/// Latest places of a long n-gram that are compared; of a short one, half as many.
const MAX_PLACES: usize = 8;
/// Longest match that is told from longer ones when places are compared.
const MAX_COMPARED: usize = 32;

/// The place that the end of the sequence matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Position of the token that followed there.
    pub next: usize,
    /// Tokens that are equal before it, counted up to some limit when the place was found, and on
    /// from there while the sequence went on as it did.
    pub length: usize,
}

/// The tokens of one sequence, findable by what follows them.
///
/// Appending looks at a bounded number of places, whatever the tokens are; memory grows with the
/// number of tokens only.
#[derive(Clone, Debug, Default)]
pub struct NgramIndex {
    tokens: Vec<u32>,
    long: Places<LONG>,
    short: Places<SHORT>,
    current: Option<Match>,
}

/// Positions by the n-gram that ends before them, latest first. Position 0 follows nothing, so it
/// stands for "none".
#[derive(Clone, Debug, Default)]
struct Places<const N: usize> {
    latest: HashMap<[u32; N], usize>,
    /// By position: the one before it that follows the same n-gram.
    earlier: Vec<usize>,
}

impl<const N: usize> Places<N> {
    /// Notes the n-gram at the end of `tokens`.
    fn note(&mut self, tokens: &[u32]) {
        self.earlier.resize(tokens.len() + 1, 0);
        if let Some(gram) = tokens.last_chunk::<N>() {
            let before = self.latest.insert(*gram, tokens.len());
            self.earlier[tokens.len()] = before.unwrap_or(0);
        }
    }

    /// Earlier positions that follow what `position` follows, latest first.
    fn before(&self, position: usize) -> impl Iterator<Item = usize> + '_ {
        let earlier = |position: &usize| self.earlier.get(*position).copied();
        std::iter::successors(earlier(&position), earlier).take_while(|position| *position > 0)
    }
}

impl NgramIndex {
    /// Tokens so far.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are no tokens yet.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Appends a token and finds the match of the new end.
    pub fn push(&mut self, token: u32) {
        let followed = self.current.filter(|at| self.tokens[at.next] == token);
        self.note(token);
        let followed = followed.map(|at| Match {
            next: at.next + 1,
            length: at.length + 1,
        });
        self.current = match followed {
            Some(at) if at.length >= MAX_COMPARED => Some(at),
            other => self.longest(other),
        };
    }

    /// Appends many tokens and finds the match of the new end.
    pub fn extend(&mut self, tokens: &[u32]) {
        tokens.iter().for_each(|token| self.note(*token));
        self.current = self.longest(None);
    }

    /// The match of the end, if there is one of at least two tokens.
    pub fn current(&self) -> Option<Match> {
        self.current
    }

    /// The token that followed the match.
    pub fn predicted(&self) -> Option<u32> {
        self.current.map(|at| self.tokens[at.next])
    }

    /// Replaces `draft` by the `count` tokens that followed the match. Where the sequence ends
    /// before that, the draft goes on from its own beginning: a loop is drafted as a loop.
    pub fn draft(&self, count: usize, draft: &mut Vec<u32>) {
        draft.clear();
        let Some(at) = self.current else { return };
        for position in at.next..at.next + count {
            let token = match self.tokens.get(position) {
                Some(token) => *token,
                None => draft[position - self.tokens.len()],
            };
            draft.push(token);
        }
    }

    fn note(&mut self, token: u32) {
        self.tokens.push(token);
        self.long.note(&self.tokens);
        self.short.note(&self.tokens);
    }

    /// The longest match of the end, the latest of equals, if it is longer than `at_least`'s.
    fn longest(&self, at_least: Option<Match>) -> Option<Match> {
        let end = self.tokens.len();
        let mut best = at_least;
        let mut compare = |next: usize| {
            let length = self.common_before(next);
            if best.is_none_or(|best| length > best.length) {
                best = Some(Match { next, length });
            }
        };
        let mut long = self.long.before(end).take(MAX_PLACES).peekable();
        if long.peek().is_some() {
            long.for_each(&mut compare);
        } else {
            let short = self.short.before(end).take(MAX_PLACES / 2);
            short.for_each(&mut compare);
        }
        best
    }

    /// Equal tokens before `next` and before the end.
    fn common_before(&self, next: usize) -> usize {
        let there = self.tokens[..next].iter().rev();
        let here = self.tokens.iter().rev();
        let pairs = there.zip(here).take(MAX_COMPARED);
        pairs.take_while(|(there, here)| there == here).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tokens: &[u32]) -> NgramIndex {
        let mut index = NgramIndex::default();
        tokens.iter().for_each(|token| index.push(*token));
        index
    }

    #[test]
    fn drafts_follow_the_longest_match_then_the_latest() {
        // tokens, length of the match, draft of four
        type Case = (&'static [u32], usize, &'static [u32]);
        let cases: [Case; 7] = [
            (&[], 0, &[]),
            (&[1, 2, 3, 4], 0, &[]),
            // One equal token is no match.
            (&[1, 2, 1], 0, &[]),
            (&[1, 2, 3, 4, 5, 6, 1, 2], 2, &[3, 4, 5, 6]),
            // The latest of two places that match equally well.
            (&[5, 1, 2, 7, 6, 1, 2, 8, 9, 1, 2], 2, &[8, 9, 1, 2]),
            // An earlier place that matches better.
            (&[5, 1, 2, 7, 9, 6, 1, 2, 8, 5, 1, 2], 3, &[7, 9, 6, 1]),
            // The end is reached: the loop goes on.
            (&[9, 1, 2, 1, 2], 2, &[1, 2, 1, 2]),
        ];
        for (tokens, length, wanted) in cases {
            let index = of(tokens);
            let mut draft = vec![77];
            index.draft(4, &mut draft);
            assert_eq!(draft, wanted, "{tokens:?}");
            let found = index.current().map_or(0, |at| at.length);
            assert_eq!(found, length, "{tokens:?}");
            assert_eq!(index.predicted(), wanted.first().copied(), "{tokens:?}");
            let mut at_once = NgramIndex::default();
            at_once.extend(tokens);
            assert_eq!(at_once.current(), index.current(), "{tokens:?} at once");
        }
    }

    #[test]
    fn a_copy_is_followed_among_many_equal_places() {
        // Rows that differ only in their number: every long n-gram has 40 places, and only the
        // tokens before it tell which is meant.
        let row = |number: u32| [100 + number, 1, 2, 3, 4, 5, 6, 200 + number];
        let table: Vec<u32> = (0..40).flat_map(row).collect();
        let mut index = of(&table);
        let mut wrong = 0;
        for token in &table[..160] {
            wrong += usize::from(index.predicted() != Some(*token));
            index.push(*token);
        }
        // Only the beginning cannot be known.
        assert!(wrong <= 3, "{wrong} of 160 tokens of a copy were not seen");
    }

    #[test]
    fn repetition_costs_no_more_than_text() {
        // Quadratic work on 200,000 tokens would take hours.
        let mut index = of(&vec![7; 100_000]);
        index.extend(&vec![7; 50_000]);
        (0..50_000).for_each(|at| index.push([7, 8][at % 2]));
        let mut draft = Vec::new();
        index.draft(5, &mut draft);
        assert_eq!(draft, [7, 8, 7, 8, 7]);
        assert!(index.long.latest.len() < 20 && index.short.latest.len() < 20);
        assert_eq!(index.long.earlier.len(), index.len() + 1);
    }
}
