//! NEON with the dot products of Armv8.4 (Kunpeng 920, Neoverse N1 and later): `sdot` takes four activations
//! out of a register that holds sixteen, so that nothing is broadcast.

use std::arch::aarch64::*;

use super::insn;
use super::neon::{Codes, Ints, Neon, Products, Reals};
use crate::arch::blocks::{kernels, quantised_rows};
use crate::arch::tile::Proofs;
use crate::contract::{Kernel, Numerics};

/// The instruction set.
#[derive(Clone, Copy)]
pub(super) struct Dotprod;

/// 1.5 * 2^23 as bits: integers added to them are, read as f32, that number plus the integer. Taking it off
/// again is one `fsub`, which more pipes do than `scvtf`; exact below 2^22, and a part has 32 products of
/// 127 and 128 at most.
const ROUND: i32 = 0x4B40_0000;

impl Products for Dotprod {
    /// Eight `sdot` follow one another in a row group, and cores have several under way.
    const SIDE_BY_SIDE: usize = 2;
    type Dots = Ints;

    #[inline(always)]
    fn start(_: Neon<Dotprod>, first: i32) -> Ints {
        // SAFETY: the proof exists, so the CPU has the instruction set.
        unsafe { start(ROUND + first) }
    }

    #[inline(always)]
    fn dot<const MOST: i32>(
        _: Neon<Dotprod>,
        dots: Ints,
        _done: usize,
        codes: Codes,
        activations: int8x16_t,
        lane: usize,
    ) -> Ints {
        // The lane is a constant once the loops around are unrolled.
        // SAFETY: as in `start`.
        unsafe {
            match lane {
                0 => products::<0>(dots, codes, activations),
                1 => products::<1>(dots, codes, activations),
                2 => products::<2>(dots, codes, activations),
                _ => products::<3>(dots, codes, activations),
            }
        }
    }

    #[inline(always)]
    fn total(_: Neon<Dotprod>, dots: Ints) -> Reals {
        // SAFETY: as in `start`.
        unsafe { total(dots) }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn start(first: i32) -> Ints {
    [vdupq_n_s32(first); 2]
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn products<const LANE: i32>(dots: Ints, codes: Codes, activations: int8x16_t) -> Ints {
    [
        insn::sdot_lane::<LANE>(dots[0], codes[0], activations),
        insn::sdot_lane::<LANE>(dots[1], codes[1], activations),
    ]
}

#[inline]
#[target_feature(enable = "neon")]
fn total(dots: Ints) -> Reals {
    let round = vreinterpretq_f32_s32(vdupq_n_s32(ROUND));
    [
        vsubq_f32(vreinterpretq_f32_s32(dots[0]), round),
        vsubq_f32(vreinterpretq_f32_s32(dots[1]), round),
    ]
}

impl Dotprod {
    /// The proof, to be had only where the instruction set may be used already.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    fn here() -> Proofs<Neon<Dotprod>, Neon<Dotprod>, Neon<Dotprod>> {
        // SAFETY: this function's own target features.
        Proofs::alike(unsafe { Neon::assume() })
    }
}

kernels! {
    #[target_feature(enable = "neon,dotprod")]
    super::Dotprod::here()
}

/// The rows of the table for this instruction set.
pub(super) static KERNELS: &[Kernel] = quantised_rows!(
    Dotprod,
    Numerics::Fused,
    "aarch64-",
    "-dotprod-r8",
    "-dotprod-r8x4"
);
