//! Kernels in plain Rust: the fallback on every CPU, written over eight rows at a time so that the
//! compiler can turn them into whatever vectors the architecture guarantees.

use crate::arch::blocks::{kernels, quantised_rows};
use crate::arch::float_weights::{float_kernels, float_rows};
use crate::architecture::PLAIN_RUST_FUSES;
use crate::contract::{Kernel, Numerics};

mod quantize;
mod stream;
mod tile;

pub(crate) use quantize::quantize_blocks;
pub(crate) use stream::xor_of;

kernels! { bodies:
    #[doc = "On any CPU."]
    crate::arch::tile::Proofs::alike(crate::arch::floats::PlainFloats), 1
}

float_kernels! {
    #[doc = "On any CPU."]
    crate::arch::floats::PlainFloats
}

/// What plain Rust makes of a product and a sum.
const NUMERICS: Numerics = if PLAIN_RUST_FUSES {
    Numerics::Fused
} else {
    Numerics::Separate
};

/// The rows of the table for any CPU.
pub(crate) static KERNELS: &[&[Kernel]] = &[
    quantised_rows!(Portable, NUMERICS, Decode, "portable-", "-r8", bodies),
    quantised_rows!(Portable, NUMERICS, Prefill, "portable-", "-r8x4", bodies),
    float_rows!(Portable, NUMERICS, Decode, "portable-", "-r8"),
    float_rows!(Portable, NUMERICS, Prefill, "portable-", "-r8x4"),
];
