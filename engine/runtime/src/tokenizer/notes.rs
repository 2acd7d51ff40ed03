//! Names in notes about a file: a few of them as they are, the others counted, so that no file makes
//! a note long.

use std::fmt;

/// How many names a note spells out.
const MAX_NAMES: usize = 4;

/// How many bytes of a name.
const MAX_BYTES: usize = 80;

/// The names that a note is about.
#[derive(Debug, Default)]
pub(super) struct Names {
    first: Vec<String>,
    count: usize,
}

impl Names {
    /// Adds a name.
    pub(super) fn push(&mut self, name: &[u8]) {
        if self.count < MAX_NAMES {
            self.first.push(shown(name));
        }
        self.count += 1;
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first.join(", "))?;
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The beginning of a text, for messages; as it is where it is UTF-8.
pub(super) fn shown(text: &[u8]) -> String {
    let start = &text[..text.len().min(MAX_BYTES)];
    match std::str::from_utf8(start) {
        Ok(start) => format!("\"{}\"", start.escape_debug()),
        Err(_) => format!("\"{}\"", start.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_stays_short() {
        let mut names = Names::default();
        assert!(names.is_empty());
        names.push("a\n".as_bytes());
        assert_eq!(names.to_string(), r#""a\n""#);
        for _ in 0..100 {
            names.push(b"\xFF");
        }
        assert_eq!(
            names.to_string(),
            r#""a\n", "\xff", "\xff", "\xff" and 97 more"#
        );
    }
}
