//! Every single weight, seen through every kernel: activations that are zero but for one column.
//!
//! With scales that are powers of two and an activation of 127 (one step of 1), everything a kernel
//! computes is a whole number that f32 holds exactly, so the result is `127 w` to the last bit: a
//! packing or an unpacking that mistakes one bit of one weight anywhere fails.

use half::f16;
use sysinfer_formats::TensorType;
use sysinfer_formats::blocks::dequantize;

use crate::cases::{Problem, Shape};
use crate::fields::Fields;
use crate::{LOOPS, run, runnable};

/// Random blocks with powers of two for scales, times all unit rows.
fn unit_rows(block: TensorType, seed: u64) -> Problem {
    let columns = block.block_elements().max(32);
    let shape = Shape {
        columns,
        rows: 9,
        activation_rows: 0,
    };
    let mut problem = Problem::random(block, shape, seed);
    if block.block_elements() > 1 {
        let fields = Fields::of(block);
        for (index, row) in problem.weights.iter_mut().enumerate() {
            for (field, offset) in fields.halves().enumerate() {
                let sign = if (index + field) % 3 == 0 { -1.0 } else { 1.0 };
                let power = f16::from_f32(sign * 2f32.powi(index as i32 % 4 - 2));
                row[offset..offset + 2].copy_from_slice(&power.to_le_bytes());
            }
        }
    }
    problem.activations = (0..columns)
        .map(|one| {
            let mut row = vec![0.0; columns];
            row[one] = 127.0;
            row
        })
        .collect();
    problem
}

#[test]
fn every_weight_is_seen_exactly() {
    for kernel in runnable() {
        for seed in 0..3 {
            let problem = unit_rows(kernel.kernel().block, seed);
            let got = run(kernel, &problem, LOOPS);
            for (row, bytes) in problem.weights.iter().enumerate() {
                let mut wanted = vec![0.0; problem.columns];
                dequantize(problem.block, bytes, &mut wanted).expect("a known type");
                for (column, wanted) in wanted.into_iter().enumerate() {
                    let got = got[column][row];
                    assert_eq!(
                        got,
                        127.0 * wanted,
                        "{kernel:?}: row {row}, column {column}"
                    );
                }
            }
        }
    }
}
