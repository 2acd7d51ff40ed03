//! A tensor where it is stored.

use sysinfer_formats::Tensor;

use crate::model::tensor::TensorInfo;

/// A tensor and where its rows are.
#[derive(Clone, Debug)]
pub struct StoredTensor<'b> {
    /// Name, type and shape.
    pub info: TensorInfo,
    /// Plain bytes of its rows, in order, in runs of equally many rows: one, or one per expert.
    pub runs: Vec<&'b [u8]>,
}

impl<'b> StoredTensor<'b> {
    pub(super) fn of(tensor: &Tensor<'b>) -> StoredTensor<'b> {
        StoredTensor {
            info: TensorInfo {
                name: tensor.name.to_owned(),
                kind: tensor.kind,
                columns: tensor.columns(),
                rows: tensor.rows(),
                matrices: tensor.shape.iter().skip(2).product::<u64>() as usize,
            },
            runs: vec![tensor.data],
        }
    }

    /// Rows in each run.
    pub(crate) fn rows_per_run(&self) -> usize {
        self.info.rows / self.runs.len()
    }

    /// Plain bytes of a row.
    pub fn row(&self, row: usize) -> &'b [u8] {
        let (per_run, bytes) = (self.rows_per_run(), self.info.row_bytes());
        &self.runs[row / per_run][row % per_run * bytes..][..bytes]
    }
}
