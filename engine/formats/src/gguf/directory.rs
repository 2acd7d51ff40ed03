//! The tensor directory: name, type, shape and place of every tensor, checked once so that a
//! [`Tensor`] always holds exactly its bytes and no two share any.

use super::cursor::Cursor;
use super::error::{GgufError, quote};
use super::names::NameOrder;
use crate::tensor_type::TensorType;

/// A name of one character, one dimension, type and offset.
pub(super) const MIN_ENTRY_BYTES: u64 = (8 + 1) + 4 + 8 + 4 + 8;
/// `GGML_MAX_DIMS`.
pub(super) const MAX_DIMENSIONS: u32 = 4;

/// A tensor of a file: a matrix whose rows are contiguous runs of blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub name: &'a str,
    /// How its numbers are stored.
    pub kind: TensorType,
    /// One to four dimensions, the contiguous one first (ggml's order, NumPy's reversed).
    pub shape: Vec<u64>,
    /// Exactly its bytes.
    pub data: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// Elements of a row: the first, contiguous dimension.
    pub fn columns(&self) -> usize {
        self.shape.first().map_or(0, |&columns| columns as usize)
    }

    /// Number of rows: the product of all dimensions but the first.
    pub fn rows(&self) -> usize {
        self.shape.iter().skip(1).product::<u64>() as usize
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.data.len() / self.rows()
    }

    /// The bytes of one row.
    ///
    /// # Panics
    /// When `row` is not below [`Self::rows`].
    pub fn row(&self, row: usize) -> &'a [u8] {
        let row_bytes = self.row_bytes();
        &self.data[row * row_bytes..][..row_bytes]
    }
}

/// The tensors of a file by position and by name.
#[derive(Debug, Clone)]
pub(super) struct Directory<'a> {
    tensors: Vec<Tensor<'a>>,
    by_name: NameOrder,
}

impl<'a> Directory<'a> {
    /// Reads `count` entries and borrows their data from the section that follows.
    pub(super) fn parse(
        cursor: &mut Cursor<'a>,
        count: u64,
        alignment: u64,
    ) -> Result<Self, GgufError> {
        // Bounded by the file: every entry takes several bytes of it.
        let mut entries: Vec<Entry<'_>> = Vec::with_capacity(count as usize);
        for index in 0..count {
            let name = cursor.name(format_args!("the name of tensor {index}"))?;
            entries.push(Entry::parse(cursor, name)?);
        }
        let by_name = NameOrder::of(entries.len(), |index| entries[index].name);
        let by_name = by_name.map_err(|second| GgufError::DuplicateTensor {
            name: quote(entries[second].name).to_string(),
            offset: cursor.offset_of(entries[second].name),
        })?;
        if !entries.is_empty() {
            let padding = cursor.offset().next_multiple_of(alignment) - cursor.offset();
            cursor.take(padding, format_args!("the padding before the tensor data"))?;
        }
        check_overlaps(&entries)?;
        let section = cursor.rest();
        let needed = entries.iter().map(Entry::end).max().unwrap_or(0);
        let missing = needed.saturating_sub(section.len() as u64);
        let mut tensors = Vec::with_capacity(entries.len());
        for entry in entries {
            tensors.push(entry.locate(section, alignment, missing)?);
        }
        Ok(Self { tensors, by_name })
    }

    pub(super) fn tensors(&self) -> &[Tensor<'a>] {
        &self.tensors
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        let position = self.by_name.find(name, |index| self.tensors[index].name)?;
        self.tensors.get(position)
    }
}

/// What the directory says of one tensor.
struct Entry<'a> {
    name: &'a str,
    kind: TensorType,
    shape: Vec<u64>,
    /// From the start of the data section.
    offset: u64,
    size_bytes: u64,
}

impl<'a> Entry<'a> {
    fn parse(cursor: &mut Cursor<'a>, name: &'a str) -> Result<Self, GgufError> {
        let quoted = quote(name);
        let at = cursor.offset();
        let dimensions = cursor.u32(format_args!("the dimension count of tensor {quoted}"))?;
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(GgufError::BadDimensionCount {
                name: quoted.to_string(),
                offset: at,
                found: dimensions,
            });
        }
        let shape = (0..dimensions)
            .map(|index| cursor.u64(format_args!("dimension {index} of tensor {quoted}")))
            .collect::<Result<Vec<_>, _>>()?;
        let at = cursor.offset();
        let id = cursor.u32(format_args!("the type of tensor {quoted}"))?;
        let kind = TensorType::from_id(id).ok_or_else(|| GgufError::UnknownTensorType {
            name: quoted.to_string(),
            id,
            offset: at,
        })?;
        let offset = cursor.u64(format_args!("the data offset of tensor {quoted}"))?;
        let size_bytes = tensor_bytes(name, kind, &shape)?;
        Ok(Self {
            name,
            kind,
            shape,
            offset,
            size_bytes,
        })
    }

    /// Where its data end in the data section.
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.size_bytes)
    }

    /// Borrows the tensor's bytes from the data section, which lacks `missing` at its end.
    fn locate(
        self,
        section: &'a [u8],
        alignment: u64,
        missing: u64,
    ) -> Result<Tensor<'a>, GgufError> {
        if !self.offset.is_multiple_of(alignment) {
            return Err(GgufError::MisalignedTensor {
                name: quote(self.name).to_string(),
                offset: self.offset,
                alignment,
            });
        }
        let start = usize::try_from(self.offset).ok();
        let size = usize::try_from(self.size_bytes).ok();
        let data = start
            .zip(size)
            .and_then(|(start, size)| section.get(start..)?.get(..size));
        let Some(data) = data else {
            return Err(GgufError::TensorOutOfRange {
                name: quote(self.name).to_string(),
                offset: self.offset,
                size: self.size_bytes,
                available: section.len() as u64,
                missing,
            });
        };
        Ok(Tensor {
            name: self.name,
            kind: self.kind,
            shape: self.shape,
            data,
        })
    }
}

/// Bytes of a tensor of this type and shape, at least 1.
///
/// # Errors
/// No dimensions or an empty one, rows that are not whole blocks, or more bytes than fit in an
/// `isize`, the largest a slice can be.
pub(super) fn tensor_bytes(name: &str, kind: TensorType, shape: &[u64]) -> Result<u64, GgufError> {
    let (Some(&columns), false) = (shape.first(), shape.contains(&0)) else {
        return Err(GgufError::EmptyDimension {
            name: quote(name).to_string(),
            shape: shape.to_vec(),
        });
    };
    if !columns.is_multiple_of(kind.block_elements() as u64) {
        return Err(GgufError::PartialBlock {
            name: quote(name).to_string(),
            kind: kind.name(),
            columns,
            block_elements: kind.block_elements(),
        });
    }
    let elements = shape
        .iter()
        .try_fold(1u64, |product, &length| product.checked_mul(length));
    elements
        .map(|elements| elements / kind.block_elements() as u64)
        .and_then(|blocks| blocks.checked_mul(kind.block_bytes() as u64))
        .filter(|&bytes| bytes <= isize::MAX as u64)
        .ok_or_else(|| GgufError::TensorTooLarge {
            name: quote(name).to_string(),
            kind: kind.name(),
            shape: shape.to_vec(),
        })
}

fn check_overlaps(entries: &[Entry<'_>]) -> Result<(), GgufError> {
    let mut by_offset: Vec<&Entry<'_>> = entries.iter().collect();
    by_offset.sort_by_key(|entry| entry.offset);
    for pair in by_offset.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        // The difference cannot wrap: the entries are sorted.
        if second.offset - first.offset < first.size_bytes {
            return Err(GgufError::OverlappingTensors {
                first: quote(first.name).to_string(),
                second: quote(second.name).to_string(),
                offset: second.offset,
            });
        }
    }
    Ok(())
}
