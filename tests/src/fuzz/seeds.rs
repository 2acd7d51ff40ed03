//! Small models that run, for the fuzzer to start from: made, not kept.

use sysinfer_formats::blocks::quantize;
use sysinfer_formats::{GgufWriter, OwnedArray, Tensor, TensorType};

use super::split;
use super::vocabularies::{byte_level, sentencepiece};
use crate::edit::Edit;

/// Models of a few kilobytes each, with their names: every family, every type whose blocks fit into
/// rows of 32, every kind of vocabulary.
pub fn models() -> Vec<(String, Vec<u8>)> {
    let plain = |file: GgufWriter| file;
    let mut models = vec![
        (
            "llama-spm".to_owned(),
            model("llama", TensorType::Q4_0, 300, sentencepiece),
        ),
        (
            "llama-bpe".to_owned(),
            model("llama", TensorType::Q4_0, 300, |file| {
                byte_level(file, "llama-bpe")
            }),
        ),
        (
            "small-bpe".to_owned(),
            model("qwen2", TensorType::F16, 8, small_byte_level),
        ),
        (
            "small-spm".to_owned(),
            model("baichuan", TensorType::Q8_0, 8, small_sentencepiece),
        ),
    ];
    let families = [
        ("llama", TensorType::F32),
        ("mixtral", TensorType::Q4_1),
        ("baichuan", TensorType::Q8_0),
        ("qwen2", TensorType::BF16),
        ("qwen3", TensorType::Q5_0),
        ("qwen2moe", TensorType::F16),
        ("qwen3moe", TensorType::Q4_0),
        ("llama", TensorType::Q5_1),
        ("llama", TensorType::Iq4Nl),
    ];
    for (family, kind) in families {
        models.push((format!("{family}-{kind}"), model(family, kind, 9, plain)));
    }
    let scaled = |file: GgufWriter| {
        small_sentencepiece(file)
            .metadata("llama.rope.scaling.type", "linear")
            .metadata("llama.rope.scaling.factor", 2.0_f32)
            .metadata("llama.rope.freq_base", 500_000.0_f32)
            .metadata("llama.rope.dimension_count", 8_u32)
            .metadata("general.name", "scaled")
            .metadata("tokenizer.chat_template", "{{ messages[0].content }}")
    };
    models.push((
        "rope-scaled".to_owned(),
        model("llama", TensorType::F32, 8, scaled),
    ));
    let yarn = |file: GgufWriter| {
        file.metadata("qwen2.rope.scaling.type", "yarn")
            .metadata("qwen2.rope.scaling.factor", 4.0_f32)
            .metadata("qwen2.rope.scaling.original_context_length", 8_u32)
            .metadata("qwen2.rope.scaling.attn_factor", 0.9_f32)
            .metadata("qwen2.attention.sliding_window", 12_u32)
    };
    models.push((
        "rope-yarn".to_owned(),
        model("qwen2", TensorType::F32, 8, yarn),
    ));
    models.extend(forms().map(|(name, edit)| (name.to_owned(), edit.write())));
    models
}

/// Models in forms that are brought to another one when they are read.
fn forms() -> [(&'static str, Edit); 3] {
    let plain = |family| Edit::of(&model(family, TensorType::Q4_0, 8, |file| file));
    [
        (
            "one-tensor-per-expert",
            plain("mixtral").one_tensor_per_expert(),
        ),
        ("gate-and-up-joined", plain("qwen2moe").gate_and_up_joined()),
        (
            "qkv-joined",
            plain("qwen2").queries_keys_and_values_joined(),
        ),
    ]
}

/// Split models, as inputs of the target `split`, with their names.
pub fn sets() -> Vec<(String, Vec<u8>)> {
    let plain = |family| Edit::of(&model(family, TensorType::Q4_0, 8, small_sentencepiece));
    let whole = [("llama", plain("llama")), ("qwen3", plain("qwen3"))];
    let mut sets = Vec::new();
    for (name, edit) in whole.into_iter().chain(forms()) {
        let last = edit.tensors.len();
        for (kind, cuts, named) in [
            ("halves", vec![last / 2], 1),
            ("keys-alone", vec![0, last - 3], 0),
            ("four", vec![2, 5, last - 1], 2),
        ] {
            sets.push((
                format!("{name}-{kind}"),
                split::input(&edit.parts(&cuts), named),
            ));
        }
    }
    let one = plain("llama").parts(&[4]).swap_remove(0);
    sets.push((
        "one-part-twice".into(),
        split::input(&[one.clone(), one], 0),
    ));
    sets
}

/// Width of the models and of what is inside them; a quarter of it for a head.
const WIDTH: u64 = 32;
const HEADS: u64 = 4;
const KV_HEADS: u64 = 2;
const EXPERTS: u64 = 3;

/// Name, shape (contiguous dimension first) and type of a tensor.
type Part = (String, Vec<u64>, TensorType);

/// A model of one layer whose matrices are of type `kind`, with `rows` embeddings and the vocabulary
/// that `describe` adds. `mixtral` is `llama` with experts.
fn model(
    family: &str,
    kind: TensorType,
    rows: u64,
    describe: impl FnOnce(GgufWriter) -> GgufWriter,
) -> Vec<u8> {
    let matrix = |name: &str, shape: &[u64]| (name.to_owned(), shape.to_vec(), kind);
    let mut parts: Vec<Part> = vec![
        matrix("token_embd.weight", &[WIDTH, rows]),
        vector("output_norm.weight", WIDTH),
        vector("blk.0.attn_norm.weight", WIDTH),
        matrix("blk.0.attn_q.weight", &[WIDTH, WIDTH]),
        matrix("blk.0.attn_k.weight", &[WIDTH, WIDTH / HEADS * KV_HEADS]),
        matrix("blk.0.attn_v.weight", &[WIDTH, WIDTH / HEADS * KV_HEADS]),
        matrix("blk.0.attn_output.weight", &[WIDTH, WIDTH]),
        vector("blk.0.ffn_norm.weight", WIDTH),
    ];
    match family {
        "qwen2" | "qwen2moe" => parts.extend([
            vector("blk.0.attn_q.bias", WIDTH),
            vector("blk.0.attn_k.bias", WIDTH / HEADS * KV_HEADS),
            vector("blk.0.attn_v.bias", WIDTH / HEADS * KV_HEADS),
        ]),
        "qwen3" | "qwen3moe" => parts.extend([
            vector("blk.0.attn_q_norm.weight", WIDTH / HEADS),
            vector("blk.0.attn_k_norm.weight", WIDTH / HEADS),
        ]),
        _ => {}
    }
    if has_experts(family) {
        let router = "blk.0.ffn_gate_inp.weight".to_owned();
        parts.push((router, vec![WIDTH, EXPERTS], TensorType::F32));
    }
    if family == "qwen2moe" {
        parts.push(vector("blk.0.ffn_gate_inp_shexp.weight", WIDTH));
        parts.extend(
            ["gate", "up", "down"]
                .map(|part| matrix(&format!("blk.0.ffn_{part}_shexp.weight"), &[WIDTH, WIDTH])),
        );
    }
    for part in ["gate", "up", "down"] {
        parts.push(if has_experts(family) {
            matrix(
                &format!("blk.0.ffn_{part}_exps.weight"),
                &[WIDTH, WIDTH, EXPERTS],
            )
        } else {
            matrix(&format!("blk.0.ffn_{part}.weight"), &[WIDTH, WIDTH])
        });
    }
    written(describe(header(family)), &parts)
}

fn vector(name: &str, length: u64) -> Part {
    (name.to_owned(), vec![length], TensorType::F32)
}

fn has_experts(family: &str) -> bool {
    matches!(family, "mixtral" | "qwen2moe" | "qwen3moe")
}

fn header(family: &str) -> GgufWriter {
    let architecture = if family == "mixtral" { "llama" } else { family };
    let key = |name: &str| format!("{architecture}.{name}");
    let header = GgufWriter::new()
        .metadata("general.architecture", architecture)
        .metadata(key("block_count"), 1_u32)
        .metadata(key("context_length"), 16_u32)
        .metadata(key("embedding_length"), WIDTH as u32)
        .metadata(key("feed_forward_length"), WIDTH as u32)
        .metadata(key("attention.head_count"), HEADS as u32)
        .metadata(key("attention.head_count_kv"), KV_HEADS as u32)
        .metadata(key("attention.layer_norm_rms_epsilon"), 1e-5_f32);
    if has_experts(family) {
        header
            .metadata(key("expert_count"), EXPERTS as u32)
            .metadata(key("expert_used_count"), 2_u32)
            .metadata(key("expert_feed_forward_length"), WIDTH as u32)
    } else {
        header
    }
}

fn written(header: GgufWriter, parts: &[Part]) -> Vec<u8> {
    let data: Vec<Vec<u8>> = parts
        .iter()
        .map(|(_, shape, kind)| values(*kind, shape.iter().product()))
        .collect();
    let list: Vec<Tensor<'_>> = parts
        .iter()
        .zip(&data)
        .map(|((name, shape, kind), data)| Tensor {
            name,
            kind: *kind,
            shape: shape.clone(),
            data,
        })
        .collect();
    header.write_to_vec(&list).expect("a valid file")
}

fn values(kind: TensorType, count: u64) -> Vec<u8> {
    let values: Vec<f32> = (0..count)
        .map(|index| (index % 13) as f32 / 13.0 - 0.4)
        .collect();
    let mut bytes = Vec::new();
    quantize(kind, &values, &mut bytes).expect("a type with an encoder");
    bytes
}

fn small_byte_level(file: GgufWriter) -> GgufWriter {
    file.metadata("tokenizer.ggml.model", "gpt2")
        .metadata("tokenizer.ggml.pre", "gpt-2")
        .metadata(
            "tokenizer.ggml.tokens",
            strings(["<|im_end|>", "h", "e", "l", "he", "ll", "Ġ"]),
        )
        .metadata("tokenizer.ggml.token_type", vec![3_i32, 1, 1, 1, 1, 1, 4])
        .metadata("tokenizer.ggml.merges", strings(["h e", "l l"]))
        .metadata("tokenizer.ggml.eos_token_id", 0_u32)
}

fn small_sentencepiece(file: GgufWriter) -> GgufWriter {
    file.metadata("tokenizer.ggml.model", "llama")
        .metadata(
            "tokenizer.ggml.tokens",
            strings(["<unk>", "<s>", "</s>", "▁", "l", "ll", "<0x41>"]),
        )
        .metadata(
            "tokenizer.ggml.scores",
            vec![0.0_f32, 0.0, 0.0, -1.0, -2.0, -1.5, 0.0],
        )
        .metadata("tokenizer.ggml.token_type", vec![2_i32, 3, 3, 1, 1, 1, 6])
        .metadata("tokenizer.ggml.bos_token_id", 1_u32)
        .metadata("tokenizer.ggml.add_bos_token", true)
}

fn strings<'s>(values: impl IntoIterator<Item = &'s str>) -> OwnedArray {
    values.into_iter().collect()
}
