//! Kernels in plain Rust: the fallback on every CPU, written over eight rows at a time so that the
//! compiler can turn them into whatever vectors the architecture guarantees.
//!
//! The quantised ones are two loops, for scales by 32 and by 16 columns, over types that say where
//! their scales and codes are. An instruction set compiles the same loops once more, with its own
//! [`Vectors`](super::vectors::Vectors), through [`quantised!`].

use crate::arch::rows::rows;
use crate::contract::Kernel;

mod lanes;
mod plain;
mod quantize;
mod scale16;
mod scale32;
mod scale32_types;

pub(crate) use quantize::quantize_blocks;

/// Defines kernel bodies over the loops here: an attribute for each of them, their
/// [`Vectors`](super::vectors::Vectors), then `name: loop_name(packed type)`.
macro_rules! quantised {
    (# $attribute:tt $vectors:expr; $($name:ident: $run:ident($packed:ident)),+ $(,)?) => {
        $(
            #[doc = concat!("The ", stringify!($packed), " kernel.")]
            # $attribute
            pub(super) fn $name<const P: usize>(
                call: &$crate::contract::Call<'_>,
                out: &mut [f32],
            ) {
                $crate::arch::portable::$run::<$crate::layout::$packed, _, P>($vectors, call, out);
            }
        )+
    };
}
pub(crate) use quantised;

pub(crate) use scale16::run as by_16;
pub(crate) use scale32::run as by_32;

mod bodies {
    //! The portable kernels of quantised types.

    use crate::arch::vectors::Portable;

    super::quantised! {
        #[doc = "On any CPU."]
        Portable;
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

/// The rows of the table that exist everywhere.
pub(crate) static KERNELS: &[Kernel] = rows![(Portable, Separate, "portable-", "-r8"):
    (F32, "f32", F32, plain::f32),
    (F16, "f16", F32, plain::f16),
    (BF16, "bf16", F32, plain::bf16),
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
];
