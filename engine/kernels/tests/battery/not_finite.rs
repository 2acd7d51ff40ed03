//! Values that are no numbers, or infinite, in weights and activations: every kernel shows them in each
//! result that they are part of, and in no other.

use half::{bf16, f16};
use sysinfer_formats::TensorType;
use sysinfer_kernels::Runnable;

use crate::cases::{Problem, Shape};
use crate::fields::Fields;
use crate::{LOOPS, run, runnable};

const WRONG: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// Two blocks by nine rows by some activation rows: whole tiles and what is left over.
fn problem(block: TensorType, activation_rows: usize) -> Problem {
    let shape = Shape {
        columns: 2 * block.block_elements().max(32),
        rows: 9,
        activation_rows,
    };
    Problem::random(block, shape, 11)
}

/// Where the fields of the last block of a row are that make all of its values wrong.
fn places(problem: &Problem) -> Vec<usize> {
    let (block, end) = (problem.block, problem.weights[0].len());
    let last = end - block.block_bytes();
    match block.block_elements() {
        1 => vec![0, last],
        _ => Fields::of(block)
            .halves()
            .flat_map(|field| [field, last + field])
            .collect(),
    }
}

fn put(block: TensorType, wrong: f32, bytes: &mut [u8]) {
    match block {
        TensorType::F32 => bytes[..4].copy_from_slice(&wrong.to_le_bytes()),
        TensorType::BF16 => bytes[..2].copy_from_slice(&bf16::from_f32(wrong).to_le_bytes()),
        _ => bytes[..2].copy_from_slice(&f16::from_f32(wrong).to_le_bytes()),
    }
}

/// Holds results against those of the same problem when nothing was wrong in it.
fn compare(
    kernel: Runnable,
    what: &str,
    right: &[Vec<f32>],
    got: &[Vec<f32>],
    is_hit: impl Fn(usize, usize) -> bool,
) {
    let name = kernel.kernel().name;
    for (row, (right, got)) in right.iter().zip(got).enumerate() {
        for (column, (right, got)) in right.iter().zip(got).enumerate() {
            if is_hit(row, column) {
                assert!(!got.is_finite(), "{name}: {what}: {row}, {column}: {got}");
            } else {
                assert_eq!(
                    right.to_bits(),
                    got.to_bits(),
                    "{name}: {what}: {row}, {column} is another one's"
                );
            }
        }
    }
}

#[test]
fn wrong_weights_show_in_every_product_with_their_row_and_in_no_other() {
    for kernel in runnable() {
        for activation_rows in [1, 2, 9] {
            let mut right = problem(kernel.kernel().block, activation_rows);
            // Nothing times infinity is no number either.
            right.activations[0].fill(0.0);
            let expected = run(kernel, &right, LOOPS);
            for (place, wrong) in places(&right)
                .into_iter()
                .flat_map(|place| WRONG.map(|wrong| (place, wrong)))
            {
                for row in [0, 8] {
                    let mut spoilt = right.clone();
                    put(right.block, wrong, &mut spoilt.weights[row][place..]);
                    let got = run(kernel, &spoilt, LOOPS);
                    let what = format!("{wrong} at byte {place} of row {row}");
                    compare(kernel, &what, &expected, &got, |_, column| column == row);
                }
            }
        }
    }
}

#[test]
fn wrong_activations_show_in_every_product_of_their_row_and_in_no_other() {
    for kernel in runnable() {
        for activation_rows in [1, 3, 9] {
            let mut right = problem(kernel.kernel().block, activation_rows);
            // Weights of zero do not take it away.
            right.weights[4].fill(0);
            let expected = run(kernel, &right, LOOPS);
            let last = right.columns - 1;
            for (place, wrong) in [0, 7, 30, last]
                .into_iter()
                .flat_map(|place| WRONG.map(|wrong| (place, wrong)))
            {
                for (row, rest) in [(0, 0.0), (activation_rows - 1, 1.0)] {
                    let mut spoilt = right.clone();
                    let values = &mut spoilt.activations[row];
                    values.iter_mut().for_each(|value| *value *= rest);
                    values[place] = wrong;
                    let got = run(kernel, &spoilt, LOOPS);
                    let what = format!("{wrong} at column {place} of row {row}");
                    compare(kernel, &what, &expected, &got, |at, _| at == row);
                }
            }
        }
    }
}
