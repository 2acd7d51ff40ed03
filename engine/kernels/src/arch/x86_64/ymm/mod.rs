//! Vectors of 256 bits: AVX2, FMA and F16C, with the products of bytes of one extension or another.

use std::marker::PhantomData;

mod floats;
mod tile;
mod vectors;

/// Methods of a trait, each an expression that only a CPU with the instruction set may run.
macro_rules! instructions {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $body:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $type),*) $(-> $result)? {
                #[inline]
                #[target_feature(enable = "avx2,fma,f16c")]
                fn instruction($($arg: $type),*) $(-> $result)? {
                    $body
                }
                // SAFETY: `self` exists, so the CPU has the instruction set.
                unsafe { instruction($($arg),*) }
            }
        )*
    };
}
use instructions;

/// How an extension multiplies and adds bytes, and how many registers it has.
pub(crate) trait Products: Copy {
    /// Vector registers.
    const REGISTERS: usize;
    /// Whether `vpdpbusd` is there: four products of unsigned and signed bytes added to 32 bits.
    const DOT: Option<Dot>;
}

/// The two encodings of `vpdpbusd`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dot {
    /// AVX-VNNI.
    Vex,
    /// AVX-512 VNNI.
    Evex,
}

/// The proof that this CPU has AVX2, FMA, F16C and the extension `X`.
#[derive(Clone, Copy)]
pub(crate) struct Ymm<X>(PhantomData<X>);

impl<X: Products> Ymm<X> {
    /// The proof.
    ///
    /// # Safety
    /// The CPU has AVX2, FMA, F16C and the extension.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        Self(PhantomData)
    }
}
