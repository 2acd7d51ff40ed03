//! What meets in attention: a span of keys and values, and rows of queries.

/// Positions handled at a time; spans start at multiples of it.
pub const BLOCK: usize = 32;

/// Numbers before the values of a partial result: largest score and sum.
pub const PARTIAL_HEAD: usize = 2;

/// A span of cached keys and values of one head, in whole blocks of [`BLOCK`] positions.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Keys in tiles, as [`CacheType`](super::CacheType) says.
    pub keys: &'a [u8],
    /// Values, position after position.
    pub values: &'a [u8],
    /// Position of the first key in its sequence.
    pub first_position: usize,
    /// Keys and values of the span that will follow, to be fetched meanwhile; empty: unknown.
    pub next: [&'a [u8]; 2],
}

/// One row of queries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QueryRow {
    /// Its position: it sees keys up to and including this one.
    pub position: usize,
    /// ALiBi slope (arXiv:2108.12409): a key `n` positions back loses `n * slope`; 0: none.
    pub slope: f32,
}

impl QueryRow {
    /// How many of the `positions` from `first` on it sees.
    #[inline(always)]
    pub(super) fn sees(&self, first: usize, positions: usize) -> usize {
        (self.position + 1).saturating_sub(first).min(positions)
    }
}
