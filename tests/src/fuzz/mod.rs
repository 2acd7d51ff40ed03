//! Hostile input: one function per kind of input that takes any bytes and panics when a promise is
//! broken, and the bounds that hold for it.
//!
//! The fuzzer's targets (`fuzz/fuzz_targets`) and the test that replays the corpus
//! (`tests/tests/fuzz_corpus.rs`) call the same [`Target::check`], so that what the fuzzer found once
//! is tested everywhere, without a fuzzer.

pub mod allocation;
pub mod cpu_list;
pub mod gguf;
pub mod gguf_mutator;
pub mod profile;
pub mod seeds;
pub mod split;
pub mod swollen;
mod target;
pub mod template;
pub mod tokenizer;
pub mod vocabularies;

pub use target::{LARGEST_PER_FILE_BYTE, Target};

/// All targets, by name.
pub const TARGETS: [Target; 6] = [
    cpu_list::TARGET,
    gguf::TARGET,
    profile::TARGET,
    split::TARGET,
    template::TARGET,
    tokenizer::TARGET,
];
