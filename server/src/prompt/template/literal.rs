//! String literals of Python, which know other escapes than ours.

/// Writes what Python makes of a literal's text, in escapes that mean the same here.
pub(super) fn write(body: &str, quote: char, clean: &mut String) -> Result<(), &'static str> {
    clean.push(quote);
    if body.contains('\\') {
        for character in unescaped(body)?.chars() {
            if character == quote || character == '\\' {
                clean.push('\\');
            }
            clean.push(character);
        }
    } else {
        clean.push_str(body);
    }
    clean.push(quote);
    Ok(())
}

/// Python's `encode("ascii", "backslashreplace").decode("unicode-escape")`.
fn unescaped(body: &str) -> Result<String, &'static str> {
    let mut text = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(kind) = rest.chars().next() else {
            return Err("\\ at the end of a string");
        };
        let after = &rest[kind.len_utf8()..];
        let simple = match kind {
            '\n' => Some(""),
            '\\' => Some("\\"),
            '\'' => Some("'"),
            '"' => Some("\""),
            'a' => Some("\x07"),
            'b' => Some("\x08"),
            'f' => Some("\x0C"),
            'n' => Some("\n"),
            'r' => Some("\r"),
            't' => Some("\t"),
            'v' => Some("\x0B"),
            _ => None,
        };
        rest = match (simple, kind) {
            (Some(simple), _) => {
                text.push_str(simple);
                after
            }
            (None, 'x') => by_number(after, 2, &mut text)?,
            (None, 'u') => by_number(after, 4, &mut text)?,
            (None, 'U') => by_number(after, 8, &mut text)?,
            (None, '0'..='7') => {
                let octal = |c: &char| c.is_digit(8);
                let digits = rest.chars().take(3).take_while(octal).count();
                push_code(u32::from_str_radix(&rest[..digits], 8), &mut text)?;
                &rest[digits..]
            }
            (None, 'N') => {
                return Err("a character by its name, \\N{...}; write the character itself");
            }
            // Python encodes other characters first, so that the backslash takes that for its own.
            (None, other) if !other.is_ascii() => {
                let code = u32::from(other);
                text.push_str(&match code {
                    0..=0xFF => format!("\\x{code:02x}"),
                    0x100..=0xFFFF => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
                after
            }
            // Unknown ones stand for themselves.
            (None, other) => {
                text.push('\\');
                text.push(other);
                after
            }
        };
    }
    text.push_str(rest);
    Ok(text)
}

/// Pushes the character whose number is in so many hexadecimal digits, and returns what follows. Two
/// halves of a UTF-16 pair are one character.
fn by_number<'t>(text: &'t str, digits: usize, to: &mut String) -> Result<&'t str, &'static str> {
    const TRUNCATED: &str = "an escape with too few hexadecimal digits";
    let number = |text: &'t str| {
        let hex = text.get(..digits).ok_or(TRUNCATED)?;
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(TRUNCATED);
        }
        u32::from_str_radix(hex, 16).map_err(|_| TRUNCATED)
    };
    let first = number(text)?;
    let rest = &text[digits..];
    if (0xD800..0xDC00).contains(&first)
        && let Some(low) = rest.strip_prefix("\\u")
        && digits == 4
        && let Ok(second @ 0xDC00..0xE000) = number(low)
    {
        push_code(
            Ok(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)),
            to,
        )?;
        return Ok(&low[digits..]);
    }
    push_code(Ok(first), to)?;
    Ok(rest)
}

fn push_code(
    code: Result<u32, std::num::ParseIntError>,
    to: &mut String,
) -> Result<(), &'static str> {
    let character = code.ok().and_then(char::from_u32);
    to.push(character.ok_or("an escape that is no character of Unicode")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_pythons() {
        let cases = [
            (r"\d\s\/", r"\\d\\s\\/"),
            (r"\n\t\\", "\n\t\\\\"),
            (r"\'\x27", r"\'\'"),
            ("\\\"", "\""),
            ("\\\n", ""),
            (r"\a\b\v\f", "\x07\x08\x0B\x0C"),
            (r"\u00e9\U0001F600\x41\101\0", "é😀AA\0"),
            (r"\ud83d\ude00", "😀"),
            (r"\é\€\😀", r"\\xe9\\u20ac\\U0001f600"),
            ("é", "é"),
        ];
        for (body, wanted) in cases {
            let mut written = String::new();
            assert_eq!(write(body, '\'', &mut written), Ok(()), "{body}");
            assert_eq!(written, format!("'{wanted}'"), "{body}");
        }
    }
}
