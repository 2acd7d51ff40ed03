//! AArch64: which instruction sets contribute to the table, strongest first.
//!
//! NEON is what every CPU of the architecture has; what tells them apart is how they multiply bytes.

use crate::contract::Kernel;

pub(crate) mod base;
mod dotprod;
mod i8mm;
mod insn;
pub(crate) mod neon;
mod round;

/// The tables of this architecture.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    [i8mm::KERNELS, dotprod::KERNELS, base::KERNELS].concat()
}

/// The version of a body for vectors. Arithmetic on f32 is NEON's on every CPU.
macro_rules! stronger {
    ($body:ident($($arg:ident: $type:ty),*)) => {
        $crate::arch::version::version!(
            Neon,
            "neon",
            $crate::arch::aarch64::base::Base::here(),
            $body($($arg: $type),*)
        );
    };
}
pub(crate) use stronger;

/// Rounds `values` to 8 bits, block by block; `sink` gets index, step, half sums and multiples. The
/// compiler turns plain Rust into the vectors that every CPU of the architecture has.
pub(crate) use super::portable::quantize_blocks;

/// The exclusive or of all bytes; as above.
pub(crate) use super::portable::xor_of;
