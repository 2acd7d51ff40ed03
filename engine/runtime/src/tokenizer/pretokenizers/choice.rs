//! The way of cutting that a file asks for, or that its vocabulary was made with.

use sysinfer_formats::Metadata;

use super::super::error::TokenizerError;
use super::super::keys::PRE;
use super::super::vocabulary::Vocabulary;
use super::ways::{UNSUPPORTED, Way};

/// A vocabulary that is known by tokens at fixed ids.
struct Known {
    /// Whose it is.
    of: &'static str,
    /// How its models cut text.
    pre: &'static str,
    /// Ids and texts, all of which must be there.
    marks: &'static [(u32, &'static str)],
}

/// Vocabularies of files that do not say how they cut text: converters began to write
/// `tokenizer.ggml.pre` in 2024. The first row that holds counts.
const KNOWN: &[Known] = &[
    Known {
        of: "Llama 3",
        pre: "llama-bpe",
        marks: &[(128_000, "<|begin_of_text|>")],
    },
    Known {
        of: "DeepSeek-R1 on Llama 3",
        pre: "llama-bpe",
        marks: &[(128_000, "<｜begin▁of▁sentence｜>")],
    },
    Known {
        of: "Qwen 2",
        pre: "qwen2",
        marks: &[(151_643, "<|endoftext|>"), (151_644, "<|im_start|>")],
    },
    Known {
        of: "DeepSeek-R1 on Qwen 2",
        pre: "deepseek-r1-qwen",
        marks: &[(151_646, "<｜begin▁of▁sentence｜>")],
    },
    Known {
        of: "Mistral (Tekken)",
        pre: "tekken",
        marks: &[(1, "<s>"), (2, "</s>"), (3, "[INST]"), (4, "[/INST]")],
    },
    Known {
        of: "DeepSeek LLM",
        pre: "deepseek-llm",
        marks: &[(100_000, "<｜begin▁of▁sentence｜>")],
    },
    Known {
        of: "DeepSeek Coder",
        pre: "deepseek-coder",
        marks: &[(32_013, "<｜begin▁of▁sentence｜>")],
    },
    Known {
        of: "SmolLM",
        pre: "smollm",
        marks: &[(0, "<|endoftext|>"), (1, "<|im_start|>"), (2, "<|im_end|>")],
    },
    Known {
        of: "StarCoder",
        pre: "starcoder",
        marks: &[(0, "<|endoftext|>"), (1, "<fim_prefix>")],
    },
    Known {
        of: "Command R",
        pre: "command-r",
        marks: &[(255_000, "<|START_OF_TURN_TOKEN|>")],
    },
    Known {
        of: "GPT-NeoX",
        pre: "gpt-2",
        marks: &[(0, "<|endoftext|>"), (1, "<|padding|>")],
    },
    Known {
        of: "GPT-2",
        pre: "gpt-2",
        marks: &[(50_256, "<|endoftext|>")],
    },
];

impl Way {
    /// The way of a model file. `notes` gets a line where it is not the file that says so.
    ///
    /// # Errors
    /// [`TokenizerError::UnsupportedPreTokenizer`].
    pub(in crate::tokenizer) fn of(
        metadata: &Metadata<'_>,
        vocabulary: &Vocabulary,
        notes: &mut Vec<String>,
    ) -> Result<&'static Self, TokenizerError> {
        let name = match metadata.string(PRE)? {
            Some("default") => {
                notes.push(format!("{PRE} is \"default\", {DEFAULT}"));
                "default"
            }
            Some(name) => name,
            None => Self::recognised(vocabulary, notes),
        };
        Self::named(name).ok_or_else(|| {
            let known = UNSUPPORTED.iter().find(|(known, _)| *known == name);
            TokenizerError::UnsupportedPreTokenizer {
                name: name.chars().take(80).collect(),
                why: known
                    .map(|(_, why)| format!(" ({why})"))
                    .unwrap_or_default(),
                supported: Self::supported(),
            }
        })
    }

    /// The name of the way that a vocabulary was made with, or else `default`.
    fn recognised(vocabulary: &Vocabulary, notes: &mut Vec<String>) -> &'static str {
        let is_there = |(token, text): &(u32, &str)| vocabulary.text(*token) == text.as_bytes();
        let Some(known) = KNOWN.iter().find(|known| known.marks.iter().all(is_there)) else {
            notes.push(format!(
                "{PRE} is missing and the vocabulary is not one that is known, so text is cut as \
                 \"default\", {DEFAULT}"
            ));
            return "default";
        };
        let (Known { of, pre, .. }, (token, text)) = (known, known.marks[0]);
        notes.push(format!(
            "{PRE} is missing; the vocabulary is that of {of} (token {token} is {text:?}), so text is \
             cut as \"{pre}\""
        ));
        pre
    }
}

/// What notes say of it.
const DEFAULT: &str =
    "a way that no model was trained with: answers may be worse; convert the model again";
