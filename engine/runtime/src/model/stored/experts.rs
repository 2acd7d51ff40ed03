//! The forms that experts are stored in, brought to one.
//!
//! Converters of 2023 and early 2024 wrote a tensor for each expert (`blk.0.ffn_gate.3.weight`), current
//! ones stack them (`blk.0.ffn_gate_exps.weight`), and some join gate and up
//! (`blk.0.ffn_gate_up_exps.weight`: of every expert first all rows of gate, then all of up).

use std::collections::BTreeMap;

use super::tensor::StoredTensor;
use crate::error::EngineError;
use crate::model::tensor::TensorInfo;

/// The parts of a feed-forward that experts have.
const PARTS: [&str; 3] = ["ffn_gate", "ffn_up", "ffn_down"];
const JOINED: &str = ".ffn_gate_up_exps.weight";

/// All tensors, those of experts as stacks.
pub(super) fn stacked(
    tensors: Vec<StoredTensor<'_>>,
) -> Result<Vec<StoredTensor<'_>>, EngineError> {
    let mut all = Vec::with_capacity(tensors.len());
    let mut single: BTreeMap<String, BTreeMap<usize, StoredTensor<'_>>> = BTreeMap::new();
    for tensor in tensors {
        if let Some((stack, expert)) = expert_of(&tensor.info.name) {
            // Two of one name are found to be one too many where they are counted.
            let of_stack = single.entry(stack).or_default();
            if let Some(twice) = of_stack.insert(expert, tensor) {
                return Err(EngineError::Model(format!(
                    "tensor {} is there twice",
                    twice.info.name
                )));
            }
        } else if let Some(layer) = tensor.info.name.strip_suffix(JOINED) {
            all.extend(halves(layer.to_owned(), tensor)?);
        } else {
            all.push(tensor);
        }
    }
    for (name, experts) in single {
        all.push(stack(name, experts)?);
    }
    Ok(all)
}

/// The stack that a tensor of one expert belongs to, and the expert: `blk.0.ffn_up_exps.weight` and 3
/// for `blk.0.ffn_up.3.weight`.
fn expert_of(name: &str) -> Option<(String, usize)> {
    let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, rest) = rest.split_once('.')?;
    let (expert, rest) = rest.split_once('.')?;
    let is_one = PARTS.contains(&part) && rest == "weight";
    let expert = expert.parse().ok().filter(|_| is_one)?;
    Some((format!("blk.{layer}.{part}_exps.weight"), expert))
}

fn stack<'b>(
    name: String,
    experts: BTreeMap<usize, StoredTensor<'b>>,
) -> Result<StoredTensor<'b>, EngineError> {
    let count = experts.len();
    let mut runs = Vec::with_capacity(count);
    let mut first: Option<StoredTensor<'b>> = None;
    for (place, (expert, tensor)) in experts.into_iter().enumerate() {
        let info = &tensor.info;
        if expert != place {
            return Err(EngineError::Model(format!(
                "tensor {} is there, but that of expert {place} is not",
                info.name
            )));
        }
        runs.extend(&tensor.runs);
        let like = &first.get_or_insert_with(|| tensor.clone()).info;
        let shape = |info: &TensorInfo| (info.kind, info.columns, info.rows, info.matrices);
        if shape(info) != shape(like) {
            return Err(EngineError::Model(format!(
                "tensor {} is {} of {} x {}, but {} is {} of {} x {}; the experts of a layer have to \
                 be alike: convert the model again with a current converter",
                info.name,
                info.kind.name(),
                info.columns,
                info.rows,
                like.name,
                like.kind.name(),
                like.columns,
                like.rows,
            )));
        }
    }
    let mut info = first.expect("a stack is made for its first tensor").info;
    info.name = name;
    info.rows *= count;
    info.matrices = count;
    Ok(StoredTensor { info, runs })
}

/// Gate and up of all experts, from the tensor that joins them.
fn halves(layer: String, joined: StoredTensor<'_>) -> Result<[StoredTensor<'_>; 2], EngineError> {
    let info = &joined.info;
    let rows = info.rows / info.matrices;
    if !rows.is_multiple_of(2) {
        return Err(EngineError::Model(format!(
            "tensor {} has {rows} rows per expert; half of them are gate, half up",
            info.name
        )));
    }
    let bytes = rows / 2 * info.row_bytes();
    let half = |part: &str, index: usize| StoredTensor {
        info: TensorInfo {
            name: format!("{layer}.{part}_exps.weight"),
            rows: info.rows / 2,
            ..info.clone()
        },
        runs: joined
            .runs
            .iter()
            .flat_map(|run| run.chunks_exact(bytes).skip(index).step_by(2))
            .collect(),
    };
    Ok([half("ffn_gate", 0), half("ffn_up", 1)])
}
