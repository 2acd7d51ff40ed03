//! Small vocabularies with everything that real ones have: all bytes, merges, control tokens, tokens
//! that users' text may hold, tokens that begin like others.

use std::sync::{Arc, OnceLock};

use sysinfer_engine::Tokenizer;
use sysinfer_engine::tokenizer::pre_tokenizers;
use sysinfer_formats::{Gguf, GgufWriter, OwnedArray};

/// How many of [`samples`], the first ones, differ in more than in how they cut words.
pub const KINDS: usize = 5;

/// A tokenizer and what it promises beyond what all do.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What messages call it.
    pub name: String,
    /// The tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// SentencePiece, whose `▁` and space prefix are not undone everywhere.
    pub is_sentencepiece: bool,
}

/// SentencePiece tokenizers (with and without space prefix, and without types), one BPE per way of
/// cutting words, and one whose types are wrong; made once.
pub fn samples() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let sample = |name: String, writer: GgufWriter, is_sentencepiece| Sample {
            name,
            tokenizer: built(writer),
            is_sentencepiece,
        };
        let mut samples = vec![
            sample("spm".into(), sentencepiece(GgufWriter::new()), true),
            sample(
                "spm without prefix".into(),
                sentencepiece(GgufWriter::new()).metadata("tokenizer.ggml.add_space_prefix", false),
                true,
            ),
            sample(
                "spm without types".into(),
                sentencepiece_of_types(GgufWriter::new(), |_| 1),
                true,
            ),
            sample(
                "bpe of wrong types".into(),
                byte_level_of_types(GgufWriter::new(), "tekken", |kind| 7 - kind),
                false,
            ),
        ];
        for names in pre_tokenizers() {
            let file = byte_level(GgufWriter::new(), names[0]);
            samples.push(sample(names[0].into(), file, false));
        }
        samples
    })
}

fn built(writer: GgufWriter) -> Arc<Tokenizer> {
    let file = writer.write_to_vec(&[]).expect("valid metadata");
    let file = Gguf::parse(&file).expect("our own file");
    let tokenizer = Tokenizer::from_gguf(file.metadata()).expect("a valid vocabulary");
    Arc::new(tokenizer.expect("a vocabulary"))
}

/// Adds a SentencePiece vocabulary: unknown, BOS, EOS, two user-defined tokens, all bytes, pieces.
pub fn sentencepiece(file: GgufWriter) -> GgufWriter {
    sentencepiece_of_types(file, |kind| kind)
}

/// The same, with types that `typed` makes of the right ones.
fn sentencepiece_of_types(file: GgufWriter, typed: impl Fn(i32) -> i32) -> GgufWriter {
    let mut tokens: Vec<(String, f32, i32)> = [
        ("<unk>", 2),
        ("<s>", 3),
        ("</s>", 3),
        ("<tool>", 4),
        ("<tool> call", 4),
    ]
    .map(|(text, kind)| (text.to_owned(), 0.0, kind))
    .to_vec();
    tokens.extend((0..=255_u8).map(|byte| (format!("<0x{byte:02X}>"), 0.0, 6)));
    let pieces = "▁ a b c d e < > s / ab bc ▁a ▁ab aa aaaa <s ▁▁ x y xy xyxy 日 本 日本 ▁日 é";
    for (index, piece) in pieces.split(' ').enumerate() {
        tokens.push((piece.to_owned(), -(((index * 7) % 13) as f32), 1));
    }
    file.metadata("tokenizer.ggml.model", "llama")
        .metadata(
            "tokenizer.ggml.tokens",
            tokens
                .iter()
                .map(|token| token.0.as_str())
                .collect::<OwnedArray>(),
        )
        .metadata(
            "tokenizer.ggml.scores",
            tokens.iter().map(|token| token.1).collect::<OwnedArray>(),
        )
        .metadata(
            "tokenizer.ggml.token_type",
            tokens
                .iter()
                .map(|token| typed(token.2))
                .collect::<OwnedArray>(),
        )
}

/// Adds a byte-level BPE vocabulary that cuts words in the way called `pre`.
pub fn byte_level(file: GgufWriter, pre: &str) -> GgufWriter {
    byte_level_of_types(file, pre, |kind| kind)
}

/// The same, with types that `typed` makes of the right ones.
fn byte_level_of_types(file: GgufWriter, pre: &str, typed: impl Fn(i32) -> i32) -> GgufWriter {
    let mut tokens: Vec<String> = [
        "<|begin|>",
        "<|end of it|>",
        "<|im_start|>",
        "<|im_end|>",
        "<tool>",
        "<tool> call",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut kinds = vec![3_i32, 3, 3, 3, 4, 4];
    tokens.extend((0..=255_u8).map(spelled));
    let merges = [
        "h e",
        "l l",
        "he ll",
        "hell o",
        "Ġ w",
        "o r",
        "Ġw or",
        "l d",
        "Ġ Ġ",
        "ĠĠ ĠĠ",
        "a a",
        "aa aa",
        "a b",
        "b a",
        "ab ab",
        "æ Ĺ",
        "æĹ ¥",
        "1 2",
        "12 3",
        "Ċ Ċ",
        "ð Ł",
    ];
    tokens.extend(merges.map(|merge| merge.replace(' ', "")));
    kinds.resize(tokens.len(), 1);
    file.metadata("tokenizer.ggml.model", "gpt2")
        .metadata("tokenizer.ggml.pre", pre)
        .metadata(
            "tokenizer.ggml.tokens",
            tokens.iter().map(String::as_str).collect::<OwnedArray>(),
        )
        .metadata(
            "tokenizer.ggml.token_type",
            kinds.into_iter().map(typed).collect::<OwnedArray>(),
        )
        .metadata(
            "tokenizer.ggml.merges",
            merges.into_iter().collect::<OwnedArray>(),
        )
        .metadata("tokenizer.ggml.bos_token_id", 0_u32)
        .metadata("tokenizer.ggml.eos_token_id", 1_u32)
}

/// The character of a byte in the byte-level alphabet, from its definition: printable ones stand for
/// themselves, the others for the characters from U+0100 on.
fn spelled(byte: u8) -> String {
    let is_printable = |byte: &u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let code = if is_printable(&byte) {
        u32::from(byte)
    } else {
        0x100 + (0..byte).filter(|other| !is_printable(other)).count() as u32
    };
    char::from_u32(code)
        .expect("below the surrogates")
        .to_string()
}
