//! The battery tested: kernels that are wrong in the ways kernels are wrong must be found out.
//!
//! A kernel that reads a field wrongly gives what a right kernel gives for weights in which that field
//! is wrong. So each mistake is made in the weights, every kernel multiplies those, and the oracle,
//! which has the true ones, must object.

use sysinfer_formats::TensorType;

use crate::cases::{Problem, Shape};
use crate::fields::Fields;
use crate::{LOOPS, activations, oracle, run, runnable};

/// One mistake, made in a block.
struct Mistake {
    name: &'static str,
    /// Does it; `false` if the block type has no such field.
    make: fn(&Fields, &mut [u8]) -> bool,
}

const MISTAKES: [Mistake; 9] = [
    Mistake {
        name: "one code off by one",
        make: |fields, block| {
            let (byte, mask) = fields.first_code();
            block[byte] ^= mask;
            true
        },
    },
    Mistake {
        name: "the last code's top bit",
        make: |fields, block| {
            block[fields.codes.end - 1] ^= 0x80;
            true
        },
    },
    Mistake {
        name: "nibbles swapped",
        make: |fields, block| {
            let codes = &mut block[fields.codes.clone()];
            codes
                .iter_mut()
                .for_each(|byte| *byte = byte.rotate_left(4));
            true
        },
    },
    Mistake {
        name: "two bytes of codes swapped",
        make: |fields, block| {
            let last = fields.codes.end - 1;
            block.swap(last, last - 3);
            true
        },
    },
    Mistake {
        name: "a top bit lost",
        make: |fields, block| {
            let tops = fields.tops.clone();
            tops.clone().for_each(|byte| block[byte] &= 0x7F);
            !tops.is_empty()
        },
    },
    Mistake {
        name: "the scale's sign",
        make: |fields, block| {
            block[fields.scale + 1] ^= 0x80;
            true
        },
    },
    Mistake {
        name: "the minimum's sign",
        make: |fields, block| {
            let Some(minimum) = fields.minimum else {
                return false;
            };
            block[minimum + 1] ^= 0x80;
            true
        },
    },
    Mistake {
        name: "sub-scales of the neighbour",
        make: |fields, block| {
            block[fields.sub_scales.clone()].rotate_left(fields.sub_scales.len().min(1));
            !fields.sub_scales.is_empty()
        },
    },
    Mistake {
        name: "a sub-scale off by one",
        make: |fields, block| {
            let Some(first) = fields.sub_scales.clone().next_back() else {
                return false;
            };
            block[first] ^= 1;
            true
        },
    },
];

/// A small problem whose scales are all of a size.
fn problem(block: TensorType) -> Problem {
    let shape = Shape {
        columns: block.block_elements().max(32),
        rows: 3,
        activation_rows: 2,
    };
    Problem::random(block, shape, 5)
}

#[test]
fn every_mistake_is_seen() {
    for kernel in runnable() {
        let block = kernel.kernel().block;
        if block.block_elements() == 1 {
            continue;
        }
        let (fields, right) = (Fields::of(block), problem(block));
        let wanted = oracle::products(&right, &activations(kernel, &right).row(1));
        for mistake in &MISTAKES {
            let mut wrong = right.clone();
            if !(mistake.make)(&fields, &mut wrong.weights[2]) {
                continue;
            }
            let got = run(kernel, &wrong, LOOPS);
            let error = (f64::from(got[1][2]) - wanted[2].value).abs();
            let budget = wanted[2].budget;
            assert!(error > budget, "{kernel:?}: {} passed", mistake.name);
            let others = (f64::from(got[1][1]) - wanted[1].value).abs();
            assert!(others <= wanted[1].budget, "{kernel:?}: another row");
        }
    }
}

#[test]
fn one_wrong_bit_of_a_plain_number_is_seen() {
    for kernel in runnable() {
        let right = problem(kernel.kernel().block);
        let (byte, mask) = match right.block {
            TensorType::F32 => (2, 0x10),
            TensorType::F16 | TensorType::BF16 => (0, 8),
            _ => continue,
        };
        let wanted = oracle::products(&right, &activations(kernel, &right).row(0));
        let mut wrong = right.clone();
        wrong.weights[0][byte] ^= mask;
        let got = run(kernel, &wrong, LOOPS);
        let error = (f64::from(got[0][0]) - wanted[0].value).abs();
        assert!(error > wanted[0].budget, "{kernel:?}: a changed bit passed");
    }
}
