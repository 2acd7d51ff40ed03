//! Where a JSON object ends in text that comes piece by piece.

/// Follows an object byte by byte by its brackets and strings; whether it is valid is seen when it is whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brackets {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Brackets {
    /// How many bytes of `text` go on with the object, and whether it ends with the last of them. The first text
    /// must begin with its bracket.
    pub(super) fn follow(&mut self, text: &str) -> (usize, bool) {
        for (at, byte) in text.bytes().enumerate() {
            if self.in_string {
                let closes = byte == b'"' && !self.escaped;
                self.escaped = byte == b'\\' && !self.escaped;
                self.in_string = !closes;
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ => {}
            }
        }
        (text.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_ends_with_its_own_bracket() {
        let cases = [
            ("{} x", 2, true),
            (r#"{"a": {"b": [1, "}"]}} }"#, 22, true),
            (r#"{"a\"}": "\\"}{"#, 14, true),
            (r#"{"a": "}"#, 8, false),
            ("{", 1, false),
        ];
        for (text, length, whole) in cases {
            assert_eq!(Brackets::default().follow(text), (length, whole), "{text}");
            let mut brackets = Brackets::default();
            let by_bytes = (0..text.len()).find(|at| brackets.follow(&text[*at..=*at]).1);
            assert_eq!(by_bytes.is_some(), whole, "{text}");
        }
    }
}
