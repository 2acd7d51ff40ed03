//! Values that share no cache line with others.

/// One value per 128 bytes: two lines, because x86 fetches lines in pairs and some arm64 caches have
/// 128-byte lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct OwnLine<T>(pub(crate) T);
