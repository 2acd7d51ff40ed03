//! Loads and stores by array reference, and the instructions whose intrinsics are not stable: most of this
//! architecture's `unsafe`.
//!
//! A reference to an array proves that its bytes are there. An instruction in `asm!` reads and writes
//! the registers that it names and nothing else (`pure`, `nomem`), so that the compiler may move it, keep its
//! operands in registers and leave it out.

use std::arch::aarch64::*;
use std::arch::asm;

/// Sixteen bytes.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the reference covers the bytes; the load needs no alignment.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

/// Four f32.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_f32(values: &[f32; 4]) -> float32x4_t {
    // SAFETY: as in `load`.
    unsafe { vld1q_f32(values.as_ptr()) }
}

/// Writes four f32.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store_f32(values: float32x4_t, out: &mut [f32; 4]) {
    // SAFETY: the reference covers the floats; the store needs no alignment.
    unsafe { vst1q_f32(out.as_mut_ptr(), values) }
}

/// `sums += four a * four b[LANE]` in every lane, signed bytes.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn sdot_lane<const LANE: i32>(
    mut sums: int32x4_t,
    a: int8x16_t,
    b: int8x16_t,
) -> int32x4_t {
    // SAFETY: registers only.
    unsafe {
        asm!("sdot {sums:v}.4s, {a:v}.16b, {b:v}.4b[{lane}]",
            sums = inout(vreg) sums, a = in(vreg) a, b = in(vreg) b, lane = const LANE,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// `sums += ` rows of `a` times rows of `b`, two of eight signed bytes each: `[a0 b0, a0 b1, a1 b0, a1 b1]`.
#[inline]
#[target_feature(enable = "neon,i8mm")]
pub(super) fn smmla(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: registers only.
    unsafe {
        asm!("smmla {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// Eight integers, loaded every time: a copy of a register takes a vector pipe, or both where there are two,
/// and the load pipes of the loops of products have time.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn reload(values: &'static [[i32; 4]; 2]) -> [int32x4_t; 2] {
    let (first, second): (int32x4_t, int32x4_t);
    // SAFETY: the reference covers the bytes. Not `pure`, or equal loads would be made one.
    unsafe {
        asm!("ldp {first:q}, {second:q}, [{from}]",
            first = lateout(vreg) first, second = lateout(vreg) second, from = in(reg) values.as_ptr(),
            options(readonly, nostack, preserves_flags));
    }
    [first, second]
}

/// Two f32, twice.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_twice(values: &[f32; 2]) -> float32x4_t {
    // SAFETY: the reference covers the bytes; the load needs no alignment.
    vreinterpretq_f32_f64(unsafe { vld1q_dup_f64(values.as_ptr().cast()) })
}

/// Asks for a cache line: into the first level, or the second only.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn prefetch<const LEVEL: usize>(address: *const u8) {
    const { assert!(LEVEL == 1 || LEVEL == 2) };
    // SAFETY: a hint, which reads nothing and faults on no address.
    unsafe {
        if LEVEL == 1 {
            asm!("prfm pldl1keep, [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
        } else {
            asm!("prfm pldl2keep, [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
        }
    }
}
