//! What the writer writes, the parser reads; what could not be read, the writer refuses.

use std::io::{self, Write};

use sysinfer_formats::{
    Gguf, GgufWriteError, GgufWriter, OwnedArray, OwnedValue, Tensor, TensorType, Value, ValueType,
};

/// One value of every type, and arrays of every element type.
fn every_value() -> Vec<(&'static str, OwnedValue)> {
    vec![
        ("u8", 200u8.into()),
        ("i8", (-3i8).into()),
        ("u16", 60_000u16.into()),
        ("i16", (-300i16).into()),
        ("u32", u32::MAX.into()),
        ("i32", i32::MIN.into()),
        ("u64", u64::MAX.into()),
        ("i64", i64::MIN.into()),
        ("f32", 1.5f32.into()),
        ("f64", (-2.5f64).into()),
        ("bool", true.into()),
        ("string", "\u{20ac}".into()),
        ("bytes", OwnedValue::String(vec![0xff, 0x00])),
        ("u8s", vec![1u8, 2].into()),
        ("i8s", vec![-1i8].into()),
        ("u16s", vec![1u16].into()),
        ("i16s", vec![-1i16].into()),
        ("u32s", vec![7u32, 8, 9].into()),
        ("i32s", [-7i32, 8].as_slice().into()),
        ("u64s", vec![u64::MAX].into()),
        ("i64s", vec![i64::MIN].into()),
        ("f32s", vec![0.5f32, -0.5].into()),
        ("f64s", vec![0.25f64].into()),
        ("bools", vec![true, false].into()),
        ("strings", vec!["a".to_owned(), String::new()].into()),
        ("pieces", vec![&[0xffu8][..], b"x"].into()),
        ("none", Vec::<f32>::new().into()),
    ]
}

fn f32_tensor<'a>(name: &'a str, data: &'a [u8]) -> Tensor<'a> {
    Tensor {
        name,
        kind: TensorType::F32,
        shape: vec![data.len() as u64 / 4],
        data,
    }
}

#[test]
fn every_value_comes_back() {
    let values = every_value();
    let writer = values
        .iter()
        .fold(GgufWriter::new(), |writer, (key, value)| {
            writer.metadata(*key, value.clone())
        });
    let file = writer.write_to_vec(&[]).unwrap();
    let gguf = Gguf::parse(&file).unwrap();
    assert_eq!(gguf.metadata().len(), values.len());
    for ((key, written), (read_key, read)) in values.iter().zip(gguf.metadata().iter()) {
        assert_eq!(*key, read_key);
        assert_eq!(OwnedValue::from(*read), *written, "{key}");
        assert_eq!(read.kind(), written.kind(), "{key}");
    }
}

fn file_with_every_value() -> Vec<u8> {
    every_value()
        .into_iter()
        .fold(GgufWriter::new(), |writer, (key, value)| {
            writer.metadata(key, value)
        })
        .write_to_vec(&[])
        .unwrap()
}

#[test]
fn typed_getters_answer() {
    let file = file_with_every_value();
    let gguf = Gguf::parse(&file).unwrap();
    let metadata = gguf.metadata();
    assert_eq!(metadata.string("string"), Ok(Some("\u{20ac}")));
    assert_eq!(metadata.float("f64"), Ok(Some(-2.5)));
    assert_eq!(metadata.boolean("bool"), Ok(Some(true)));
    assert_eq!(metadata.floats("f64s"), Ok(Some(vec![0.25])));
    assert_eq!(metadata.floats("none"), Ok(Some(vec![])));
    assert_eq!(
        metadata.strings("pieces"),
        Ok(Some(vec![&[0xff][..], b"x"]))
    );
    assert_eq!(metadata.require_float("f32"), Ok(1.5));
    assert_eq!(
        metadata.require_strings("strings"),
        Ok(vec![&b"a"[..], b""])
    );
    for (key, value) in [
        ("u8", 200),
        ("u16", 60_000),
        ("u32", u32::MAX.into()),
        ("u64", u64::MAX),
    ] {
        assert_eq!(metadata.unsigned(key), Ok(Some(value)), "{key}");
    }
    for (key, values) in [
        ("u8s", vec![1, 2]),
        ("i32s", vec![-7, 8]),
        ("i64s", vec![i64::MIN]),
    ] {
        let found = metadata
            .integers(key)
            .map(|found| found.map(Vec::from_iter));
        assert_eq!(found, Ok(Some(values)), "{key}");
    }
    assert_eq!(metadata.string("absent"), Ok(None));
    assert_eq!(metadata.floats("absent"), Ok(None));
}

#[test]
fn typed_getters_check_types() {
    let file = file_with_every_value();
    let gguf = Gguf::parse(&file).unwrap();
    let metadata = gguf.metadata();
    let wrong = [
        (
            metadata.string("u32").err(),
            "'u32' should be a UTF-8 string, but is u32 4294967295",
        ),
        (
            metadata.string("bytes").err(),
            "'bytes' should be a UTF-8 string",
        ),
        (
            metadata.unsigned("i8").err(),
            "'i8' should be a non-negative integer, but is i8 -3",
        ),
        (metadata.unsigned("f32").err(), "but is f32 1.5"),
        (
            metadata.float("u8").err(),
            "'u8' should be a floating-point number, but is u8 200",
        ),
        (metadata.boolean("u8").err(), "'u8' should be a boolean"),
        (
            metadata.strings("string").err(),
            "'string' should be an array of strings, but is a string",
        ),
        (metadata.floats("u32s").err(), "but is an array of 3 u32"),
        (
            metadata.integers("u64s").err(),
            "'u64s' should be an array of integers",
        ),
        (
            metadata.require_unsigned("absent").err(),
            "'absent' (a non-negative integer) is missing",
        ),
        (
            metadata.require_string("absent").err(),
            "'absent' (a UTF-8 string) is missing",
        ),
    ];
    for (error, wanted) in wrong {
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(wanted), "no {wanted:?} in {message:?}");
    }
}

#[test]
fn tensors_are_aligned_and_whole() {
    for (version, alignment) in [(2, 8), (3, 32), (3, 4096)] {
        let (short, long) = ([1; 4], [2; 400]);
        let tensors = [f32_tensor("short", &short), f32_tensor("long", &long)];
        let file = GgufWriter::new()
            .version(version)
            .alignment(alignment)
            .write_to_vec(&tensors)
            .unwrap();
        let gguf = Gguf::parse(&file).unwrap();
        assert_eq!(
            (gguf.version(), gguf.alignment()),
            (version, alignment.into())
        );
        assert_eq!(gguf.tensors(), tensors);
        for tensor in gguf.tensors() {
            let offset = tensor.data.as_ptr() as usize - file.as_ptr() as usize;
            assert!(
                offset.is_multiple_of(alignment as usize),
                "{offset} {alignment}"
            );
        }
        assert!(file.len().is_multiple_of(alignment as usize));
    }
}

#[test]
fn data_may_come_in_parts() {
    let data: Vec<u8> = (0..72).collect();
    let tensor = Tensor {
        name: "w",
        kind: TensorType::Q4_0,
        shape: vec![64, 2],
        data: &data,
    };
    let whole = GgufWriter::new()
        .write_to_vec(std::slice::from_ref(&tensor))
        .unwrap();
    let mut parts = Vec::new();
    let mut writer = GgufWriter::new()
        .tensor("w", TensorType::Q4_0, &[64, 2])
        .write_header(&mut parts)
        .unwrap();
    for row in 0..tensor.rows() {
        writer.write("w", tensor.row(row)).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(parts, whole);
}

#[test]
fn arrays_can_be_copied_from_another_file() {
    let file = GgufWriter::new()
        .metadata("tokens", ["a", "b"].into_iter().collect::<OwnedArray>())
        .write_to_vec(&[])
        .unwrap();
    let gguf = Gguf::parse(&file).unwrap();
    let value = gguf.metadata().get("tokens").unwrap();
    let copy = GgufWriter::new()
        .metadata("tokens", *value)
        .write_to_vec(&[])
        .unwrap();
    assert_eq!(copy, file);
    let Value::Array(array) = value else {
        panic!("{value:?}");
    };
    assert_eq!((array.element(), array.len()), (ValueType::String, 2));
}

#[test]
fn unreadable_files_are_not_written() {
    let new = GgufWriter::new;
    let f32s = |shape: &[u64]| new().tensor("t", TensorType::F32, shape);
    let cases = [
        (new().version(1), "version 1 cannot be written"),
        (new().alignment(24), "general.alignment is 24"),
        (
            new().metadata("general.alignment", 64u32),
            "GgufWriter::alignment",
        ),
        (new().metadata("", 1u8), "'' has 0 bytes"),
        (new().metadata("k".repeat(65_536), 1u8), "has 65536 bytes"),
        (
            new().metadata("k", 1u8).metadata("k", 2u8),
            "'k' is declared twice",
        ),
        (
            f32s(&[1]).tensor("t", TensorType::F16, &[1]),
            "'t' is declared twice",
        ),
        (f32s(&[]), "0 dimensions"),
        (f32s(&[1; 5]), "5 dimensions"),
        (f32s(&[3, 0]), "shape [3, 0]"),
        (f32s(&[u64::MAX, 2]), "more bytes than can be counted"),
        (new().tensor("t", TensorType::Q8_0, &[31]), "multiple of 32"),
    ];
    for (writer, wanted) in cases {
        let mut out = Vec::new();
        let message = writer
            .write_header(&mut out)
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(message.contains(wanted), "no {wanted:?} in {message:?}");
        assert!(out.is_empty(), "{wanted}: {} bytes written", out.len());
    }
}

#[test]
fn data_is_checked_against_the_declaration() {
    let mut out = Vec::new();
    let mut data = GgufWriter::new()
        .tensor("a", TensorType::F32, &[2])
        .tensor("b", TensorType::F32, &[1])
        .write_header(&mut out)
        .unwrap();
    let refused = |result: Result<(), GgufWriteError>, wanted: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(wanted), "no {wanted:?} in {message:?}");
    };
    refused(data.write("b", &[0; 4]), "'b' came where 'a' was declared");
    refused(
        data.write("a", &[0; 9]),
        "'a' takes 8 bytes, but 9 were given",
    );
    data.write("a", &[0; 6]).unwrap();
    refused(
        data.write("a", &[0; 3]),
        "'a' takes 8 bytes, but 9 were given",
    );
    data.write("a", &[0; 2]).unwrap();
    data.write("b", &[0; 4]).unwrap();
    refused(
        data.write("b", &[0; 1]),
        "came where no further tensor was declared",
    );
    data.finish().unwrap();

    let mut out = Vec::new();
    let mut data = GgufWriter::new()
        .tensor("a", TensorType::F32, &[2])
        .write_header(&mut out)
        .unwrap();
    data.write("a", &[0; 3]).unwrap();
    refused(data.finish(), "'a' is incomplete: 3 of 8 bytes");
}

/// A destination with no room left.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failing_destination_is_reported() {
    let result = GgufWriter::new().write_header(&mut Full).map(|_| ());
    assert!(matches!(result, Err(GgufWriteError::Io(_))), "{result:?}");
}
