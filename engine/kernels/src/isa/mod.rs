//! The instruction sets that kernels are written for, found at run time: one binary per
//! architecture runs on every CPU of it.

mod detection;

pub use detection::detected_names;

use crate::architecture::by_architecture;

by_architecture! {
    x86_64 => {
        mod x86_64;
        use x86_64 as native;
    }
    aarch64 => {
        mod aarch64;
        use aarch64 as native;
    }
    other => {
        mod other;
        use other as native;
    }
}

/// An instruction set that a kernel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What the compiler assumes of every CPU of the architecture.
    Portable,
    /// AArch64 with NEON: every CPU of the architecture.
    Neon,
    /// AArch64 with the dot products of Armv8.4 (Kunpeng 920, Neoverse N1 and later).
    Dotprod,
    /// The same with the integer matrix products of Armv8.6 (Neoverse V1, N2 and later).
    I8mm,
    /// x86-64 with AVX2, FMA and F16C (Haswell, Zen and later).
    Avx2,
    /// x86-64 with AVX-VNNI beside AVX2 (Alder Lake, Sierra Forest and later).
    AvxVnni,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VNNI (Ice Lake, Zen 4 and later).
    Avx512Vnni,
}

impl Isa {
    /// All of them, weakest first for each architecture.
    pub const ALL: [Isa; 7] = [
        Isa::Portable,
        Isa::Neon,
        Isa::Dotprod,
        Isa::I8mm,
        Isa::Avx2,
        Isa::AvxVnni,
        Isa::Avx512Vnni,
    ];

    /// The name in kernel names and logs.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::Dotprod => "dotprod",
            Isa::I8mm => "i8mm",
            Isa::Avx2 => "avx2",
            Isa::AvxVnni => "avxvnni",
            Isa::Avx512Vnni => "avx512vnni",
        }
    }
}

#[cfg(test)]
pub(crate) mod limit {
    //! Older CPUs, for tests: instruction sets that a thread does as if it had not.

    use std::cell::Cell;

    use super::Isa;

    thread_local! {
        static STRONGEST: Cell<Isa> = const { Cell::new(Isa::Avx512Vnni) };
    }

    /// Whether the present test does without.
    pub(super) fn hides(isa: Isa) -> bool {
        isa > STRONGEST.get()
    }

    /// Runs `test` as on a CPU that has nothing stronger.
    pub(crate) fn to<T>(strongest: Isa, test: impl FnOnce() -> T) -> T {
        let before = STRONGEST.replace(strongest);
        let result = test();
        STRONGEST.set(before);
        result
    }
}
