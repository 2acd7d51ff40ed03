//! Products of quantised weights: two loops, for scales by 32 and by 16 columns, over types that say
//! where their scales and codes are.
//!
//! An instruction set compiles the loops with its own [`Vectors`](super::vectors::Vectors), through
//! [`kernels!`]. Where many activations meet the same weights, codes and scales are opened once for
//! all of them, a few parts at a time; with many registers, two row groups go together, so that every
//! broadcast piece of the activations is multiplied twice.

use crate::layout::ROWS;

mod planes;
mod scale16;
mod scale16_types;
mod scale32;
mod scale32_types;

pub(crate) use scale16::run as by_16;
pub(crate) use scale32::run as by_32;

/// Row groups that a kernel is given at once where activations are many.
pub(crate) const GROUPS: usize = 2;

/// How the results of a call lie: `[group][panel][panel row][8]`.
#[derive(Clone, Copy)]
struct Shape {
    /// Parts of 32 columns.
    parts: usize,
    /// Blocks of a row group.
    group: usize,
    /// Rows of eight results of a row group.
    results: usize,
}

impl Shape {
    /// How many parts after the `opened` ones from part `first` on those lie that will be opened next,
    /// to be fetched meanwhile: further on in the same row groups, or in the `groups` after them.
    #[inline(always)]
    fn next(self, first: usize, opened: usize, groups: usize) -> usize {
        if first + opened < self.parts {
            opened
        } else {
            groups * self.parts - first
        }
    }

    /// Blocks and results, `groups` row groups at a time; at the end perhaps fewer.
    #[inline(always)]
    fn groups<'a, B>(
        self,
        groups: usize,
        blocks: &'a [B],
        out: &'a mut [[f32; ROWS]],
    ) -> impl Iterator<Item = (&'a [B], &'a mut [[f32; ROWS]])> {
        blocks
            .chunks(groups * self.group)
            .zip(out.chunks_mut(groups * self.results))
    }
}

/// Defines `bodies`, the kernels of all quantised types for one instruction set: an attribute for
/// each of them and their [`Vectors`](super::vectors::Vectors).
macro_rules! kernels {
    (# $attribute:tt $vectors:expr) => {
        mod bodies {
            //! The kernels of quantised types.

            $crate::arch::blocks::kernels! { # $attribute $vectors;
                q4_0: by_32(PackedQ4_0),
                q4_1: by_32(PackedQ4_1),
                q5_0: by_32(PackedQ5_0),
                q5_1: by_32(PackedQ5_1),
                q8_0: by_32(PackedQ8_0),
                q2_k: by_16(PackedQ2K),
                q3_k: by_16(PackedQ3K),
                q4_k: by_32(PackedQ4K),
                q5_k: by_32(PackedQ5K),
                q6_k: by_16(PackedQ6K),
                iq4_nl: by_32(PackedIq4Nl),
                iq4_xs: by_32(PackedIq4Xs),
            }
        }
    };
    (# $attribute:tt $vectors:expr; $($name:ident: $run:ident($packed:ident)),+ $(,)?) => {
        $(
            #[doc = concat!("The ", stringify!($packed), " kernel.")]
            # $attribute
            pub(super) fn $name<const P: usize>(
                call: &$crate::contract::Call<'_>,
                out: &mut [f32],
            ) {
                $crate::arch::blocks::$run::<$crate::layout::$packed, _, P>($vectors, call, out);
            }
        )+
    };
}
pub(crate) use kernels;

/// Rows of the table for all quantised types: instruction set, numeric class, prefix of the name,
/// its end for decode and for prefill.
macro_rules! quantised_rows {
    ($isa:ident, $numerics:ident, $prefix:literal, $decode:literal, $prefill:literal) => {
        $crate::arch::rows::rows![($isa, $numerics, $prefix, $decode, $prefill):
            (Q4_0, "q4_0", Q8, bodies::q4_0),
            (Q4_1, "q4_1", Q8, bodies::q4_1),
            (Q5_0, "q5_0", Q8, bodies::q5_0),
            (Q5_1, "q5_1", Q8, bodies::q5_1),
            (Q8_0, "q8_0", Q8, bodies::q8_0),
            (Q2K, "q2_k", Q8, bodies::q2_k),
            (Q3K, "q3_k", Q8, bodies::q3_k),
            (Q4K, "q4_k", Q8, bodies::q4_k),
            (Q5K, "q5_k", Q8, bodies::q5_k),
            (Q6K, "q6_k", Q8, bodies::q6_k),
            (Iq4Nl, "iq4_nl", Q8, bodies::iq4_nl),
            (Iq4Xs, "iq4_xs", Q8, bodies::iq4_xs),
        ]
    };
}
pub(crate) use quantised_rows;
