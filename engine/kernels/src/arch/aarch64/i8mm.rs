//! NEON with the integer matrix products of Armv8.6 (Neoverse V1, N2 and later): `smmla` multiplies two rows
//! of weights by two rows of activations, eight columns at a time.
//!
//! It is for prompts. A single row of activations would leave half of every product unused, and fewer than a
//! prompt's rows wait for memory: those are [`Dotprod`]'s.

use std::arch::aarch64::*;

use super::dotprod::Dotprod;
use super::neon::{Codes, Ints, Neon, Reals, instructions, scales_of_two};
use super::{insn, round};
use crate::arch::blocks::{kernels, quantised_rows};
use crate::arch::tile::{Place, Proofs, Tile};
use crate::contract::{Kernel, Numerics};
use crate::panel::Q8Panel;

/// A tile of a row group and two rows of activations: the proof that this CPU has the instruction set.
///
/// A vector of sums is `[w a, w b, x a, x b]` for rows w, x of weights and a, b of activations; four of them
/// are eight rows of weights.
#[derive(Clone, Copy)]
struct Pairs(Neon<Dotprod>);

/// A number of each sum.
type Numbers = [float32x4_t; 4];

impl Tile<Neon<Dotprod>> for Pairs {
    const GROUPS: usize = 1;
    const ACROSS: usize = 2;
    const TILES: usize = 1;
    const CENTRED: bool = true;

    type Codes = Codes;
    type Reals = Numbers;
    type Minima = [Numbers; 2];
    type Dots = [int32x4_t; 4];
    /// Sixteen at a time, as they lie in the panel: eight of one row, eight of the next.
    type Activations<'a, const P: usize> = [[int8x16_t; 2]; P];

    instructions! {
        fn paired(codes: [Codes; 2]) -> [Codes; 2] =
            [zipped_words(codes[0][0], codes[1][0]), zipped_words(codes[0][1], codes[1][1])];
        fn join(groups: [Reals; 2]) -> Numbers = zipped([groups[0]; 2]);
        fn gather(sums: [[Reals; 2]; 2]) -> Numbers = zipped([sums[0][0], sums[1][0]]);
        fn split(sums: Numbers) -> [[Reals; 2]; 2] = {
            let first = [vuzp1q_f32(sums[0], sums[1]), vuzp1q_f32(sums[2], sums[3])];
            let second = [vuzp2q_f32(sums[0], sums[1]), vuzp2q_f32(sums[2], sums[3])];
            [[first; 2], [second; 2]]
        };
        fn minima(groups: [[Ints; 2]; 2]) -> [Numbers; 2] = {
            let reals = groups[0].map(|half| half.map(|ints| vcvtq_f32_s32(ints)));
            [zipped([reals[0]; 2]), zipped([reals[1]; 2])]
        };
        fn nothing() -> Numbers = [vdupq_n_f32(0.0); 4];
        fn product(a: Numbers, b: Numbers) -> Numbers = [
            vmulq_f32(a[0], b[0]),
            vmulq_f32(a[1], b[1]),
            vmulq_f32(a[2], b[2]),
            vmulq_f32(a[3], b[3]),
        ];
        fn plus_product(c: Numbers, a: Numbers, b: Numbers) -> Numbers = [
            vfmaq_f32(c[0], a[0], b[0]),
            vfmaq_f32(c[1], a[1], b[1]),
            vfmaq_f32(c[2], a[2], b[2]),
            vfmaq_f32(c[3], a[3], b[3]),
        ];
        fn total(dots: [int32x4_t; 4]) -> Numbers = {
            let less = round::plain();
            [
                round::off(dots[0], less),
                round::off(dots[1], less),
                round::off(dots[2], less),
                round::off(dots[3], less),
            ]
        };
    }

    #[inline(always)]
    fn codes(self, groups: [[uint8x16_t; 2]; 2]) -> Codes {
        self.0.codes(groups)
    }

    #[inline(always)]
    fn centred(self, codes: Codes, zero: i16) -> Codes {
        self.0.centred(codes, zero)
    }

    #[inline(always)]
    fn scales<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> Numbers {
        self.alike(scales_of_two(panel, row))
    }

    #[inline(always)]
    fn totals<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> Numbers {
        self.alternating(&panel.totals.as_chunks().0[row / 2])
    }

    #[inline(always)]
    fn activations<const P: usize>(self, panel: &Q8Panel<P>) -> [[int8x16_t; 2]; P] {
        self.0.activations(panel)
    }

    #[inline(always)]
    fn start<const P: usize>(
        self,
        _sums: &[[i16; 2]; P],
        _row: usize,
        _zeros: [i16; 2],
    ) -> [int32x4_t; 4] {
        // Codes have lost their zero point: a tile of two rows of activations is never streamed.
        self.begun()
    }

    #[inline(always)]
    fn start_signed<const P: usize>(self, _sums: &[[i16; 2]; P], _row: usize) -> [int32x4_t; 4] {
        self.begun()
    }

    #[inline(always)]
    fn dot<const MAX_CODE: i32, const P: usize>(
        self,
        dots: [int32x4_t; 4],
        _done: usize,
        codes: Codes,
        activations: [[int8x16_t; 2]; P],
        Place { row, piece }: Place,
    ) -> [int32x4_t; 4] {
        let place = Q8Panel::<P>::place(row, piece);
        let sixteen = activations[place / 8][place / 4 % 2];
        // The first of two pieces has the codes of rows 0..4, the second those of rows 4..8.
        self.products(dots, codes, sixteen, 2 * (piece % 2))
    }

    #[inline(always)]
    fn dot_signed<const P: usize>(
        self,
        dots: [int32x4_t; 4],
        done: usize,
        codes: Codes,
        activations: [[int8x16_t; 2]; P],
        place: Place,
    ) -> [int32x4_t; 4] {
        self.dot::<128, P>(dots, done, codes, activations, place)
    }

    #[inline(always)]
    fn weigh<const P: usize>(
        self,
        sums: &[[i16; 2]; P],
        row: usize,
        minima: [Numbers; 2],
    ) -> Numbers {
        // Exact: integers below 2^24.
        let [one, two] = [sums[row], sums[row + 1]].map(|sums| sums.map(f32::from));
        let first = self.product(self.alternating(&[one[0], two[0]]), minima[0]);
        self.plus_product(first, self.alternating(&[one[1], two[1]]), minima[1])
    }
}

impl Pairs {
    instructions! {
        fn alike(numbers: &[f32; 4]) -> Numbers = [insn::load_f32(numbers); 4];
        fn alternating(numbers: &[f32; 2]) -> Numbers = [insn::load_twice(numbers); 4];
        fn begun() -> [int32x4_t; 4] = {
            let ([a, b], [c, d]) = (round::start(), round::start());
            [a, b, c, d]
        };
    }

    /// Products of four rows, added to sums `at` and the next.
    #[inline(always)]
    fn products(
        self,
        mut dots: [int32x4_t; 4],
        codes: Codes,
        activations: int8x16_t,
        at: usize,
    ) -> [int32x4_t; 4] {
        // SAFETY: `self` exists, so the CPU has the instruction set.
        unsafe {
            dots[at] = insn::smmla(dots[at], codes[0], activations);
            dots[at + 1] = insn::smmla(dots[at + 1], codes[1], activations);
        }
        dots
    }
}

/// Words of both by turns.
#[inline]
#[target_feature(enable = "neon")]
fn zipped_words(a: int8x16_t, b: int8x16_t) -> Codes {
    let [a, b] = [a, b].map(|codes| vreinterpretq_s32_s8(codes));
    [
        vreinterpretq_s8_s32(vzip1q_s32(a, b)),
        vreinterpretq_s8_s32(vzip2q_s32(a, b)),
    ]
}

/// Numbers of eight rows of weights by turns, those that meet the first row of activations and the second.
#[inline]
#[target_feature(enable = "neon")]
fn zipped([first, second]: [Reals; 2]) -> Numbers {
    [
        vzip1q_f32(first[0], second[0]),
        vzip2q_f32(first[0], second[0]),
        vzip1q_f32(first[1], second[1]),
        vzip2q_f32(first[1], second[1]),
    ]
}

/// The proof, to be had only where the instruction set may be used already.
#[inline]
#[target_feature(enable = "neon,dotprod,i8mm")]
fn tiles() -> Proofs<Neon<Dotprod>, Neon<Dotprod>, Pairs> {
    let Proofs { vectors, few, .. } = Dotprod::here();
    Proofs {
        vectors,
        few,
        many: Pairs(vectors),
    }
}

kernels! { bodies:
    #[target_feature(enable = "neon,dotprod,i8mm")]
    super::tiles(), 1
}

/// The rows of the table for this instruction set.
pub(super) static KERNELS: &[&[Kernel]] = &[quantised_rows!(
    I8mm,
    Numerics::Fused,
    Prefill,
    "aarch64-",
    "-i8mm-r8x4",
    bodies
)];
