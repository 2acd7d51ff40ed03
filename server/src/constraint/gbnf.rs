//! llama.cpp's grammars (GBNF, `grammars/README.md` there) in Lark's syntax, as llguidance reads it.
//!
//! ```text
//! root ::= "yes" | item ("," item)*      start: "yes" | item ("," item)*
//! item ::= [a-z0-9]+                     item: /[a-z0-9]/+
//! ```

use std::iter::Peekable;
use std::str::Chars;

/// Why a text is no GBNF.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the grammar: {what}")]
pub(super) struct GbnfError {
    line: usize,
    what: &'static str,
}

/// Whether a grammar is in llama.cpp's syntax.
pub(super) fn is_gbnf(text: &str) -> bool {
    text.contains("::=")
}

/// The same grammar in Lark's syntax.
///
/// # Errors
/// [`GbnfError`] names the line.
pub(super) fn to_lark(text: &str) -> Result<String, GbnfError> {
    let mut reader = Reader {
        characters: text.chars().peekable(),
        line: 1,
        lark: String::new(),
    };
    reader.space(true);
    while reader.characters.peek().is_some() {
        reader.rule()?;
        reader.space(true);
    }
    Ok(reader.lark)
}

struct Reader<'t> {
    characters: Peekable<Chars<'t>>,
    line: usize,
    lark: String,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.characters.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn error<T>(&self, what: &'static str) -> Result<T, GbnfError> {
        let line = self.line;
        Err(GbnfError { line, what })
    }

    /// Skips blanks and comments, and line breaks if they mean nothing here.
    fn space(&mut self, lines: bool) {
        while let Some(next) = self.characters.peek() {
            match next {
                '\n' if !lines => return,
                '#' => {
                    while self.characters.peek().is_some_and(|next| *next != '\n') {
                        self.next();
                    }
                }
                next if next.is_whitespace() => {
                    self.next();
                }
                _ => return,
            }
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(next) = self.characters.peek().copied() {
            match next {
                'a'..='z' | '0'..='9' | '_' => name.push(next),
                // Lark's names of rules are of small letters; what differs from them is spelt out.
                'A'..='Z' => name.push_str(&format!("_{}", next.to_ascii_lowercase())),
                '-' => name.push_str("__"),
                _ => break,
            }
            self.next();
        }
        match name.as_str() {
            "root" => "start".into(),
            _ => format!("r_{name}"),
        }
    }

    fn rule(&mut self) -> Result<(), GbnfError> {
        let name = self.name();
        if name == "r_" {
            return self.error("a rule begins with its name");
        }
        self.space(false);
        for wanted in "::=".chars() {
            if self.next() != Some(wanted) {
                return self.error("a name is followed by ::=");
            }
        }
        self.lark.push_str(&name);
        self.lark.push(':');
        // The first alternative may begin on the next line.
        self.space(true);
        self.alternatives(0)?;
        self.lark.push('\n');
        Ok(())
    }

    /// What stands between brackets, or a whole rule.
    fn alternatives(&mut self, depth: usize) -> Result<(), GbnfError> {
        let mut empty = true;
        loop {
            self.space(depth > 0);
            let Some(next) = self.characters.peek().copied() else {
                break;
            };
            match next {
                '\n' if self.goes_on() => continue,
                '\n' => break,
                ')' if depth > 0 => break,
                '|' => {
                    self.next();
                    self.lark.push_str(if empty { " \"\" |" } else { " |" });
                    self.space(true);
                    empty = true;
                    continue;
                }
                _ => {
                    self.lark.push(' ');
                    self.item(next, depth)?;
                    self.repetition()?;
                }
            }
            empty = false;
        }
        if empty {
            self.lark.push_str(" \"\"");
        }
        Ok(())
    }

    /// Whether a rule goes on behind a line break: the next line is another alternative. Else nothing but that
    /// line's beginning was skipped, where the next rule's name stands.
    fn goes_on(&mut self) -> bool {
        self.space(true);
        self.characters.peek() == Some(&'|')
    }

    fn item(&mut self, first: char, depth: usize) -> Result<(), GbnfError> {
        match first {
            '"' => self.literal(),
            '[' => self.class(),
            '.' => {
                self.next();
                self.lark.push_str("/(?s:.)/");
                Ok(())
            }
            '(' => {
                self.next();
                self.lark.push('(');
                self.alternatives(depth + 1)?;
                if self.next() != Some(')') {
                    return self.error("a bracket is not closed");
                }
                self.lark.push(')');
                Ok(())
            }
            'a'..='z' | 'A'..='Z' | '0'..='9' => {
                let name = self.name();
                self.lark.push_str(&name);
                Ok(())
            }
            _ => self.error("this is neither a text, a class of characters, a name nor a bracket"),
        }
    }

    fn literal(&mut self) -> Result<(), GbnfError> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None | Some('\n') => return self.error("a text is not closed"),
                Some('"') => break,
                Some('\\') => text.push(self.escaped()?),
                Some(other) => text.push(other),
            }
        }
        self.lark.push_str(&serde_json::json!(text).to_string());
        Ok(())
    }

    fn class(&mut self) -> Result<(), GbnfError> {
        self.next();
        self.lark.push_str("/[");
        if self.characters.peek() == Some(&'^') {
            self.next();
            self.lark.push('^');
        }
        loop {
            match self.next() {
                None | Some('\n') => return self.error("a class of characters is not closed"),
                Some(']') => break,
                // The one character that means the same in both.
                Some('-') if self.characters.peek() != Some(&']') => self.lark.push('-'),
                Some('\\') => {
                    let character = self.escaped()?;
                    self.of_class(character);
                }
                Some(other) => self.of_class(other),
            }
        }
        self.lark.push_str("]/");
        Ok(())
    }

    fn of_class(&mut self, character: char) {
        self.lark
            .push_str(&format!("\\x{{{:X}}}", u32::from(character)));
    }

    /// The character that an escape stands for.
    fn escaped(&mut self) -> Result<char, GbnfError> {
        let digits = match self.next() {
            Some('n') => return Ok('\n'),
            Some('r') => return Ok('\r'),
            Some('t') => return Ok('\t'),
            Some(same @ ('\\' | '"' | '[' | ']' | '-' | '^')) => return Ok(same),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => return self.error("there is no such escape"),
        };
        let mut value = 0;
        for _ in 0..digits {
            let digit = self.next().and_then(|digit| digit.to_digit(16));
            match digit {
                Some(digit) => value = value * 16 + digit,
                None => return self.error("an escape lacks hexadecimal digits"),
            }
        }
        match char::from_u32(value) {
            Some(character) => Ok(character),
            None => self.error("an escape is no character"),
        }
    }

    fn repetition(&mut self) -> Result<(), GbnfError> {
        match self.characters.peek().copied() {
            Some(sign @ ('*' | '+' | '?')) => {
                self.next();
                self.lark.push(sign);
            }
            Some('{') => loop {
                match self.next() {
                    Some(next @ ('{' | ',' | '0'..='9')) => self.lark.push(next),
                    Some(' ') => {}
                    Some('}') => {
                        self.lark.push('}');
                        break;
                    }
                    _ => return self.error("a repetition is {from,to}"),
                }
            },
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_the_same_in_lark() {
        let cases = [
            ("root ::= \"a\"", "start: \"a\"\n"),
            (
                "root ::= \"yes\" | item (\",\" item)* # list\nitem ::= [a-z0-9]+\n",
                "start: \"yes\" | r_item ( \",\" r_item)*\nr_item: /[\\x{61}-\\x{7A}\\x{30}-\\x{39}]/+\n",
            ),
            (
                "root ::=\n  white-Space\n  | \"b\"{2,3}\nwhite-Space ::= [ \\t\\]]? .",
                "start: r_white___space | \"b\"{2,3}\nr_white___space: /[\\x{20}\\x{9}\\x{5D}]/? /(?s:.)/\n",
            ),
            (
                "root ::= [^\"\\\\] (\n \"x\"\n |\n )",
                "start: /[^\\x{22}\\x{5C}]/ ( \"x\" | \"\")\n",
            ),
            (
                "root ::= \"\\x41\\u4E2d\\\"\" | ",
                "start: \"A中\\\"\" | \"\"\n",
            ),
        ];
        for (gbnf, lark) in cases {
            assert!(is_gbnf(gbnf));
            assert_eq!(to_lark(gbnf).as_deref(), Ok(lark), "{gbnf}");
        }
    }

    #[test]
    fn what_is_no_gbnf_is_named_with_its_line() {
        for (gbnf, line, word) in [
            ("root ::= \"a", 1, "text is not closed"),
            ("root ::= a\nb = c", 2, "followed by ::="),
            ("root ::= (a", 1, "bracket"),
            ("root ::= [a", 1, "class"),
            ("root ::= \"\\q\"", 1, "escape"),
            ("root ::= \"\\uD800\"", 1, "no character"),
            ("root ::= a{b}", 1, "repetition"),
            ("root ::= a\n::= b", 2, "name"),
            ("root ::= %", 1, "neither"),
        ] {
            let error = to_lark(gbnf).expect_err(gbnf);
            assert_eq!(error.line, line, "{gbnf}: {error}");
            assert!(error.what.contains(word), "{gbnf}: {error}");
        }
    }
}
