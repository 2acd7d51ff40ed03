//! What goes into a step and what comes out of it.

use crate::sequence::Sequence;

/// Which rows of logits a step is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// None: more of the prompt follows.
    None,
    /// Those after the last token.
    Last,
    /// Those after every token.
    All,
}

/// New tokens of one sequence.
#[derive(Debug)]
pub struct Entry<'a> {
    /// What they are added to.
    pub sequence: &'a mut Sequence,
    /// At least one.
    pub tokens: &'a [u32],
    /// Which logits to return.
    pub wanted: Wanted,
}

/// Rows of logits, in batch order.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) width: usize,
    pub(crate) vocabulary_size: usize,
}

impl Logits<'_> {
    /// Rows that were wanted.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// One value per vocabulary entry.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.vocabulary_size]
    }
}
