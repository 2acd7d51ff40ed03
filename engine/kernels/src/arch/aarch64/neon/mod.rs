//! Vectors of 128 bits, two for eight rows, with the products of bytes of one extension or another.

use std::arch::aarch64::*;
use std::marker::PhantomData;

mod floats;
mod tile;
mod vectors;

pub(super) use tile::scales_of_two;

/// Methods of a trait, each an expression that only a CPU with NEON may run.
macro_rules! instructions {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $body:expr;)*) => {
        $(
            $(#[$meta])*
            #[inline(always)]
            fn $name(self, $($arg: $type),*) $(-> $result)? {
                #[inline]
                #[target_feature(enable = "neon")]
                fn instruction($($arg: $type),*) $(-> $result)? {
                    $body
                }
                // SAFETY: `self` exists, so the CPU has the instruction set.
                unsafe { instruction($($arg),*) }
            }
        )*
    };
}
pub(super) use instructions;

/// Eight f32.
pub(crate) type Reals = [float32x4_t; 2];
/// Eight integers.
pub(crate) type Ints = [int32x4_t; 2];
/// Four signed codes of each of eight rows.
pub(crate) type Codes = [int8x16_t; 2];

/// How an extension multiplies and adds bytes.
pub(crate) trait Products: Copy {
    /// Integer sums of eight rows while they are being added up.
    type Dots: Copy;

    /// Starts sums.
    fn start(neon: Neon<Self>) -> Self::Dots;
    /// Starts sums that [`Products::total`] adds `first` to.
    fn start_at(neon: Neon<Self>, first: i32) -> Self::Dots;
    /// Adds the products of four codes of each row, of size `MAX_CODE` at most, with activations `4 LANE ..` of
    /// sixteen. `done` counts what was added since the start.
    fn dot<const MAX_CODE: i32, const LANE: i32>(
        neon: Neon<Self>,
        dots: Self::Dots,
        done: usize,
        codes: Codes,
        activations: int8x16_t,
    ) -> Self::Dots;
    /// The sums.
    fn total(neon: Neon<Self>, dots: Self::Dots) -> Reals;
}

/// The proof that this CPU has NEON and the extension `X`.
#[derive(Clone, Copy)]
pub(crate) struct Neon<X>(PhantomData<X>);

impl<X: Products> Neon<X> {
    /// The proof.
    ///
    /// # Safety
    /// The CPU has NEON and the extension.
    #[inline(always)]
    pub(crate) unsafe fn assume() -> Self {
        Self(PhantomData)
    }
}
