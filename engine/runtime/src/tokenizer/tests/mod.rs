//! Whole tokenizers over small vocabularies, described as a model file describes them: here the
//! vocabularies, in the files beside this one the tests.

mod decoding;
mod documented;
mod encoding;
mod ends;
mod limits;
mod notes;
mod refusals;
mod round_trips;

use sysinfer_formats::{Gguf, GgufWriter, OwnedArray, OwnedValue};

use super::*;

const BEGIN: u32 = 0;
const END: u32 = 1;
const TURN_END: u32 = 2;
const TOOL: u32 = 3;
const TOOL_CALL: u32 = 4;
const FIRST_NORMAL: u32 = 5;

/// The metadata of a model file as a list that a test can change.
#[derive(Clone)]
struct Description(Vec<(&'static str, OwnedValue)>);

impl Description {
    fn with(mut self, key: &'static str, value: impl Into<OwnedValue>) -> Self {
        self.0.retain(|(existing, _)| *existing != key);
        self.0.push((key, value.into()));
        self
    }

    fn without(mut self, key: &str) -> Self {
        self.0.retain(|(existing, _)| *existing != key);
        self
    }

    fn build(&self) -> Result<Option<Tokenizer>, TokenizerError> {
        let writer = self
            .0
            .iter()
            .fold(GgufWriter::new(), |writer, (key, value)| {
                writer.metadata(*key, value.clone())
            });
        let file = writer.write_to_vec(&[]).expect("valid metadata");
        Tokenizer::from_gguf(Gguf::parse(&file).expect("own file").metadata())
    }

    fn tokenizer(&self) -> Tokenizer {
        self.build()
            .expect("valid vocabulary")
            .expect("a vocabulary")
    }
}

fn strings<'s>(values: impl IntoIterator<Item = &'s str>) -> OwnedArray {
    values.into_iter().collect()
}

/// Byte-level BPE in the way of GPT-2: two control tokens that frame a text, one that ends a turn,
/// two user-defined ones of which one begins like the other, all bytes, and a few merges.
fn bpe() -> Description {
    let mut tokens: Vec<String> = [
        "<|begin|>",
        "<|end of it|>",
        "<|im_end|>",
        "<tool>",
        "<tool> call",
    ]
    .map(str::to_owned)
    .to_vec();
    for byte in 0..=255_u8 {
        tokens.push(spelled(byte));
    }
    let merges = [
        "h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d",
    ];
    tokens.extend(merges.map(|merge| merge.replace(' ', "")));
    let mut kinds = vec![1_i32; tokens.len()];
    kinds[..FIRST_NORMAL as usize].copy_from_slice(&[3, 3, 3, 4, 4]);
    Description(Vec::new())
        .with("tokenizer.ggml.model", "gpt2")
        .with("tokenizer.ggml.pre", "gpt-2")
        .with(
            "tokenizer.ggml.tokens",
            strings(tokens.iter().map(String::as_str)),
        )
        .with(
            "tokenizer.ggml.token_type",
            kinds.into_iter().collect::<OwnedArray>(),
        )
        .with("tokenizer.ggml.merges", strings(merges))
        .with("tokenizer.ggml.bos_token_id", BEGIN)
        .with("tokenizer.ggml.eos_token_id", END)
}

/// The character of a byte in the byte-level alphabet, from its definition rather than its table.
fn spelled(byte: u8) -> String {
    let mut foreign =
        (0..=255_u8).filter(|byte| !matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF));
    let position = foreign.position(|other| other == byte);
    let character = position.map_or(u32::from(byte), |position| 0x100 + position as u32);
    char::from_u32(character)
        .expect("below the surrogates")
        .to_string()
}

/// SentencePiece: unknown, BOS, EOS, a user-defined token, all bytes, and a few scored pieces.
fn spm() -> Description {
    let mut tokens: Vec<(String, f32, i32)> =
        [("<unk>", 2), ("<s>", 3), ("</s>", 3), ("<tool>", 4)]
            .map(|(text, kind)| (text.to_owned(), 0.0, kind))
            .to_vec();
    tokens.extend((0..=255_u8).map(|byte| (format!("<0x{byte:02X}>"), 0.0, 6)));
    let pieces = [
        ("▁", -10.0),
        ("a", -11.0),
        ("b", -12.0),
        ("c", -13.0),
        ("<", -14.0),
        ("s", -15.0),
        (">", -16.0),
        ("ab", -1.0),
        ("bc", -0.5),
        ("▁a", -2.0),
        ("▁ab", -3.0),
        ("aa", -1.0),
        ("<s", -1.0),
        ("▁▁", -4.0),
        ("x", -17.0),
        ("y", -18.0),
        ("xy", -1.0),
        ("xyxy", -1.0),
    ];
    tokens.extend(pieces.map(|(text, score)| (text.to_owned(), score, 1)));
    Description(Vec::new())
        .with("tokenizer.ggml.model", "llama")
        .with(
            "tokenizer.ggml.tokens",
            strings(tokens.iter().map(|(text, ..)| text.as_str())),
        )
        .with(
            "tokenizer.ggml.scores",
            tokens.iter().map(|token| token.1).collect::<OwnedArray>(),
        )
        .with(
            "tokenizer.ggml.token_type",
            tokens.iter().map(|token| token.2).collect::<OwnedArray>(),
        )
}

const PLAIN: Encode = Encode {
    add_special: false,
    parse_special: false,
};
const SPECIAL: Encode = Encode {
    add_special: false,
    parse_special: true,
};

/// The spellings of the tokens of a text.
fn spellings(tokenizer: &Tokenizer, text: &str, options: Encode) -> Vec<String> {
    let tokens = tokenizer.encode(text, options);
    tokens
        .iter()
        .map(|&token| tokenizer.token_text(token).into_owned())
        .collect()
}
