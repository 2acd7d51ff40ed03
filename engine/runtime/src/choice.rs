//! From kernel names in a plan to kernels, and back.

use std::collections::BTreeMap;

use sysinfer_formats::{TensorType, UnsupportedType};
use sysinfer_kernels::{Phase, Runnable, table};

use crate::error::EngineError;
use crate::model::forward::Model;
use crate::model::matrix::Kernels;
use crate::plan::{KernelChoice, Plan, PlanError};

/// The kernels that a plan names for a block type, or the table's first.
pub(crate) fn kernels(plan: &Plan, block: TensorType) -> Result<Kernels, EngineError> {
    let choice = plan.kernels.get(block.name()).cloned().unwrap_or_default();
    Ok(Kernels {
        decode: kernel(block, Phase::Decode, choice.decode.as_deref())?,
        prefill: kernel(block, Phase::Prefill, choice.prefill.as_deref())?,
    })
}

fn kernel(block: TensorType, phase: Phase, name: Option<&str>) -> Result<Runnable, EngineError> {
    let mut candidates = table::candidates(block, phase);
    let Some(name) = name else {
        return candidates.next().ok_or_else(|| {
            // Every type that can be decoded has kernels (the battery holds the table to that).
            EngineError::Model(UnsupportedType { kind: block }.to_string())
        });
    };
    candidates
        .find(|runnable| runnable.kernel().name == name)
        .ok_or_else(|| {
            let reason = match table::named(name) {
                None => "there is no kernel of that name",
                Some(kernel) if kernel.block != block => "it is for another block type",
                Some(kernel) if kernel.phase != phase => "it is for the other phase",
                Some(_) => "this CPU lacks its instruction set",
            };
            let choices: Vec<_> = table::candidates(block, phase)
                .map(|runnable| runnable.kernel().name)
                .collect();
            EngineError::Plan(PlanError::Kernel {
                block_type: block.name().to_owned(),
                phase: phase.name(),
                name: name.to_owned(),
                reason,
                choices: choices.join(", "),
            })
        })
}

/// Every kernel in use, by block type.
pub(crate) fn chosen(model: &Model) -> BTreeMap<String, KernelChoice> {
    let choice = |kernels: Kernels| KernelChoice {
        decode: Some(kernels.decode.kernel().name.to_owned()),
        prefill: Some(kernels.prefill.kernel().name.to_owned()),
    };
    let matrices = model.weights.matrices();
    matrices
        .map(|m| (m.block.name().to_owned(), choice(m.kernels)))
        .collect()
}
