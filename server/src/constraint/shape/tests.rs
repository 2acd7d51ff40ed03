//! Answers with thoughts and calls, byte by byte.

use serde_json::{Value, json};

use super::*;
use crate::scheduler::Guide;
use crate::tools::asked as tools;
use crate::tools::format::Syntax;

const MARK: u32 = 257;
const ARGS: u32 = 258;
const THINK_ENDS: u32 = 259;

/// Every byte is a token; then the one that ends answers, and control tokens.
fn bytes() -> Grammars {
    let mut words: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    for name in ["<end>", "<mark>", "<args>", "</think>"] {
        words.push([b"\xFF", name.as_bytes()].concat());
    }
    Grammars::of_words(&words, 256).expect("a vocabulary")
}

fn format(syntax: Syntax, specials: &[(&'static str, u32)]) -> ChatFormat {
    ChatFormat {
        syntax,
        thinks: false,
        specials: specials.to_vec(),
    }
}

/// Two functions, one of which takes a city.
fn offer(fields: Value) -> Offer {
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}},
        "required": ["city"], "additionalProperties": false});
    let mut body = json!({"tools": [
        {"type": "function", "function": {"name": "get", "parameters": city}},
        {"type": "function", "function": {"name": "get.time"}},
    ]});
    body.as_object_mut()
        .expect("an object")
        .extend(fields.as_object().cloned().unwrap_or_default());
    let mut body = body.as_object().cloned().unwrap_or_default();
    tools::take(&mut body).expect("valid").expect("offers")
}

fn form(pattern: &str) -> Asked {
    Asked {
        field: "guided_regex".into(),
        form: Form::Regex(pattern.into()),
        white_space: None,
    }
}

/// Tokens of a text, in which a control token stands as its number between `«` and `»`.
fn tokens(text: &str) -> Vec<u32> {
    let mut all = Vec::new();
    for (number, part) in text.split(['«', '»']).enumerate() {
        match number % 2 {
            0 => all.extend(part.bytes().map(u32::from)),
            _ => all.push(part.parse().expect("a token")),
        }
    }
    all
}

/// Whether an answer may be this: how many of its tokens, and whether it may end there.
fn fits(follow: &mut Follow, text: &str) -> Result<(), String> {
    for (place, token) in tokens(text).into_iter().enumerate() {
        if !follow.allows(token).expect("cheap") {
            return Err(format!("{text:?} is refused at {place}"));
        }
        follow.take(token).expect("allowed");
    }
    match follow.may_end().expect("cheap") {
        true => Ok(()),
        false => Err(format!("{text:?} may not end")),
    }
}

fn check(format: &ChatFormat, offer: &Offer, form: Option<&Asked>, cases: &[(&str, bool)]) {
    let grammars = bytes();
    for (text, wanted) in cases {
        let shape = Shape {
            format,
            opened: false,
            form,
            offer: Some(offer),
        };
        let follow = grammars.shaped(shape).map_err(|error| error.body());
        let mut follow = follow.expect("compiles").expect("has a shape");
        let fits = fits(&mut follow, text);
        assert_eq!(
            fits.is_ok(),
            *wanted,
            "{:?}: {text:?} {fits:?}",
            format.syntax
        );
    }
}

const CITY: &str = "{\"name\": \"get\", \"arguments\": {\"city\": \"上海\"}}";

#[test]
fn calls_that_must_be_are_calls_of_what_may_be_called_with_what_they_take() {
    let hermes = format(Syntax::Hermes, &[]);
    let call = |inner: &str| format!("<tool_call>\n{inner}\n</tool_call>");
    let (good, other) = (call(CITY), call("{\"name\":\"get.time\",\"arguments\":{}}"));
    let cases = [
        (good.as_str(), true),
        (&format!("{good}\n{other}"), true),
        (&call("{\"name\": \"get\", \"arguments\": {}}"), false),
        (
            &call("{\"name\": \"get\", \"arguments\": {\"city\": 1}}"),
            false,
        ),
        (&call("{\"name\": \"getxtime\", \"arguments\": {}}"), false),
        (&format!("Well, {good}"), false),
        ("<tool_call>", false),
        ("", false),
    ];
    check(
        &hermes,
        &offer(json!({"tool_choice": "required"})),
        None,
        &cases,
    );
    let named = json!({"tool_choice": {"type": "function", "function": {"name": "get"}}});
    let cases = [
        (good.as_str(), true),
        (other.as_str(), false),
        (&format!("{good}\n{good}"), false),
    ];
    check(&hermes, &offer(named), None, &cases);
}

#[test]
fn calls_that_may_be_are_free_until_they_begin() {
    let hermes = format(Syntax::Hermes, &[]);
    let good = format!("<tool_call>\n{CITY}\n</tool_call>");
    let cases = [
        ("", true),
        ("Any text <tool {\"name\": 3}\n中", true),
        (good.as_str(), true),
        (&format!("Text.\n\n{good}\n{good} more"), true),
        ("Text <tool_call>{\"a", false),
        ("<tool_call>{\"name\": \"x", false),
        (&format!("{good}<tool_call>no"), false),
    ];
    check(&hermes, &offer(json!({})), None, &cases);
    let cases = [
        ("Any <tool text", true),
        (&format!("Text {good}"), true),
        (&format!("{good}<tool_call>"), false),
    ];
    check(
        &hermes,
        &offer(json!({"parallel_tool_calls": false})),
        None,
        &cases,
    );
}

#[test]
fn every_syntax_has_its_calls() {
    let required = || offer(json!({"tool_choice": "required"}));
    let auto = || offer(json!({}));
    let hermes = format(
        Syntax::Hermes,
        &[("<tool_call>", MARK), ("</tool_call>", ARGS)],
    );
    let cases = [
        (&*format!("«257»{CITY}«258»«257»{CITY}«258»"), true),
        (CITY, false),
    ];
    check(&hermes, &required(), None, &cases);
    check(
        &hermes,
        &auto(),
        None,
        &[
            (&format!("a «257»{CITY}«258» b"), true),
            ("a «257»b", false),
        ],
    );

    let llama = format(Syntax::Llama3, &[("<|python_tag|>", MARK)]);
    let bare = CITY.replace("arguments", "parameters");
    let cases = [
        (bare.as_str(), true),
        (&format!("{bare}; {bare}"), false),
        ("{\"name\": \"Bob\"}", false),
    ];
    check(&llama, &required(), None, &cases);
    let cases = [
        (bare.as_str(), true),
        (&format!("«257»{bare}"), true),
        (&format!("text «257»{bare}"), true),
        ("{\"name\": \"Bob\", \"age\": 3}", true),
        ("any text {\"name\": \"get\", 3", true),
        ("{\"name\": \"get\", \"parameters\": {\"city\": 3", false),
    ];
    check(&llama, &auto(), None, &cases);

    let list = format(Syntax::MistralList, &[("[TOOL_CALLS]", MARK)]);
    let cases = [
        (&*format!("«257»[{CITY}]"), true),
        (&format!("«257»[{CITY}, {CITY}]"), true),
        (&format!("«257»[{CITY}"), false),
        ("text", false),
    ];
    check(&list, &required(), None, &cases);
    let cases = [
        ("text [", true),
        (&format!("text«257»[{CITY}]"), true),
        ("«257»a", false),
    ];
    check(&list, &auto(), None, &cases);
    let list = format(Syntax::MistralList, &[]);
    let cases = [
        ("text [TOOL", true),
        (&format!("[TOOL_CALLS][{CITY}]"), true),
    ];
    check(&list, &auto(), None, &cases);

    let marks = [("[TOOL_CALLS]", MARK), ("[ARGS]", ARGS)];
    let args = format(Syntax::MistralArgs { ids: false }, &marks);
    let one = "«257»get«258»{\"city\": \"\"}";
    let cases = [
        (&*format!("{one}«257»get.time«258»{{}}"), true),
        ("«257»get«258»{\"town\": \"\"}", false),
        ("«257»other«258»{}", false),
    ];
    check(&args, &required(), None, &cases);
    check(
        &args,
        &auto(),
        None,
        &[
            ("text", true),
            (&format!("a{one}{one}"), true),
            ("«257»a", false),
        ],
    );
    let args = format(Syntax::MistralArgs { ids: true }, &marks);
    let with_id = "«257»get[CALL_ID]abcdefghi«258»{\"city\": \"\"}";
    check(&args, &required(), None, &[(with_id, true), (one, true)]);

    let functionary = format(Syntax::Functionary31, &[]);
    let one = "<function=get>{\"city\": \"\"}</function>";
    let cases = [
        (&*format!("{one}{one}"), true),
        ("<function=x>", false),
        ("a", false),
    ];
    check(&functionary, &required(), None, &cases);
    let cases = [
        (&*format!("a {one} b {one}"), true),
        ("a <function=x>", true),
        ("<function=get>x", false),
    ];
    check(&functionary, &auto(), None, &cases);

    let functionary = format(Syntax::Functionary32, &[]);
    let one = "get\n{\"city\": \"\"}";
    let cases = [
        (&*format!("{one}>>>{one}"), true),
        ("all\na", false),
        ("get\nx", false),
    ];
    check(&functionary, &required(), None, &cases);
    let cases = [
        (one, true),
        (&format!("{one}>>>{one}"), true),
        ("all\nany >>> text", true),
        (&format!("all\ntext>>>{one}"), true),
        ("all\ntext>>>get\nx", false),
        ("text", false),
    ];
    check(&functionary, &auto(), None, &cases);
    let single = offer(json!({"parallel_tool_calls": false}));
    let cases = [
        (one, true),
        ("all\ntext", true),
        (&format!("all\ntext>>>{one}"), true),
        (&format!("{one}>>>{one}"), false),
    ];
    check(&functionary, &single, None, &cases);
}

#[test]
fn what_is_no_call_may_have_a_form() {
    let (hermes, form) = (format(Syntax::Hermes, &[]), form("[0-9]+"));
    let good = format!("<tool_call>\n{CITY}\n</tool_call>");
    let cases = [
        ("12", true),
        (good.as_str(), true),
        ("a", false),
        (&format!("1{good}"), false),
    ];
    check(&hermes, &offer(json!({})), Some(&form), &cases);
    let json = Asked {
        form: Form::Schema(
            json!({"type": "object", "properties": {"n": {"type": "integer"}},
            "required": ["n"], "additionalProperties": false}),
        ),
        ..form.clone()
    };
    let llama = format(Syntax::Llama3, &[("<|python_tag|>", MARK)]);
    let call = format!("«257»{}", CITY.replace("arguments", "parameters"));
    for (format, call) in [(&hermes, &good), (&llama, &call)] {
        let cases = [
            ("{\"n\": 1}", true),
            (call.as_str(), true),
            ("{\"a\": 1}", false),
            ("{\"name\": \"x\"", false),
        ];
        check(format, &offer(json!({})), Some(&json), &cases);
    }
    let functionary = format(Syntax::Functionary32, &[]);
    let cases = [
        ("all\n12", true),
        ("get\n{\"city\": \"\"}", true),
        ("12", false),
    ];
    check(&functionary, &offer(json!({})), Some(&form), &cases);
}

#[test]
fn a_form_stands_behind_the_recipient_of_text() {
    let format = format(Syntax::Functionary32, &[]);
    let form = form("[0-9]+");
    let shape = Shape {
        format: &format,
        opened: false,
        form: Some(&form),
        offer: None,
    };
    for (text, wanted) in [("all\n12", true), ("12", false), ("all\nx", false)] {
        let follow = bytes().shaped(shape).map_err(|error| error.body());
        let fits = fits(&mut follow.expect("compiles").expect("a form"), text);
        assert_eq!(fits.is_ok(), wanted, "{text:?} {fits:?}");
    }
}

#[test]
fn thoughts_come_first_and_are_free() {
    let form = form("[0-9]+");
    let plain = [
        (false, "12", true),
        (
            false,
            "<think>\nany 中 <tool_call> thing\n</think>\n\n12",
            true,
        ),
        (false, "<think>12", false),
        (false, "<think></think>a", false),
        (true, "any thing</think>\n\n12", true),
        (true, "</think>12", true),
        (true, "12", false),
        (true, "</think>a", false),
    ];
    for specials in [vec![], vec![(THINK_END, THINK_ENDS)]] {
        let is_special = !specials.is_empty();
        let mut format = format(Syntax::Hermes, &specials);
        format.thinks = true;
        for (opened, text, wanted) in plain {
            let text = match is_special {
                true => text.replace(THINK_END, "«259»"),
                false => text.to_owned(),
            };
            let shape = Shape {
                format: &format,
                opened,
                form: Some(&form),
                offer: None,
            };
            let follow = bytes().shaped(shape).map_err(|error| error.body());
            let fits = fits(&mut follow.expect("compiles").expect("a form"), &text);
            assert_eq!(fits.is_ok(), wanted, "{opened} {text:?} {fits:?}");
            let call = format!("<tool_call>{CITY}</tool_call>");
            let offer = offer(json!({"tool_choice": "required"}));
            let shape = Shape {
                form: None,
                offer: Some(&offer),
                ..shape
            };
            let follow = bytes().shaped(shape).map_err(|error| error.body());
            let text = text.replace("12", &call);
            let fits = self::fits(&mut follow.expect("compiles").expect("calls"), &text);
            assert_eq!(fits.is_ok(), wanted, "{opened} {text:?} {fits:?}");
        }
    }
}

#[test]
fn a_schema_that_cannot_be_compiled_is_named() {
    let mut offer = offer(json!({}));
    offer.tools[1].parameters = json!({"type": "object", "properties": {"a": {"if": {}}}});
    let format = format(Syntax::Hermes, &[]);
    let shape = Shape {
        format: &format,
        opened: false,
        form: None,
        offer: Some(&offer),
    };
    let error = bytes().shaped(shape).err().expect("refused").body();
    assert_eq!(
        error["error"]["param"], "tools[1].function.parameters",
        "{error}"
    );
    let mut offer = offer.clone();
    offer.tools[0].parameters = json!({"type": "object", "x-guidance": {}});
    let shape = Shape {
        offer: Some(&offer),
        ..shape
    };
    let error = bytes().shaped(shape).err().expect("refused").body();
    assert_eq!(
        error["error"]["param"], "tools[0].function.parameters",
        "{error}"
    );
}
