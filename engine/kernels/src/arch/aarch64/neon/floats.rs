//! [`Floats`] of two vectors: one instruction each for a half.

use std::arch::aarch64::*;

use super::super::insn;
use super::{Neon, Products, Reals, instructions};
use crate::arch::floats::Floats;

impl<X: Products> Floats for Neon<X> {
    type Lanes = Reals;

    /// 32 registers of half as many lanes.
    const REGISTERS: usize = 16;

    instructions! {
        fn splat(value: f32) -> Reals = [vdupq_n_f32(value); 2];
        fn load(values: &[f32; 8]) -> Reals = {
            let halves = values.as_chunks().0;
            [insn::load_f32(&halves[0]), insn::load_f32(&halves[1])]
        };
        fn load_f16(values: &[u16; 8]) -> Reals = {
            let halves = vreinterpretq_f16_u8(insn::load(bytemuck::cast_ref(values)));
            [vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)]
        };
        fn load_bf16(values: &[u16; 8]) -> Reals = {
            let halves = vreinterpretq_u16_u8(insn::load(bytemuck::cast_ref(values)));
            let low = vshll_n_u16::<16>(vget_low_u16(halves));
            [low, vshll_high_n_u16::<16>(halves)].map(|half| vreinterpretq_f32_u32(half))
        };
        fn load_i8(values: &[i8; 8]) -> Reals = {
            let words = vmovl_s8(vcreate_s8(u64::from_le_bytes(bytemuck::cast(*values))));
            let low = vmovl_s16(vget_low_s16(words));
            [vcvtq_f32_s32(low), vcvtq_f32_s32(vmovl_high_s16(words))]
        };
        fn store(lanes: Reals, out: &mut [f32; 8]) = {
            let halves = out.as_chunks_mut().0;
            insn::store_f32(lanes[0], &mut halves[0]);
            insn::store_f32(lanes[1], &mut halves[1]);
        };
        fn to_f16(lanes: Reals) -> [u16; 8] = {
            // Ties to even, as the default rounding mode has it.
            let halves = vcvt_high_f16_f32(vcvt_f16_f32(lanes[0]), lanes[1]);
            let halves = vreinterpretq_u64_f16(halves);
            bytemuck::cast([vgetq_lane_u64::<0>(halves), vgetq_lane_u64::<1>(halves)])
        };
        fn add(a: Reals, b: Reals) -> Reals = [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1])];
        fn sub(a: Reals, b: Reals) -> Reals = [vsubq_f32(a[0], b[0]), vsubq_f32(a[1], b[1])];
        fn mul(a: Reals, b: Reals) -> Reals = [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1])];
        fn div(a: Reals, b: Reals) -> Reals = [vdivq_f32(a[0], b[0]), vdivq_f32(a[1], b[1])];
        fn multiply_add(a: Reals, b: Reals, c: Reals) -> Reals =
            [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])];
        // Not `fmax` and `fmin`, which are no number where one is none.
        fn max(a: Reals, b: Reals) -> Reals = [
            vbslq_f32(vcgtq_f32(a[0], b[0]), a[0], b[0]),
            vbslq_f32(vcgtq_f32(a[1], b[1]), a[1], b[1]),
        ];
        fn min(a: Reals, b: Reals) -> Reals = [
            vbslq_f32(vcltq_f32(a[0], b[0]), a[0], b[0]),
            vbslq_f32(vcltq_f32(a[1], b[1]), a[1], b[1]),
        ];
        fn times_power(value: Reals, exponent: Reals) -> Reals =
            [times_power(value[0], exponent[0]), times_power(value[1], exponent[1])];
        fn zero_below(x: Reals, limit: f32, value: Reals) -> Reals =
            [zero_below(x[0], limit, value[0]), zero_below(x[1], limit, value[1])];
    }

    #[inline(always)]
    fn prefetch<T>(self, place: &T, distance: usize) {
        let address = std::ptr::from_ref(place).wrapping_byte_add(distance);
        // SAFETY: `self` exists, so the CPU has the instruction set.
        unsafe { insn::prefetch::<1>(address.cast()) }
    }

    #[inline(always)]
    fn prefetch_level_2<T>(self, place: &T, distance: usize) {
        let address = std::ptr::from_ref(place).wrapping_byte_add(distance);
        // SAFETY: as in `prefetch`.
        unsafe { insn::prefetch::<2>(address.cast()) }
    }
}

/// `value * 2^n`, `n` in the lowest bits of `exponent`.
#[inline]
#[target_feature(enable = "neon")]
fn times_power(value: float32x4_t, exponent: float32x4_t) -> float32x4_t {
    let power = vshlq_n_s32::<23>(vreinterpretq_s32_f32(exponent));
    let power = vaddq_s32(power, vdupq_n_s32(127 << 23));
    vmulq_f32(value, vreinterpretq_f32_s32(power))
}

/// `x < limit ? 0 : value`.
#[inline]
#[target_feature(enable = "neon")]
fn zero_below(x: float32x4_t, limit: f32, value: float32x4_t) -> float32x4_t {
    let below = vcltq_f32(x, vdupq_n_f32(limit));
    vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(value), below))
}
