//! Files that take as much memory for their bytes as any can: many tiny entries of every kind.

use sysinfer_formats::{GgufWriter, OwnedArray, Tensor, TensorType};

/// Files in which every byte is made to cost memory, about `bytes` long, with their names.
pub fn files(bytes: usize) -> Vec<(&'static str, Vec<u8>)> {
    let written = |file: GgufWriter| file.write_to_vec(&[]).expect("valid metadata");
    let keys = (0..bytes / 20).fold(GgufWriter::new(), |file, index| {
        file.metadata(format!("{index:07}"), 1_u8)
    });
    vec![
        ("many keys", written(keys)),
        (
            "many tensors",
            many_tensors(bytes / 72, |index| format!("{index:06}")),
        ),
        (
            "many experts",
            many_tensors(bytes / 90, |index| {
                format!("blk.0.ffn_up.{index:05}.weight")
            }),
        ),
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

fn many_tensors(count: usize, name: impl Fn(usize) -> String) -> Vec<u8> {
    let names: Vec<String> = (0..count).map(name).collect();
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
    file.metadata("tokenizer.ggml.merges", no_strings())
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

fn no_strings() -> OwnedArray {
    std::iter::empty::<String>().collect()
}
