//! Architectures without kernels of their own: plain Rust for all.

use crate::contract::Kernel;
use crate::isa::Isa;

pub(crate) use super::portable::{quantize_blocks, xor_of};

/// Nothing says that a fused multiply-add is one instruction.
pub(crate) const PLAIN_RUST_FUSES: bool = false;

/// None.
pub(crate) fn detected(_isa: Isa) -> bool {
    false
}

/// None.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    Vec::new()
}

/// No stronger versions than plain Rust's.
macro_rules! stronger {
    ($body:ident($($arg:ident: $type:ty),*)) => {};
}
pub(crate) use stronger;
