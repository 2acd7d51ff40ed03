//! Combinations that make no sense, each with its reason.

use sysinfer_machine::{CpuList, Topology};

/// Attention is spread over chunks of the context: below this length one chunk holds it all.
pub const ATTENTION_MATTERS_TOKENS: usize = 512;

/// More threads than CPUs only make sense when someone asked for them.
///
/// # Errors
/// The reason not to try the count.
pub fn team_makes_sense(
    threads: usize,
    effective_cpus: usize,
    asked_for: bool,
) -> Result<(), String> {
    if threads > effective_cpus && !asked_for {
        return Err(format!(
            "only {effective_cpus} CPUs can run at once here, and a barrier waits for the last thread"
        ));
    }
    Ok(())
}

/// A given list must name enough different CPUs of this host.
///
/// # Errors
/// The reason not to try the list with that many threads.
pub fn given_covers(list: &CpuList, threads: usize, topology: &Topology) -> Result<(), String> {
    let used = list.assign(threads);
    if let Some(cpu) = used.iter().find(|cpu| topology.cpu(**cpu).is_none()) {
        return Err(format!(
            "CPU {cpu} of --cpus is not one that may be used here"
        ));
    }
    let mut distinct = used.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < used.len() {
        return Err(format!(
            "--cpus names {} different CPUs, so that {threads} threads would share some",
            distinct.len()
        ));
    }
    Ok(())
}

/// A tile loop of more rows than the prompt has runs exactly like one of the prompt's size.
///
/// # Errors
/// The reason not to try the size.
pub fn rows_matter(prefill_rows: usize, prompt_tokens: usize) -> Result<(), String> {
    if prefill_rows > prompt_tokens {
        return Err(format!(
            "a prompt of {prompt_tokens} tokens, the longest that the time allows, does not fill it"
        ));
    }
    Ok(())
}

/// Cutting a prompt into chunks needs a prompt that is longer than one.
///
/// # Errors
/// The reason not to try the size.
pub fn chunk_matters(prefill_chunk: usize, prompt_tokens: usize) -> Result<(), String> {
    if prefill_chunk >= prompt_tokens {
        return Err(format!(
            "a prompt of {prompt_tokens} tokens, the longest that the time allows, is one chunk"
        ));
    }
    Ok(())
}

/// Chunks of attention need a context of several chunks.
///
/// # Errors
/// The reason to leave the stage out.
pub fn attention_matters(longest_tokens: usize) -> Result<(), String> {
    if longest_tokens < ATTENTION_MATTERS_TOKENS {
        return Err(format!(
            "lengths end at {longest_tokens}, and below {ATTENTION_MATTERS_TOKENS} tokens attention is a small part of a step"
        ));
    }
    Ok(())
}
