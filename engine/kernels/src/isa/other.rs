//! Architectures without kernels of their own.

use super::Isa;

/// Nothing.
pub(super) fn detected(_isa: Isa) -> bool {
    false
}
