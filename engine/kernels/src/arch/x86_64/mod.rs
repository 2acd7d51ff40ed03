//! x86-64: which instruction sets contribute to the table, strongest first.

use crate::contract::Kernel;
use crate::isa::Isa;

pub(crate) mod avx2;
mod avx512vnni;
mod avxvnni;
pub(crate) mod evex;
mod mem;
mod ymm;
mod zmm;

/// The tables of this architecture.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    [avx512vnni::KERNELS, avxvnni::KERNELS, avx2::KERNELS].concat()
}

/// Versions of a body for wide vectors.
macro_rules! stronger {
    ($body:ident($($arg:ident: $type:ty),*)) => {
        $crate::arch::version::version!(
            Avx512Vnni,
            "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni",
            $crate::arch::x86_64::evex::Avx512Vnni::here(),
            $body($($arg: $type),*)
        );
        $crate::arch::version::version!(
            Avx2,
            "avx2,fma,f16c",
            $crate::arch::x86_64::avx2::Avx2::here(),
            $body($($arg: $type),*)
        );
    };
}
pub(crate) use stronger;

/// Rounds `values` to 8 bits, block by block; `sink` gets index, step, half sums and multiples.
pub(crate) fn quantize_blocks(values: &[f32], sink: impl FnMut(usize, f32, [i16; 2], [i8; 32])) {
    if Isa::Avx2.detected() {
        // SAFETY: the instruction set was detected on the line above.
        return unsafe { avx2::quantize_blocks(values, sink) };
    }
    super::portable::quantize_blocks(values, sink);
}

/// The exclusive or of all bytes, by the widest loads.
pub(crate) fn xor_of(bytes: &[u8]) -> u64 {
    if Isa::Avx2.detected() {
        // SAFETY: the instruction set was detected on the line above.
        return unsafe { avx2::xor_of(bytes) };
    }
    super::portable::xor_of(bytes)
}
