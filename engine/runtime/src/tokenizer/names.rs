//! What tokens are called, by which files that say nothing, or the wrong thing, about them are
//! understood.
//!
//! The names are those of llama.cpp's `llama-vocab.cpp` and of the `generation_config.json` files that
//! models are published with (`eos_token_id`, a list in many of them). Only the exact name counts.

/// Tokens that end a turn, a message or a text.
pub(super) const ENDS: &[&str] = &[
    "</s>",
    "<eos>",
    "[EOS]",
    "<|eos|>",
    "<EOS_TOKEN>",
    "<seed:eos>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<|EOT|>",
    "<end_of_turn>",
    "<|end_of_turn|>",
    "[|endofturn|]",
    "<|END_OF_TURN_TOKEN|>",
    "<turn|>",
    "<|tool_response>",
    "<end_of_utterance>",
    "<|end_of_sentence|>",
    "<｜end▁of▁sentence｜>",
    "<|role_end|>",
    "<eoa>",
    "[e~[",
    // Of models that fill in the middle of code: what follows is another file.
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// Tokens that begin a text or a turn, or frame what stands in it. An answer does not end at them.
pub(super) const FRAMES: &[&str] = &[
    "<s>",
    "<bos>",
    "<BOS_TOKEN>",
    "<|startoftext|>",
    "<|begin_of_text|>",
    "<|begin_of_sentence|>",
    "<｜begin▁of▁sentence｜>",
    "<|im_start|>",
    "<|im_sep|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<start_of_turn>",
    "<|turn>",
    "<|START_OF_TURN_TOKEN|>",
    "<|SYSTEM_TOKEN|>",
    "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|User|>",
    "<|Assistant|>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "[INST]",
    "[/INST]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<fim-prefix>",
    "<fim-suffix>",
    "<fim-middle>",
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
    "<｜fim▁begin｜>",
    "<｜fim▁hole｜>",
    "<｜fim▁end｜>",
    "<PRE>",
    "<SUF>",
    "<MID>",
    "▁<PRE>",
    "▁<SUF>",
    "▁<MID>",
    "<|code_prefix|>",
    "<|code_suffix|>",
    "<|code_middle|>",
    "<|prefix|>",
    "<|suffix|>",
    "<|middle|>",
];

/// How tokens begin and end that were reserved when a vocabulary was made, with a number between:
/// Baichuan's roles are two of them (which, differs between its versions), Llama 3 has 250.
const RESERVED: &[(&str, &str)] = &[("<reserved_", ">"), ("<|reserved_special_token_", "|>")];

/// What a name says about its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An answer is over at it.
    End,
    /// It stands around text and is none.
    Frame,
}

/// What a token's name says, if it is a well-known one.
pub(super) fn meaning(text: &[u8]) -> Option<Meaning> {
    // Of a hundred thousand tokens, few get past this.
    if !matches!(text.first(), Some(b'<' | b'[' | b'_' | 0xE2)) {
        return None;
    }
    let is = |name: &&str| name.as_bytes() == text;
    if ENDS.iter().any(is) {
        Some(Meaning::End)
    } else if FRAMES.iter().any(is) || is_reserved(text) {
        Some(Meaning::Frame)
    } else {
        None
    }
}

fn is_reserved(text: &[u8]) -> bool {
    RESERVED.iter().any(|(start, end)| {
        let number = text.strip_prefix(start.as_bytes());
        let number = number.and_then(|rest| rest.strip_suffix(end.as_bytes()));
        number.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_name_counts() {
        let cases = [
            ("<|im_end|>", Some(Meaning::End)),
            ("<|im_start|>", Some(Meaning::Frame)),
            ("<reserved_107>", Some(Meaning::Frame)),
            ("<|reserved_special_token_3|>", Some(Meaning::Frame)),
            ("<reserved_>", None),
            ("<reserved_1a>", None),
            ("<|im_end|> ", None),
            ("<|im_ends|>", None),
            ("<|IM_END|>", None),
            ("im_end", None),
            ("<end>", None),
            ("</think>", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(meaning(text.as_bytes()), wanted, "{text}");
        }
    }

    #[test]
    fn every_name_is_found() {
        for name in ENDS {
            assert_eq!(meaning(name.as_bytes()), Some(Meaning::End), "{name}");
        }
        for name in FRAMES {
            assert_eq!(meaning(name.as_bytes()), Some(Meaning::Frame), "{name}");
        }
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = ENDS.iter().chain(FRAMES).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
