//! One matrix of a model without its weights: what a loaded model and a described one have in common,
//! so that facts about both are counted by the same code.

use sysinfer_formats::TensorType;
use sysinfer_kernels::ROWS;

use crate::model::matrix::Matrix;

/// One weight matrix (or as many of one shape as there are experts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixShape {
    /// How its values are stored.
    pub block: TensorType,
    /// Output values.
    pub rows: usize,
    /// Input values.
    pub columns: usize,
    /// Matrices of this shape: 1, or one per expert.
    pub experts: usize,
    /// Bytes of all of them in packed form.
    pub packed_bytes: usize,
}

impl MatrixShape {
    pub(crate) fn of(matrix: &Matrix) -> MatrixShape {
        MatrixShape {
            block: matrix.block,
            rows: matrix.rows,
            columns: matrix.columns,
            experts: matrix.experts,
            packed_bytes: matrix.len_bytes(),
        }
    }

    /// Groups of rows that are packed together and never divided among threads.
    pub fn groups(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }
}
