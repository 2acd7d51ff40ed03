//! The lengths of a run's table: within the model's context, and what they ask of prompt and memory.

use std::collections::BTreeSet;

use anyhow::bail;
use sysinfer_engine::EngineInfo;
use sysinfer_profiles::MAX_LENGTHS;
use sysinfer_search::works;
use sysinfer_table::TablePlan;

use super::arguments::TuneArgs;

/// Steps that every decode run must have room for.
const MIN_RUN_STEPS: usize = 4;

/// Lengths of the table within the model's context, and a remark about each cut.
///
/// # Errors
/// A prompt that the context has no room for, or more lengths than a profile can hold.
pub(crate) fn table_plan(
    arguments: &TuneArgs,
    info: &EngineInfo,
    remarks: &mut Vec<String>,
) -> anyhow::Result<TablePlan> {
    let prefill = arguments.prefill.as_ref().unwrap_or(&arguments.lengths);
    let mut table = TablePlan {
        prompt_tokens: arguments.prompt,
        decode_lengths: arguments.lengths.values().to_vec(),
        prefill_lengths: prefill.values().to_vec(),
        repeat: arguments.table_runs(),
        sampling: None,
    };
    let all: BTreeSet<usize> = [&table.decode_lengths, &table.prefill_lengths]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    if all.len() > MAX_LENGTHS {
        bail!(
            "--lengths and --prefill name {} lengths; a profile holds {MAX_LENGTHS}",
            all.len()
        );
    }
    let cuts = table.cut_to_context(info.context_length);
    remarks.extend(cuts);
    check_prompt(arguments.prompt, info.context_length)?;
    Ok(table)
}

/// A prompt must leave room for the few steps that size everything else.
///
/// # Errors
/// Names the limits.
pub fn check_prompt(prompt_tokens: usize, context_length: usize) -> anyhow::Result<()> {
    let most = context_length.saturating_sub(MIN_RUN_STEPS);
    if prompt_tokens == 0 || prompt_tokens > most {
        bail!(
            "--prompt {prompt_tokens}: the prompt must have 1 to {most} tokens, as the model's context has {context_length}"
        );
    }
    Ok(())
}

/// Positions for the longest run: of the table, or of a race's sample.
pub(super) fn capacity(table: &TablePlan) -> usize {
    table.longest_tokens().max(works::MAX_SAMPLE_TOKENS) + works::MAX_SAMPLE_TOKENS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_leave_room_to_decode() {
        assert!(check_prompt(16, 2048).is_ok() && check_prompt(2044, 2048).is_ok());
        for (prompt, context) in [(0, 2048), (2045, 2048), (1, 2)] {
            assert!(
                check_prompt(prompt, context).is_err(),
                "{prompt} of {context}"
            );
        }
    }
}
