//! AVX-512 VNNI: `vpdpbusd`, at 256 bits where weights are opened and where activations are few, so
//! that no CPU lowers its clock in a phase that waits for memory; at 512 bits where they are many.

use super::ymm::{Dot, Products, Ymm};
use super::zmm::Zmm;
use crate::arch::blocks::{kernels, quantised_rows};
use crate::arch::tile::Proofs;
use crate::contract::{Kernel, Numerics};

/// The instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni;

impl Products for Avx512Vnni {
    const REGISTERS: usize = 32;
    const DOT: Option<Dot> = Some(Dot::Evex);
}

impl Avx512Vnni {
    /// The proof, to be had only where the instruction set may be used already.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(crate) fn here() -> Ymm<Avx512Vnni> {
        // SAFETY: this function's own target features.
        unsafe { Ymm::assume() }
    }

    /// 256 bits, and 512 for many activations.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    fn tiles() -> Proofs<Ymm<Avx512Vnni>, Ymm<Avx512Vnni>, Zmm> {
        let vectors = Avx512Vnni::here();
        Proofs {
            vectors,
            few: vectors,
            many: Zmm::new(vectors),
        }
    }
}

kernels! { bodies:
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    super::Avx512Vnni::tiles(), 1
}

/// The rows of the table for this instruction set.
pub(super) static KERNELS: &[&[Kernel]] = &[
    quantised_rows!(Avx512Vnni, Numerics::Fused, Decode, "x86_64-", "-avx512vnni-r8", bodies),
    quantised_rows!(Avx512Vnni, Numerics::Fused, Prefill, "x86_64-", "-avx512vnni-r32x4", bodies),
];
