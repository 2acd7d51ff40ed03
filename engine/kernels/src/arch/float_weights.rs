//! Products of F32, F16 and BF16 weights with f32 activations: eight rows widened, one column broadcast.

use crate::arch::floats::Floats;
use crate::contract::Call;
use crate::layout::ROWS;

/// How a column of eight rows is stored.
pub(crate) trait Column {
    /// Its bytes.
    type Bytes: bytemuck::Pod;

    /// Its values.
    fn load<F: Floats>(floats: F, bytes: &Self::Bytes) -> F::Lanes;
}

/// F32 weights.
pub(crate) struct F32;
/// F16 weights.
pub(crate) struct F16;
/// BF16 weights: the upper half of an f32.
pub(crate) struct Bf16;

impl Column for F32 {
    type Bytes = [u8; 32];

    #[inline(always)]
    fn load<F: Floats>(floats: F, bytes: &[u8; 32]) -> F::Lanes {
        floats.load(&bytemuck::cast(*bytes))
    }
}

impl Column for F16 {
    type Bytes = [u8; 16];

    #[inline(always)]
    fn load<F: Floats>(floats: F, bytes: &[u8; 16]) -> F::Lanes {
        floats.load_f16(&bytemuck::cast(*bytes))
    }
}

impl Column for Bf16 {
    type Bytes = [u8; 16];

    #[inline(always)]
    fn load<F: Floats>(floats: F, bytes: &[u8; 16]) -> F::Lanes {
        floats.load_bf16(&bytemuck::cast(*bytes))
    }
}

/// The kernel of a type, with even and odd columns in two chains.
#[inline(always)]
pub(crate) fn run<C: Column, F: Floats, const P: usize>(
    floats: F,
    call: &Call<'_>,
    out: &mut [f32],
) {
    let panels = call.panels.as_chunks::<P>().0.chunks_exact(call.columns);
    let columns: &[C::Bytes] = bytemuck::cast_slice(call.weights);
    let groups = columns.chunks_exact(call.columns);
    let tiles = groups.flat_map(|group| panels.clone().map(move |panel| (group, panel)));
    let out = out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P);
    for ((group, panel), out) in tiles.zip(out) {
        let mut sums = [[floats.splat(0.0); P]; 2];
        for (column, (bytes, activations)) in group.iter().zip(panel).enumerate() {
            if call.prefetch_bytes > 0 && column % (64 / size_of::<C::Bytes>()) == 0 {
                floats.prefetch(bytes, call.prefetch_bytes);
            }
            let weights = C::load(floats, bytes);
            for p in 0..P {
                let sum = &mut sums[column % 2][p];
                *sum = floats.multiply_add(weights, floats.splat(activations[p]), *sum);
            }
        }
        for (p, out) in out.iter_mut().enumerate() {
            floats.store(floats.add(sums[0][p], sums[1][p]), out);
        }
    }
}

/// Defines `float_bodies`, the kernels of float weights for one instruction set: an attribute for each of
/// them and their [`Floats`].
macro_rules! float_kernels {
    (# $attribute:tt $floats:expr) => {
        mod float_bodies {
            //! The kernels of float weights.

            $crate::arch::float_weights::float_kernels! { # $attribute $floats;
                f32: F32, f16: F16, bf16: Bf16,
            }
        }
    };
    (# $attribute:tt $floats:expr; $($name:ident: $column:ident),+ $(,)?) => {
        $(
            #[doc = concat!("The kernel of ", stringify!($column), " weights.")]
            # $attribute
            pub(super) fn $name<const P: usize>(
                call: &$crate::contract::Call<'_>,
                out: &mut [f32],
            ) {
                type Column = $crate::arch::float_weights::$column;
                $crate::arch::float_weights::run::<Column, _, P>($floats, call, out);
            }
        )+
    };
}
pub(crate) use float_kernels;

/// Rows of the table for float weights: instruction set, numeric class, phase, prefix of the name and its
/// end.
macro_rules! float_rows {
    ($isa:ident, $numerics:expr, $phase:ident, $prefix:literal, $end:literal) => {
        $crate::arch::rows::rows![($isa, $numerics, $phase, $prefix, $end):
            (F32, "f32", F32, float_bodies::f32),
            (F16, "f16", F32, float_bodies::f16),
            (BF16, "bf16", F32, float_bodies::bf16),
        ]
    };
}
pub(crate) use float_rows;
