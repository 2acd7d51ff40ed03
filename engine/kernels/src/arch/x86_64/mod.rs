//! x86-64: which instruction sets contribute to the table, strongest first.

use crate::contract::Kernel;

pub(crate) mod avx2;
pub(crate) mod avx512vnni;
mod avxvnni;
pub(crate) mod mem;
mod plain;
mod ymm;
mod zmm;

/// The tables of this architecture.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    vec![
        avx512vnni::KERNELS,
        avxvnni::KERNELS,
        avx2::QUANTISED,
        avx2::PLAIN,
    ]
}
