//! Split models: the parts written to a folder under the names that parts have, opened by the name of
//! one of them, and run.
//!
//! An input is the number of parts, the part whose name is given, the length of every part but the last,
//! and the parts.

use sysinfer_engine::ModelFile;
use sysinfer_engine::model::source::Source;
use sysinfer_formats::Gguf;

use super::gguf::{self, runs_as_engine_at};
use super::{LARGEST_PER_FILE_BYTE, Target, gguf_mutator};

/// See [`Target`].
pub const TARGET: Target = Target {
    name: "split",
    run,
    largest_floor_bytes: gguf::TARGET.largest_floor_bytes,
    largest_per_input_byte: LARGEST_PER_FILE_BYTE,
    peak_floor_bytes: gguf::TARGET.peak_floor_bytes,
    peak_per_input_byte: gguf::TARGET.peak_per_input_byte,
};

const MAX_PARTS: usize = 4;

/// The input that stands for these parts, of which part `named` (from 0) is opened.
///
/// # Panics
/// If there are no parts or too many.
pub fn input(parts: &[Vec<u8>], named: usize) -> Vec<u8> {
    assert!((1..=MAX_PARTS).contains(&parts.len()));
    let mut input = vec![parts.len() as u8 - 1, named as u8];
    for part in &parts[..parts.len() - 1] {
        input.extend((part.len() as u32).to_le_bytes());
    }
    input.extend(parts.concat());
    input
}

/// The parts of an input, and the one that is opened.
fn parts(data: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let [count, named, rest @ ..] = data else {
        return None;
    };
    let count = usize::from(*count) % MAX_PARTS + 1;
    let (lengths, mut rest) = rest.split_at_checked(4 * (count - 1))?;
    let mut parts = Vec::with_capacity(count);
    for length in lengths.chunks_exact(4) {
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let (part, after) = rest.split_at_checked(length)?;
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    Some((parts, usize::from(*named) % count))
}

fn run(data: &[u8]) {
    let Some((parts, named)) = parts(data) else {
        return;
    };
    let folder = tempfile::tempdir().expect("the system has a temporary folder");
    let path = |index: usize| {
        let name = format!("m-{:05}-of-{:05}.gguf", index + 1, parts.len());
        folder.path().join(name)
    };
    for (index, part) in parts.iter().enumerate() {
        std::fs::write(path(index), part).expect("the disk has some KB");
    }
    let Ok(file) = ModelFile::open(&path(named)) else {
        return;
    };
    let stored = file.stored();
    // What was put together is whole: every row of every tensor is there.
    for tensor in stored.tensors() {
        let mut buffer = vec![0; tensor.row_bytes()];
        for row in [0, tensor.rows - 1] {
            assert_eq!(
                stored.row(&tensor, row, &mut buffer).len(),
                tensor.row_bytes()
            );
        }
    }
    runs_as_engine_at(&path(named), data.len());
}

/// A set with a meaningful change to one of its parts.
pub fn mutate(data: &[u8], seed: u64) -> Option<Vec<u8>> {
    let (parts, named) = parts(data)?;
    let changed = seed as usize / 2 % parts.len();
    let all = parts.iter().enumerate().map(|(index, part)| {
        if index != changed {
            return Some(part.to_vec());
        }
        Gguf::parse(part).ok()?;
        gguf_mutator::mutate(part, seed)
    });
    Some(input(&all.collect::<Option<Vec<_>>>()?, named))
}
