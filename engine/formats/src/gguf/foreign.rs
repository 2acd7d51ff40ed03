//! Files that are often given in place of a GGUF file, known by how they begin.

use super::error::GgufError;

const CONVERT: &str =
    "convert it with llama.cpp: convert_hf_to_gguf.py FOLDER_OF_THE_MODEL --outfile model.gguf";
const NEWER: &str = "fetch the model as GGUF, or convert the original model again with llama.cpp's \
                     convert_hf_to_gguf.py";
const DOWNLOAD: &str = "fetch the file itself, by its download link (\"resolve\" in place of \"blob\" on \
                        model hubs), signed in where the model asks for it";
const UNPACK: &str = "unpack it first";

/// A kind of file: what it begins with, what it is, what to do.
struct Kind {
    magic: &'static [u8],
    what: &'static str,
    remedy: &'static str,
}

const KINDS: [Kind; 18] = [
    kind(
        b"version https://git-lfs",
        "a Git LFS pointer, which only names the model",
        "fetch what it points to: git lfs pull",
    ),
    kind(
        b"lmgg",
        "a model in the format that came before GGUF (ggml)",
        NEWER,
    ),
    kind(
        b"fmgg",
        "a model in the format that came before GGUF (ggmf)",
        NEWER,
    ),
    kind(
        b"tjgg",
        "a model in the format that came before GGUF (ggjt)",
        NEWER,
    ),
    kind(
        b"algg",
        "a LoRA adapter in the format that came before GGUF (ggla)",
        "merge it into its base model, and convert that",
    ),
    kind(
        b"nsgg",
        "a saved session of llama.cpp (ggsn)",
        "give the model that it was saved from",
    ),
    kind(b"\x80\x02", "a PyTorch checkpoint (pickle)", CONVERT),
    kind(b"\x80\x03", "a PyTorch checkpoint (pickle)", CONVERT),
    kind(b"\x80\x04", "a PyTorch checkpoint (pickle)", CONVERT),
    kind(
        b"PK\x03\x04",
        "a zip archive, such as a PyTorch checkpoint (.bin, .pt, .pth)",
        CONVERT,
    ),
    kind(b"\x89HDF", "a Keras checkpoint (HDF5)", CONVERT),
    kind(b"\x1f\x8b", "a gzip archive", UNPACK),
    kind(b"\x28\xb5\x2f\xfd", "a zstd archive", UNPACK),
    kind(b"\xfd7zXZ", "an xz archive", UNPACK),
    kind(b"7z\xbc\xaf", "a 7-Zip archive", UNPACK),
    kind(b"BZh", "a bzip2 archive", UNPACK),
    kind(b"\x7fELF", "a program", "give the model file"),
    kind(
        b"\0\0\0\0",
        "a file that begins with zeros, as a download does that has not come to its beginning yet",
        "wait for its end, or fetch it again",
    ),
];

const fn kind(magic: &'static [u8], what: &'static str, remedy: &'static str) -> Kind {
    Kind {
        magic,
        what,
        remedy,
    }
}

/// What a file is that does not begin as a GGUF file does.
pub(super) fn refusal(bytes: &[u8]) -> GgufError {
    let known = KINDS.iter().find(|kind| bytes.starts_with(kind.magic));
    let text = bytes.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (what, remedy) = match known {
        Some(kind) => (kind.what, kind.remedy),
        None if is_safetensors(bytes) => ("a model in the format safetensors", CONVERT),
        None if is_page(text) => ("a web page, saved in place of the model", DOWNLOAD),
        None if text.starts_with(b"{") => (
            "JSON: a model's description, or what a server said in place of it",
            DOWNLOAD,
        ),
        None => {
            let mut found = [0; 4];
            found.copy_from_slice(&bytes[..4]);
            return GgufError::BadMagic { found };
        }
    };
    GgufError::Foreign { what, remedy }
}

/// The length of a JSON header, then the header (the format's specification).
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    u64::from_le_bytes(*length) <= rest.len() as u64 && rest.starts_with(b"{\"")
}

fn is_page(text: &[u8]) -> bool {
    [
        &b"<!doctype html"[..],
        b"<html",
        b"<?xml",
        b"<!--",
        b"<head",
    ]
    .iter()
    .any(|start| {
        let begins = text.get(..start.len());
        begins.is_some_and(|begins| begins.eq_ignore_ascii_case(start))
    })
}

#[cfg(test)]
mod tests {
    use crate::Gguf;

    #[test]
    fn what_is_given_in_place_of_a_model_is_named_with_a_remedy() {
        let safetensors = [&16u64.to_le_bytes()[..], b"{\"__metadata__\":0"].concat();
        let pointer =
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 98362432\n";
        let cases: [(&[u8], &str, &str); 18] = [
            (pointer, "Git LFS", "git lfs pull"),
            (b"<!DOCTYPE html><html>", "a web page", "download link"),
            (b"\n <HTML lang=en>", "a web page", "download link"),
            (b"\xef\xbb\xbf<html>", "a web page", "download link"),
            (
                b"{\"error\":\"Access to model is restricted\"}",
                "JSON",
                "download link",
            ),
            (&safetensors, "safetensors", "convert_hf_to_gguf.py"),
            (
                b"PK\x03\x04\0\0\x08\x08archive/data.pkl",
                "PyTorch",
                "convert_hf_to_gguf.py",
            ),
            (
                b"\x80\x02\x8a\x0a\x6c\xfc",
                "PyTorch",
                "convert_hf_to_gguf.py",
            ),
            (b"lmgg\0\0\0\0", "ggml", "as GGUF"),
            (b"fmgg\x01\0\0\0", "ggmf", "as GGUF"),
            (b"tjgg\x03\0\0\0", "ggjt", "as GGUF"),
            (b"algg\x01\0\0\0", "LoRA adapter", "merge it"),
            (b"nsgg\x01\0\0\0", "session", "give the model"),
            (b"\x1f\x8b\x08\0", "gzip", "unpack"),
            (b"\x28\xb5\x2f\xfd", "zstd", "unpack"),
            (b"\xfd7zXZ\0", "xz", "unpack"),
            (b"\x7fELF\x02", "a program", "give the model file"),
            (&[0; 64], "zeros", "fetch it again"),
        ];
        for (bytes, what, remedy) in cases {
            let message = Gguf::parse(bytes).expect_err(what).to_string();
            for part in ["not a GGUF file", what, remedy] {
                assert!(message.contains(part), "no {part:?} in {message:?}");
            }
        }
    }

    #[test]
    fn other_beginnings_are_shown() {
        for begin in [&b"QWER"[..], b"GGUX....", b"\xff\xfe\0A"] {
            let message = Gguf::parse(begin).expect_err("no GGUF").to_string();
            let shown = begin[..4].escape_ascii().to_string();
            assert!(message.contains(&shown), "{message}");
        }
    }
}
