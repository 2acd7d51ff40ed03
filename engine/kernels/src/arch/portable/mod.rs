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

kernels! {
    #[doc = "On any CPU."]
    crate::arch::tile::Proofs::alike(crate::arch::floats::PlainFloats)
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

/// The rows of the table for quantised types.
pub(crate) static QUANTISED: &[Kernel] =
    quantised_rows!(Portable, NUMERICS, "portable-", "-r8", "-r8x4");

/// The rows of the table for weights that are floats.
pub(crate) static FLOATS: &[Kernel] = float_rows!(Portable, NUMERICS, "portable-", "-r8", "-r8x4");
