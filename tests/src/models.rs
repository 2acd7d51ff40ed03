//! Small models of every block type, made from a seed.

use sysinfer_formats::blocks::quantize;
use sysinfer_formats::{GgufWriter, Tensor, TensorType};

/// What differs between the models.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// `general.architecture`; `mixtral` is `llama` with experts.
    pub architecture: &'static str,
    /// Type of the matrices.
    pub kind: TensorType,
    /// Decoder layers; 40 make Baichuan the one with ALiBi.
    pub layers: usize,
    /// Whether the embedding is the output matrix too.
    pub tied: bool,
}

/// Width of the models: one block of 256.
const WIDTH: usize = 256;
const HIDDEN: usize = 512;
const HEADS: usize = 8;
const HEAD: usize = WIDTH / HEADS;
/// Rows of the embedding.
pub const VOCABULARY: usize = 301; // not a multiple of a row group
const EXPERTS: usize = 6; // not a multiple of a row group
const USED_EXPERTS: usize = 2;
const EXPERT_HIDDEN: usize = 256;

impl Recipe {
    fn kv_heads(self) -> usize {
        match self.architecture {
            "baichuan" => HEADS,
            _ => 4,
        }
    }

    fn has_experts(self) -> bool {
        matches!(self.architecture, "mixtral" | "qwen2moe" | "qwen3moe")
    }
}

/// Name, shape (contiguous dimension first) and type of a tensor.
type Part = (String, Vec<usize>, TensorType);

/// The model as a GGUF file.
///
/// # Panics
/// If the type cannot be encoded.
pub fn build(recipe: Recipe) -> Vec<u8> {
    compose(recipe, |_| None, |file| file)
}

/// The same with other types where `kind` names one for a matrix, as real files mix them.
///
/// # Panics
/// If a type cannot be encoded.
pub fn build_mixed(recipe: Recipe, kind: impl Fn(&str) -> Option<TensorType>) -> Vec<u8> {
    compose(recipe, kind, |file| file)
}

/// The model as a GGUF file with more metadata: a vocabulary of at most [`VOCABULARY`] tokens, a
/// chat template.
///
/// # Panics
/// If the type cannot be encoded.
pub fn build_with(recipe: Recipe, more: impl FnOnce(GgufWriter) -> GgufWriter) -> Vec<u8> {
    compose(recipe, |_| None, more)
}

fn compose(
    recipe: Recipe,
    kind: impl Fn(&str) -> Option<TensorType>,
    more: impl FnOnce(GgufWriter) -> GgufWriter,
) -> Vec<u8> {
    let matrix = |name: &str, columns, rows| (name.to_owned(), vec![columns, rows], recipe.kind);
    let mut tensors: Vec<Part> = vec![matrix("token_embd.weight", WIDTH, VOCABULARY)];
    for layer in 0..recipe.layers {
        let prefixed = |(name, shape, kind)| (format!("blk.{layer}.{name}"), shape, kind);
        tensors.extend(attention(recipe).into_iter().map(prefixed));
        tensors.extend(feed_forward(recipe).into_iter().map(prefixed));
    }
    tensors.push(vector("output_norm.weight", WIDTH));
    if !recipe.tied {
        tensors.push(matrix("output.weight", WIDTH, VOCABULARY));
    }
    for (name, shape, stored) in &mut tensors {
        if let (Some(kind), 2..) = (kind(name), shape.len()) {
            *stored = kind;
        }
    }
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .enumerate()
        .map(|(index, part)| fill(part, index))
        .collect();
    let list: Vec<Tensor<'_>> = tensors
        .iter()
        .zip(&data)
        .map(|((name, shape, kind), data)| Tensor {
            name,
            kind: *kind,
            shape: shape.iter().map(|extent| *extent as u64).collect(),
            data,
        })
        .collect();
    more(header(recipe))
        .write_to_vec(&list)
        .expect("a valid file")
}

fn vector(name: &str, length: usize) -> Part {
    (name.to_owned(), vec![length], TensorType::F32)
}

fn attention(recipe: Recipe) -> Vec<Part> {
    let kv_width = HEAD * recipe.kv_heads();
    let matrix = |name: &str, columns, rows| (name.to_owned(), vec![columns, rows], recipe.kind);
    let mut parts = vec![
        vector("attn_norm.weight", WIDTH),
        matrix("attn_q.weight", WIDTH, WIDTH),
        matrix("attn_k.weight", WIDTH, kv_width),
        matrix("attn_v.weight", WIDTH, kv_width),
        matrix("attn_output.weight", WIDTH, WIDTH),
        vector("ffn_norm.weight", WIDTH),
    ];
    match recipe.architecture {
        "qwen2" | "qwen2moe" => parts.extend([
            vector("attn_q.bias", WIDTH),
            vector("attn_k.bias", kv_width),
            vector("attn_v.bias", kv_width),
        ]),
        "qwen3" | "qwen3moe" => parts.extend([
            vector("attn_q_norm.weight", HEAD),
            vector("attn_k_norm.weight", HEAD),
        ]),
        _ => {}
    }
    parts
}

fn feed_forward(recipe: Recipe) -> Vec<Part> {
    let matrix = |name: &str, columns, rows| (name.to_owned(), vec![columns, rows], recipe.kind);
    if !recipe.has_experts() {
        return vec![
            matrix("ffn_gate.weight", WIDTH, HIDDEN),
            matrix("ffn_up.weight", WIDTH, HIDDEN),
            matrix("ffn_down.weight", HIDDEN, WIDTH),
        ];
    }
    let experts =
        |name: &str, columns, rows| (name.to_owned(), vec![columns, rows, EXPERTS], recipe.kind);
    let router = "ffn_gate_inp.weight".to_owned();
    let mut parts = vec![
        (router, vec![WIDTH, EXPERTS], TensorType::F32),
        experts("ffn_gate_exps.weight", WIDTH, EXPERT_HIDDEN),
        experts("ffn_up_exps.weight", WIDTH, EXPERT_HIDDEN),
        experts("ffn_down_exps.weight", EXPERT_HIDDEN, WIDTH),
    ];
    if recipe.architecture == "qwen2moe" {
        let router = "ffn_gate_inp_shexp.weight".to_owned();
        parts.extend([
            (router, vec![WIDTH, 1], TensorType::F32),
            matrix("ffn_gate_shexp.weight", WIDTH, HIDDEN),
            matrix("ffn_up_shexp.weight", WIDTH, HIDDEN),
            matrix("ffn_down_shexp.weight", HIDDEN, WIDTH),
        ]);
    }
    parts
}

fn header(recipe: Recipe) -> GgufWriter {
    let architecture = match recipe.architecture {
        "mixtral" => "llama",
        other => other,
    };
    let key = |name: &str| format!("{architecture}.{name}");
    let hidden = if recipe.has_experts() && architecture == "llama" {
        EXPERT_HIDDEN
    } else {
        HIDDEN
    };
    let writer = GgufWriter::new()
        .metadata("general.architecture", architecture)
        .metadata(key("block_count"), recipe.layers as u32)
        .metadata(key("context_length"), 256u32)
        .metadata(key("embedding_length"), WIDTH as u32)
        .metadata(key("feed_forward_length"), hidden as u32)
        .metadata(key("attention.head_count"), HEADS as u32)
        .metadata(key("attention.head_count_kv"), recipe.kv_heads() as u32)
        .metadata(key("attention.layer_norm_rms_epsilon"), 1e-5f32);
    if !recipe.has_experts() {
        return writer;
    }
    let writer = writer
        .metadata(key("expert_count"), EXPERTS as u32)
        .metadata(key("expert_used_count"), USED_EXPERTS as u32);
    match architecture {
        "llama" => writer,
        "qwen2moe" => writer
            .metadata(key("expert_feed_forward_length"), EXPERT_HIDDEN as u32)
            .metadata(key("expert_shared_feed_forward_length"), HIDDEN as u32),
        _ => writer.metadata(key("expert_feed_forward_length"), EXPERT_HIDDEN as u32),
    }
}

fn fill((name, shape, kind): &Part, seed: usize) -> Vec<u8> {
    if let [length] = shape[..] {
        // Norms are near 1, biases near 0.
        let middle = if name.ends_with(".bias") { 0.0 } else { 1.0 };
        let mut unit = units(seed);
        return (0..length)
            .flat_map(|_| (middle + 0.2 * unit()).to_le_bytes())
            .collect();
    }
    tensor(*kind, seed, shape[0], shape[1..].iter().product())
}

/// Numbers of -1..1 from a seed.
fn units(seed: usize) -> impl FnMut() -> f32 {
    let mut state = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

fn tensor(kind: TensorType, seed: usize, columns: usize, rows: usize) -> Vec<u8> {
    let mut unit = units(seed);
    let spread = 1.7 / (columns as f32).sqrt();
    let values: Vec<f32> = (0..columns * rows).map(|_| spread * unit()).collect();
    let mut bytes = Vec::new();
    quantize(kind, &values, &mut bytes).expect("a type with an encoder");
    bytes
}
