//! Small models of every block type, made from a seed.

use sysinfer_formats::blocks::quantize;
use sysinfer_formats::{GgufWriter, Tensor, TensorType};

/// What differs between the models.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Architecture: `llama` or `baichuan`.
    pub architecture: &'static str,
    /// Type of the matrices.
    pub kind: TensorType,
    /// Decoder layers; 40 make Baichuan the one with ALiBi.
    pub layers: usize,
    /// Whether the embedding is the output matrix too.
    pub tied: bool,
}

/// Width of the models: one Q6_K block.
const WIDTH: usize = 256;
const HIDDEN: usize = 512;
const HEADS: usize = 8;
const VOCABULARY: usize = 301; // not a multiple of a row group

/// The model as a GGUF file.
///
/// # Panics
/// If the type cannot be encoded.
pub fn build(recipe: Recipe) -> Vec<u8> {
    let kv_heads: usize = if recipe.architecture == "baichuan" {
        HEADS
    } else {
        4
    };
    let kv_width = WIDTH / HEADS * kv_heads;
    let mut tensors = vec![("token_embd.weight".to_owned(), WIDTH, VOCABULARY)];
    for layer in 0..recipe.layers {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        tensors.extend([
            (name("attn_norm"), WIDTH, 1),
            (name("attn_q"), WIDTH, WIDTH),
            (name("attn_k"), WIDTH, kv_width),
            (name("attn_v"), WIDTH, kv_width),
            (name("attn_output"), WIDTH, WIDTH),
            (name("ffn_norm"), WIDTH, 1),
            (name("ffn_gate"), WIDTH, HIDDEN),
            (name("ffn_up"), WIDTH, HIDDEN),
            (name("ffn_down"), HIDDEN, WIDTH),
        ]);
    }
    tensors.push(("output_norm.weight".into(), WIDTH, 1));
    if !recipe.tied {
        tensors.push(("output.weight".into(), WIDTH, VOCABULARY));
    }
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .enumerate()
        .map(|(index, (_, columns, rows))| tensor(recipe.kind, index, *columns, *rows))
        .collect();
    let list: Vec<Tensor<'_>> = tensors
        .iter()
        .zip(&data)
        .map(|((name, columns, rows), data)| Tensor {
            name,
            kind: if *rows == 1 {
                TensorType::F32
            } else {
                recipe.kind
            },
            shape: if *rows == 1 {
                vec![*columns as u64]
            } else {
                vec![*columns as u64, *rows as u64]
            },
            data,
        })
        .collect();
    header(recipe, kv_heads)
        .write_to_vec(&list)
        .expect("a valid file")
}

fn header(recipe: Recipe, kv_heads: usize) -> GgufWriter {
    let key = |name: &str| format!("{}.{name}", recipe.architecture);
    GgufWriter::new()
        .metadata("general.architecture", recipe.architecture)
        .metadata(key("block_count"), recipe.layers as u32)
        .metadata(key("context_length"), 256u32)
        .metadata(key("embedding_length"), WIDTH as u32)
        .metadata(key("feed_forward_length"), HIDDEN as u32)
        .metadata(key("attention.head_count"), HEADS as u32)
        .metadata(key("attention.head_count_kv"), kv_heads as u32)
        .metadata(key("attention.layer_norm_rms_epsilon"), 1e-5f32)
}

fn tensor(kind: TensorType, seed: usize, columns: usize, rows: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut unit = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    if rows == 1 {
        return (0..columns)
            .flat_map(|_| (1.0 + 0.2 * unit()).to_le_bytes())
            .collect();
    }
    let spread = 1.7 / (columns as f32).sqrt();
    let values: Vec<f32> = (0..columns * rows).map(|_| spread * unit()).collect();
    let mut bytes = Vec::new();
    quantize(kind, &values, &mut bytes).expect("a type with an encoder");
    bytes
}
