//! The source text of a template as Jinja's lexer reads it, in a form that ours reads alike.
//!
//! Three things differ. Jinja makes every line break a `\n`, also in string literals. Its literals
//! know Python's escapes. And the library transformers adds `{% generation %}` blocks, which mark a
//! model's own words for training: their text stands as it is, and what is set inside stays inside, so
//! they are `{% with %}` blocks here. White space around them is handled as before.

use super::literal;

/// What cannot be said in a literal, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLiteral {
    problem: &'static str,
    line: usize,
}

impl std::fmt::Display for BadLiteral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { problem, line } = self;
        write!(f, "syntax error: {problem} (line {line})")
    }
}

/// Rewrites `source`; text, raw blocks and comments stay as they are but for line breaks. What never
/// closes is left for the compiler to complain about.
///
/// # Errors
/// [`BadLiteral`] for escapes that Python refuses, and for characters by their names.
pub(super) fn read_as_jinja(source: &str) -> Result<String, BadLiteral> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut clean = String::with_capacity(source.len());
    let mut rest = source.as_str();
    while let Some(at) = next_tag(rest) {
        let (before, tag) = rest.split_at(at);
        clean.push_str(before);
        rest = if let Some(length) = left_alone(tag) {
            clean.push_str(&tag[..length]);
            &tag[length..]
        } else {
            let line = |rest: &str| 1 + source[..source.len() - rest.len()].matches('\n').count();
            code(tag, &mut clean).map_err(|(problem, rest)| BadLiteral {
                problem,
                line: line(rest),
            })?
        };
    }
    clean.push_str(rest);
    Ok(clean)
}

fn next_tag(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find('{')?;
        if matches!(text.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The length of a comment or of a raw block that begins here; all of `text` if it never ends.
fn left_alone(text: &str) -> Option<usize> {
    if text.starts_with("{#") {
        return Some(text.find("#}").map_or(text.len(), |end| end + 2));
    }
    let mut from = bare_tag(text, "raw")?;
    while let Some(at) = text[from..].find("{%") {
        if let Some(length) = bare_tag(&text[from + at..], "endraw") {
            return Some(from + at + length);
        }
        from += at + 2;
    }
    Some(text.len())
}

/// The length of a tag `{% name %}` at the start of `text`.
fn bare_tag(text: &str, name: &str) -> Option<usize> {
    let inner = text.strip_prefix("{%")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let rest = inner.trim_start().strip_prefix(name)?.trim_start();
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    let rest = rest.strip_prefix("%}")?;
    Some(text.len() - rest.len())
}

/// Copies the expression or statement at the start of `tag` and returns what follows it.
fn code<'t>(tag: &'t str, clean: &mut String) -> Result<&'t str, (&'static str, &'t str)> {
    for (name, known) in [("generation", "with"), ("endgeneration", "endwith")] {
        if let Some(length) = bare_tag(tag, name) {
            clean.push_str(&tag[..length].replacen(name, known, 1));
            return Ok(&tag[length..]);
        }
    }
    let end = if tag.starts_with("{%") { "%}" } else { "}}" };
    clean.push_str(&tag[..2]);
    let mut rest = &tag[2..];
    // The end does not count inside brackets: `{{ {'a': {}} }}`.
    let mut depth = 0_i64;
    while let Some(first) = rest.chars().next() {
        if depth <= 0 && rest.starts_with(end) {
            clean.push_str(end);
            return Ok(&rest[end.len()..]);
        }
        let mut length = first.len_utf8();
        match first {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '\'' | '"' => {
                let Some(body) = body(&rest[1..], first) else {
                    break;
                };
                literal::write(body, first, clean).map_err(|problem| (problem, rest))?;
                rest = &rest[body.len() + 2..];
                continue;
            }
            _ => {}
        }
        // Bytes between brackets and quotes are copied together.
        let plain = |c: char| !matches!(c, '(' | '[' | '{' | ')' | ']' | '}' | '\'' | '"' | '%');
        length += rest[length..]
            .find(|c| !plain(c))
            .unwrap_or(rest.len() - length);
        clean.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    clean.push_str(rest);
    Ok("")
}

/// The text of a literal up to its closing quote.
fn body(text: &str, quote: char) -> Option<&str> {
    let mut escaped = false;
    let end = text.find(|c| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })?;
    Some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_are_one_kind_everywhere() {
        let source = "a\r\n{# c\r #}\r{% raw %}\r\n{% endraw %}{{ 'x\r\ny' }}";
        let wanted = "a\n{# c\n #}\n{% raw %}\n{% endraw %}{{ 'x\ny' }}";
        assert_eq!(read_as_jinja(source).as_deref(), Ok(wanted));
    }

    #[test]
    fn generation_blocks_are_blocks_and_nothing_else_is() {
        let cases = [
            (
                "{%- generation -%} b {%endgeneration%}",
                "{%- with -%} b {%endwith%}",
            ),
            (
                "{{ '{% generation %}' }}{# {% generation %} #}",
                "{{ '{% generation %}' }}{# {% generation %} #}",
            ),
            (
                "{% raw -%}{% generation %}{%+ endraw %}{% generation %}",
                "{% raw -%}{% generation %}{%+ endraw %}{% with %}",
            ),
            ("{% generations %}", "{% generations %}"),
            ("{% if '%}' %}{% generation %}", "{% if '%}' %}{% with %}"),
            (
                "{{ {'a': {'b': 1}} }}{% generation %}",
                "{{ {'a': {'b': 1}} }}{% with %}",
            ),
            ("{{ 7 % 3 }}{ {%generation%}", "{{ 7 % 3 }}{ {%with%}"),
        ];
        for (source, wanted) in cases {
            assert_eq!(read_as_jinja(source).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn what_never_closes_is_left_to_the_compiler() {
        for source in [
            "{{ 'open",
            "{% if",
            "{# c",
            "{% raw %} x",
            "{{ (",
            "{",
            "{{ 'a\\",
        ] {
            assert_eq!(read_as_jinja(source).as_deref(), Ok(source));
        }
    }

    #[test]
    fn escapes_that_say_nothing_name_their_line() {
        for body in [
            r"\x4",
            r"\u12",
            r"\ud83d",
            r"\N{BULLET}",
            r"\U00110000",
            r"\u+123",
            r"\xé",
        ] {
            let error = read_as_jinja(&format!("a\r\n{{{{ '{body}' }}}}")).expect_err(body);
            assert!(error.to_string().ends_with("(line 2)"), "{error}");
        }
    }
}
