use super::*;

fn asked(body: Value) -> Result<(Value, Value), ApiError> {
    let (chat, echo) = read(body.as_object().cloned().unwrap_or_default(), 0.7)?;
    let echo = serde_json::to_value(echo).expect("it is JSON");
    Ok((chat.into(), echo))
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "name": name, "parameters": {"type": "object"}, "strict": true})
}

#[test]
fn fields_have_other_names_in_a_chat() {
    let format = json!({"type": "json_schema", "name": "x", "schema": {"type": "object"}});
    let (chat, echo) = asked(json!({
        "model": "m", "input": "hi", "max_output_tokens": 5, "store": true, "metadata": {"a": "b"},
        "text": {"format": format, "verbosity": "low"}, "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["message.output_text.logprobs"], "top_logprobs": 2, "temperature": 0.1,
        "tools": [tool("f")], "tool_choice": {"type": "function", "name": "f"}, "top_k": 3,
    }))
    .expect("valid");
    let wanted = json!({
        "model": "m", "temperature": 0.1, "top_k": 3,
        "messages": [{"role": "user", "content": "hi"}],
        "max_output_tokens": 5, "logprobs": true, "top_logprobs": 2,
        "verbosity": "low", "response_format": format, "reasoning_effort": "high",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": true}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
    });
    assert_eq!(chat, wanted);
    let wanted = json!({
        "instructions": null, "max_output_tokens": 5, "metadata": {"a": "b"}, "parallel_tool_calls": true,
        "reasoning": {"effort": "high", "summary": null}, "temperature": 0.1,
        "text": {"format": format, "verbosity": "low"},
        "tool_choice": {"type": "function", "name": "f"}, "tools": [tool("f")],
        "top_logprobs": 2, "top_p": 1.0,
    });
    assert_eq!(echo, wanted);
}

#[test]
fn what_was_not_said_is_what_holds() {
    let (chat, echo) = asked(json!({"input": "hi"})).expect("valid");
    let wanted = json!({
        "messages": [{"role": "user", "content": "hi"}], "tools": [], "tool_choice": "auto",
    });
    assert_eq!(chat, wanted);
    let wanted = json!({
        "instructions": null, "max_output_tokens": null, "metadata": {}, "parallel_tool_calls": true,
        "reasoning": {"effort": null, "summary": null}, "temperature": 0.7, "text": {"format": {"type": "text"}},
        "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0,
    });
    assert_eq!(echo, wanted);
}

#[test]
fn some_functions_may_be_allowed() {
    let choice = json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]});
    let (chat, _) =
        asked(json!({"input": "hi", "tools": [tool("f")], "tool_choice": choice})).expect("valid");
    let wanted = json!({"type": "allowed_tools", "allowed_tools": {
        "mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}});
    assert_eq!(chat["tool_choice"], wanted);
}

#[test]
fn what_is_not_done_is_refused_by_its_name() {
    let named = json!({"type": "mcp", "server_label": "x"});
    let cases = [
        (json!({"input": null}), "input"),
        (json!({"messages": []}), "messages"),
        (json!({"instructions": 3}), "instructions"),
        (json!({"store": "yes"}), "store"),
        (
            json!({"previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"background": true}), "background"),
        (json!({"truncation": "auto"}), "truncation"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (json!({"tools": [7]}), "tools[0]"),
        (json!({"tools": [{"name": "f"}]}), "tools[0].type"),
        (json!({"tool_choice": "any"}), "tool_choice"),
        (json!({"tool_choice": named}), "tool_choice.type"),
        (
            json!({"tool_choice": {"type": "function"}}),
            "tool_choice.name",
        ),
        (
            json!({"tool_choice": {"type": "allowed_tools"}}),
            "tool_choice.tools",
        ),
        (
            json!({"tool_choice": {"type": "allowed_tools", "tools": [named]}}),
            "tool_choice.tools[0].type",
        ),
        (json!({"text": "json"}), "text"),
        (json!({"text": {"verbosity": 1}}), "text.verbosity"),
        (
            json!({"text": {"format": {"type": "json_object"}}, "response_format": {"type": "text"}}),
            "response_format",
        ),
        (json!({"reasoning": {"effort": 1}}), "reasoning.effort"),
        (json!({"reasoning": {"summary": 1}}), "reasoning.summary"),
        (json!({"reasoning": {"mode": "pro"}}), "reasoning.mode"),
        (
            json!({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}),
            "reasoning_effort",
        ),
        (json!({"include": ["thoughts"]}), "include"),
        (json!({"include": "thoughts"}), "include"),
        (json!({"metadata": {"a": 1}}), "metadata"),
        (json!({"metadata": {"a": "x".repeat(513)}}), "metadata"),
        (
            json!({"stream_options": {"include_obfuscation": true}}),
            "stream_options.include_obfuscation",
        ),
    ];
    for (mut body, field) in cases {
        if body.get("input").is_none() {
            body["input"] = json!("hi");
        }
        let error = asked(body.clone()).expect_err("refused").body();
        assert_eq!(error["error"]["param"], field, "{body}");
        let message = error["error"]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(field), "{message}");
    }
}

#[test]
fn what_is_repeated_has_a_limit() {
    let error = asked(json!({"input": "hi", "instructions": "x".repeat(2 << 20)}));
    let error = error.expect_err("refused");
    assert!(
        error.message().contains("instructions"),
        "{}",
        error.message()
    );
}

#[test]
fn errors_of_a_chat_get_their_names_back() {
    for (chat, own) in [
        ("messages", "input"),
        ("tools[3].function.parameters", "tools[3].parameters"),
        ("response_format.json_schema.schema", "text.format.schema"),
        ("response_format", "text.format"),
        ("tool_choice.allowed_tools.mode", "tool_choice.mode"),
        ("temperature", "temperature"),
    ] {
        let error = in_its_words(ApiError::invalid_param(chat, format!("{chat} is wrong")));
        assert_eq!(error.body()["error"]["param"], own);
        assert_eq!(error.message(), format!("{own} is wrong"));
    }
}
