//! The KV cache: keys and values of all sequences, in blocks of positions from one pool.
//!
//! `shape` says what a block looks like and `block` is one, `heads` which nodes and workers have which heads.
//! `pool` gives blocks to sequences, as many
//! as its limit allows, and keeps those of finished sequences in `prefix`, a tree of blocks by their
//! tokens, for sequences that begin alike: full blocks are shared, the last one is copied.

pub(crate) mod block;
pub(crate) mod heads;
pub(crate) mod pool;
pub(crate) mod prefix;
pub(crate) mod shape;

pub use heads::{Group, HeadShares};
pub use pool::{CacheUse, NoRoom};
pub use prefix::common;
pub use shape::{BLOCK_POSITIONS, KvShape};
