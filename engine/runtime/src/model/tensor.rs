//! What a tensor is called and how large it is.

use sysinfer_formats::TensorType;

/// Name, type and shape of a tensor.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// Name in the file.
    pub name: String,
    /// Its block type.
    pub kind: TensorType,
    /// Values per row.
    pub columns: usize,
    /// Rows in all; 1 for vectors.
    pub rows: usize,
    /// Matrices of equal shape that the rows belong to: 1, or one per expert.
    pub matrices: usize,
}

impl TensorInfo {
    /// Plain bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.kind
            .row_bytes(self.columns)
            .expect("sources list whole rows only")
    }

    /// Plain bytes of all rows.
    pub fn bytes(&self) -> u64 {
        self.row_bytes() as u64 * self.rows as u64
    }
}

/// Bytes of a model's tensors as they are packed: an embedding that is the output matrix too counts twice.
pub fn packed_bytes(tensors: &[TensorInfo]) -> u64 {
    let all: u64 = tensors.iter().map(TensorInfo::bytes).sum();
    let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
    let tied = match find("output.weight") {
        Some(_) => None,
        None => find("token_embd.weight"),
    };
    all + tied.map_or(0, TensorInfo::bytes)
}
