//! Methods of Python's `str`, `dict` and `list` that minijinja's collection of them lacks, or has in
//! another form; all others are its own. An unknown one is an error that names it.

use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Calls `value.method(args)`.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let ours = match (value.as_str(), value.kind()) {
        (Some(text), _) => of_text(text, method, args)?,
        (None, ValueKind::Seq) => of_list(value, method, args)?,
        (None, ValueKind::Map) => of_map(value, method, args)?,
        _ => None,
    };
    match ours {
        Some(result) => Ok(result),
        None => pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn of_text(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "swapcase" => {
            let () = from_args(args)?;
            let swapped = text.chars().map(|character| {
                if character.is_uppercase() {
                    character.to_lowercase().to_string()
                } else {
                    character.to_uppercase().to_string()
                }
            });
            Value::from(swapped.collect::<String>())
        }
        "title" => {
            let () = from_args(args)?;
            Value::from(title(text))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "index" | "rindex" => {
            let (part,): (&str,) = from_args(args)?;
            let found = match method {
                "index" => text.find(part),
                _ => text.rfind(part),
            };
            let at = found.ok_or_else(|| bad("substring not found"))?;
            Value::from(text[..at].chars().count())
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            if separator.is_empty() {
                return Err(bad("empty separator"));
            }
            let parts = match method {
                "partition" => text.split_once(separator),
                _ => text.rsplit_once(separator),
            };
            let parts = match (parts, method) {
                (Some((before, after)), _) => [before, separator, after],
                (None, "partition") => [text, "", ""],
                (None, _) => ["", "", text],
            };
            Value::from(minijinja::value::Tuple::from(parts.map(Value::from)))
        }
        "split" | "rsplit" => split(text, method == "rsplit", args)?,
        "splitlines" => {
            let (keep,): (Option<bool>,) = from_args(args)?;
            lines(text, keep.unwrap_or(false)).collect()
        }
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            let zeros = padding(text, width, '0')?;
            Value::from(format!("{sign}{zeros}{digits}"))
        }
        "ljust" | "rjust" => {
            let (width, fill): (usize, Option<&str>) = from_args(args)?;
            let fill = fill.and_then(|fill| fill.chars().next()).unwrap_or(' ');
            let padding = padding(text, width, fill)?;
            Value::from(match method {
                "ljust" => format!("{text}{padding}"),
                _ => format!("{padding}{text}"),
            })
        }
        "join" => {
            let (items,): (&Value,) = from_args(args)?;
            Value::from(join(text, items)?)
        }
        _ => return Ok(None),
    }))
}

fn bad(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.into())
}

/// Upper case behind everything that has none, lower case behind letters; also behind an apostrophe.
fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut in_word = false;
    for character in text.chars() {
        if in_word {
            titled.extend(character.to_lowercase());
        } else {
            titled.extend(character.to_uppercase());
        }
        in_word = character.is_lowercase() || character.is_uppercase();
    }
    titled
}

/// What brings `text` to so many characters.
fn padding(text: &str, width: usize, fill: char) -> Result<String, Error> {
    const MOST: usize = 4096;
    if width > MOST {
        return Err(bad(format!("{width} characters are more than {MOST}")));
    }
    let missing = width.saturating_sub(text.chars().count());
    Ok(std::iter::repeat_n(fill, missing).collect())
}

/// `split(sep=None, maxsplit=-1)`, from either end.
fn split(text: &str, from_end: bool, args: &[Value]) -> Result<Value, Error> {
    let (given, named): (Rest<Value>, Kwargs) = from_args(args)?;
    let option = |index: usize, name: &str| -> Result<Option<Value>, Error> {
        let named: Option<Value> = named.get(name)?;
        let option = given.get(index).cloned().or(named);
        Ok(option.filter(|value| !value.is_none()))
    };
    let separator = option(0, "sep")?;
    let most = option(1, "maxsplit")?.map(i64::try_from);
    named.assert_all_used()?;
    if given.len() > 2 {
        return Err(bad("split has at most two arguments"));
    }
    // A negative number is none.
    let most = usize::try_from(most.transpose()?.unwrap_or(-1)).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = text;
    match &separator {
        Some(separator) => {
            let separator = separator.as_str().filter(|text| !text.is_empty());
            let separator = separator.ok_or_else(|| bad("a separator is a text, not empty"))?;
            while parts.len() < most {
                let cut = match from_end {
                    false => rest.split_once(separator),
                    true => rest.rsplit_once(separator).map(|(a, b)| (b, a)),
                };
                let Some((part, more)) = cut else { break };
                parts.push(part);
                rest = more;
            }
            parts.push(rest);
        }
        None => {
            loop {
                rest = if from_end {
                    rest.trim_end()
                } else {
                    rest.trim_start()
                };
                if rest.is_empty() || parts.len() >= most {
                    break;
                }
                let space = |c: char| c.is_whitespace();
                let cut = match from_end {
                    false => rest.split_at(rest.find(space).unwrap_or(rest.len())),
                    true => {
                        let ends = rest.char_indices().rfind(|(_, c)| c.is_whitespace());
                        let at = ends.map_or(0, |(at, c)| at + c.len_utf8());
                        let (before, part) = rest.split_at(at);
                        (part, before)
                    }
                };
                parts.push(cut.0);
                rest = cut.1;
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
        }
    }
    if from_end {
        parts.reverse();
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

/// Lines by all that ends one in Python.
fn lines(text: &str, keep_ends: bool) -> impl Iterator<Item = Value> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let ends = |c| {
            matches!(
                c,
                '\n' | '\r' | '\x0B' | '\x0C' | '\x1C'
                    ..='\x1E' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(ends).unwrap_or(rest.len());
        let break_length = match rest[end..].chars().next() {
            Some('\r') if rest[end..].starts_with("\r\n") => 2,
            Some(character) => character.len_utf8(),
            None => 0,
        };
        let line = &rest[..if keep_ends { end + break_length } else { end }];
        rest = &rest[end + break_length..];
        Some(Value::from(line))
    })
}

fn join(between: &str, items: &Value) -> Result<String, Error> {
    let mut joined = String::new();
    for (number, item) in items.try_iter()?.enumerate() {
        let text = item.as_str().ok_or_else(|| {
            let kind = item.kind();
            bad(format!("join: item {number} is no text but of kind {kind}"))
        })?;
        if number > 0 {
            joined.push_str(between);
        }
        joined.push_str(text);
    }
    Ok(joined)
}

fn of_list(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    match method {
        "index" => {
            let (wanted,): (&Value,) = from_args(args)?;
            let at = value.try_iter()?.position(|item| item == *wanted);
            let at = at.ok_or_else(|| bad("it is not in the list"))?;
            Ok(Some(Value::from(at)))
        }
        "copy" => {
            let () = from_args(args)?;
            Ok(Some(value.clone()))
        }
        // What would change a list in place is refused, as in the sandbox of transformers.
        "append" | "extend" | "insert" | "pop" | "remove" | "clear" | "sort" | "reverse" => {
            Err(unsafe_call(method))
        }
        _ => Ok(None),
    }
}

fn of_map(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    match method {
        "copy" => {
            let () = from_args(args)?;
            Ok(Some(value.clone()))
        }
        "update" | "pop" | "popitem" | "clear" | "setdefault" => Err(unsafe_call(method)),
        _ => Ok(None),
    }
}

fn unsafe_call(method: &str) -> Error {
    bad(format!(
        "{method} would change a value in place, which no chat template may"
    ))
}
