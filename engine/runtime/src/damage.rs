//! Values that are not finite in the weights of a model file: where those of logits
//! ([`NotFinite`](crate::NotFinite)) may come from.
//!
//! A step looks at its logits only, or at the means of hidden states that are wanted instead. That is
//! enough: what is not finite in a weight, a key or a sum stays so through every norm, product, softmax and
//! rounding that it enters (the tests of `sysinfer-kernels` hold each of them to that), so it reaches them
//! or has no part in them. Which weight it was is looked for in the file, after the fact.

use std::fmt::{self, Display, Formatter};

use sysinfer_formats::TensorType;
use sysinfer_formats::blocks::{dequantize, first_not_finite};

use crate::load_step::LoadStep;
use crate::model::mapped::Mapped;
use crate::model::matrix::stripes;
use crate::model::model_file::ModelFile;
use crate::model::source::Source;
use crate::model::tensor::TensorInfo;

/// A tensor with values that are not finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Damage {
    /// Name of the tensor.
    pub tensor: String,
    /// Its type.
    pub kind: TensorType,
    /// The first row with such a value, counted through all matrices of the tensor.
    pub row: usize,
    /// Where it stands in the row.
    pub column: usize,
    /// The value.
    pub value: f32,
    /// Rows that have such values.
    pub damaged_rows: usize,
    /// Rows in all.
    pub rows: usize,
}

impl Display for Damage {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "tensor {} ({}) has {} at row {}, column {}; {} of its {} rows have values that are not finite",
            self.tensor, self.kind, self.value, self.row, self.column, self.damaged_rows, self.rows
        )
    }
}

/// The first `most` tensors of a model file that have values which are not finite, in the file's order.
/// Reads the file (or all parts of a split one) once, or to the last of these tensors; takes no memory.
pub fn damaged_tensors(
    file: &ModelFile,
    most: usize,
    progress: &mut dyn FnMut(LoadStep),
) -> Vec<Damage> {
    let source = Mapped {
        file,
        // Others may be reading it.
        keep_cache: true,
        stays: true,
    };
    damaged_in(&source, most, progress)
}

fn damaged_in(source: &dyn Source, most: usize, progress: &mut dyn FnMut(LoadStep)) -> Vec<Damage> {
    let tensors = source.tensors();
    let total_bytes = tensors.iter().map(TensorInfo::bytes).sum();
    let (mut done_bytes, mut damaged) = (0, Vec::new());
    for tensor in &tensors {
        if damaged.len() == most {
            break;
        }
        damaged.extend(damage_of(source, tensor, &mut |bytes| {
            done_bytes += bytes;
            progress(LoadStep {
                done_bytes,
                total_bytes,
                what: "looking at weights",
            });
        }));
    }
    damaged
}

/// What is wrong with a tensor, if anything is; tensors of types that nobody computes with have nothing.
fn damage_of(
    source: &dyn Source,
    tensor: &TensorInfo,
    read: &mut dyn FnMut(u64),
) -> Option<Damage> {
    let mut buffer = vec![0; tensor.row_bytes()];
    let mut damage: Option<Damage> = None;
    for stripe in stripes(0..tensor.rows, tensor.row_bytes()) {
        for row in stripe.clone() {
            let bytes = source.row(tensor, row, &mut buffer);
            let Some(block) = first_not_finite(tensor.kind, bytes).ok().flatten() else {
                continue;
            };
            let found = damage.get_or_insert_with(|| {
                let (column, value) = first_value(tensor.kind, bytes, block);
                Damage {
                    tensor: tensor.name.clone(),
                    kind: tensor.kind,
                    row,
                    column,
                    value,
                    damaged_rows: 0,
                    rows: tensor.rows,
                }
            });
            found.damaged_rows += 1;
        }
        read(stripe.len() as u64 * tensor.row_bytes() as u64);
        source.release(tensor, stripe);
    }
    damage
}

/// Column and value of the first number of a block that is not finite.
fn first_value(kind: TensorType, row: &[u8], block: usize) -> (usize, f32) {
    let (bytes, elements) = (kind.block_bytes(), kind.block_elements());
    let mut values = vec![0.0; elements];
    // It was read a moment ago, so it can be decoded.
    let _ = dequantize(kind, &row[block * bytes..][..bytes], &mut values);
    let within = values.iter().position(|value| !value.is_finite());
    let within = within.unwrap_or(0);
    (block * elements + within, values[within])
}
