//! AVX-512 VNNI: `vpdpbusd`, at 256 bits where weights are opened and where activations are few, so
//! that no CPU lowers its clock in a phase that waits for memory; at 512 bits where they are many.

use super::evex::Avx512Vnni;
use super::ymm::Ymm;
use super::zmm::Zmm;
use crate::arch::blocks::{kernels, quantised_rows};
use crate::arch::tile::Proofs;
use crate::contract::{Kernel, Numerics};

impl Avx512Vnni {
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
