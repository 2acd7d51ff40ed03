//! The text that is scored: a file or standard input, whole and in UTF-8.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

/// The name of standard input on the command line.
const STANDARD_INPUT: &str = "-";
/// Longest text. Scoring this much takes hours on any CPU; an endless pipe must not fill memory.
const MOST_BYTES: u64 = 16 << 20;

/// Reads the text; one newline at its end is dropped, as llama-perplexity does.
///
/// # Errors
/// A file that cannot be read, more than 16 MiB, or bytes that are not UTF-8, by their offset.
pub fn read(path: &Path) -> anyhow::Result<String> {
    let name = name(path);
    let bytes = if path.as_os_str() == STANDARD_INPUT {
        read_bounded(std::io::stdin().lock(), &name)
    } else {
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        read_bounded(file, &name)
    };
    decode(bytes?, &name)
}

/// What messages and reports call it.
pub fn name(path: &Path) -> String {
    if path.as_os_str() == STANDARD_INPUT {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}

fn read_bounded(from: impl Read, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > MOST_BYTES {
        let mebibytes = MOST_BYTES >> 20;
        bail!("{name} has more than {mebibytes} MiB; give a part of it: head -c {mebibytes}M");
    }
    Ok(bytes)
}

fn decode(bytes: Vec<u8>, name: &str) -> anyhow::Result<String> {
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => bail!(
            "{name} is not UTF-8: the byte at offset {} begins no character; \
             convert it, for example with iconv -t UTF-8",
            error.utf8_error().valid_up_to()
        ),
    };
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_dropped() {
        for (bytes, text) in [
            ("a\n", "a"),
            ("a\n\n", "a\n"),
            ("a", "a"),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(decode(bytes.into(), "t").expect("ASCII"), text, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_named_by_its_offset() {
        for (bytes, offset) in [(&b"abc\xff"[..], 3), (b"\x80", 0), (b"\xe4\xbd", 0)] {
            let message = decode(bytes.into(), "t")
                .expect_err("not UTF-8")
                .to_string();
            assert!(message.contains(&format!("offset {offset} ")), "{message}");
        }
    }

    #[test]
    fn an_endless_text_is_refused() {
        let message = read_bounded(std::io::repeat(b'a'), "t").expect_err("endless");
        assert!(message.to_string().contains("16 MiB"), "{message}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = read(Path::new("/no/such/text")).expect_err("missing");
        assert!(message.to_string().contains("/no/such/text"), "{message}");
    }
}
