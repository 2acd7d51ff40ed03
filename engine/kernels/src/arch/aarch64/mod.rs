//! AArch64: which instruction sets there are, strongest first.
//!
//! NEON is what every CPU of the architecture has; what tells them apart is how they multiply bytes.

use crate::contract::Kernel;
use crate::isa::Isa;

pub(crate) mod base;
mod dotprod;
mod insn;
pub(crate) mod neon;

/// A fused multiply-add of plain Rust is one instruction.
pub(crate) const PLAIN_RUST_FUSES: bool = true;

/// Whether this CPU has an instruction set.
pub(crate) fn detected(isa: Isa) -> bool {
    match isa {
        Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
        Isa::Dotprod => Isa::Neon.detected() && std::arch::is_aarch64_feature_detected!("dotprod"),
        _ => false,
    }
}

/// The tables of this architecture.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    vec![dotprod::KERNELS, base::QUANTISED, base::FLOATS]
}

/// The version of a body for vectors. Arithmetic on f32 is NEON's on every CPU.
macro_rules! stronger {
    ($body:ident($($arg:ident: $type:ty),*)) => {
        $crate::arch::versions::version!(
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
