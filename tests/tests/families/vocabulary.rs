//! Small vocabularies of each family's kind, with its control tokens: every text can be written.

use sysinfer_conformance::models::VOCABULARY;
use sysinfer_formats::{GgufWriter, OwnedArray};

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

/// A kind of vocabulary.
#[derive(Clone, Copy)]
pub(crate) enum Vocabulary {
    /// Byte-level BPE: 256 bytes, two merges, then control tokens. BOS and EOS by their texts.
    Bpe {
        pre: &'static str,
        control: &'static [&'static str],
        bos: Option<&'static str>,
        eos: &'static str,
    },
    /// SentencePiece: `<unk>`, `<s>`, `</s>`, control tokens, 256 bytes; `normal` are tokens at
    /// fixed ids that no merge leads to.
    Spm {
        control: &'static [&'static str],
        normal: &'static [(usize, &'static str)],
    },
}

impl Vocabulary {
    /// Adds the vocabulary to a file.
    pub(crate) fn write(self, file: GgufWriter) -> GgufWriter {
        match self {
            Vocabulary::Bpe {
                pre,
                control,
                bos,
                eos,
            } => bpe(file, pre, control, bos, eos),
            Vocabulary::Spm { control, normal } => spm(file, control, normal),
        }
    }
}

fn bpe(file: GgufWriter, pre: &str, control: &[&str], bos: Option<&str>, eos: &str) -> GgufWriter {
    let merges = ["h e", "l l"];
    let mut tokens: Vec<String> = (0..=255).map(spelled).collect();
    tokens.extend(merges.map(|merge| merge.replace(' ', "")));
    let mut kinds = vec![NORMAL; tokens.len()];
    tokens.extend(control.iter().map(|text| (*text).to_owned()));
    kinds.resize(tokens.len(), CONTROL);
    let id = |text: &str| {
        let position = tokens.iter().position(|token| token == text);
        position.expect("it is one of the control tokens") as u32
    };
    let file = file
        .metadata("tokenizer.ggml.model", "gpt2")
        .metadata("tokenizer.ggml.pre", pre)
        .metadata("tokenizer.ggml.merges", strings(merges))
        .metadata("tokenizer.ggml.eos_token_id", id(eos));
    let file = match bos {
        Some(bos) => file.metadata("tokenizer.ggml.bos_token_id", id(bos)),
        None => file,
    };
    with_tokens(file, &tokens, kinds)
}

/// The character of a byte in GPT-2's alphabet.
fn spelled(byte: u8) -> String {
    let stands_for_itself = |byte: &u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let code = if stands_for_itself(&byte) {
        u32::from(byte)
    } else {
        let before = (0..byte).filter(|byte| !stands_for_itself(byte));
        0x100 + before.count() as u32
    };
    char::from_u32(code).expect("below the surrogates").into()
}

fn spm(file: GgufWriter, control: &[&str], normal: &[(usize, &str)]) -> GgufWriter {
    let mut tokens: Vec<(String, i32)> = vec![
        ("<unk>".into(), UNKNOWN),
        ("<s>".into(), CONTROL),
        ("</s>".into(), CONTROL),
    ];
    tokens.extend(control.iter().map(|text| ((*text).to_owned(), CONTROL)));
    tokens.extend((0..=255).map(|byte| (format!("<0x{byte:02X}>"), BYTE)));
    tokens.push(("▁".into(), NORMAL));
    for (id, text) in normal {
        tokens.insert(*id, ((*text).to_owned(), NORMAL));
    }
    let (tokens, kinds): (Vec<String>, Vec<i32>) = tokens.into_iter().unzip();
    let scores: OwnedArray = tokens.iter().map(|_| 0.0_f32).collect();
    let file = file
        .metadata("tokenizer.ggml.model", "llama")
        .metadata("tokenizer.ggml.scores", scores);
    with_tokens(file, &tokens, kinds)
}

fn with_tokens(file: GgufWriter, tokens: &[String], kinds: Vec<i32>) -> GgufWriter {
    assert!(tokens.len() <= VOCABULARY);
    file.metadata(
        "tokenizer.ggml.tokens",
        strings(tokens.iter().map(String::as_str)),
    )
    .metadata(
        "tokenizer.ggml.token_type",
        kinds.into_iter().collect::<OwnedArray>(),
    )
}

fn strings<'s>(texts: impl IntoIterator<Item = &'s str>) -> OwnedArray {
    texts.into_iter().collect()
}
