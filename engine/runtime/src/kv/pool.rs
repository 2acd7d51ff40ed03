//! The memory of the cache: blocks for sequences, at most as many as it is limited to.
//!
//! A sequence is *promised* all blocks that it may come to need when it begins, so it never lacks one
//! later; it *takes* them as it grows. Blocks that only the index of prefixes has are given up where others
//! need room. Memory that was used once stays here, so that it need not be cleared by the system again.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sysinfer_machine::{MachineError, Pages, Residency};

use super::block::KvBlock;
use super::homes::Turns;
use super::prefix::{Known, PrefixIndex};
use super::shape::{BLOCK_POSITIONS, KvShape};

/// Gives blocks to sequences; all clones are one pool.
#[derive(Clone, Debug)]
pub(crate) struct KvPool {
    shape: KvShape,
    pages: Pages,
    turns: Turns,
    /// The node that each home is to be on, if any.
    nodes: Option<Arc<[usize]>>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Most blocks that may be promised or taken.
    limit: usize,
    promised: usize,
    /// Blocks that sequences or the index have.
    taken: usize,
    /// Memory of blocks that nobody has.
    free: Vec<KvBlock>,
    known: PrefixIndex<KvBlock>,
}

/// What a cache is used for, in blocks of [`BLOCK_POSITIONS`] tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheUse {
    /// Most blocks there may be; `usize::MAX` without a limit.
    pub limit: usize,
    /// Blocks that live sequences have or were promised.
    pub live: usize,
    /// Blocks that are kept for prompts that begin alike.
    pub kept: usize,
}

/// Live sequences have, or were promised, too much of the cache for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the KV cache has no room for {} tokens now: of {} it has {} in use",
    asked * BLOCK_POSITIONS,
    now.limit.saturating_mul(BLOCK_POSITIONS),
    now.live * BLOCK_POSITIONS
)]
pub struct NoRoom {
    /// Blocks that were asked for.
    pub asked: usize,
    /// What there is.
    pub now: CacheUse,
}

impl KvPool {
    /// A pool without a limit, whose blocks are at homes that take turns, or have a part at each home.
    pub(crate) fn new(
        shape: KvShape,
        pages: Pages,
        turns: Turns,
        nodes: Option<Arc<[usize]>>,
    ) -> Self {
        let state = State {
            limit: usize::MAX,
            promised: 0,
            taken: 0,
            free: Vec::new(),
            known: PrefixIndex::new(),
        };
        Self {
            shape,
            pages,
            turns,
            nodes,
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn shape(&self) -> KvShape {
        self.shape
    }

    /// Whether blocks of the other pool would be like those of this one.
    pub(crate) fn is_like(&self, other: &KvPool) -> bool {
        let alike = (self.shape, self.pages, self.turns) == (other.shape, other.pages, other.turns);
        alike && self.nodes == other.nodes
    }

    /// Memory for a sequence's block of that number.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn new_block(&self, number: usize) -> Result<KvBlock, MachineError> {
        self.block_at(self.turns.home(number))
    }

    fn block_at(&self, home: usize) -> Result<KvBlock, MachineError> {
        let nodes = self.nodes.as_deref().map(|nodes| match self.turns.homes {
            1 => nodes,
            _ => &nodes[home..=home],
        });
        KvBlock::new(self.shape, home, self.turns, self.pages, nodes)
    }

    /// Lets at most `blocks` be promised or taken from now on.
    pub(crate) fn set_limit(&self, blocks: usize) {
        self.lock().limit = blocks;
    }

    pub(crate) fn usage(&self) -> CacheUse {
        self.lock().usage()
    }

    /// What is known of `tokens`, and a promise of what a sequence of `blocks` blocks needs beside its
    /// full ones.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub(crate) fn begin(
        &self,
        tokens: &[u32],
        blocks: usize,
    ) -> Result<(Known<KvBlock>, Promise), NoRoom> {
        let mut state = self.lock();
        // Before there is a promise: what is known must not be given up for it.
        let mut known = state.known.find(tokens);
        let asked = blocks.saturating_sub(known.full.len());
        if let Err(refused) = state.promise(asked) {
            // The block that would be copied may be the one that is lacking.
            known.part.take().ok_or(refused)?;
            state.promise(asked)?;
        }
        drop(state);
        let promise = Promise {
            pool: self.clone(),
            blocks: asked,
        };
        Ok((known, promise))
    }

    /// What is known of `tokens`.
    pub(crate) fn find(&self, tokens: &[u32]) -> Known<KvBlock> {
        self.lock().known.find(tokens)
    }

    /// Keeps the blocks of `tokens` for sequences that begin alike.
    pub(crate) fn keep(&self, tokens: &[u32], blocks: Vec<Arc<KvBlock>>) {
        let mut state = self.lock();
        let unused = state.known.insert(tokens, blocks);
        state.put_back(unused);
    }

    /// Takes blocks back that a sequence no longer has.
    pub(crate) fn put_back(&self, blocks: Vec<Arc<KvBlock>>) {
        self.lock().put_back(blocks);
    }

    /// Takes in memory for blocks to come.
    pub(crate) fn stock(&self, blocks: Vec<KvBlock>) {
        self.lock().free.extend(blocks);
    }

    /// Where memory is that nobody has, by its home, as far as the kernel says.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn residency(&self, samples: usize) -> io::Result<Vec<(usize, Residency)>> {
        let state = self.lock();
        let parts = state.free.iter().flat_map(|block| {
            let parts = block.parts().enumerate();
            parts.map(|(part, bytes)| (part + block.home(), bytes))
        });
        parts
            .map(|(home, bytes)| Ok((home, sysinfer_machine::residency(bytes, samples)?)))
            .collect()
    }

    /// No code panics while it holds the lock, so a poisoned one still guards sound data.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn usage(&self) -> CacheUse {
        let kept = self.known.idle();
        CacheUse {
            limit: self.limit,
            live: self.promised + self.taken - kept,
            kept,
        }
    }

    fn promise(&mut self, asked: usize) -> Result<(), NoRoom> {
        let now = self.usage();
        if asked > now.limit.saturating_sub(now.live) {
            return Err(NoRoom { asked, now });
        }
        self.promised += asked;
        Ok(())
    }

    fn put_back(&mut self, blocks: Vec<Arc<KvBlock>>) {
        for block in blocks.into_iter().filter_map(Arc::into_inner) {
            self.taken -= 1;
            self.free.push(block);
        }
    }
}

/// Blocks that a sequence may still take.
#[derive(Debug)]
pub(crate) struct Promise {
    pool: KvPool,
    blocks: usize,
}

impl Promise {
    pub(crate) fn pool(&self) -> &KvPool {
        &self.pool
    }

    /// A sequence's block of that number, with anything in it. One that was not promised needs room.
    ///
    /// # Errors
    /// No memory, or [`NoRoom`]: nothing has changed then.
    pub(crate) fn take(&mut self, number: usize) -> Result<KvBlock, TakeError> {
        let home = self.pool.turns.home(number);
        let mut state = self.pool.lock();
        if self.blocks == 0 {
            state.promise(1)?;
            self.blocks += 1;
        }
        if state.taken >= state.limit
            && let Some(oldest) = state.known.take_oldest()
        {
            state.taken -= 1;
            state.free.push(oldest);
        }
        let at_home = |block: &KvBlock| block.home() == home;
        let block = match state.free.iter().rposition(at_home) {
            Some(place) => state.free.swap_remove(place),
            None => {
                // Memory at another home goes for it, so that all together stays within the limit.
                drop(state.free.pop());
                self.pool.block_at(home)?
            }
        };
        state.promised -= 1;
        state.taken += 1;
        self.blocks -= 1;
        Ok(block)
    }

    /// Gives up what is promised beyond `blocks`.
    pub(crate) fn lower_to(&mut self, blocks: usize) {
        let less = self.blocks.saturating_sub(blocks);
        self.pool.lock().promised -= less;
        self.blocks -= less;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.lower_to(0);
    }
}

/// Why there is no block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error(transparent)]
    Memory(#[from] MachineError),
}
