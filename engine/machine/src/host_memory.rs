//! How much memory the host has.

use std::fs::read_to_string;

use crate::kernel_text::kib_field;

/// The memory of this host; 0 when unknown.
pub(crate) fn total_memory_bytes() -> u64 {
    let meminfo = read_to_string("/proc/meminfo").unwrap_or_default();
    kib_field(&meminfo, "MemTotal").unwrap_or(0)
}
