//! What the products are, in f64, from the plain bytes of the file format.

use sysinfer_formats::TensorType;
use sysinfer_formats::blocks::dequantize;

use crate::cases::Problem;
use crate::fields::Fields;

/// A result and how far an honest f32 kernel may be from it.
pub(crate) struct Expected {
    pub(crate) value: f64,
    pub(crate) budget: f64,
}

/// The products of every weight row with one row of activations (as the kernels see it).
///
/// The budget: a kernel makes at most three roundings per step of its accumulation (scale product,
/// conversion, sum), and each is relative to terms that cannot exceed the sum of sizes.
pub(crate) fn products(problem: &Problem, activations: &[f32]) -> Vec<Expected> {
    let steps = problem.columns as f64
        / if problem.block.block_elements() == 1 {
            1.0
        } else {
            32.0
        };
    problem
        .weights
        .iter()
        .map(|row| {
            let mut weights = vec![0.0; problem.columns];
            dequantize(problem.block, row, &mut weights).expect("the oracle decodes every type");
            let sizes = sizes(problem, row, &weights);
            let (mut value, mut size) = (0.0, 0.0);
            for ((weight, extent), activation) in weights.iter().zip(sizes).zip(activations) {
                value += f64::from(*weight) * f64::from(*activation);
                size += extent * f64::from(activation.abs());
            }
            let budget = size * (3.0 * steps + 8.0) * f64::from(f32::EPSILON) / 2.0;
            Expected {
                value,
                budget: budget.max(1e-37),
            }
        })
        .collect()
}

/// Size of each weight before anything cancels: for `d q + m`, `|d q| + |m|`.
///
/// `dequantize` rounds `d q + m` once to f32; that error is within the same size.
fn sizes(problem: &Problem, row: &[u8], weights: &[f32]) -> Vec<f64> {
    let minimum = match problem.block {
        TensorType::F32 | TensorType::F16 | TensorType::BF16 => None,
        block => Fields::of(block).minimum,
    };
    let Some(minimum) = minimum else {
        return weights.iter().map(|w| f64::from(w.abs())).collect();
    };
    let mut row = row.to_vec();
    for block in row.chunks_exact_mut(problem.block.block_bytes()) {
        block[minimum..minimum + 2].fill(0);
    }
    let mut products = vec![0.0; problem.columns];
    dequantize(problem.block, &row, &mut products).expect("the oracle decodes every type");
    let pairs = products.into_iter().zip(weights);
    pairs
        .map(|(product, weight)| {
            let product = f64::from(product);
            product.abs() + (f64::from(*weight) - product).abs()
        })
        .collect()
}
