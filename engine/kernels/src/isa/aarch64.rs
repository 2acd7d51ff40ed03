//! What an AArch64 CPU has, as the system says (HWCAP).

use super::Isa;

/// Whether this CPU has an instruction set.
pub(super) fn detected(isa: Isa) -> bool {
    match isa {
        Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
        Isa::Dotprod => Isa::Neon.detected() && std::arch::is_aarch64_feature_detected!("dotprod"),
        Isa::I8mm => Isa::Dotprod.detected() && std::arch::is_aarch64_feature_detected!("i8mm"),
        _ => false,
    }
}
