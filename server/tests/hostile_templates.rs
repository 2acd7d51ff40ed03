//! Templates that are out for stack, memory or time: the process that renders them pays, the server
//! answers, and the next request finds a process that works.
#![forbid(unsafe_code)]

use std::time::Duration;

use serde_json::json;
use sysinfer_server::prompt::sandbox::ARGUMENT;
use sysinfer_server::prompt::sandbox::process::{Program, TemplateProcess};
use sysinfer_server::prompt::template::{ChatTemplate, TokenTexts};
use sysinfer_server::prompt::{Conversation, Message, Role};

fn program() -> Program {
    Program {
        path: env!("CARGO_BIN_EXE_sysinfer-server").into(),
        arguments: vec![ARGUMENT.into()],
        deadline: Duration::from_secs(1),
    }
}

fn start(source: &str) -> Result<TemplateProcess, String> {
    let started = TemplateProcess::start(source, "hostile.jinja", TokenTexts::default(), program());
    started.map_err(|error| error.to_string())
}

fn says(content: &str) -> Conversation {
    let message = Message::new(Role::User, content);
    Conversation {
        messages: vec![message],
        ..Conversation::default()
    }
}

/// A template that does its worst only where the user says so.
fn on_demand(hostile: &str) -> String {
    format!("{{% if messages[0].content == 'now' %}}{hostile}{{% endif %}}fine")
}

#[test]
fn nothing_that_a_template_does_ends_the_server() {
    let lists = "{% set ns = namespace(x=['a'], y=['a']) %}{% for i in range(40) %}\
                 {% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}";
    let circle = "{% set ns = namespace() %}{% set ns.x = ns %}";
    let cases = [
        circle.to_owned() + "{{ ns }}",
        circle.to_owned() + "{{ ns | tojson }}",
        lists.to_owned() + "{{ ns.x == ns.y }}",
        lists.to_owned() + "{{ ns.x | tojson }}",
        "{% set s = 'x' * 100000 %}{{ s.replace('', s) }}".to_owned(),
        "{% set s = 'é' * 1000000 %}{% for i in range(90000) %}{% set t = s[900000] %}{% endfor %}"
            .to_owned(),
        "{{ 'x' * 100000000000 }}".to_owned(),
    ];
    for hostile in cases {
        let process = start(&on_demand(&hostile)).expect(&hostile);
        let error = process.render(&says("now")).expect_err(&hostile);
        let error = error.to_string();
        assert!(error.contains("chat template"), "{hostile}: {error}");
        // Which of its limits a template meets first depends on the host.
        let limits = ["was stopped", "ended", "fuel"];
        assert!(
            limits.iter().any(|limit| error.contains(limit)),
            "{hostile}: {error}"
        );
        assert_eq!(
            process.render(&says("later")),
            Ok("fine".into()),
            "{hostile}"
        );
    }
}

#[test]
fn sources_that_cannot_be_compiled_are_named() {
    let cases = [
        format!("{{{{ {}1 }}}}", "-".repeat(1_000_000)),
        "{% if %}".to_owned(),
    ];
    for source in cases {
        let error = start(&source).map(drop).expect_err("does not compile");
        assert!(error.contains("hostile.jinja"), "{error}");
        assert!(error.contains("--chat-template"), "{error}");
    }
}

#[test]
fn other_templates_render_as_in_this_process() {
    let mut conversation = says(" Grüße\n\u{1e} \"quoted\" ");
    conversation
        .variables
        .insert("deep".into(), json!({"a": [1, 2.5, null, true]}));
    let sources = [
        "{% for m in messages %}{{ m.role }}: {{ m.content | trim }}{% endfor %}",
        "{{ deep | tojson }}{{ bos_token }}",
        "{{ raise_exception('no system role') }}",
        "{{ undefined.attribute }}",
    ];
    for source in sources {
        let here = ChatTemplate::new(source, "x", TokenTexts::default(), || {
            jiff::Timestamp::UNIX_EPOCH
        });
        let here = here.expect(source).render(&conversation);
        assert_eq!(
            start(source).expect(source).render(&conversation),
            here,
            "{source}"
        );
    }
}

#[test]
fn a_program_that_is_none_is_an_error() {
    for path in ["/nonexistent", "/bin/true"] {
        let program = Program {
            path: path.into(),
            ..program()
        };
        let started = TemplateProcess::start("x", "x.jinja", TokenTexts::default(), program);
        assert!(started.is_err(), "{path}");
    }
}
