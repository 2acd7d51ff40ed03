//! Architectures without kernels of their own: plain Rust for all.

use crate::contract::Kernel;

pub(crate) use super::portable::{quantize_blocks, xor_of};

/// None.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    Vec::new()
}

/// No stronger versions than plain Rust's.
macro_rules! stronger {
    ($body:ident($($arg:ident: $type:ty),*)) => {};
}
pub(crate) use stronger;
