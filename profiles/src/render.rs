//! [`Profile`] to TOML with the comments that make the file readable on its own.
//!
//! serde writes the values, so the two directions cannot disagree; comments are woven in by
//! section and key afterwards.

use std::borrow::Cow;
use std::ops::Range;

use toml::de::DeTable;

use crate::error::ProfileError;
use crate::parse::tables_in;
use crate::schema::{Evidence, Profile};
use crate::trust::NOT_TO_BE_TRUSTED;

const HEAD: &str = "\
# Profile of sysinfer: how to run one model on one host, and the measurements behind it.
# Written by sysinfer-tune; read by: sysinfer-server MODEL.gguf --profile THIS_FILE
# It may be edited: [plan] changes how the model is run, for speed alone, and [serving] how many are
# answered at once; trusted = false keeps both from being used.
# Unknown keys are errors, so that a typo cannot be ignored in silence.
";

/// Comment lines above a section: what it is for, and where its values come from.
const SECTIONS: &[(&str, &str)] = &[
    (
        "[created]",
        "# When, by which version and by which command this file was made.",
    ),
    (
        "[host]",
        "# The host that was measured, as the system describes it. The server refuses the profile on a\n\
         # host that differs (memory may grow; kernel and huge_pages are only noted), unless\n\
         # --force-profile.",
    ),
    (
        "[model]",
        "# The model that was measured, from its file. Another shape is a warning: the plan may not be\n\
         # its best.",
    ),
    (
        "[plan.decode]",
        "# The team that generates tokens: the default, unless another was measured to be faster, or\n\
         # fewer threads to be no slower. Worker i runs on cpus[i]; an empty list: not pinned.",
    ),
    (
        "[plan.prefill]",
        "# The team that reads prompts, measured for itself.",
    ),
    (
        "[plan.blocking]",
        "# Block sizes, each the default unless another was measured to be faster. They change speed;\n\
         # attention_chunk alone may change the last bits of a logit.",
    ),
    (
        "[plan.memory]",
        "# Pages of weights and cache, and where weights are: not measured; defaults, unless the\n\
         # command line or a person said otherwise.",
    ),
    (
        "[serving]",
        "# What sysinfer-server does for many users, unless its options say otherwise: as many requests at\n\
         # once as made most tokens together, and the token gap that the run was asked for.",
    ),
    (
        "[evidence]",
        "# Measured under [plan] in the run that wrote this file. Rates are medians in tokens/s; low and\n\
         # high are the slowest and the fastest run, of sampled lengths the interval of their steps.\n\
         # `sysinfer-tune verify THIS_FILE MODEL.gguf` measures the rates again; long sampled lengths only\n\
         # where --lengths names them.",
    ),
    (
        "[[evidence.lengths]]",
        "# One total length. decode: from the prompt to this many tokens; prefill: a prompt of this many.",
    ),
    (
        "[[evidence.steps]]",
        "# What one step took that gave each of several sequences a token, and read a part of a prompt beside\n\
         # them: the median of the runs, low and high the fastest and the slowest. context_tokens: what each\n\
         # sequence held before. The server begins with these, until it has measured steps of its own.",
    ),
];

/// Comment above the kernels, whatever their block types.
const KERNELS: &str = "\
# Kernels by block type of the weights: those of an untuned host, unless others were measured to be faster.";
/// What sections of kernels begin with.
const KERNELS_SECTION: &str = "[plan.kernels.";

/// Comments behind a value, by section and key.
const KEYS: &[(&str, &str, &str)] = &[
    (
        "[host]",
        "topology",
        "as hwloc sees what this process may use",
    ),
    ("[host]", "cores", "physical, that the process could use"),
    ("[host]", "cpus", "logical, that the process could use"),
    (
        "[host]",
        "cpu_quota",
        "CPUs' worth of time that the control group allows",
    ),
    ("[host]", "huge_pages", "mode of transparent huge pages"),
    (
        "[model]",
        "fingerprint",
        "equal for models of one shape and quantisation",
    ),
    ("[model]", "weight_bytes", "as packed in memory"),
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
    ("[plan.decode]", "map", "a label: cpus is what counts"),
    ("[plan.prefill]", "map", "a label: cpus is what counts"),
    (
        "[plan.blocking]",
        "prefetch_bytes",
        "distance of prefetches ahead of reads; 0: none",
    ),
    (
        "[plan.blocking]",
        "decode_rows",
        "tokens of a step that decode kernels run; more: prefill",
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
        "[plan.memory]",
        "weights",
        "packed in memory, or mapped: read from the file at every step",
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
        "taken while the host was throttled or busy; with a large share, the run is not to be trusted",
    ),
    (
        "[evidence]",
        "decode_between_runs",
        "standard deviation of decode rates from run to run, beyond noise: 0.05 is about 5 %",
    ),
    ("[evidence]", "prefill_between_runs", "the same for prompts"),
    (
        "[evidence]",
        "independent_runs",
        "runs of the table that began two minutes or more after one another",
    ),
    (
        "[[evidence.lengths]]",
        "sampled",
        "decoded at several contexts on the way, not all the way",
    ),
    (
        "[[evidence.lengths]]",
        "samples",
        "runs behind the decode rate; if sampled, groups of steps",
    ),
    (
        "[[evidence.lengths]]",
        "decode_arithmetic_gmac_per_second",
        "how fast the cores were meanwhile, whatever they run",
    ),
    (
        "[[evidence.lengths]]",
        "decode_exchange_gb_per_second",
        "how fast they read what another had written",
    ),
    (
        "[[evidence.lengths]]",
        "prefill_arithmetic_gmac_per_second",
        "how fast the cores of the prompts' team were meanwhile",
    ),
    (
        "[[evidence.lengths]]",
        "prefill_exchange_gb_per_second",
        "how fast they read what another had written",
    ),
    (
        "[[evidence.lengths]]",
        "decode_gb_per_second",
        "weights and cache read",
    ),
    (
        "[[evidence.lengths]]",
        "reference_tokens_per_second",
        "published by the original, on its server",
    ),
    (
        "[serving]",
        "parallel",
        "requests that are answered at once; more wait",
    ),
    (
        "[serving]",
        "token_gap_ms",
        "longest time between two tokens of an answer while prompts are read",
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
        let mut text = self.warning() + HEAD;
        let mut section = "";
        let mut seen = Vec::new();
        let mut offset = 0;
        for line in plain.split_inclusive('\n') {
            // A line that a long text begins in ends inside it.
            let end = offset + line.len() - 1;
            let is_inside = |at| texts.iter().any(|span: &Range<usize>| span.contains(&at));
            let without_comment = is_inside(offset) || is_inside(end);
            offset += line.len();
            if without_comment {
                text.push_str(line);
                continue;
            }
            let line = line.trim_end_matches('\n');
            if line.starts_with('[') {
                section = line;
                if let Some(comment) = comment_above(section).filter(|c| !seen.contains(c)) {
                    seen.push(comment);
                    text.push_str(comment);
                    text.push('\n');
                }
            }
            text.push_str(line);
            if let Some(comment) = comment_for(section, line, &self.evidence) {
                text.push_str("  # ");
                text.push_str(&comment);
            }
            text.push('\n');
        }
        Ok(text)
    }

    /// Lines above all others of a profile that is not to be trusted.
    fn warning(&self) -> String {
        self.distrust().map_or_else(String::new, |why| {
            format!(
                "# {NOT_TO_BE_TRUSTED}: {why}.\n\
                 # sysinfer-server runs its default in place of [plan], unless --force-untrusted. Tune again.\n#\n"
            )
        })
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

/// The comment of a section; sections that share one have it above the first.
fn comment_above(section: &str) -> Option<&'static str> {
    if section.starts_with(KERNELS_SECTION) {
        return Some(KERNELS);
    }
    let found = SECTIONS.iter().find(|(name, _)| *name == section);
    found.map(|(_, comment)| *comment)
}

/// The comment behind a value of a plain key.
fn comment_for(section: &str, line: &str, evidence: &Evidence) -> Option<Cow<'static, str>> {
    let key = line.split_once(" = ")?.0;
    if let Some(comment) = finding(section, key, evidence) {
        return Some(comment.into());
    }
    KEYS.iter()
        .find(|(place, name, _)| *place == section && *name == key)
        .map(|found| found.2.into())
}

/// What a value amounts to, where that takes others to tell.
fn finding(section: &str, key: &str, evidence: &Evidence) -> Option<String> {
    if section != "[evidence]" {
        return None;
    }
    match key {
        "trusted" if evidence.trusted == Some(false) => {
            Some("[plan] is run with --force-untrusted only".into())
        }
        "trusted" => Some("few enough samples were disturbed".into()),
        "gain_decode" => Some(format!(
            "rate over that of the untuned default, side by side: {}",
            evidence.decode_gain()
        )),
        "gain_prefill" => Some(format!("the same for prompts: {}", evidence.prefill_gain())),
        _ => None,
    }
}
