//! Kernels in plain Rust: the fallback on every CPU, written in fixed-size arrays so that the
//! compiler can turn them into whatever vectors the architecture guarantees.

use crate::arch::rows::rows;
use crate::contract::Kernel;
use crate::layout::ROWS;

mod plain;
mod q4;
mod q6_k;
mod q8_0;
mod quantize;

pub(crate) use quantize::quantize_blocks;

/// The rows of the table that exist everywhere.
pub(crate) static KERNELS: &[Kernel] = rows![(Portable, Separate, "portable-", "-r8"):
    (F32, "f32", F32, plain::f32),
    (F16, "f16", F32, plain::f16),
    (BF16, "bf16", F32, plain::bf16),
    (Q4_0, "q4_0", Q8, q4::q4_0),
    (Q4_1, "q4_1", Q8, q4::q4_1),
    (Q8_0, "q8_0", Q8, q8_0::q8_0),
    (Q6K, "q6_k", Q8, q6_k::q6_k),
];

/// Eight f16 values, as they stand at the head of a packed block.
fn scales(bytes: &[u8; 2 * ROWS]) -> [f32; ROWS] {
    let (pairs, _) = bytes.as_chunks::<2>();
    std::array::from_fn(|row| half::f16::from_le_bytes(pairs[row]).to_f32())
}

/// Adds the products of one 32-byte vector (four columns of eight rows) with four activations.
#[inline(always)]
fn dot4(sums: &mut [i32; ROWS], weights: [i8; 32], quants: [i8; 4]) {
    for (row, sum) in sums.iter_mut().enumerate() {
        for i in 0..4 {
            *sum += i32::from(weights[4 * row + i]) * i32::from(quants[i]);
        }
    }
}
