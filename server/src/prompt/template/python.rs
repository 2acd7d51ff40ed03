//! How Python prints values: `str` and `repr`.

use minijinja::value::ValueKind;
use minijinja::{Error, Output, State, Value};

/// What `{{ value }}` writes.
pub(super) fn print(
    out: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => out.write_str(text)?,
        None => out.write_str(&text(value))?,
    }
    Ok(())
}

/// The filter `string`; marks for safe text are lost, which nothing here asks for.
pub(super) fn string(value: &Value) -> Value {
    match value.kind() {
        ValueKind::String => value.clone(),
        _ => Value::from(text(value)),
    }
}

/// `str(value)`; nothing for a value that is not defined.
pub(super) fn text(value: &Value) -> String {
    match (value.as_str(), value.is_undefined()) {
        (Some(text), _) => text.to_owned(),
        (None, true) => String::new(),
        (None, false) => {
            let mut text = String::new();
            write_repr(value, &mut text);
            text
        }
    }
}

fn write_repr(value: &Value, out: &mut String) {
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::String => write_quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Number if !value.is_integer() => match f64::try_from(value.clone()) {
            Ok(number) => out.push_str(&float(number)),
            Err(_) => out.push_str(&value.to_string()),
        },
        ValueKind::Seq => write_items(value, out),
        ValueKind::Map => write_entries(value, out),
        _ => out.push_str(&value.to_string()),
    }
}

fn write_items(value: &Value, out: &mut String) {
    let is_tuple = value.is_tuple();
    out.push(if is_tuple { '(' } else { '[' });
    let mut count = 0;
    for item in value.try_iter().into_iter().flatten() {
        if count > 0 {
            out.push_str(", ");
        }
        write_repr(&item, out);
        count += 1;
    }
    if is_tuple && count == 1 {
        out.push(',');
    }
    out.push(if is_tuple { ')' } else { ']' });
}

fn write_entries(value: &Value, out: &mut String) {
    out.push('{');
    for (number, key) in value.try_iter().into_iter().flatten().enumerate() {
        if number > 0 {
            out.push_str(", ");
        }
        write_repr(&key, out);
        out.push_str(": ");
        write_repr(&value.get_item(&key).unwrap_or_default(), out);
    }
    out.push('}');
}

/// A text as Python quotes it: double quotes only where that saves escapes.
fn write_quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                out.push_str(&match code {
                    0..=0xFF => format!("\\x{code:02x}"),
                    0x100..=0xFFFF => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
    }
    out.push(quote);
}

/// Python's `isprintable`, nearly: what Rust's own escapes leave alone. The guard's marks are shown, so that
/// they go where a prompt is cut.
fn is_printable(character: char) -> bool {
    match character {
        ' '..='~' => true,
        '\u{100000}'.. => true,
        // Spaces other than the one, and line breaks.
        c if c.is_whitespace() || c.is_control() => false,
        // Behind a letter, because a mark that combines would combine with a quote.
        c => !format!("a{c}").escape_debug().any(|part| part == '\\'),
    }
}

/// `repr` of a float: the shortest digits that mean it, with an exponent below 1e-4 and from 1e16.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-2.5e-10, "-2.5e-10"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (number, wanted) in cases {
            assert_eq!(float(number), wanted);
        }
    }

    #[test]
    fn texts_inside_values_are_quoted_as_in_python() {
        let cases = [
            ("it's", "\"it's\""),
            ("say \"hi\"", "'say \"hi\"'"),
            ("it's \"x\"", "'it\\'s \"x\"'"),
            ("\\\t\n\0\x7F", "'\\\\\\t\\n\\x00\\x7f'"),
            ("é\u{301}😀你", "'é\u{301}😀你'"),
            (
                "\u{a0}\u{200b}\u{3000}\u{e000}",
                "'\\xa0\\u200b\\u3000\\ue000'",
            ),
            ("\u{100000}", "'\u{100000}'"),
        ];
        for (inside, wanted) in cases {
            let printed = text(&Value::from(vec![inside]));
            assert_eq!(printed, format!("[{wanted}]"));
        }
    }
}
