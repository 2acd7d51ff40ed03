//! Changes a GGUF file where it means something: a fuzzer that flips bytes of a valid file mostly
//! breaks lengths and never gets beyond the parser.

use sysinfer_formats::{Gguf, GgufWriter, OwnedValue, Tensor, TensorType};
use sysinfer_random::SplitMix64;

/// Numbers at which code tends to break.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    7,
    8,
    31,
    32,
    40,
    255,
    256,
    4096,
    u32::MAX as u64,
    i64::MAX as u64,
    u64::MAX,
];

/// Texts that metadata holds and code decides by.
const WORDS: [&str; 18] = [
    "qwen2",
    "qwen2moe",
    "qwen3",
    "qwen3moe",
    "llama",
    "baichuan",
    "gpt2",
    "none",
    "linear",
    "yarn",
    "llama-bpe",
    "smollm",
    "deepseek-llm",
    "default",
    "",
    "▁",
    "<0x41>",
    "<|im_end|>",
];

/// A file like `data` with one meaningful change, or `None` where `data` is no GGUF or the change
/// cannot be written. Equal arguments give equal files.
pub fn mutate(data: &[u8], seed: u64) -> Option<Vec<u8>> {
    let file = Gguf::parse(data).ok()?;
    let mut random = SplitMix64(seed);
    let mut metadata: Vec<(String, OwnedValue)> = file
        .metadata()
        .iter()
        .filter(|(key, _)| *key != "general.alignment")
        .map(|(key, value)| (key.to_owned(), (*value).into()))
        .collect();
    let mut tensors = file.tensors().to_vec();
    match random.below(10) {
        0..6 if !metadata.is_empty() => change_metadata(&mut metadata, &mut random),
        _ if !tensors.is_empty() => change_tensors(&mut tensors, &mut random),
        _ => return None,
    }
    let mut writer = GgufWriter::new().alignment(u32::try_from(file.alignment()).ok()?);
    for (key, value) in metadata {
        writer = writer.metadata(key, value);
    }
    writer.write_to_vec(&tensors).ok()
}

fn change_metadata(metadata: &mut Vec<(String, OwnedValue)>, random: &mut SplitMix64) {
    let at = random.below(metadata.len());
    let other = random.below(metadata.len());
    match random.below(5) {
        0 => {
            metadata.remove(at);
        }
        1 => metadata[at].1 = metadata[other].1.clone(),
        2 => metadata[at].1 = OwnedValue::String(WORDS[random.below(WORDS.len())].into()),
        _ => {
            let (_, value) = &mut metadata[at];
            *value = changed(value, random);
        }
    }
}

/// A value of the same type, or for numbers perhaps a wider one.
fn changed(value: &OwnedValue, random: &mut SplitMix64) -> OwnedValue {
    let edge = EDGES[random.below(EDGES.len())];
    match value {
        OwnedValue::F32(_) => OwnedValue::F32(f32::from_bits(random.next_bits() as u32)),
        OwnedValue::F64(_) => OwnedValue::F64(f64::from_bits(random.next_bits())),
        OwnedValue::Bool(value) => OwnedValue::Bool(!value),
        OwnedValue::String(_) => OwnedValue::String(WORDS[random.below(WORDS.len())].into()),
        OwnedValue::Array(_) => changed_array(value, random),
        _ if random.below(4) == 0 => OwnedValue::U64(edge),
        _ => OwnedValue::U32(edge as u32),
    }
}

/// An array of the same type with elements left out, repeated or replaced.
fn changed_array(value: &OwnedValue, random: &mut SplitMix64) -> OwnedValue {
    let file = GgufWriter::new()
        .metadata("a", value.clone())
        .write_to_vec(&[]);
    let bytes = file.unwrap_or_default();
    let parsed = Gguf::parse(&bytes).ok();
    let metadata = parsed.as_ref().map(Gguf::metadata);
    if let Some(Ok(Some(mut strings))) = metadata.map(|metadata| metadata.strings("a")) {
        change_list(
            &mut strings,
            WORDS[random.below(WORDS.len())].as_bytes(),
            random,
        );
        return OwnedValue::Array(strings.into_iter().collect());
    }
    if let Some(Ok(Some(numbers))) = metadata.map(|metadata| metadata.integers("a")) {
        let mut numbers: Vec<i64> = numbers.collect();
        change_list(
            &mut numbers,
            EDGES[random.below(EDGES.len())] as i64,
            random,
        );
        let narrow = |number: i64| number as i32;
        return OwnedValue::Array(numbers.into_iter().map(narrow).collect());
    }
    if let Some(Ok(Some(mut numbers))) = metadata.map(|metadata| metadata.floats("a")) {
        change_list(
            &mut numbers,
            f32::from_bits(random.next_bits() as u32),
            random,
        );
        return OwnedValue::Array(numbers.into_iter().collect());
    }
    value.clone()
}

fn change_list<T: Clone>(list: &mut Vec<T>, fresh: T, random: &mut SplitMix64) {
    let at = random.below(list.len().max(1));
    match random.below(4) {
        0 => list.truncate(at),
        1 => list.push(fresh),
        2 => {
            if let Some(element) = list.get(at).cloned() {
                let other = random.below(list.len());
                list[other] = element;
            }
        }
        _ => {
            if let Some(element) = list.get_mut(at) {
                *element = fresh;
            }
        }
    }
}

/// Leaves a tensor out, swaps data of two, or changes the type or shape of one to another that its
/// bytes suffice for.
fn change_tensors<'a>(tensors: &mut Vec<Tensor<'a>>, random: &mut SplitMix64) {
    let at = random.below(tensors.len());
    let other = random.below(tensors.len());
    match random.below(5) {
        0 => {
            tensors.remove(at);
            return;
        }
        1 => {
            let name = tensors[at].name;
            tensors[at] = tensors[other].clone();
            tensors[at].name = name;
        }
        2 => {
            let shape = &mut tensors[at].shape;
            let last = shape.len() - 1;
            shape.swap(0, last);
        }
        3 => {
            let rows = EDGES[random.below(EDGES.len())].clamp(1, 64);
            let tensor = &mut tensors[at];
            tensor.shape = vec![tensor.shape[0], rows];
        }
        _ => tensors[at].kind = TensorType::ALL[random.below(TensorType::ALL.len())],
    }
    fit(&mut tensors[at]);
}

/// Cuts the data of a tensor to what type and shape take, and the rows to what the data holds.
fn fit(tensor: &mut Tensor<'_>) {
    let columns = usize::try_from(tensor.shape[0]).unwrap_or(usize::MAX);
    let Some(row_bytes) = tensor.kind.row_bytes(columns).filter(|bytes| *bytes > 0) else {
        return;
    };
    let rows = tensor.rows().min(tensor.data.len() / row_bytes);
    tensor.shape = vec![tensor.shape[0], rows as u64];
    tensor.data = &tensor.data[..rows * row_bytes];
}
