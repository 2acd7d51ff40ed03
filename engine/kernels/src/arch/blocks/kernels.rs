//! The kernels of all quantised types for one instruction set, and their rows of the table.

/// Defines a module of the kernels of all quantised types for one instruction set: an attribute for
/// each of them, their [`Proofs`](super::tile::Proofs), and how many row groups a single row of activations
/// meets side by side.
macro_rules! kernels {
    ($bodies:ident: # $attribute:tt $proofs:expr, $beside:literal) => {
        mod $bodies {
            //! The kernels of quantised types.

            $crate::arch::blocks::kernels! { # $attribute $proofs, $beside;
                q4_0: By32(PackedQ4_0),
                q4_1: By32(PackedQ4_1),
                q5_0: By32(PackedQ5_0),
                q5_1: By32(PackedQ5_1),
                q8_0: By32(PackedQ8_0),
                q2_k: By16(PackedQ2K),
                q3_k: By16(PackedQ3K),
                q4_k: By32(PackedQ4K),
                q5_k: By32(PackedQ5K),
                q6_k: By16(PackedQ6K),
                iq4_nl: By32(PackedIq4Nl),
                iq4_xs: By32(PackedIq4Xs),
            }
        }
    };
    (# $attribute:tt $proofs:expr, $beside:literal; $($name:ident: $family:ident($packed:ident)),+ $(,)?) => {
        $(
            #[doc = concat!("The ", stringify!($packed), " kernel.")]
            # $attribute
            pub(super) fn $name<const P: usize>(
                call: &$crate::contract::Call<'_>,
                out: &mut [f32],
            ) {
                type Family = $crate::arch::blocks::$family<$crate::layout::$packed>;
                $crate::arch::blocks::run::<Family, _, _, _, $beside, P>($proofs, call, out);
            }
        )+
    };
}
pub(crate) use kernels;

/// Rows of the table for all quantised types: instruction set, numeric class, phase, prefix of the name and
/// its end, and the module of [`kernels!`].
macro_rules! quantised_rows {
    ($isa:ident, $numerics:expr, $phase:ident, $prefix:literal, $end:literal, $bodies:ident) => {
        $crate::arch::rows::rows![($isa, $numerics, $phase, $prefix, $end):
            (Q4_0, "q4_0", Q8, $bodies::q4_0),
            (Q4_1, "q4_1", Q8, $bodies::q4_1),
            (Q5_0, "q5_0", Q8, $bodies::q5_0),
            (Q5_1, "q5_1", Q8, $bodies::q5_1),
            (Q8_0, "q8_0", Q8, $bodies::q8_0),
            (Q2K, "q2_k", Q8, $bodies::q2_k),
            (Q3K, "q3_k", Q8, $bodies::q3_k),
            (Q4K, "q4_k", Q8, $bodies::q4_k),
            (Q5K, "q5_k", Q8, $bodies::q5_k),
            (Q6K, "q6_k", Q8, $bodies::q6_k),
            (Iq4Nl, "iq4_nl", Q8, $bodies::iq4_nl),
            (Iq4Xs, "iq4_xs", Q8, $bodies::iq4_xs),
        ]
    };
}
pub(crate) use quantised_rows;
