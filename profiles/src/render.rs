//! [`Profile`] to TOML with the comments that make the file readable on its own.
//!
//! serde writes the values, so the two directions cannot disagree; comments are woven in by
//! section and key afterwards.

use std::ops::Range;

use toml::de::DeTable;

use crate::error::ProfileError;
use crate::parse::tables_in;
use crate::schema::Profile;

const HEAD: &str = "\
# Profile of sysinfer: how to run one model on one host, and the measurements behind it.
# Written by sysinfer-tune; read by: sysinfer-server MODEL.gguf --profile THIS_FILE
# It may be edited: only [plan] changes how the model is run, for speed alone.
# Unknown keys are errors, so that a typo cannot be ignored in silence.
";

/// Comment lines above a section.
const SECTIONS: &[(&str, &str)] = &[
    (
        "[created]",
        "# When, by which version and by which command this file was made.",
    ),
    (
        "[host]",
        "# The host that was measured. The server refuses the profile on a host that differs\n\
         # (memory may grow; kernel and huge_pages are only noted), unless --force-profile.",
    ),
    (
        "[model]",
        "# The model that was measured. Another shape is a warning: the plan may not be its best.",
    ),
    (
        "[plan.decode]",
        "# The team that generates tokens. Worker i runs on cpus[i]; an empty list: not pinned.\n\
         # `map` is a label: the list is what counts.",
    ),
    ("[plan.prefill]", "# The team that reads prompts."),
    (
        "[plan.blocking]",
        "# Block sizes. They change speed; attention_chunk alone may change the last bits of a logit.",
    ),
    ("[plan.memory]", "# Pages of weights and cache."),
    (
        "[evidence]",
        "# Measured under [plan] in the run that wrote this file. Rates are medians; low and high are\n\
         # the slowest and the fastest run. gain_*: rate over that of the default plan.",
    ),
];

/// Comments behind a value, by section and key.
const KEYS: &[(&str, &str, &str)] = &[
    (
        "[host]",
        "cpu_quota",
        "CPUs' worth of time that the control group allows",
    ),
    (
        "[model]",
        "decode_bytes",
        "weights that one decode step reads",
    ),
    (
        "[model]",
        "kv_bytes_per_position",
        "cache read per step and position of the context",
    ),
    (
        "[plan.blocking]",
        "prefetch_bytes",
        "distance of prefetches ahead of reads; 0: none",
    ),
    (
        "[plan.blocking]",
        "prefill_rows",
        "prompt tokens per tile loop over the weights",
    ),
    ("[plan.blocking]", "prefill_chunk", "prompt tokens per step"),
    (
        "[plan.blocking]",
        "attention_chunk",
        "positions of the context per attention task",
    ),
    (
        "[plan.memory]",
        "huge_pages",
        "ask for transparent huge pages",
    ),
    (
        "[plan.memory]",
        "bind_nodes",
        "keep each worker's weights on its NUMA node",
    ),
    (
        "[evidence]",
        "read_gb_per_second",
        "read bandwidth of the decode team, GB/s",
    ),
    (
        "[evidence]",
        "prompt_tokens",
        "every decode run starts from a prompt of this many tokens",
    ),
    (
        "[evidence]",
        "samples",
        "taken in that run, void ones included",
    ),
    (
        "[evidence]",
        "void_samples",
        "taken while the host was throttled or busy; a large share says: tune again",
    ),
];

impl Profile {
    /// The file's text, comments included; [`Profile::parse`] reads it back to an equal value.
    ///
    /// # Errors
    /// [`ProfileError::Render`] when a value does not exist in TOML.
    pub fn to_toml(&self) -> Result<String, ProfileError> {
        let plain =
            toml::to_string(self).map_err(|error| ProfileError::Render(error.to_string()))?;
        let texts = long_texts(&plain)?;
        let mut text = String::from(HEAD);
        let mut section = "";
        let mut offset = 0;
        for line in plain.split_inclusive('\n') {
            let is_inside = texts.iter().any(|span| span.contains(&offset));
            offset += line.len();
            if is_inside {
                text.push_str(line);
                continue;
            }
            let line = line.trim_end_matches('\n');
            if line.starts_with('[') {
                section = line;
                if let Some((_, comment)) = SECTIONS.iter().find(|(name, _)| *name == section) {
                    text.push_str(comment);
                    text.push('\n');
                }
            }
            text.push_str(line);
            if let Some(comment) = comment_for(section, line) {
                text.push_str("  # ");
                text.push_str(comment);
            }
            text.push('\n');
        }
        Ok(text)
    }
}

/// Where texts stand that go over several lines: no place for comments.
fn long_texts(plain: &str) -> Result<Vec<Range<usize>>, ProfileError> {
    let document =
        DeTable::parse(plain).map_err(|error| ProfileError::Render(error.to_string()))?;
    let mut texts = Vec::new();
    let mut tables = vec![document.get_ref()];
    while let Some(table) = tables.pop() {
        for (_, value) in table.iter() {
            tables.extend(tables_in(value.get_ref()));
            if plain[value.span()].contains('\n') && value.get_ref().is_str() {
                texts.push(value.span());
            }
        }
    }
    Ok(texts)
}

fn comment_for(section: &str, line: &str) -> Option<&'static str> {
    let key = line.split_once(" = ")?.0;
    KEYS.iter()
        .find(|(place, name, _)| *place == section && *name == key)
        .map(|found| found.2)
}
