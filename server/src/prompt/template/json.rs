//! `tojson` as transformers has it: Python's `json.dumps`, without the HTML escapes of Jinja's own.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::python;

/// The arguments of `tojson` in their order, with Python's defaults.
struct Options {
    ensure_ascii: bool,
    /// A level's indentation; none: one line.
    indent: Option<String>,
    /// Between items, and behind keys.
    separators: (String, String),
    sort_keys: bool,
}

impl Options {
    fn new(given: &[Value], named: &Kwargs) -> Result<Self, Error> {
        const NAMES: [&str; 4] = ["ensure_ascii", "indent", "separators", "sort_keys"];
        if given.len() > NAMES.len() {
            return Err(bad("tojson has at most four arguments"));
        }
        let option = |index: usize| -> Result<Option<Value>, Error> {
            let named: Option<Value> = named.get(NAMES[index])?;
            let option = given.get(index).cloned().or(named);
            Ok(option.filter(|value| !value.is_none()))
        };
        let is_set = |index| option(index).map(|value| value.is_some_and(|value| value.is_true()));
        let indent = option(1)?.map(|indent| indentation(&indent)).transpose()?;
        let separators = match option(2)? {
            Some(pair) => pair_of(&pair)?,
            None if indent.is_some() => (",".into(), ": ".into()),
            None => (", ".into(), ": ".into()),
        };
        let options = Self {
            ensure_ascii: is_set(0)?,
            indent,
            separators,
            sort_keys: is_set(3)?,
        };
        named.assert_all_used()?;
        Ok(options)
    }
}

fn indentation(indent: &Value) -> Result<String, Error> {
    /// More than anybody indents; it bounds what one level can write.
    const MOST: i64 = 64;
    match (indent.as_str(), indent.as_i64()) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, Some(width)) if width <= MOST => Ok(" ".repeat(width.max(0) as usize)),
        _ => Err(bad("tojson: indent is a text, or a number of at most 64")),
    }
}

fn pair_of(pair: &Value) -> Result<(String, String), Error> {
    let texts: Vec<Value> = pair.try_iter()?.collect();
    match texts.iter().map(Value::as_str).collect::<Vec<_>>()[..] {
        [Some(item), Some(key)] => Ok((item.to_owned(), key.to_owned())),
        _ => Err(bad("tojson: separators are two texts")),
    }
}

/// The filter.
pub(super) fn tojson(value: &Value, given: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let options = Options::new(&given, &named)?;
    let mut text = String::new();
    write(value, &options, 0, &mut text)?;
    Ok(Value::from(text))
}

fn bad(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.into())
}

fn unknown(value: &Value) -> Error {
    bad(format!(
        "tojson: a value of kind {} is no JSON",
        value.kind()
    ))
}

fn write(value: &Value, options: &Options, depth: usize, out: &mut String) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => write_text(value.as_str().unwrap_or_default(), options, out),
        ValueKind::Seq => {
            let items = value.try_iter()?;
            write_all('[', ']', items, options, depth, out, |item, out| {
                write(&item, options, depth + 1, out)
            })?;
        }
        ValueKind::Map if value.as_object().is_some() => {
            let mut entries: Vec<(Value, Value)> = Vec::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                entries.push((key, item));
            }
            if options.sort_keys {
                if !entries.iter().all(|(key, _)| key.as_str().is_some()) {
                    return Err(bad("tojson: sort_keys wants keys that are texts"));
                }
                entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
            }
            write_all(
                '{',
                '}',
                entries,
                options,
                depth,
                out,
                |(key, item), out| {
                    write_text(&key_text(&key)?, options, out);
                    out.push_str(&options.separators.1);
                    write(&item, options, depth + 1, out)
                },
            )?;
        }
        _ => return Err(unknown(value)),
    }
    Ok(())
}

/// Items between brackets, a line each if there is an indentation.
fn write_all<T>(
    open: char,
    close: char,
    items: impl IntoIterator<Item = T>,
    options: &Options,
    depth: usize,
    out: &mut String,
    mut write_one: impl FnMut(T, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let new_line = |depth: usize, out: &mut String| {
        if let Some(indent) = &options.indent {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    };
    out.push(open);
    let mut is_empty = true;
    for item in items {
        if !is_empty {
            out.push_str(&options.separators.0);
        }
        is_empty = false;
        new_line(depth + 1, out);
        write_one(item, out)?;
    }
    if !is_empty {
        new_line(depth, out);
    }
    out.push(close);
    Ok(())
}

fn number(value: &Value) -> String {
    let text = python::text(value);
    match text.as_str() {
        "inf" => "Infinity".into(),
        "-inf" => "-Infinity".into(),
        "nan" => "NaN".into(),
        _ => text,
    }
}

fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".into()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.into()),
        ValueKind::Number => Ok(number(key)),
        _ => Err(unknown(key)),
    }
}

fn write_text(text: &str, options: &Options, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0C' => out.push_str("\\f"),
            '\0'..' ' => push_code(u16::try_from(u32::from(character)).unwrap_or(0), out),
            // The guard marks a client's text with one of these; an escape would hide it, and become
            // part of the prompt.
            '\u{100000}'.. => out.push(character),
            '\x7F'.. if options.ensure_ascii => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    push_code(*unit, out);
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn push_code(unit: u16, out: &mut String) {
    out.push_str(&format!("\\u{unit:04x}"));
}
