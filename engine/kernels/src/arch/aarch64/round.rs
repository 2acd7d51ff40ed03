//! Sums of integers that become f32 by one subtraction.
//!
//! Integers added to the bits of 1.5 * 2^23 are, read as f32, that number plus the integer; exact below 2^22,
//! and a part has 32 products of 127 and 128 at most. Taking the number off again is one `fsub`, which more
//! pipes do than `scvtf`, and takes an integer that is known before with it.

use std::arch::aarch64::*;

use super::insn;

/// 1.5 * 2^23 as bits.
const ROUND: i32 = 0x4B40_0000;

static START: [[i32; 4]; 2] = [[ROUND; 4]; 2];

/// Where eight sums start.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn start() -> [int32x4_t; 2] {
    insn::reload(&START)
}

/// What is to be taken off them.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn plain() -> float32x4_t {
    vreinterpretq_f32_s32(insn::reload(&START)[0])
}

/// The same so that they are larger by `added`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn less(added: i32) -> float32x4_t {
    vreinterpretq_f32_s32(vdupq_n_s32(ROUND - added))
}

/// The sums.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn off(sums: int32x4_t, less: float32x4_t) -> float32x4_t {
    vsubq_f32(vreinterpretq_f32_s32(sums), less)
}
