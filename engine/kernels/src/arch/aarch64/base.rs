//! NEON as every CPU of the architecture has it (Cortex-A72, Kunpeng 916): bytes are multiplied into 16 bits,
//! where products stay as long as the largest code allows.

use std::arch::aarch64::*;

use super::neon::{Codes, Neon, Products, Reals};
use crate::arch::blocks::{kernels, quantised_rows};
use crate::arch::float_weights::{float_kernels, float_rows};
use crate::contract::{Kernel, Numerics};

/// The instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Base;

/// Sums of eight rows. Products of two rows lie in a vector, so four vectors hold four products of each.
#[derive(Clone, Copy)]
pub(crate) struct Dots {
    first: i32,
    /// Products in 16 bits.
    narrow: [int16x8_t; 4],
    /// Sums of pairs of them in 32.
    wide: [int32x4_t; 4],
}

impl Products for Base {
    type Dots = Dots;

    #[inline(always)]
    fn start(neon: Neon<Base>) -> Dots {
        Self::start_at(neon, 0)
    }

    #[inline(always)]
    fn start_at(_: Neon<Base>, first: i32) -> Dots {
        // SAFETY: the proof exists, so the CPU has the instruction set.
        unsafe { start(first) }
    }

    #[inline(always)]
    fn dot<const MAX_CODE: i32, const LANE: i32>(
        _: Neon<Base>,
        dots: Dots,
        done: usize,
        codes: Codes,
        activations: int8x16_t,
    ) -> Dots {
        // As many as fit 16 bits together.
        let fit = const { (i16::MAX as i32 / (127 * MAX_CODE)) as usize };
        let full = done > 0 && done.is_multiple_of(fit);
        // SAFETY: as in `start`.
        unsafe {
            let dots = if full { widened(dots) } else { dots };
            products::<LANE>(dots, codes, activations)
        }
    }

    #[inline(always)]
    fn total(_: Neon<Base>, dots: Dots) -> Reals {
        // SAFETY: as in `start`.
        unsafe { total(dots) }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn start(first: i32) -> Dots {
    Dots {
        first,
        narrow: [vdupq_n_s16(0); 4],
        wide: [vdupq_n_s32(0); 4],
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn products<const LANE: i32>(mut dots: Dots, codes: Codes, activations: int8x16_t) -> Dots {
    let four = vdupq_laneq_s32::<LANE>(vreinterpretq_s32_s8(activations));
    let four = vreinterpretq_s8_s32(four);
    for half in 0..2 {
        let [low, high] = [dots.narrow[2 * half], dots.narrow[2 * half + 1]];
        dots.narrow[2 * half] = vmlal_s8(low, vget_low_s8(codes[half]), vget_low_s8(four));
        dots.narrow[2 * half + 1] = vmlal_high_s8(high, codes[half], four);
    }
    dots
}

/// The same sums with room for more products.
#[inline]
#[target_feature(enable = "neon")]
fn widened(mut dots: Dots) -> Dots {
    for (wide, narrow) in dots.wide.iter_mut().zip(&mut dots.narrow) {
        *wide = vpadalq_s16(*wide, *narrow);
        *narrow = vdupq_n_s16(0);
    }
    dots
}

#[inline]
#[target_feature(enable = "neon")]
fn total(dots: Dots) -> Reals {
    let first = vdupq_n_s32(dots.first);
    let wide = widened(dots).wide;
    let [low, high] = [0, 2].map(|pair| vpaddq_s32(wide[pair], wide[pair + 1]));
    [
        vcvtq_f32_s32(vaddq_s32(low, first)),
        vcvtq_f32_s32(vaddq_s32(high, first)),
    ]
}

impl Base {
    /// The proof, to be had only where the instruction set may be used already.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn here() -> Neon<Base> {
        // SAFETY: this function's own target features.
        unsafe { Neon::assume() }
    }
}

kernels! { bodies:
    #[target_feature(enable = "neon")]
    crate::arch::tile::Proofs::alike(super::Base::here()), 1
}

float_kernels! {
    #[target_feature(enable = "neon")]
    super::Base::here()
}

/// The rows of the table for this instruction set.
pub(super) static KERNELS: &[&[Kernel]] = &[
    quantised_rows!(Neon, Numerics::Fused, Decode, "aarch64-", "-neon-r8", bodies),
    quantised_rows!(Neon, Numerics::Fused, Prefill, "aarch64-", "-neon-r8x4", bodies),
    float_rows!(Neon, Numerics::Fused, Decode, "aarch64-", "-neon-r8"),
    float_rows!(Neon, Numerics::Fused, Prefill, "aarch64-", "-neon-r8x4"),
];
