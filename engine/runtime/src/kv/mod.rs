//! The KV cache: keys and values of all sequences, in blocks of positions from one pool.
//!
//! `shape` says what a block looks like and `block` is one, `homes` on which nodes they are, `heads` which workers
//! have which of their heads. `pool` gives blocks to sequences, as many
//! as its limit allows, and keeps those of finished sequences in `prefix`, a tree of blocks by their
//! tokens, for sequences that begin alike: full blocks are shared, the last one is copied.

pub(crate) mod block;
pub(crate) mod heads;
pub(crate) mod homes;
pub(crate) mod pool;
pub(crate) mod prefix;
pub(crate) mod shape;

pub use heads::{Group, HeadShares, Written};
pub use homes::Turns;
pub use pool::{CacheUse, NoRoom};
pub use prefix::common;
pub use shape::{BLOCK_POSITIONS, KvShape};
