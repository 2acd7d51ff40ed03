//! Answers as models write them, syntax by syntax, cut at every place.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::tools::format::{ChatFormat, Syntax};

const ALL: [Syntax; 6] = [
    Syntax::Hermes,
    Syntax::Llama3,
    Syntax::MistralList,
    Syntax::MistralArgs { ids: true },
    Syntax::Functionary31,
    Syntax::Functionary32,
];

/// What an answer comes to: `text` and `name(arguments)`, `!` before what is broken.
fn read<'t>(syntax: Syntax, pieces: impl Iterator<Item = &'t str>) -> Vec<String> {
    let format = ChatFormat {
        syntax,
        thinks: false,
        specials: vec![("<|python_tag|>", 1), ("[TOOL_CALLS]", 2), ("[ARGS]", 3)],
    };
    let names: Arc<[String]> = ["get", "get_time"].map(String::from).into();
    let mut parser = CallParser::new(&format, names);
    let mut said = Vec::new();
    for piece in pieces {
        parser.push(piece, &mut said);
    }
    parser.finish(&mut said);
    let mut all: Vec<String> = Vec::new();
    let mut open = String::new();
    let mut in_text = false;
    for one in said {
        let is_text = matches!(one, Said::Text(_));
        match one {
            Said::Text(text) => match all.last_mut() {
                Some(last) if in_text => last.push_str(&text),
                _ => all.push(text),
            },
            Said::Call(name) => open = name + "(",
            Said::Arguments(text) => open += &text,
            Said::Done => all.push(std::mem::take(&mut open) + ")"),
            Said::Broken(text) => {
                open.clear();
                all.push(format!("!{text}"));
            }
        }
        in_text = is_text;
    }
    assert_eq!(open, "", "a call is neither whole nor broken");
    all
}

fn whole(syntax: Syntax, text: &str) -> Vec<String> {
    read(syntax, std::iter::once(text))
}

/// Cut between all characters, and into pieces of a few.
fn cut_anywhere(syntax: Syntax, text: &str) {
    let wanted = whole(syntax, text);
    let places: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    for size in 1..=7 {
        let mut bounds: Vec<usize> = places.iter().copied().step_by(size).collect();
        bounds.push(text.len());
        let pieces = bounds.windows(2).map(|pair| &text[pair[0]..pair[1]]);
        assert_eq!(
            read(syntax, pieces),
            wanted,
            "{syntax:?} {text:?} by {size}"
        );
    }
}

fn check(syntax: Syntax, cases: &[(&str, &[&str])]) {
    for (text, wanted) in cases {
        assert_eq!(whole(syntax, text), *wanted, "{syntax:?}: {text:?}");
        cut_anywhere(syntax, text);
    }
}

#[test]
fn hermes() {
    check(
        Syntax::Hermes,
        &[
            (
                "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\": \"上海\", \"n\": [1, {\"a\": \"}\"}]}}\n</tool_call>",
                &["get({\"city\": \"上海\", \"n\": [1, {\"a\": \"}\"}]})"],
            ),
            (
                "Let me see.\n\n<tool_call>\n{\"name\": \"get\", \"arguments\": {}}\n</tool_call>\n<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"get_time\"}</tool_call>\n",
                &["Let me see.", "get({})", "get_time({\"a\":1})"],
            ),
            // Without the end, and with text behind.
            ("<tool_call>{\"name\": \"get\"}", &["get({})"]),
            ("<tool_call>{\"name\": \"get\"}\n</tool_", &["get({})"]),
            ("<tool_call>{\"name\": \"get\"} and", &["get({})", " and"]),
            // Only like a call.
            ("a <tool_cat> <tool", &["a <tool_cat> <tool"]),
            (" a \n", &[" a \n"]),
            ("<tool_call>no</tool_call>", &["<tool_call>no</tool_call>"]),
            (
                "x <tool_call>{\"name\": \"other\", \"arguments\": {}}</tool_call>",
                &["x <tool_call>{\"name\": \"other\", \"arguments\": {}}</tool_call>"],
            ),
            (
                "<tool_call><tool_call>{\"name\": \"get\"}</tool_call>",
                &["<tool_call>", "get({})"],
            ),
            // Broken, before and behind where a call has come out.
            (
                "<tool_call>{\"name\": \"ge",
                &["<tool_call>{\"name\": \"ge"],
            ),
            (
                "a <tool_call>{\"name\": \"get\", \"arguments\": {\"a\": \"b",
                &[
                    "a",
                    "! <tool_call>{\"name\": \"get\", \"arguments\": {\"a\": \"b",
                ],
            ),
            (
                "<tool_call>{\"name\": \"get\", \"arguments\": {a}} b",
                &["!<tool_call>{\"name\": \"get\", \"arguments\": {a}}", " b"],
            ),
            (
                "<tool_call>{\"name\": \"get\", \"arguments\": [1]}</tool_call>",
                &["<tool_call>{\"name\": \"get\", \"arguments\": [1]}</tool_call>"],
            ),
        ],
    );
}

#[test]
fn llama3() {
    check(
        Syntax::Llama3,
        &[
            (
                "{\"name\": \"get\", \"parameters\": {\"city\": \"Paris\"}}",
                &["get({\"city\": \"Paris\"})"],
            ),
            (
                "\n<|python_tag|>{\"type\": \"function\", \"name\": \"get\", \"parameters\": {}}; {\"name\": \"get_time\", \"parameters\": {}}",
                &["get({})", "get_time({})"],
            ),
            (
                "Hm. <|python_tag|>{\"name\": \"get\", \"parameters\": {}}",
                &["Hm.", "get({})"],
            ),
            // JSON that was asked for is text, and so is code of tools that nobody offered.
            (
                "{\"name\": \"Bob\", \"parameters\": {}}",
                &["{\"name\": \"Bob\", \"parameters\": {}}"],
            ),
            (
                "{\"a\": {\"name\": \"get\"}}",
                &["{\"a\": {\"name\": \"get\"}}"],
            ),
            ("a {\"name\": \"get\"}", &["a {\"name\": \"get\"}"]),
            (
                "<|python_tag|>brave_search.call(query=\"x\")",
                &["brave_search.call(query=\"x\")"],
            ),
            (
                "<|python_tag|>{\"name\": \"get\", \"parameters\": {\"a",
                &["!{\"name\": \"get\", \"parameters\": {\"a"],
            ),
        ],
    );
}

#[test]
fn mistral() {
    let list: &[(&str, &[&str])] = &[
        (
            "[TOOL_CALLS][{\"name\": \"get\", \"arguments\": {\"city\": \"Paris\"}, \"id\": \"abcdefghi\"}, {\"name\": \"get_time\", \"arguments\": {}}]",
            &["get({\"city\": \"Paris\"})", "get_time({})"],
        ),
        ("ok [TOOL_CALLS] [ {\"name\": \"get\"}]", &["ok", "get({})"]),
        ("[TOOL_CALLS][]", &["[]"]),
        ("[TOOL_CALLS", &["[TOOL_CALLS"]),
    ];
    let args: &[(&str, &[&str])] = &[
        (
            "[TOOL_CALLS]get[ARGS]{\"a\": {}}[TOOL_CALLS]get_time[CALL_ID]abcdefghi[ARGS]{}",
            &["get({\"a\": {}})", "get_time({})"],
        ),
        ("ok[TOOL_CALLS]get{\"a\": 1}", &["ok", "get({\"a\": 1})"]),
        ("[TOOL_CALLS]other[ARGS]{}", &["other[ARGS]{}"]),
        ("[TOOL_CALLS]get[ARGS]{\"a", &["!get{\"a"]),
    ];
    // Which of the two a model writes depends on its version; both are read.
    for syntax in [Syntax::MistralList, Syntax::MistralArgs { ids: false }] {
        check(syntax, list);
        check(syntax, args);
    }
}

#[test]
fn functionary() {
    check(
        Syntax::Functionary31,
        &[
            (
                "Wait. <function=get>{\"city\": \"Paris\"}</function><function=get_time>{}</function>",
                &["Wait.", "get({\"city\": \"Paris\"})", "get_time({})"],
            ),
            (
                "<function=get>x</function>",
                &["<function=get>x</function>"],
            ),
            ("a <function=b", &["a <function=b"]),
        ],
    );
    check(
        Syntax::Functionary32,
        &[
            ("all\nHello >>> x\n", &["Hello >>> x\n"]),
            (
                "all\nHm.>>>get\n{\"a\": 1}>>>get_time\n{}",
                &["Hm.", "get({\"a\": 1})", "get_time({})"],
            ),
            ("get\n{\"a\": 1}", &["get({\"a\": 1})"]),
            ("get\nno", &["get\nno"]),
            ("al", &["al"]),
            ("", &[]),
        ],
    );
}

proptest! {
    /// Text of the signs that syntaxes are made of, in any order.
    #[test]
    fn any_cut_of_any_text_is_the_same(parts in prop::collection::vec(prop::sample::select(vec![
        "<tool_call>", "</tool_call>", "<tool", "{\"name\": \"get\", \"arguments\": {", "{\"name\": \"get\"}",
        "{\"name\": \"get\", \"parameters\": {\"a\": \"b\"}}", "\"name\"", "{", "}", "[", "]", "\"", "\\", ",", ";", " ",
        "\n", "<|python_tag|>", "[TOOL_CALLS]", "[ARGS]", "get", "get[ARGS]{}", "<function=", "get>", "</function>",
        ">>>", "all\n", "get\n{}", "中", "é", "x",
    ]), 0..14)) {
        let text = parts.concat();
        for syntax in ALL {
            cut_anywhere(syntax, &text);
        }
    }

    /// Whatever arguments an object has, they come out as they were written.
    #[test]
    fn arguments_come_out_as_they_are(key in ".{0,6}", value in "\\PC{0,12}", number in any::<i32>()) {
        let arguments = serde_json::json!({key: [value, number]}).to_string();
        let forms = [
            (Syntax::Hermes, format!("<tool_call>\n{{\"name\": \"get\", \"arguments\": {arguments}}}\n</tool_call>")),
            (Syntax::Llama3, format!("{{\"name\": \"get\", \"parameters\": {arguments}}}")),
            (Syntax::MistralList, format!("[TOOL_CALLS][{{\"name\": \"get\", \"arguments\": {arguments}}}]")),
            (Syntax::MistralArgs { ids: false }, format!("[TOOL_CALLS]get[ARGS]{arguments}")),
            (Syntax::Functionary31, format!("<function=get>{arguments}</function>")),
            (Syntax::Functionary32, format!("get\n{arguments}")),
        ];
        for (syntax, text) in forms {
            prop_assert_eq!(whole(syntax, &text), [format!("get({arguments})")], "{:?}", syntax);
            cut_anywhere(syntax, &text);
        }
    }
}
