//! Random weights: rows derived from a seed, so that a model of any size needs no file, and a GGUF
//! writer for them, so that other engines can be measured on the same shape.
//!
//! Values have the spread of trained weights (about `1 / sqrt(columns)`), so that activations stay
//! in range through all layers. Speed does not depend on them.

use std::io::{self, Write};

use half::f16;
use sysinfer_formats::{GgufWriteError, GgufWriter, TensorType};
use sysinfer_random::SplitMix64;

use super::config::{Config, Positions};
use super::preset::{self, Preset};
use super::tensor::TensorInfo;

/// The numbers of a row: those of neighbours have nothing in common.
fn numbers(seed: u64, tensor: &str, row: usize) -> SplitMix64 {
    let name = tensor.bytes().fold(seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    SplitMix64(SplitMix64(name ^ row as u64).next_bits())
}

/// Writes the plain bytes of one row of a preset's tensor.
///
/// # Panics
/// If the tensor is of a type that no preset has.
pub fn fill_row(seed: u64, tensor: &TensorInfo, row: usize, out: &mut [u8]) {
    let mut random = numbers(seed, &tensor.name, row);
    let spread = 1.0 / (tensor.columns as f32).sqrt();
    match tensor.kind {
        TensorType::F32 if tensor.rows > 1 || tensor.name.ends_with(".bias") => {
            // A uniform distribution of width 1 has a standard deviation of 0.29.
            for value in out.chunks_exact_mut(4) {
                let jitter = random.unit() - 0.5;
                value.copy_from_slice(&(jitter * spread / 0.29).to_le_bytes());
            }
        }
        TensorType::F32 => {
            // Norm weights: near 1.
            for value in out.chunks_exact_mut(4) {
                let jitter = random.unit() - 0.5;
                value.copy_from_slice(&(1.0 + 0.1 * jitter).to_le_bytes());
            }
        }
        TensorType::Q4_0 => {
            // Uniform codes of -8..8 have a standard deviation of 4.6.
            let scale = f16::from_f32(spread / 4.6).to_le_bytes();
            random.fill(out);
            for block in out.chunks_exact_mut(18) {
                block[..2].copy_from_slice(&scale);
            }
        }
        TensorType::Q6K => {
            // Uniform codes of -32..32 have a standard deviation of 18.5; sub-scales are 64.
            let scale = f16::from_f32(spread / 18.5 / 64.0).to_le_bytes();
            random.fill(out);
            for block in out.chunks_exact_mut(210) {
                block[192..208].fill(64);
                block[208..].copy_from_slice(&scale);
            }
        }
        other => panic!("no preset has tensors of type {}", other.name()),
    }
}

/// Writes a preset as a GGUF that other engines load too.
///
/// The vocabulary is a placeholder of the SPM kind: bytes, then numbered words.
///
/// # Errors
/// Those of `writer`.
pub fn write_gguf(preset: Preset, seed: u64, writer: &mut impl Write) -> io::Result<()> {
    let config = preset.config();
    let mut file = metadata(GgufWriter::new(), &config);
    let tensors = preset::tensors(preset);
    for tensor in &tensors {
        let (columns, matrices) = (tensor.columns as u64, tensor.matrices as u64);
        let rows = tensor.rows as u64 / matrices;
        let shape: &[u64] = match (rows, matrices) {
            (1, 1) => &[columns],
            (_, 1) => &[columns, rows],
            _ => &[columns, rows, matrices],
        };
        file = file.tensor(&tensor.name, tensor.kind, shape);
    }
    let mut data = file.write_header(writer).map_err(into_io)?;
    for tensor in tensors {
        let mut row_bytes = vec![0; tensor.row_bytes()];
        for row in 0..tensor.rows {
            fill_row(seed, &tensor, row, &mut row_bytes);
            data.write(&tensor.name, &row_bytes).map_err(into_io)?;
        }
    }
    data.finish().map_err(into_io)
}

fn into_io(error: GgufWriteError) -> io::Error {
    match error {
        GgufWriteError::Io(error) => error,
        other => io::Error::other(other),
    }
}

fn metadata(file: GgufWriter, config: &Config) -> GgufWriter {
    let key = |name: &str| format!("{}.{name}", config.architecture);
    let count = |value: usize| u32::try_from(value).expect("presets are small numbers");
    let mut file = file
        .metadata("general.architecture", config.architecture.clone())
        .metadata("general.name", format!("{} (random weights)", config.name))
        .metadata("general.file_type", 2u32)
        .metadata(key("block_count"), count(config.layers))
        .metadata(key("context_length"), count(config.context_length))
        .metadata(key("embedding_length"), count(config.embedding_length))
        .metadata(
            key("feed_forward_length"),
            count(config.feed_forward_length),
        )
        .metadata(key("attention.head_count"), count(config.heads))
        .metadata(key("attention.head_count_kv"), count(config.kv_heads))
        .metadata(key("attention.layer_norm_rms_epsilon"), config.norm_epsilon)
        .metadata(key("vocab_size"), count(config.vocabulary_size))
        .metadata(key("attention.key_length"), count(config.head_size))
        .metadata(key("attention.value_length"), count(config.head_size))
        .metadata(key("rope.dimension_count"), count(config.head_size));
    if let Some(experts) = config.experts {
        let hidden = count(config.feed_forward_length);
        file = file
            .metadata(key("expert_count"), count(experts.count))
            .metadata(key("expert_used_count"), count(experts.used))
            .metadata(key("expert_feed_forward_length"), hidden);
    }
    if let Positions::Rotary { base, .. } = config.positions {
        file = file.metadata(key("rope.freq_base"), base);
    }
    let (tokens, kinds) = vocabulary(config.vocabulary_size);
    let scores: Vec<f32> = (0..tokens.len()).map(|id| -(id as f32)).collect();
    file.metadata("tokenizer.ggml.model", "llama".to_owned())
        .metadata("tokenizer.ggml.tokens", tokens)
        .metadata("tokenizer.ggml.scores", scores)
        .metadata("tokenizer.ggml.token_type", kinds)
        .metadata("tokenizer.ggml.unknown_token_id", 0u32)
        .metadata("tokenizer.ggml.bos_token_id", 1u32)
        .metadata("tokenizer.ggml.eos_token_id", 2u32)
}

/// `<unk>`, `<s>`, `</s>`, the 256 bytes, then words; with ggml's token types.
fn vocabulary(size: usize) -> (Vec<String>, Vec<i32>) {
    const NORMAL: i32 = 1;
    const UNKNOWN: i32 = 2;
    const CONTROL: i32 = 3;
    const BYTE: i32 = 6;
    (0..size)
        .map(|id| match id {
            0 => ("<unk>".into(), UNKNOWN),
            1 => ("<s>".into(), CONTROL),
            2 => ("</s>".into(), CONTROL),
            3..259 => (format!("<0x{:02X}>", id - 3), BYTE),
            _ => (format!("\u{2581}w{id}"), NORMAL),
        })
        .unzip()
}
