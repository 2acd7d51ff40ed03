//! What the parts of a split model are called.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The name of a part as gguf-split gives it: `STEM-00002-of-00003.gguf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartName {
    /// What all parts begin with.
    pub stem: OsString,
    /// From 1.
    pub number: u32,
    /// At least `number`.
    pub count: u32,
}

impl PartName {
    /// The name at the end of a path, if it is of that form.
    pub fn of(path: &Path) -> Option<PartName> {
        let name = path.file_name()?.as_bytes();
        let (stem, tail) = name.split_at_checked(name.len().checked_sub(TAIL_BYTES)?)?;
        let tail = std::str::from_utf8(tail).ok()?;
        let (number, count) = tail
            .strip_prefix('-')?
            .strip_suffix(".gguf")?
            .split_once("-of-")?;
        let digits = |text: &str| {
            let all = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| all)
        };
        let (number, count) = (digits(number)?, digits(count)?);
        (1..=count).contains(&number).then(|| PartName {
            stem: OsStr::from_bytes(stem).to_owned(),
            number,
            count,
        })
    }

    pub(super) fn sibling(&self, number: u32) -> OsString {
        let mut name = self.stem.clone();
        name.push(format!("-{number:05}-of-{:05}.gguf", self.count));
        name
    }
}

const TAIL_BYTES: usize = "-00001-of-00001.gguf".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_are_read_and_made() {
        let name = PartName::of(Path::new("/m/llama-00002-of-00003.gguf")).unwrap();
        assert_eq!((name.number, name.count), (2, 3));
        assert_eq!(name.stem, "llama");
        assert_eq!(name.sibling(3), "llama-00003-of-00003.gguf");
        for other in [
            "llama.gguf",
            "llama-2-of-3.gguf",
            "llama-00004-of-00003.gguf",
            "llama-00000-of-00003.gguf",
            "llama-+0002-of-00003.gguf",
            "llama-00002-of-00003.GGUF",
            "-of-.gguf",
        ] {
            assert_eq!(PartName::of(Path::new(other)), None, "{other}");
        }
    }
}
