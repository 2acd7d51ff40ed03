//! Inputs that are made rather than kept: small models that run, for the fuzzer to start from, and
//! files that take as much memory for their bytes as any can.

use sysinfer_formats::blocks::quantize;
use sysinfer_formats::{GgufWriter, OwnedArray, Tensor, TensorType};

use super::vocabularies::{byte_level, sentencepiece};

/// Models of a few kilobytes each, with their names.
pub fn models() -> Vec<(String, Vec<u8>)> {
    let plain = |file: GgufWriter| file;
    let mut models = vec![
        (
            "no-vocabulary".to_owned(),
            model("llama", TensorType::F32, 20, plain),
        ),
        (
            "baichuan-q8_0".to_owned(),
            model("baichuan", TensorType::Q8_0, 20, plain),
        ),
        (
            "llama-q4_1".to_owned(),
            model("llama", TensorType::Q4_1, 9, plain),
        ),
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
            model("llama", TensorType::F16, 8, small_byte_level),
        ),
        (
            "small-spm".to_owned(),
            model("baichuan", TensorType::F32, 8, small_sentencepiece),
        ),
    ];
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
    models
}

/// A model of one layer whose matrices are of type `kind`, with `rows` embeddings and the vocabulary
/// that `describe` adds.
fn model(
    architecture: &str,
    kind: TensorType,
    rows: u64,
    describe: impl FnOnce(GgufWriter) -> GgufWriter,
) -> Vec<u8> {
    const WIDTH: u64 = 32;
    let key = |name: &str| format!("{architecture}.{name}");
    let header = GgufWriter::new()
        .metadata("general.architecture", architecture)
        .metadata(key("block_count"), 1_u32)
        .metadata(key("context_length"), 16_u32)
        .metadata(key("embedding_length"), WIDTH as u32)
        .metadata(key("feed_forward_length"), WIDTH as u32)
        .metadata(key("attention.head_count"), 4_u32)
        .metadata(key("attention.head_count_kv"), 2_u32)
        .metadata(key("attention.layer_norm_rms_epsilon"), 1e-5_f32);
    let shapes = [
        ("token_embd", WIDTH, rows),
        ("blk.0.attn_norm", WIDTH, 1),
        ("blk.0.attn_q", WIDTH, WIDTH),
        ("blk.0.attn_k", WIDTH, WIDTH / 2),
        ("blk.0.attn_v", WIDTH, WIDTH / 2),
        ("blk.0.attn_output", WIDTH, WIDTH),
        ("blk.0.ffn_norm", WIDTH, 1),
        ("blk.0.ffn_gate", WIDTH, WIDTH),
        ("blk.0.ffn_up", WIDTH, WIDTH),
        ("blk.0.ffn_down", WIDTH, WIDTH),
        ("output_norm", WIDTH, 1),
    ];
    let tensors = shapes.map(|(name, columns, rows)| {
        let kind = if rows == 1 { TensorType::F32 } else { kind };
        let shape = if rows == 1 {
            vec![columns]
        } else {
            vec![columns, rows]
        };
        (
            format!("{name}.weight"),
            kind,
            shape,
            values(kind, columns * rows),
        )
    });
    let list: Vec<Tensor<'_>> = tensors
        .iter()
        .map(|(name, kind, shape, data)| Tensor {
            name,
            kind: *kind,
            shape: shape.clone(),
            data,
        })
        .collect();
    describe(header).write_to_vec(&list).expect("a valid file")
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

/// Files in which every byte is made to cost memory, about `bytes` long, with their names.
pub fn swollen(bytes: usize) -> Vec<(&'static str, Vec<u8>)> {
    let written = |file: GgufWriter| file.write_to_vec(&[]).expect("valid metadata");
    let keys = (0..bytes / 20).fold(GgufWriter::new(), |file, index| {
        file.metadata(format!("{index:07}"), 1_u8)
    });
    vec![
        ("many keys", written(keys)),
        ("many tensors", many_tensors(bytes / 72)),
        (
            "many empty tokens",
            written(vocabulary(
                "llama",
                (0..bytes / 13).map(|_| String::new()),
                1,
            )),
        ),
        (
            "many tokens",
            written(no_merges(vocabulary("gpt2", (0..bytes / 15).map(short), 1))),
        ),
        (
            "many control tokens",
            written(no_merges(vocabulary("gpt2", (0..bytes / 15).map(short), 3))),
        ),
        (
            "long control tokens",
            written(no_merges(vocabulary(
                "gpt2",
                (0..bytes / 500).map(|index| format!("{index:0490}")),
                3,
            ))),
        ),
        ("many merges", written(many_merges(bytes / 16))),
    ]
}

fn many_tensors(count: usize) -> Vec<u8> {
    let names: Vec<String> = (0..count).map(|index| format!("{index:06}")).collect();
    let tensors: Vec<Tensor<'_>> = names
        .iter()
        .map(|name| Tensor {
            name,
            kind: TensorType::I8,
            shape: vec![1],
            data: &[1],
        })
        .collect();
    GgufWriter::new()
        .alignment(8)
        .write_to_vec(&tensors)
        .expect("a valid file")
}

fn no_merges(file: GgufWriter) -> GgufWriter {
    file.metadata("tokenizer.ggml.merges", strings([]))
}

/// A vocabulary whose token types take one byte each.
fn vocabulary(model: &str, tokens: impl Iterator<Item = String>, kind: u8) -> GgufWriter {
    let tokens: Vec<String> = tokens.collect();
    let count = tokens.len();
    let file = GgufWriter::new()
        .metadata("tokenizer.ggml.model", model)
        .metadata("tokenizer.ggml.tokens", tokens)
        .metadata("tokenizer.ggml.token_type", vec![kind; count]);
    file.metadata("tokenizer.ggml.scores", vec![0.0_f32; count])
}

/// The merges of few characters with many, which are as short as different merges can be.
fn many_merges(count: usize) -> GgufWriter {
    const LEFT: usize = 64;
    let right: Vec<String> = (0..count / LEFT).map(short).collect();
    let left: Vec<String> = (0..LEFT).map(|index| short(index + 3000)).collect();
    let pairs = || {
        left.iter()
            .flat_map(|left| right.iter().map(move |right| (left, right)))
    };
    let joined: Vec<String> = pairs()
        .map(|(left, right)| format!("{left}{right}"))
        .collect();
    let tokens = left.iter().chain(&right).chain(&joined).cloned();
    let merges: Vec<String> = pairs()
        .map(|(left, right)| format!("{left} {right}"))
        .collect();
    vocabulary("gpt2", tokens, 1).metadata("tokenizer.ggml.merges", merges)
}

/// A text of one character of at most three bytes, different for every number.
fn short(number: usize) -> String {
    // Beyond the space and the signs below it, past the surrogates where need be.
    let code = 0x21 + number as u32;
    let code = if code >= 0xD800 { code + 0x800 } else { code };
    char::from_u32(code).unwrap_or('?').to_string()
}
