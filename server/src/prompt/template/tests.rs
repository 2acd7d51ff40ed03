use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::prompt::{Message, Role};

fn noon() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn tokens() -> TokenTexts {
    TokenTexts {
        bos: "<s>".into(),
        eos: "</s>".into(),
        user: "<U>".into(),
        assistant: "<A>".into(),
    }
}

fn conversation(messages: &[(Role, &str)]) -> Conversation {
    let message = |(role, content): &(Role, &str)| Message::new(*role, *content);
    Conversation {
        messages: messages.iter().map(message).collect(),
        ..Conversation::default()
    }
}

fn render(source: &str, conversation: &Conversation) -> Result<String, PromptError> {
    ChatTemplate::new(source, "test", tokens(), noon)
        .expect("compiles")
        .render(conversation)
}

#[test]
fn an_answer_is_begun_unless_the_prompt_ends_otherwise() {
    let source = "{{ add_generation_prompt }}";
    let mut talk = conversation(&[(Role::User, "a")]);
    assert_eq!(render(source, &talk), Ok("True".into()));
    for ending in [Ending::AfterLastMessage, Ending::InLastMessage] {
        talk.ending = ending;
        assert_eq!(render(source, &talk), Ok("False".into()));
    }
}

#[test]
fn a_template_gets_what_hugging_face_gives_it() {
    let mut talk = conversation(&[(Role::User, "  a</think>b  ")]);
    talk.variables
        .insert("enable_thinking".into(), json!(false));
    talk.variables.insert("messages".into(), json!("not these"));
    let cases = [
        (
            "{{ messages[0].content.split('</think>')[-1].strip() }}",
            "b",
        ),
        ("{{ messages[0]['content'].startswith('  a') }}", "True"),
        (
            "{% if enable_thinking is defined and enable_thinking is false %}off{% endif %}",
            "off",
        ),
        (
            "{{ strftime_now('%d %B %Y') }}{{ date_string is defined }}",
            "01 January 1970False",
        ),
        (
            "{{ {'a': [1, '<b>'], 'ü': none} | tojson }}",
            "{\"a\": [1, \"<b>\"], \"ü\": null}",
        ),
        ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
        ("{{ tools is none and documents is none }}", "True"),
        (
            "{% for m in messages %}\n    {% if loop.first %}\none\n    {% endif %}\n{% endfor %}\n",
            "one\n",
        ),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
        ),
        ("{% for m in messages %}{% break %}{% endfor %}z", "z"),
        (
            "a {%- generation -%} b {%- endgeneration -%} c{% generation %}\nd{%endgeneration%}",
            "abcd",
        ),
        ("{{ '{% if' }}{{ '{%' }}", "{% if{%"),
    ];
    for (source, wanted) in cases {
        assert_eq!(render(source, &talk), Ok(wanted.to_string()), "{source}");
    }
}

#[test]
fn a_request_may_set_the_date_and_nothing_else_of_ours() {
    let mut talk = conversation(&[(Role::User, "x")]);
    for name in ["date_string", "bos_token", "add_generation_prompt"] {
        talk.variables.insert(name.into(), json!("mine"));
    }
    let source = "{{ date_string }} {{ bos_token }} {{ add_generation_prompt }}";
    assert_eq!(render(source, &talk), Ok("mine <s> True".into()));
}

#[test]
fn what_a_template_raises_reaches_the_client() {
    let talk = conversation(&[(Role::System, "x")]);
    let error = render("{{ raise_exception('System role not supported') }}", &talk);
    assert_eq!(
        error,
        Err(PromptError::Template("System role not supported".into()))
    );
}

#[test]
fn broken_templates_name_their_origin_and_line() {
    for source in [
        "\n{% if %}",
        "{{ 'open",
        "{% for x in y %}",
        "{% nonsense %}",
    ] {
        let error = ChatTemplate::new(source, "tmpl.jinja", tokens(), noon).expect_err(source);
        let message = error.to_string();
        assert!(
            message.contains("tmpl.jinja") && message.contains("line"),
            "{message}"
        );
    }
    let long = " ".repeat(LONGEST_SOURCE_BYTES + 1);
    assert!(ChatTemplate::new(&long, "tmpl.jinja", tokens(), noon).is_err());
}

#[test]
fn hostile_templates_run_out_of_fuel() {
    let talk = conversation(&[(Role::User, "x")]);
    let cases = [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ 'x' * 100000000000 }}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ missing.attribute }}",
    ];
    for source in cases {
        assert!(
            matches!(render(source, &talk), Err(PromptError::Template(_))),
            "{source}"
        );
    }
}

/// What a template makes of a user's question and an assistant's message of these fields.
fn answered(source: &str, fields: serde_json::Value) -> Result<String, PromptError> {
    let fields = fields.as_object().cloned().unwrap_or_default();
    let assistant = Message::of_fields(Role::Assistant, fields);
    let mut talk = conversation(&[(Role::User, "q")]);
    talk.messages.push(assistant);
    render(source, &talk)
}

#[test]
fn arguments_come_in_the_form_that_the_template_reads() {
    const SENT: &str = r#"{"b":1,"a":[2.0]}"#;
    const WRITTEN: &str = r#"{"b": 1, "a": [2.0]}"#;
    let cases = [
        ("{{ f.arguments | tojson }}", WRITTEN),
        (
            "{{ f | tojson }}",
            r#"{"name": "f", "arguments": {"b": 1, "a": [2.0]}}"#,
        ),
        ("{{ f.name + f.arguments }}", r#"f{"b":1,"a":[2.0]}"#),
        ("{{ f.name ~ f.arguments }}", r#"f{"b":1,"a":[2.0]}"#),
        ("{{ f.arguments }}", SENT),
        (
            "{% for k, v in f.arguments.items() %}{{ k }}={{ v }};{% endfor %}",
            "b=1;a=[2.0];",
        ),
        (
            "{% for k, v in f.arguments | items %}{{ k }}={{ v | string }};{% endfor %}",
            "b=1;a=[2.0];",
        ),
        (
            "{{ f.arguments if f.arguments is string else f.arguments | tojson }}",
            SENT,
        ),
        (
            "{% if f.arguments is mapping %}{% for k in f.arguments %}<{{ k }}>{{ f.arguments[k] }}{% endfor %}{% else %}{{ f.arguments }}{% endif %}",
            "<b>1<a>[2.0]",
        ),
        (
            "{% if f.arguments is not mapping %}{{ raise_exception('a mapping, please') }}{% endif %}{{ f.arguments.a }}",
            "[2.0]",
        ),
    ];
    for (inner, wanted) in cases {
        let source = format!(
            "{{% for m in messages %}}{{% for c in m.tool_calls %}}{{% set f = c.function %}}{inner}{{% endfor %}}{{% endfor %}}"
        );
        // Whether the content is null must not matter.
        for content in [json!(null), json!("c")] {
            let call = json!({"id": "1", "function": {"name": "f", "arguments": SENT}});
            let fields = json!({"role": "assistant", "content": content, "tool_calls": [call]});
            assert_eq!(answered(&source, fields), Ok(wanted.into()), "{inner}");
        }
    }
}

#[test]
fn arguments_that_are_no_object_stay_what_they_are() {
    let source = "{% for m in messages %}{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
    for (sent, wanted) in [
        (json!("no {json"), "\"no {json\""),
        (json!("[1]"), "\"[1]\""),
        (json!(""), "{}"),
        (json!({"a": 1}), "{\"a\": 1}"),
    ] {
        let call = json!({"function": {"name": "f", "arguments": sent}});
        let fields = json!({"role": "assistant", "content": "", "tool_calls": [call]});
        assert_eq!(answered(source, fields), Ok(wanted.into()));
    }
    // An object for a template that reads text.
    let source = "{% for m in messages %}{% for c in m.tool_calls %}{{ 'f' + c.function.arguments }}{% endfor %}{% endfor %}";
    let call = json!({"function": {"name": "f", "arguments": {"a": [1, null]}}});
    let fields = json!({"role": "assistant", "content": "", "tool_calls": [call]});
    assert_eq!(answered(source, fields), Ok("f{\"a\": [1, null]}".into()));
}

#[test]
fn a_content_of_null_is_none_where_the_template_can_take_it() {
    let cases = [
        (
            "{% if m.content is none %}none{% else %}{{ m.content }}{% endif %}",
            "none",
        ),
        ("{{ 'c' + m.content }}", "c"),
        ("{{ 'c' ~ m.content }}", "c"),
        ("{{ m.content }}|", "|"),
        ("{{ m.content | trim }}|", "|"),
        ("{% if m.content %}{{ m.content }}{% endif %}|", "|"),
        ("{{ 'there' if 'content' in m else 'not there' }}", "there"),
        (
            "{{ m | tojson }}",
            r#"{"role": "assistant", "content": null}"#,
        ),
        (
            "{{ m.content[0].text + 'x' if m.content is not string else 'text' }}",
            "text",
        ),
    ];
    for (inner, wanted) in cases {
        let source =
            format!("{{% for m in messages if m.role == 'assistant' %}}{inner}{{% endfor %}}");
        let fields = json!({"role": "assistant", "content": null});
        assert_eq!(answered(&source, fields), Ok(wanted.into()), "{inner}");
    }
    let missing = json!({"role": "assistant", "name": "n"});
    for (inner, wanted) in [
        ("{{ m.content is defined }}", "False"),
        ("{{ 'c' + m.content }}", "c"),
    ] {
        let source =
            format!("{{% for m in messages if m.role == 'assistant' %}}{inner}{{% endfor %}}");
        assert_eq!(
            answered(&source, missing.clone()),
            Ok(wanted.into()),
            "{inner}"
        );
    }
}

#[test]
fn contents_come_as_text_or_as_parts_as_the_template_reads_them() {
    let part = |text: &str| json!({"type": "text", "text": text});
    let texts = "{% for m in messages %}{{ m.content + ';' }}{% endfor %}";
    let parts = "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}+{% endif %}{% endfor %};{% endfor %}";
    let both = "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p['text'] }}+{% endfor %}{% endif %};{% endfor %}";
    let printed = "{% for m in messages %}{{ m.content }};{% endfor %}";
    for (source, wanted) in [
        (texts, "q;a\nb;"),
        (parts, "q+;a+b+;"),
        (both, "q;a+b+;"),
        (printed, "q;a\nb;"),
    ] {
        let fields = json!({"role": "assistant", "content": [part("a"), part("b")]});
        assert_eq!(answered(source, fields), Ok(wanted.into()), "{source}");
    }
}

#[test]
fn messages_keep_their_fields_and_the_order_of_them() {
    let source = "{% for m in messages if m.role == 'assistant' %}{{ m | tojson }}{% endfor %}";
    let fields = json!({"tool_plan": "p", "content": "c", "role": "assistant"});
    let wanted = r#"{"tool_plan": "p", "content": "c", "role": "assistant"}"#;
    assert_eq!(answered(source, fields), Ok(wanted.into()));
    let thoughts = "{% for m in messages %}{{ m.thinking }}{{ m.reasoning_content }}{% endfor %}";
    for name in ["reasoning_content", "thinking", "reasoning"] {
        let fields = json!({"role": "assistant", "content": "c", name: "t"});
        assert_eq!(answered(thoughts, fields), Ok("tt".into()), "{name}");
    }
}

#[test]
fn developers_are_systems_where_the_template_knows_none() {
    let talk = conversation(&[(Role::Developer, "d"), (Role::User, "u")]);
    let source = "{% for m in messages %}{{ m.role }} {% endfor %}";
    assert_eq!(render(source, &talk), Ok("system user ".into()));
    let source = source.to_owned() + "{# developer #}";
    assert_eq!(render(&source, &talk), Ok("developer user ".into()));
}

#[test]
fn sources_and_values_are_read_and_printed_as_in_python() {
    let talk = conversation(&[(Role::User, "x")]);
    let cases = [
        (
            "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\n{{ 'c\r\nd' }}\r\n",
            "a\nb\nc\nd",
        ),
        (r"{{ '\d\/\x41\a' }}", "\\d\\/A\x07"),
        (
            "{% generation %}{% set n = 9 %}x{% endgeneration %}{{ n is defined }}",
            "xFalse",
        ),
        ("{% raw %}{% generation %}{% endraw %}", "{% generation %}"),
        (
            "{{ 1e16 }} {{ [1e-5, none, true, \"it's\"] }}",
            "1e+16 [1e-05, None, True, \"it's\"]",
        ),
        (
            "{{ {'b': 1e20, 'a': 'é'} | tojson(ensure_ascii=true, sort_keys=true) }}",
            r#"{"a": "\u00e9", "b": 1e+20}"#,
        ),
        (
            "{{ {1: [], none: {}} | tojson(indent=1, separators=(',', ':')) }}",
            "{\n \"1\":[],\n \"null\":{}\n}",
        ),
        (
            "{{ 'a' is sequence and {} is sequence }}{{ none is iterable }}{{ range is callable }}",
            "TrueFalseTrue",
        ),
        (
            "{{ 'a--b'.partition('--') }}{{ 'a b c'.rsplit(None, 1) }}",
            "('a', '--', 'b')['a b', 'c']",
        ),
        (
            "{{ 'a\\r\\nb\\x0bc'.splitlines() }}{{ 'ab'.removeprefix('a') }}",
            "['a', 'b', 'c']b",
        ),
        (
            "{{ dict({'a': 1}, b=2) }}{{ dict([('c', 3)]) }}",
            "{'a': 1, 'b': 2}{'c': 3}",
        ),
        ("{{ '<\"' | e }}{{ '<' | e | e }}", "&lt;&#34;&lt;"),
    ];
    for (source, wanted) in cases {
        assert_eq!(render(source, &talk), Ok(wanted.to_string()), "{source}");
    }
    for refused in [
        "{{ missing | tojson }}",
        "{{ {}.items() | tojson }}",
        "{{ [1].append(2) }}",
        "{{ ','.join([1]) }}",
        "{{ 'x' | bool }}",
    ] {
        assert!(render(refused, &talk).is_err(), "{refused}");
    }
}

#[test]
fn the_mark_of_the_guard_is_never_escaped() {
    let talk = conversation(&[(Role::User, "<\u{100000}x")]);
    let source = "{{ messages[0].content | tojson(ensure_ascii=true) }}{{ [messages[0].content] }}";
    let wanted = "\"<\u{100000}x\"['<\u{100000}x']";
    assert_eq!(render(source, &talk), Ok(wanted.into()));
}

#[test]
fn tools_come_as_they_were_sent_and_filled_where_that_fails() {
    let mut talk = conversation(&[(Role::User, "x")]);
    let source = "{% if tools is not none %}{{ tools | tojson }}{% else %}none{% endif %}";
    assert_eq!(render(source, &talk), Ok("none".into()));
    let sent = json!({"type": "function", "function": {"strict": true, "name": "f"}});
    talk.tools = vec![sent];
    let wanted = r#"[{"type": "function", "function": {"strict": true, "name": "f"}}]"#;
    assert_eq!(render(source, &talk), Ok(wanted.into()));
    // Offered ones count, whatever a variable says.
    talk.variables.insert("tools".into(), json!([]));
    assert_eq!(render(source, &talk), Ok(wanted.into()));
    let needs = "{% for t in tools %}{{ t.function.name + ': ' + t.function.description }} {{ t.function.parameters.type }}{% endfor %}";
    assert_eq!(render(needs, &talk), Ok("f:  object".into()));
}

#[test]
fn ids_are_short_where_the_template_refuses_others() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let long = "chatcmpl-tool-1234567890abcdef";
    let calls = json!([call("abcDEF123"), call(long)]);
    let fields = json!({"role": "assistant", "content": "", "tool_calls": calls});
    let result = |id: &str| {
        let fields = json!({"role": "tool", "content": "r", "tool_call_id": id});
        Message::of_fields(Role::Tool, fields.as_object().cloned().unwrap_or_default())
    };
    let mut talk = conversation(&[(Role::User, "x")]);
    let assistant = fields.as_object().cloned().unwrap_or_default();
    talk.messages
        .push(Message::of_fields(Role::Assistant, assistant));
    talk.messages.extend([result("abcDEF123"), result(long)]);
    let shows = "{% for m in messages %}{% for c in m.tool_calls %}{{ c.id }} {% endfor %}{{ m.tool_call_id }} {% endfor %}";
    let refuses = "{% for m in messages %}{% for c in m.tool_calls %}{% if c.id | length != 9 %}{{ raise_exception('nine') }}{% endif %}{% endfor %}{% endfor %}";
    let ids = |source: &str| {
        let text = render(source, &talk).expect("renders");
        text.split_whitespace()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(shows), ["abcDEF123", long, "abcDEF123", long]);
    let short = ids(&format!("{refuses}{shows}"));
    assert_eq!((&short[0], &short[1]), (&short[2], &short[3]));
    assert_eq!((short[0].as_str(), short[1].len()), ("abcDEF123", 9));
}
