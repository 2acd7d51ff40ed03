//! One request's state: its tokens and the cache of their keys and values.

use std::sync::Arc;

use crate::error::EngineError;
use crate::kv::block::KvBlock;
use crate::kv::pool::{KvPool, Promise};
use crate::kv::prefix::{Known, common};
use crate::kv::{BLOCK_POSITIONS, KvShape};
use crate::not_finite::NotFinite;
use crate::state_sum::StateSum;

/// Tokens that went through the model, with their keys and values. Grows block by block; gives its blocks
/// back when dropped.
///
/// ```
/// use sysinfer_engine::{Engine, Entry, PhasePlan, Plan, Precision, Preset, Wanted};
/// # use sysinfer_machine::Topology;
/// # fn main() -> Result<(), sysinfer_engine::EngineError> {
/// # let (plan, topology) = (Plan::with_threads(PhasePlan::unpinned(1)), Topology::flat(&[0]));
/// # let precision = Precision::default();
/// # let mut engine = Engine::synthetic(Preset::Tiny, plan, precision, &topology, &mut |_| {})?;
/// let (mut first, mut second) = (engine.sequence(16)?, engine.sequence(16)?);
/// // One step takes new tokens of any number of sequences.
/// let first_entry = Entry {
///     sequence: &mut first,
///     tokens: &[1, 17, 300],
///     wanted: Wanted::None,
/// };
/// let second_entry = Entry {
///     sequence: &mut second,
///     tokens: &[1, 44],
///     wanted: Wanted::Last,
/// };
/// let logits = engine.step(&mut [first_entry, second_entry])?;
/// assert_eq!(logits.rows(), 1);
/// // What a sequence should not have said is cut off, and costs nothing.
/// first.truncate(2);
/// assert_eq!((first.tokens(), second.len()), (&[1, 17][..], 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sequence {
    /// Those that are full may be shared with others, and are not written then.
    blocks: Vec<Arc<KvBlock>>,
    tokens: Vec<u32>,
    /// Hidden states of its first tokens, where steps were asked for them.
    states: StateSum,
    capacity: usize,
    promise: Promise,
}

impl Sequence {
    /// A sequence of at most `capacity` tokens, which begins with as many of `prompt` as the pool knows.
    ///
    /// # Errors
    /// No room in the pool, no memory.
    pub(crate) fn begin(
        pool: &KvPool,
        prompt: &[u32],
        capacity: usize,
    ) -> Result<Self, EngineError> {
        let (known, promise) = pool.begin(prompt, capacity.div_ceil(BLOCK_POSITIONS))?;
        let mut sequence = Self {
            blocks: Vec::new(),
            tokens: Vec::new(),
            states: StateSum::default(),
            capacity,
            promise,
        };
        sequence.adopt(prompt, known)?;
        Ok(sequence)
    }

    /// Tokens so far.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether no token went through the model yet.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The most tokens it may hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The tokens themselves.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Forgets all tokens; keeps the memory for the next ones.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Forgets the tokens from position `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.states.cut(len);
    }

    /// The mean of the hidden states of all its tokens, `[embedding_length]`: of the values behind the
    /// last norm, which the output matrix multiplies. The same bits however the tokens were cut into steps,
    /// and whatever else ran in these. `None` if there are no tokens, or some whose states were not asked
    /// for with [`Wanted::Mean`](crate::Wanted::Mean), as those that were taken over from another sequence.
    ///
    /// # Errors
    /// A state has a value that is not finite.
    pub fn mean_state(&self) -> Result<Option<Vec<f32>>, NotFinite> {
        match self.has_all_states() && !self.is_empty() {
            true => self.states.mean().map(Some),
            false => Ok(None),
        }
    }

    /// Whether the states of all its tokens have been added up, so that those of the next ones can be.
    pub(crate) fn has_all_states(&self) -> bool {
        self.states.tokens() == self.len()
    }

    pub(crate) fn states_mut(&mut self) -> &mut StateSum {
        &mut self.states
    }

    /// Takes over, instead of computing them, keys and values of the tokens that `prompt` and `other` begin
    /// with in common, if those are more than it has. `prompt` begins with its own tokens.
    ///
    /// # Errors
    /// No memory: it has a part of them then, or none.
    ///
    /// # Panics
    /// If the other is of another model.
    pub fn share(&mut self, prompt: &[u32], other: &Sequence) -> Result<(), EngineError> {
        assert_eq!(self.shape(), other.shape(), "a sequence of another model");
        let count = common(prompt, &other.tokens);
        let (full, part) = (count / BLOCK_POSITIONS, count % BLOCK_POSITIONS);
        let known = Known {
            full: other.blocks[..full].to_vec(),
            part: (part > 0).then(|| (Arc::clone(&other.blocks[full]), part)),
        };
        self.adopt(prompt, known)
    }

    /// As [`Sequence::share`], from sequences that ended and were kept.
    ///
    /// # Errors
    /// As [`Sequence::share`].
    pub fn recall(&mut self, prompt: &[u32]) -> Result<(), EngineError> {
        let known = self.promise.pool().find(prompt);
        self.adopt(prompt, known)
    }

    /// Begins with what is known of `prompt`, if that is more than it has.
    fn adopt(&mut self, prompt: &[u32], known: Known<KvBlock>) -> Result<(), EngineError> {
        let full = known.full.len() * BLOCK_POSITIONS;
        let count = full + known.part.as_ref().map_or(0, |(_, count)| *count);
        if count <= self.len() {
            return Ok(());
        }
        // Full blocks of its own stay.
        let own = self.len() / BLOCK_POSITIONS;
        if known.full.len() > own {
            let before = self.blocks.split_off(own);
            self.promise.pool().put_back(before);
            self.blocks.extend_from_slice(&known.full[own..]);
            self.tokens = prompt[..full].to_vec();
            let all = self.capacity.div_ceil(BLOCK_POSITIONS);
            self.promise.lower_to(all.saturating_sub(known.full.len()));
        }
        if let Some((block, _)) = known.part {
            self.tokens.truncate(full);
            self.reserve(count - full)?;
            for own in self.blocks_of_mut(full, count - full) {
                own.copy_from(&block);
            }
            self.extend(&prompt[full..count]);
        }
        Ok(())
    }

    pub(crate) fn shape(&self) -> KvShape {
        self.promise.pool().shape()
    }

    /// Makes room for `more` tokens: takes the blocks that they go to.
    ///
    /// # Errors
    /// More than its capacity, no memory.
    pub fn reserve(&mut self, more: usize) -> Result<(), EngineError> {
        let asked = self.len() + more;
        if asked > self.capacity {
            let limit_name = "the capacity of the sequence";
            return Err(EngineError::Context {
                asked,
                limit: self.capacity,
                limit_name,
            });
        }
        // Blocks that are shared cannot be written: one that was cut into is copied.
        let first = self.len() / BLOCK_POSITIONS;
        for index in first..self.blocks.len().min(asked.div_ceil(BLOCK_POSITIONS)) {
            if Arc::get_mut(&mut self.blocks[index]).is_none() {
                let mut own = self.promise.take(index)?;
                own.copy_from(&self.blocks[index]);
                let shared = std::mem::replace(&mut self.blocks[index], Arc::new(own));
                self.promise.pool().put_back(vec![shared]);
            }
        }
        while self.blocks.len() * BLOCK_POSITIONS < asked {
            let block = self.promise.take(self.blocks.len())?;
            self.blocks.push(Arc::new(block));
        }
        Ok(())
    }

    /// Adds tokens whose keys and values are in the cache.
    pub(crate) fn extend(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }

    pub(crate) fn blocks(&self) -> &[Arc<KvBlock>] {
        &self.blocks
    }

    /// The blocks that hold positions `first..first + count`, for which there was room made.
    pub(crate) fn blocks_of_mut(
        &mut self,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = &mut KvBlock> {
        let blocks = first / BLOCK_POSITIONS..(first + count).div_ceil(BLOCK_POSITIONS);
        let own = |block| Arc::get_mut(block).expect("what is written is not shared");
        self.blocks[blocks].iter_mut().map(own)
    }

    /// Ends the sequence and keeps its blocks for those that begin alike.
    pub(crate) fn keep(mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        self.promise.pool().keep(&self.tokens, blocks);
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        self.promise.pool().put_back(blocks);
    }
}
