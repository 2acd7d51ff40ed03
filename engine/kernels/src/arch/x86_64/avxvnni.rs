//! AVX-VNNI: `vpdpbusd` in the encoding of AVX2, on CPUs without AVX-512 (Alder Lake and later) and
//! with it.

use super::ymm::{Dot, Products, Ymm};
use crate::arch::blocks::{kernels, quantised_rows};
use crate::contract::{Kernel, Numerics};

/// The instruction set.
#[derive(Clone, Copy)]
pub(crate) struct AvxVnni;

impl Products for AvxVnni {
    const REGISTERS: usize = 16;
    const DOT: Option<Dot> = Some(Dot::Vex);
}

impl AvxVnni {
    /// The proof, to be had only where the instruction set may be used already.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,avxvnni")]
    pub(crate) fn here() -> Ymm<AvxVnni> {
        // SAFETY: this function's own target features.
        unsafe { Ymm::assume() }
    }
}

kernels! { bodies:
    #[target_feature(enable = "avx2,fma,f16c,avxvnni")]
    crate::arch::tile::Proofs::alike(super::AvxVnni::here()), 1
}

/// The rows of the table for this instruction set.
pub(super) static KERNELS: &[&[Kernel]] = &[
    quantised_rows!(AvxVnni, Numerics::Fused, Decode, "x86_64-", "-avxvnni-r8", bodies),
    quantised_rows!(AvxVnni, Numerics::Fused, Prefill, "x86_64-", "-avxvnni-r8x4", bodies),
];
