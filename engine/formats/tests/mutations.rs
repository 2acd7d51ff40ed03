//! Damaged files: whatever the damage, parsing answers, and what it accepts can be used.

use proptest::prelude::*;
use sysinfer_formats::{Gguf, GgufWriter, OwnedArray, Tensor, TensorType, Value, blocks};

/// A file with every kind of field.
fn valid_file() -> Vec<u8> {
    let tensors = [
        Tensor {
            name: "norm",
            kind: TensorType::F32,
            shape: vec![4],
            data: &[1; 16],
        },
        Tensor {
            name: "q4",
            kind: TensorType::Q4_0,
            shape: vec![64, 2],
            data: &[2; 72],
        },
        Tensor {
            name: "q6",
            kind: TensorType::Q6K,
            shape: vec![256, 1, 2],
            data: &[3; 420],
        },
    ];
    GgufWriter::new()
        .alignment(64)
        .metadata("general.architecture", "llama")
        .metadata("llama.block_count", 2u32)
        .metadata("llama.rope.freq_base", 10_000.0f32)
        .metadata("flag", true)
        .metadata(
            "tokens",
            ["<s>", "a", "\u{20ac}"].into_iter().collect::<OwnedArray>(),
        )
        .metadata("scores", vec![0.0f32, -1.5, -2.0])
        .metadata("flags", vec![true, false])
        .write_to_vec(&tensors)
        .unwrap()
}

/// Touches everything that a parsed file offers.
fn use_all(gguf: &Gguf<'_>) {
    for (key, value) in gguf.metadata().iter() {
        assert_eq!(gguf.metadata().get(key), Some(value));
        let _ = gguf.metadata().string(key);
        let _ = gguf.metadata().unsigned(key);
        let _ = gguf.metadata().integers(key);
        let _ = gguf.metadata().floats(key);
        if let Value::Array(array) = value {
            assert_eq!(array.iter().count(), array.len());
        }
    }
    for tensor in gguf.tensors() {
        assert_eq!(tensor.rows() * tensor.row_bytes(), tensor.data.len());
        let row = tensor.row(tensor.rows() - 1);
        let mut values = vec![0.0; tensor.columns()];
        let _ = blocks::dequantize(tensor.kind, row, &mut values);
    }
}

#[test]
fn a_cut_file_is_refused_at_every_length() {
    let file = valid_file();
    use_all(&Gguf::parse(&file).unwrap());
    // 420 bytes of the last tensor, padded to 448.
    let end_of_data = file.len() - 28;
    for length in 0..file.len() {
        let parsed = Gguf::parse(&file[..length]);
        assert_eq!(parsed.is_ok(), length >= end_of_data, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut file = valid_file();
        // Beyond the directory there is only data, where damage means nothing.
        let structured = file.len() - 64 - 128 - 448;
        for (index, byte) in damage {
            file[index.index(structured)] = byte;
        }
        if is_cut {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(gguf) = Gguf::parse(&file) {
            use_all(&gguf);
        }
    }

    #[test]
    fn damaged_numbers_never_panic(
        index in any::<prop::sample::Index>(),
        number in prop_oneof![
            any::<u64>(),
            0u64..300,
            (0u32..64).prop_map(|shift| 1 << shift),
            (0u64..300).prop_map(|below| u64::MAX - below),
        ],
    ) {
        let mut file = valid_file();
        let at = index.index(file.len() - 64 - 128 - 448 - 8);
        file[at..at + 8].copy_from_slice(&number.to_le_bytes());
        if let Ok(gguf) = Gguf::parse(&file) {
            use_all(&gguf);
        }
    }

    #[test]
    fn noise_behind_a_header_never_panics(
        tensors in 0u64..4,
        keys in 0u64..4,
        noise in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..512),
    ) {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend(tensors.to_le_bytes());
        file.extend(keys.to_le_bytes());
        file.extend(noise);
        if let Ok(gguf) = Gguf::parse(&file) {
            use_all(&gguf);
        }
    }
}
