//! The constants of the container, and how large a file may make what it holds.

pub(super) const MAGIC: [u8; 4] = *b"GGUF";
pub(super) const OLDEST_VERSION: u32 = 2;
pub(super) const NEWEST_VERSION: u32 = 3;
pub(super) const ALIGNMENT_KEY: &str = "general.alignment";
pub(super) const DEFAULT_ALIGNMENT_BYTES: u64 = 32;
/// The specification asks for a multiple of 8, which also keeps every block aligned in memory.
const MIN_ALIGNMENT_BYTES: u64 = 8;
/// Longest key (specification) and, by the same measure, tensor name.
pub(super) const MAX_NAME_BYTES: u64 = 65_535;
/// Far above any model; bounds the memory that the tables of a hostile file can take.
pub(super) const MAX_ENTRIES: u64 = 1 << 20;

/// A power of two of at least 8 that fits in the `u32` of the file.
pub(super) fn is_valid_alignment(bytes: u64) -> bool {
    bytes.is_power_of_two() && (MIN_ALIGNMENT_BYTES..=1 << 31).contains(&bytes)
}
