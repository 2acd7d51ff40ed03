//! What goes into a step and what comes out of it.

use crate::not_finite::NotFinite;
use crate::sequence::Sequence;

/// What a step is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// None: more of the prompt follows.
    None,
    /// Those after the last token.
    Last,
    /// Those after every token.
    All,
    /// None, and the hidden states of the tokens for the sequence's mean: [`Sequence::mean_state`].
    Mean,
}

/// New tokens of one sequence.
#[derive(Debug)]
pub struct Entry<'a> {
    /// What they are added to.
    pub sequence: &'a mut Sequence,
    /// At least one.
    pub tokens: &'a [u32],
    /// Which logits to return, or what to add up instead.
    pub wanted: Wanted,
}

impl Entry<'_> {
    /// Rows of logits that it will have.
    pub(crate) fn wanted_rows(&self) -> usize {
        match self.wanted {
            Wanted::None | Wanted::Mean => 0,
            Wanted::Last => 1,
            Wanted::All => self.tokens.len(),
        }
    }
}

/// Rows of logits, in batch order.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) width: usize,
    pub(crate) vocabulary_size: usize,
    /// Rows with values that are not finite.
    pub(crate) spoilt: &'a [bool],
}

impl<'a> Logits<'a> {
    /// Rows that were wanted.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// One finite value per vocabulary entry.
    ///
    /// # Errors
    /// [`NotFinite`]: not all of them are. Other rows may be as they should.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> Result<&'a [f32], NotFinite> {
        match self.spoilt[row] {
            false => Ok(&self.values[row * self.width..][..self.vocabulary_size]),
            true => Err(NotFinite),
        }
    }

    /// Makes sure of all rows, for those who look at none.
    ///
    /// # Errors
    /// As [`Logits::row`], for any of them.
    pub fn require_finite(&self) -> Result<(), NotFinite> {
        match self.spoilt.contains(&true) {
            false => Ok(()),
            true => Err(NotFinite),
        }
    }
}
