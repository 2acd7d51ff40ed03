//! Model files that lie: each is an error that names the field, never a panic, whatever the engine
//! asks of them after the parser let them through.

use sysinfer_conformance::fixtures::tiny_model;
use sysinfer_engine::{CacheType, Engine, Entry, ModelFile, PhasePlan, Plan, Precision, Wanted};
use sysinfer_formats::Gguf;
use sysinfer_machine::Topology;

fn open(bytes: &[u8]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("hostile.gguf");
    std::fs::write(&path, bytes).expect("a small file");
    let topology = Topology::discover().expect("this host has a topology");
    let plan = Plan::with_threads(PhasePlan::unpinned(1));
    let precision = Precision::default();
    let engine = ModelFile::open(&path)
        .and_then(|file| Engine::load(&file, plan, precision, &topology, &mut |_| {}));
    engine.map(drop).map_err(|error| error.to_string())
}

/// The file with `from` (which must be there once) replaced by as many bytes.
fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(tiny_model()).expect("the model was written");
    let found: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert_eq!(
        found.len(),
        1,
        "{:?} is there {} times",
        String::from_utf8_lossy(from),
        found.len()
    );
    bytes[found[0]..found[0] + to.len()].copy_from_slice(to);
    bytes
}

/// The file with the four bytes after a key (and its type) set to `value`.
fn with_u32(key: &str, value: u32) -> Vec<u8> {
    let mut bytes = std::fs::read(tiny_model()).expect("the model was written");
    let at = (0..bytes.len())
        .find(|at| bytes[*at..].starts_with(key.as_bytes()))
        .expect("the key");
    let at = at + key.len() + 4;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn every_lie_is_named() {
    let good = std::fs::read(tiny_model()).expect("the model was written");
    assert_eq!(open(&good), Ok(()));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("not a GGUF", [b"GGML", &good[4..]].concat()),
        (
            "version",
            [&good[..4], &9u32.to_le_bytes(), &good[8..]].concat(),
        ),
        ("output.weight", good[..good.len() - 1000].to_vec()),
        (
            "tensor",
            [&good[..8], &u64::MAX.to_le_bytes(), &good[16..]].concat(),
        ),
        (
            "general.architecture",
            replaced(b"general.architecture", b"general.architectura"),
        ),
        ("llama.block_count", with_u32("llama.block_count", 0)),
        ("blk.2.attn_q.weight", with_u32("llama.block_count", 3)),
        (
            "llama.attention.head_count",
            with_u32("llama.attention.head_count", 0),
        ),
        (
            "attention.head_count",
            with_u32("llama.attention.head_count", 7),
        ),
        (
            "attention.head_count_kv",
            with_u32("llama.attention.head_count_kv", 3),
        ),
        (
            "llama.embedding_length",
            with_u32("llama.embedding_length", u32::MAX),
        ),
        ("token_embd.weight", with_u32("llama.embedding_length", 320)),
        (
            "embedding_length is 260",
            with_u32("llama.embedding_length", 260),
        ),
        (
            "attention.key_length",
            with_u32("llama.attention.key_length", 36),
        ),
        ("ffn_gate", with_u32("llama.feed_forward_length", 520)),
        ("llama.context_length", with_u32("llama.context_length", 0)),
        (
            "layer_norm_rms_epsilon",
            with_u32("llama.attention.layer_norm_rms_epsilon", 0xFFC0_0000),
        ),
        (
            "rope.dimension_count",
            with_u32("llama.rope.dimension_count", 31),
        ),
        ("rope.freq_base", with_u32("llama.rope.freq_base", 0)),
        (
            "output_norm.weight",
            replaced(b"output_norm.weight", b"output_form.weight"),
        ),
        // Without an output matrix the embedding would be it.
        (
            "outpux.weight is not part",
            replaced(
                b"\x0d\0\0\0\0\0\0\0output.weight",
                b"\x0d\0\0\0\0\0\0\0outpux.weight",
            ),
        ),
    ];
    let mut failures = Vec::new();
    for (name, bytes) in cases {
        match open(&bytes) {
            Ok(()) => failures.push(format!("{name}: was accepted")),
            Err(message) if !message.contains(name) => failures.push(format!("{name}: {message}")),
            Err(_) => {}
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn no_single_damaged_byte_of_the_header_panics() {
    let good = std::fs::read(tiny_model()).expect("the model was written");
    let vocabulary = (0..good.len())
        .find(|at| good[*at..].starts_with(b"tokenizer.ggml.tokens"))
        .expect("the vocabulary");
    for at in 0..vocabulary + 64 {
        for flip in [0x01, 0x80, 0xFF] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            let outcome = std::panic::catch_unwind(|| open(&bytes));
            assert!(outcome.is_ok(), "byte {at} ^ {flip:#x} panics");
        }
    }
}

#[test]
fn truncations_are_errors() {
    let good = std::fs::read(tiny_model()).expect("the model was written");
    for tenth in 0..40 {
        let length = good.len() * tenth / 40;
        let outcome = std::panic::catch_unwind(|| open(&good[..length]));
        assert!(
            matches!(outcome, Ok(Err(_))),
            "{length} of {} bytes: {outcome:?}",
            good.len()
        );
    }
}

#[test]
fn damaged_weights_give_finite_logits_or_none() {
    let good = std::fs::read(tiny_model()).expect("the model was written");
    let data = Gguf::parse(&good).expect("a good file");
    let first = data.tensors()[0].data.as_ptr().addr() - good.as_ptr().addr();
    let topology = Topology::flat(&[0]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("hostile.gguf");
    let mut refused = 0;
    for round in 0..150usize {
        let mut bytes = good.clone();
        // A run of ones: NaN in every type of number, and of scale.
        let at = first + round.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (good.len() - first - 64);
        bytes[at..at + 1 + round % 64].fill(0xFF);
        std::fs::write(&path, &bytes).expect("a small file");
        let plan = Plan::with_threads(PhasePlan::unpinned(1 + round % 2));
        let cache = CacheType::ALL[round % 3];
        let precision = Precision::with_cache(cache);
        let file = ModelFile::open(&path).expect("the directory is as it was");
        let engine = Engine::load(&file, plan, precision, &topology, &mut |_| {});
        let mut engine = engine.expect("weights are not looked at");
        let mut sequence = engine.sequence(16).expect("it fits");
        for tokens in [&[1, 300, 44, 7, 8, 9, 10, 11, 12, 13][..], &[5]] {
            let mut batch = [Entry {
                sequence: &mut sequence,
                tokens,
                wanted: Wanted::All,
            }];
            let logits = engine.step(&mut batch).expect("the step runs");
            for row in 0..logits.rows() {
                match logits.row(row) {
                    Ok(row) => assert!(row.iter().all(|logit| logit.is_finite()), "byte {at}"),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(refused > 100, "only {refused} rows were refused");
}
