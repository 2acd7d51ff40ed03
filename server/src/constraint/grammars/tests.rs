use std::time::{Duration, Instant};

use super::*;
use crate::scheduler::Guide;

/// Every byte is a token; the last one ends answers.
fn bytes() -> Grammars {
    let mut words: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    words.push(b"\xFF<end>".to_vec());
    Grammars::of_words(&words, 256).expect("a vocabulary")
}

fn asked(form: Form) -> Asked {
    Asked {
        field: "form".into(),
        form,
        white_space: None,
    }
}

/// How far an answer may go, and whether it may end there.
fn followed(follow: &mut Follow, text: &str) -> (usize, bool) {
    for (place, byte) in text.bytes().enumerate() {
        if !follow.allows(byte.into()).expect("cheap") {
            return (place, false);
        }
        follow.take(byte.into()).expect("allowed");
    }
    (text.len(), follow.may_end().expect("cheap"))
}

#[test]
fn forms_let_through_what_has_them_and_nothing_else() {
    let schema = json!({
        "type": "object",
        "properties": {"/a~b.c": {"type": "string"}, "n": {"type": "integer", "minimum": 3, "maximum": 12}},
        "required": ["/a~b.c", "n"], "additionalProperties": false,
    });
    let cases = [
        (
            Form::Schema(schema.clone()),
            "{\"/a~b.c\": \"中文\", \"n\": 12}",
            true,
        ),
        (
            Form::Schema(schema.clone()),
            "{\"/a~b.c\":\"\",\n  \"n\":3}",
            true,
        ),
        (
            Form::Schema(schema.clone()),
            "{\"/a~b.c\":\"\",\"n\":13}",
            false,
        ),
        (Form::Schema(schema.clone()), "{\"n\":3}", false),
        (Form::Schema(schema), "{ ", false),
        (Form::Regex("[0-9]{3}-[a-z]+".into()), "123-abc", true),
        (Form::Regex("[0-9]{3}-[a-z]+".into()), "12a", false),
        (
            Form::Choice(vec!["yes".into(), "no \"way\"".into()]),
            "no \"way\"",
            true,
        ),
        (Form::Choice(vec!["yes".into(), "no".into()]), "ye", false),
        (
            Form::Grammar("start: \"a\" start \"b\" | \"c\"".into()),
            "aacbb",
            true,
        ),
        (
            Form::Grammar("root ::= \"a\" root \"b\" | [c-e]+".into()),
            "aadceebb",
            true,
        ),
        (
            Form::Grammar("root ::= \"a\" root \"b\" | [c-e]+".into()),
            "aab",
            false,
        ),
    ];
    let grammars = bytes();
    for (form, text, whole) in cases {
        let mut follow = grammars
            .compile(&asked(form.clone()))
            .map_err(|error| error.body());
        let follow = follow.as_mut().expect("it compiles");
        let (length, may_end) = followed(follow, text);
        assert_eq!(
            (length, may_end) == (text.len(), true),
            whole,
            "{form:?}: {text}: {length}"
        );
    }
}

#[test]
fn what_may_follow_is_what_is_allowed() {
    let grammars = bytes();
    let form = Form::Choice(vec!["ab".into(), "ac".into(), "b".into()]);
    let mut follow = grammars.compile(&asked(form)).expect("it compiles");
    let has = |follow: &mut Follow| {
        let set = follow.allowed().expect("cheap");
        (0..257)
            .filter(|token| set.has(*token))
            .collect::<Vec<u32>>()
    };
    assert_eq!(has(&mut follow), [97, 98]);
    follow.take(97).expect("allowed");
    assert_eq!(has(&mut follow), [98, 99]);
    assert!(!follow.is_complete());
    follow.take(98).expect("allowed");
    assert!(follow.is_complete(), "nothing may follow");
}

#[test]
fn what_would_be_endless_if_it_were_spelt_out_is_followed_as_it_comes() {
    let form = Form::Regex("((a{1,1000}){1,1000}){1,1000}b".into());
    let mut follow = bytes().compile(&asked(form)).expect("it compiles");
    assert_eq!(followed(&mut follow, "aaaab"), (5, true));
}

#[test]
fn what_cannot_be_compiled_is_refused_soon_and_named() {
    let deep = |open: &str, count: usize| open.repeat(count);
    let cases = [
        (Form::Schema(json!({"type": "strin"})), "strin"),
        (Form::Schema(json!({"if": {}, "then": {}})), "if"),
        (
            Form::Schema(json!({"$ref": "https://example.com/schema"})),
            "a $ref or",
        ),
        (
            Form::Schema(json!({"x-guidance": {"lenient": true}})),
            "x-guidance",
        ),
        (Form::Regex("(".into()), "regex"),
        (Form::Regex("(?=a)b".into()), "look"),
        (Form::Regex(deep("(", 5000)), "nested"),
        (Form::Regex("a".repeat(70_000)), "bytes"),
        (Form::Grammar("start: nothing".into()), "nothing"),
        (Form::Grammar("root ::= \"a".into()), "line 1"),
        (Form::Grammar(deep("start: (", 5000)), "nested"),
        (Form::Grammar("root ::= root".into()), ""),
    ];
    let grammars = bytes();
    for (form, word) in cases {
        let began = Instant::now();
        let refused = grammars.compile(&asked(form.clone())).err();
        let error = refused.map(|error| error.body()["error"]["message"].to_string());
        let shown = format!("{form:?}").chars().take(80).collect::<String>();
        let error = error.unwrap_or_else(|| panic!("{shown} compiles"));
        assert!(error.contains(word), "{shown}: {error}");
        assert!(error.len() < 2000, "{error}");
        // Far from what it takes; nothing hangs.
        assert!(began.elapsed() < Duration::from_secs(30), "{shown}");
    }
}
