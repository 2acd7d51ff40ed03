//! x86-64: which instruction sets contribute to the table, strongest first.

use crate::contract::Kernel;

pub(crate) mod avx2;
mod avx512vnni;
pub(crate) mod mem;

/// The tables of this architecture.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    vec![avx512vnni::KERNELS, avx2::KERNELS, avx2::AUTO_KERNELS]
}
