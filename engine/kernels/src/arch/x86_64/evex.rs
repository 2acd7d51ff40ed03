//! The instruction set AVX-512 VNNI: the proof that a CPU has it, and its vectors of 256 bits.

use super::ymm::{Dot, Products, Ymm};

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
}
