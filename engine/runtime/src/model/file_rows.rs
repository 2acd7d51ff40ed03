//! The plain rows of a tensor where they are: in the maps of the model's files, which they keep alive.

use std::ops::Range;
use std::sync::Arc;

use sysinfer_kernels::{Layout, ROWS};
use sysinfer_machine::FileMap;

/// Packed row groups that are made at a time: they stay in a core's second cache until they are
/// multiplied, beside activations and the plain rows that pass by.
const PACKED_BYTES: usize = 256 << 10;

/// Rows of a tensor in mapped files.
#[derive(Clone, Debug)]
pub struct FileRows {
    /// Map of each run of rows, and where its first row starts.
    runs: Vec<(Arc<FileMap>, usize)>,
    rows_per_run: usize,
    row_bytes: usize,
}

/// The equal matrices that the rows of a tensor are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// How a row group is packed.
    pub(super) layout: &'static Layout,
    /// Values per row.
    pub(super) columns: usize,
    /// Rows of each matrix.
    pub(super) rows: usize,
}

impl FileRows {
    /// Rows in runs of equally many, each given by its map and where its first row starts there.
    pub fn new(
        runs: Vec<(Arc<FileMap>, usize)>,
        rows_per_run: usize,
        row_bytes: usize,
    ) -> FileRows {
        FileRows {
            runs,
            rows_per_run,
            row_bytes,
        }
    }

    /// The files.
    pub fn files(&self) -> impl Iterator<Item = &Arc<FileMap>> {
        self.runs.iter().map(|(map, _)| map)
    }

    /// Plain bytes of a row that the tensor has.
    pub fn row(&self, row: usize) -> &[u8] {
        let (map, start) = &self.runs[row / self.rows_per_run];
        &map[start + row % self.rows_per_run * self.row_bytes..][..self.row_bytes]
    }

    /// Packs row groups of matrix `index` into `packed`, a few at a time, and hands on the number of
    /// the first one and their bytes.
    pub(super) fn each_pack(
        &self,
        shape: Shape,
        index: usize,
        groups: Range<usize>,
        packed: &mut Vec<u8>,
        mut work: impl FnMut(usize, &[u8]),
    ) {
        let group_bytes = self.row_bytes * ROWS;
        let at_once = (PACKED_BYTES / group_bytes).clamp(1, groups.len().max(1));
        packed.resize(packed.len().max(at_once * group_bytes), 0);
        for first in groups.clone().step_by(at_once) {
            let last = (first + at_once).min(groups.end);
            let packed = &mut packed[..(last - first) * group_bytes];
            for (group, packed) in (first..last).zip(packed.chunks_exact_mut(group_bytes)) {
                let count = ROWS.min(shape.rows - group * ROWS);
                let first_row = index * shape.rows + group * ROWS;
                let rows: [&[u8]; ROWS] = std::array::from_fn(|lane| match lane < count {
                    true => self.row(first_row + lane),
                    false => &[],
                });
                shape
                    .layout
                    .pack_group(shape.columns, &rows[..count], packed);
            }
            work(first, packed);
        }
    }
}
