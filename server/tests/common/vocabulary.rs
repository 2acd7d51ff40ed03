//! A small vocabulary that can say everything.

use std::sync::Arc;

use sysinfer_engine::Tokenizer;
use sysinfer_formats::{Gguf, GgufWriter, OwnedArray};

pub(crate) const BEGIN: u32 = 1;
pub(crate) const END: u32 = 2;
pub(crate) const USER: u32 = 195;
pub(crate) const ASSISTANT: u32 = 196;
/// Control tokens that the file calls normal.
pub(crate) const TURN: u32 = 453;
pub(crate) const TURN_END: u32 = 454;

/// SentencePiece with all bytes, and role tokens where Baichuan has them: ordinary tokens that no
/// merge leads to, as in its vocabulary.
pub(crate) fn tokenizer() -> Arc<Tokenizer> {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>", "▁"].map(String::from).to_vec();
    tokens.extend((4..USER).map(|id| format!("[unused{id}]")));
    tokens.extend(["<U>", "<A>"].map(String::from));
    let mut kinds = vec![1_i32; tokens.len()];
    kinds[..3].copy_from_slice(&[2, 3, 3]);
    tokens.extend((0..=255_u8).map(|byte| format!("<0x{byte:02X}>")));
    kinds.resize(tokens.len(), 6);
    tokens.extend(["<|im_start|>", "<|im_end|>"].map(String::from));
    kinds.resize(tokens.len(), 1);
    let scores = vec![0.0_f32; tokens.len()];
    let names: OwnedArray = tokens.iter().map(String::as_str).collect();
    let file = GgufWriter::new()
        .metadata("tokenizer.ggml.model", "llama")
        .metadata("tokenizer.ggml.tokens", names)
        .metadata(
            "tokenizer.ggml.scores",
            scores.into_iter().collect::<OwnedArray>(),
        )
        .metadata(
            "tokenizer.ggml.token_type",
            kinds.into_iter().collect::<OwnedArray>(),
        )
        .write_to_vec(&[])
        .unwrap();
    let gguf = Gguf::parse(&file).unwrap();
    Arc::new(Tokenizer::from_gguf(gguf.metadata()).unwrap().unwrap())
}
