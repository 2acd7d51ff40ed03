//! Every malformation is an error that says what and where; none is a panic.

mod raw;

use raw::{ARRAY, BOOL, Raw, STRING, TENSOR_F32, TENSOR_Q4_0, U8, U32, U64};
use sysinfer_formats::Gguf;

/// What is wrong, the file, and what its error has to say.
type Case = (&'static str, Raw, &'static [&'static str]);

fn check(cases: impl IntoIterator<Item = Case>) {
    for (what, file, wanted) in cases {
        let message = match Gguf::parse(&file.0) {
            Ok(_) => panic!("{what}: accepted"),
            Err(error) => error.to_string(),
        };
        for part in wanted {
            assert!(message.contains(part), "{what}: no {part:?} in {message:?}");
        }
    }
}

/// One key, whose value is to follow.
fn one_key(value_type: u32) -> Raw {
    Raw::new(0, 1).key("k", value_type)
}

/// One tensor with its data.
fn one_tensor(shape: &[u64], kind: u32, offset: u64) -> Raw {
    Raw::new(1, 0).tensor("t", shape, kind, offset).data(64)
}

#[test]
fn the_pieces_make_a_valid_file() {
    let file = Raw::new(2, 2)
        .key("a", U8)
        .bytes(&[7])
        .key("b", ARRAY)
        .u32(STRING)
        .u64(2)
        .string(b"x")
        .string(&[0xff])
        .tensor("t", &[2, 3], TENSOR_F32, 32)
        .tensor("u", &[32], TENSOR_Q4_0, 0)
        .data(56);
    let gguf = Gguf::parse(&file.0).unwrap();
    assert_eq!(gguf.metadata().unsigned("a"), Ok(Some(7)));
    assert_eq!(
        gguf.metadata().strings("b"),
        Ok(Some(vec![&b"x"[..], &[0xff]]))
    );
    let tensor = gguf.require("t").unwrap();
    assert_eq!((tensor.columns(), tensor.rows()), (2, 3));
    assert_eq!((tensor.data.len(), tensor.row(2).len()), (24, 8));
    assert_eq!(gguf.require("u").unwrap().data.len(), 18);
    let missing = gguf.require("v").unwrap_err().to_string();
    assert!(missing.contains("'v' is missing"), "{missing}");
}

#[test]
fn headers() {
    let raw = |bytes: &[u8]| Raw(bytes.to_vec());
    check([
        (
            "empty",
            raw(b""),
            &["the file is empty", "fetch it again"] as &[_],
        ),
        ("half a magic", raw(b"GG"), &["the magic", "2 left"]),
        (
            "other magic",
            raw(b"GGUX...."),
            &["not a GGUF file", "\"GGUX\"", "convert"],
        ),
        ("no version", raw(b"GGUF\x03"), &["the version at byte 4"]),
        (
            "big-endian",
            raw(b"GGUF\0\0\0\x03"),
            &["version 3", "big-endian", "gguf-convert-endian"],
        ),
        (
            "version 0",
            raw(b"GGUF\0\0\0\0"),
            &["version 0", "only 2 and 3"],
        ),
        (
            "version 1",
            raw(b"GGUF\x01\0\0\0"),
            &["version 1", "only 2 and 3", "convert_hf_to_gguf.py"],
        ),
        (
            "version 4",
            raw(b"GGUF\x04\0\0\0"),
            &["version 4", "only 2 and 3"],
        ),
        (
            "no counts",
            raw(b"GGUF\x03\0\0\0"),
            &["the tensor count at byte 8"],
        ),
        (
            "too many tensors",
            Raw::new(u64::MAX, 0),
            &[
                "the tensor count at byte 8 is 18446744073709551615",
                "at most 0",
            ],
        ),
        (
            "too many keys",
            Raw::new(0, 2).bytes(&[0; 27]),
            &["the metadata key count at byte 16 is 2", "at most 1"],
        ),
        (
            "more keys than any model has",
            Raw::new(0, (1 << 20) + 1).bytes(&[0; 15 << 20]),
            &["the metadata key count", "at most 1048576"],
        ),
    ]);
}

#[test]
fn metadata_keys() {
    let with_key = |key: &[u8]| Raw::new(0, 1).string(key).u32(U8).bytes(&[1]).data(0);
    check([
        (
            "key longer than the file",
            Raw::new(0, 1).u64(1 << 60).bytes(&[0; 16]),
            &[
                "the length of metadata key 0 at byte 24 is 1152921504606846976",
                "at most 16",
            ] as &[_],
        ),
        (
            "empty key",
            with_key(b""),
            &["metadata key 0 at byte 24 is empty"],
        ),
        (
            "key too long",
            with_key(&[b'k'; 65_536]),
            &["is 65536", "at most 65535"],
        ),
        (
            "key not UTF-8",
            with_key(b"\xff"),
            &["metadata key 0 at byte 24 is not valid UTF-8"],
        ),
        (
            "key twice",
            Raw::new(0, 2)
                .key("k", U8)
                .bytes(&[1])
                .key("k", U8)
                .bytes(&[1]),
            &["'k' at byte 38", "second time"],
        ),
        (
            "terminal control in a key",
            Raw::new(0, 1).key("\u{1b}[2J", 77).bytes(&[0; 8]),
            &["'\\u{1b}[2J'"],
        ),
    ]);
}

#[test]
fn metadata_values() {
    check([
        (
            "unknown value type",
            one_key(13).bytes(&[0; 8]),
            &["'k' at byte 33 has value type 13"] as &[_],
        ),
        (
            "number cut",
            one_key(U32).bytes(&[0; 3]),
            &["value of metadata key 'k' at byte 37", "3 left"],
        ),
        (
            "boolean of 2",
            one_key(BOOL).bytes(&[2]),
            &["boolean 2 at byte 37"],
        ),
        (
            "string longer than the file",
            one_key(STRING).u64(u64::MAX).bytes(&[0; 4]),
            &["the length of the value of metadata key 'k'", "at most 4"],
        ),
    ]);
}

#[test]
fn arrays() {
    let array = |element: u32, length: u64| one_key(ARRAY).u32(element).u64(length);
    check([
        (
            "unknown element type",
            array(99, 0),
            &["the array of metadata key 'k' at byte 37 has value type 99"] as &[_],
        ),
        (
            "array of arrays",
            array(ARRAY, 1).u32(U8).u64(0),
            &["'k' at byte 37 is an array of arrays"],
        ),
        (
            "numbers beyond the file",
            array(U64, 3).bytes(&[0; 23]),
            &[
                "the array length of metadata key 'k' at byte 41 is 3",
                "at most 2",
            ],
        ),
        (
            "length overflows",
            array(U64, u64::MAX),
            &["is 18446744073709551615", "at most 0"],
        ),
        (
            "strings beyond the file",
            array(STRING, 3).bytes(&[0; 23]),
            &["the array length of metadata key 'k'", "at most 2"],
        ),
        (
            "string element beyond the file",
            array(STRING, 2).string(b"ab").u64(100).bytes(b"cd"),
            &[
                "the length of element 1 of metadata key 'k' at byte 59 is 100",
                "at most 2",
            ],
        ),
        (
            "boolean element of 7",
            array(BOOL, 3).bytes(&[1, 0, 7]),
            &["boolean 7 at byte 51"],
        ),
    ]);
}

#[test]
fn alignments() {
    let alignment = |bytes: u32| Raw::new(0, 1).key("general.alignment", U32).u32(bytes);
    check([
        (
            "zero",
            alignment(0),
            &["general.alignment is 0", "power of two"] as &[_],
        ),
        (
            "not a power of two",
            alignment(48),
            &["general.alignment is 48"],
        ),
        (
            "too small for blocks",
            alignment(4),
            &["general.alignment is 4"],
        ),
        (
            "beyond u32",
            Raw::new(0, 1).key("general.alignment", U64).u64(1 << 63),
            &["general.alignment is 9223372036854775808"],
        ),
        (
            "text",
            Raw::new(0, 1)
                .key("general.alignment", STRING)
                .string(b"32"),
            &["'general.alignment' should be a non-negative integer, but is a string"],
        ),
        (
            "a list",
            Raw::new(0, 1)
                .key("general.alignment", ARRAY)
                .u32(U32)
                .u64(2)
                .u32(32)
                .u32(32),
            &[
                "'general.alignment' is an array of 2 u32",
                "not one per layer",
            ],
        ),
    ]);
}

#[test]
fn tensor_names() {
    check([
        (
            "empty name",
            Raw::new(1, 0).tensor("", &[1], 0, 0).data(64),
            &["name of tensor 0", "empty"] as &[_],
        ),
        (
            "name not UTF-8",
            Raw::new(1, 0).string(b"\xc3\x28").data(64),
            &["the name of tensor 0 at byte 24 is not valid UTF-8"],
        ),
        (
            "name twice",
            Raw::new(2, 0)
                .tensor("t", &[1], 0, 0)
                .tensor("t", &[1], 0, 32)
                .data(64),
            &["tensor 't' at byte 57", "second time"],
        ),
    ]);
}

#[test]
fn tensor_shapes_and_types() {
    let f32s = |shape: &[u64]| one_tensor(shape, TENSOR_F32, 0);
    check([
        (
            "no dimensions",
            f32s(&[]),
            &["tensor 't' has 0 dimensions at byte 33"] as &[_],
        ),
        (
            "five dimensions",
            f32s(&[1; 5]),
            &["tensor 't' has 5 dimensions at byte 33"],
        ),
        (
            "dimensions beyond the file",
            Raw::new(1, 0).string(b"t").u32(u32::MAX).data(64),
            &["4294967295 dimensions"],
        ),
        (
            "dimension of zero",
            f32s(&[4, 0]),
            &["tensor 't' has shape [4, 0]"],
        ),
        (
            "elements overflow",
            f32s(&[1 << 32, 1 << 32]),
            &[
                "tensor 't' of type F32",
                "[4294967296, 4294967296]",
                "more bytes than can be counted",
            ],
        ),
        (
            "bytes overflow",
            f32s(&[1 << 62]),
            &["more bytes than can be counted"],
        ),
        (
            "half a block",
            one_tensor(&[48], TENSOR_Q4_0, 0),
            &[
                "tensor 't' has rows of 48 elements",
                "Q4_0 needs a multiple of 32",
            ],
        ),
        (
            "blocks across rows",
            one_tensor(&[16, 2], TENSOR_Q4_0, 0),
            &["tensor 't' has rows of 16 elements"],
        ),
        (
            "removed type",
            one_tensor(&[32], 31, 0),
            &[
                "tensor 't' has type number 31 at byte 45",
                "Q4_0_4_4",
                "fetch another file",
            ],
        ),
        (
            "unknown type",
            one_tensor(&[32], 4711, 0),
            &["tensor 't' has type number 4711"],
        ),
        (
            "entry cut",
            Raw(Raw::new(1, 0).tensor("tensor", &[1], 0, 0).0[..61].to_vec()),
            &["the data offset of tensor 'tensor'", "7 left"],
        ),
    ]);
}

#[test]
fn tensor_places() {
    check([
        (
            "not aligned",
            one_tensor(&[1], TENSOR_F32, 8),
            &[
                "tensor 't' starts at byte 8 of the data section",
                "alignment 32",
            ] as &[_],
        ),
        (
            "starts behind the end",
            one_tensor(&[1], TENSOR_F32, 96),
            &["tensor 't' takes 4 bytes from byte 96 of the data section, which has 64"],
        ),
        (
            "ends behind the end",
            one_tensor(&[17], TENSOR_F32, 0),
            &[
                "tensor 't' takes 68 bytes from byte 0",
                "4 bytes are missing at the end of the file",
                "fetch it again",
            ],
        ),
        (
            "the last of several is behind the end too",
            Raw::new(3, 0)
                .tensor("t", &[8], TENSOR_F32, 0)
                .tensor("u", &[8], TENSOR_F32, 32)
                .tensor("v", &[9], TENSOR_F32, 64)
                .data(50),
            &["tensor 'u' takes 32 bytes", "50 bytes are missing"],
        ),
        (
            "end overflows",
            one_tensor(&[8], TENSOR_F32, u64::MAX - 31),
            &["tensor 't' takes 32 bytes"],
        ),
        (
            "no data section",
            Raw::new(1, 0).tensor("t", &[1], TENSOR_F32, 0),
            &["the padding before the tensor data at byte 57"],
        ),
        (
            "shared bytes",
            Raw::new(2, 0)
                .tensor("t", &[8], TENSOR_F32, 32)
                .tensor("u", &[9], TENSOR_F32, 0)
                .data(64),
            &["tensors 'u' and 't' overlap at byte 32"],
        ),
        (
            "same bytes",
            Raw::new(2, 0)
                .tensor("t", &[8], TENSOR_F32, 0)
                .tensor("u", &[8], TENSOR_F32, 0)
                .data(64),
            &["tensors 't' and 'u' overlap at byte 0"],
        ),
    ]);
}
