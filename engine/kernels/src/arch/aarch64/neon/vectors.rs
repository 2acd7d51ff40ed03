//! [`Vectors`] of two vectors: rows 0..4 and 4..8.

use std::arch::aarch64::*;

use super::super::insn;
use super::{Ints, Neon, Products, Reals, instructions};
use crate::arch::vectors::Vectors;
use crate::layout::{Halves, ROWS};

/// Four bytes of each row.
type Words = [uint8x16_t; 2];

impl<X: Products> Vectors for Neon<X> {
    type Words = Words;
    type Ints = Ints;

    instructions! {
        fn widen(halves: &Halves) -> Reals = {
            let halves = vreinterpretq_f16_u8(insn::load(halves));
            [vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)]
        };
        fn extend(bytes: [u8; ROWS]) -> Ints = {
            let words = vmovl_u8(vcreate_u8(u64::from_le_bytes(bytes)));
            let low = vmovl_u16(vget_low_u16(words));
            [vreinterpretq_s32_u32(low), vreinterpretq_s32_u32(vmovl_high_u16(words))]
        };
        fn extend_signed(bytes: [i8; ROWS]) -> Ints = {
            let words = vmovl_s8(vcreate_s8(u64::from_le_bytes(bytemuck::cast(bytes))));
            [vmovl_s16(vget_low_s16(words)), vmovl_high_s16(words)]
        };
        fn integer(value: i32) -> Ints = [vdupq_n_s32(value); 2];
        fn plus(a: Ints, b: Ints) -> Ints = [vaddq_s32(a[0], b[0]), vaddq_s32(a[1], b[1])];
        fn real(values: Ints) -> Reals = [vcvtq_f32_s32(values[0]), vcvtq_f32_s32(values[1])];
        fn words(bytes: &[u8; 32]) -> Words = {
            let halves = bytes.as_chunks().0;
            [insn::load(&halves[0]), insn::load(&halves[1])]
        };
        fn field(words: Words, mask: u8, from: usize, to: usize) -> Words =
            [field(words[0], mask, from, to), field(words[1], mask, from, to)];
        fn or(a: Words, b: Words) -> Words = [vorrq_u8(a[0], b[0]), vorrq_u8(a[1], b[1])];
        fn signed(words: Words) -> Words = words;
        fn look_up(levels: &[i8; 16], codes: Words) -> Words = {
            let levels = insn::load(bytemuck::cast_ref(levels));
            [vqtbl1q_u8(levels, codes[0]), vqtbl1q_u8(levels, codes[1])]
        };
    }
}

/// Of every byte, the bits of `mask` from bit `from` on, at bit `to`.
#[inline]
#[target_feature(enable = "neon")]
fn field(word: uint8x16_t, mask: u8, from: usize, to: usize) -> uint8x16_t {
    // Counts are constants once the loops around are unrolled.
    let moved = match from == to {
        true => word,
        false => vshlq_u8(word, vdupq_n_s8(to as i8 - from as i8)),
    };
    // A shift to the right leaves nothing else of a byte's highest bits.
    match u32::from(mask) << from > 0x7F && to == 0 {
        true => moved,
        false => vandq_u8(moved, vdupq_n_u8(mask << to)),
    }
}
