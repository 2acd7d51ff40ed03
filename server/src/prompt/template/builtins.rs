//! Filters, tests and functions as a chat template finds them in transformers: what it adds to Jinja,
//! what minijinja has in another form, and nothing that only minijinja has.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::{Clock, json, methods, python};

/// Sets up an environment.
pub(super) fn add_to(environment: &mut Environment<'_>, clock: Clock) {
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(python::print);
    environment.add_filter("string", python::string);
    environment.add_filter("tojson", json::tojson);
    for name in ["e", "escape", "forceescape"] {
        let is_forced = name == "forceescape";
        environment.add_filter(name, move |value: &Value| escape(value, is_forced));
    }
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", move |format: String| {
        strftime(clock(), &format)
    });
    environment.add_function("dict", dict);
    environment.add_test("callable", is_callable);
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
    for ours_alone in ["bool", "chain", "lines", "split", "zip"] {
        environment.remove_filter(ours_alone);
    }
    for ours_alone in ["endingwith", "int", "safe", "startingwith"] {
        environment.remove_test(ours_alone);
    }
    environment.remove_global("debug");
}

/// HTML escapes as MarkupSafe writes them; once only, unless that is asked for.
fn escape(value: &Value, is_forced: bool) -> Value {
    if value.is_safe() && !is_forced {
        return value.clone();
    }
    let mut escaped = String::new();
    for character in python::text(value).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    Value::from_safe_string(escaped)
}

fn raise_exception(message: &Value) -> Result<Value, Error> {
    let message = python::text(message);
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime(now: Timestamp, format: &str) -> Result<String, Error> {
    let now = now.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(format, &now).map_err(|error| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("strftime_now: {error}"),
        )
    })
}

/// `dict(map or pairs, **more)`.
fn dict(given: Option<Value>, more: Kwargs) -> Result<Value, Error> {
    let mut entries: Vec<(Value, Value)> = Vec::new();
    let given = given.unwrap_or_default();
    let is_map = given.kind() == ValueKind::Map;
    for item in given.try_iter()? {
        entries.push(if is_map {
            let value = given.get_item(&item)?;
            (item, value)
        } else {
            (item.get_item_by_index(0)?, item.get_item_by_index(1)?)
        });
    }
    for name in more.args() {
        entries.push((Value::from(name), more.get(name)?));
    }
    Ok(Value::from_pairs(entries))
}

/// Functions, macros and other objects that are no data.
fn is_callable(value: &Value) -> bool {
    value.kind() == ValueKind::Plain
}

/// Whether Python's `iter` takes it: not None, which minijinja takes for an empty list.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// Whether it has a length and items: in Python texts and maps do as well.
fn is_sequence(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Undefined
    )
}
