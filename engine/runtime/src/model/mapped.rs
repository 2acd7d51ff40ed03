//! The rows of a model in mapped files, and how the memory of the maps is given back.

use std::ops::Range;
use std::sync::Arc;

use super::file_rows::FileRows;
use super::model_file::ModelFile;
use super::source::Source;
use super::tensor::TensorInfo;

/// A model in mapped files. If its rows do not stay there, memory of the maps is given back as rows are
/// read, so that packing a model takes the memory of the packed weights and no second copy; what the
/// system gets back of its cache, it gives out again as memory for packed weights.
pub struct Mapped<'m> {
    /// The files, and what they hold.
    pub file: &'m ModelFile,
    /// Leave the files in the system's cache.
    pub keep_cache: bool,
    /// Weights are read from the maps at every step.
    pub stays: bool,
}

impl Source for Mapped<'_> {
    fn find(&self, name: &str) -> Option<TensorInfo> {
        self.file.stored().find(name)
    }

    fn tensors(&self) -> Vec<TensorInfo> {
        Source::tensors(self.file.stored())
    }

    fn row<'s>(&'s self, tensor: &TensorInfo, row: usize, buffer: &'s mut [u8]) -> &'s [u8] {
        self.file.stored().row(tensor, row, buffer)
    }

    fn stay(&self, tensor: &TensorInfo) -> Option<FileRows> {
        let stored = self.stays.then(|| self.file.stored().found(tensor))?;
        let place = |run: &&[u8]| {
            let mut maps = self.file.maps();
            maps.find_map(|map| Some((Arc::clone(map), map.range_of(run)?.start)))
        };
        let runs = stored.runs.iter().map(place).collect::<Option<_>>()?;
        Some(FileRows::new(
            runs,
            stored.rows_per_run(),
            tensor.row_bytes(),
        ))
    }

    fn release(&self, tensor: &TensorInfo, rows: Range<usize>) {
        let stored = self.file.stored().found(tensor);
        let (per_run, row_bytes) = (stored.rows_per_run(), tensor.row_bytes());
        for (index, run) in stored.runs.iter().enumerate() {
            let first = index * per_run;
            let from = rows.start.clamp(first, first + per_run) - first;
            let to = rows.end.clamp(first, first + per_run) - first;
            let bytes = &run[from * row_bytes..to * row_bytes];
            // Each map takes what is its own.
            for map in self.file.maps() {
                if self.keep_cache {
                    map.release(bytes);
                } else {
                    map.release_with_cache(bytes);
                }
            }
        }
    }
}
