//! Kernels in plain Rust: the fallback on every CPU, written over eight rows at a time so that the
//! compiler can turn them into whatever vectors the architecture guarantees.

use crate::arch::blocks::{kernels, quantised_rows};
use crate::arch::rows::rows;
use crate::contract::Kernel;

mod plain;
mod quantize;
mod tile;

pub(crate) use quantize::quantize_blocks;

kernels! {
    #[doc = "On any CPU."]
    crate::arch::tile::Proofs::alike(crate::arch::floats::PlainFloats)
}

/// The rows of the table for quantised types that exist everywhere.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) static QUANTISED: &[Kernel] =
    quantised_rows!(Portable, Separate, "portable-", "-r8", "-r8x4");
/// The same where plain Rust has a fused multiply-add.
#[cfg(target_arch = "aarch64")]
pub(crate) static QUANTISED: &[Kernel] =
    quantised_rows!(Portable, Fused, "portable-", "-r8", "-r8x4");

/// The rows of the table for weights that are floats.
pub(crate) static PLAIN: &[Kernel] = rows![(Portable, Separate, "portable-", "-r8", "-r8x4"):
    (F32, "f32", F32, plain::f32),
    (F16, "f16", F32, plain::f16),
    (BF16, "bf16", F32, plain::bf16),
];
