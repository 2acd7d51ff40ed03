//! Which requests pass, and which field a refusal names.

use serde_json::json;
use sysinfer_engine::SamplingOptions;

use super::*;
use crate::prompt::{Ending, Role};
use crate::scheduler::JobLimits;

const DEFAULTS: Defaults = Defaults {
    temperature: 0.25,
    max_tokens: 100,
};
const VOCABULARY: usize = 1000;

/// One token per word of all messages.
struct Words;

impl PromptEncoder for Words {
    fn encode(
        &self,
        conversation: &Conversation,
        most_tokens: usize,
    ) -> Result<Vec<u32>, PromptError> {
        let text: Vec<&str> = contents(conversation).collect();
        if text.contains(&"refuse") {
            return Err(PromptError::Template("no such role".into()));
        }
        if text.contains(&"endless") {
            return Err(PromptError::TooManyTokens {
                at_least: most_tokens + 1,
            });
        }
        if text.contains(&"unrendered") {
            return Err(PromptError::RendererEnded("signal: 9".into()));
        }
        Ok(vec![5; text.join(" ").split_whitespace().count()])
    }

    fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        Ok(contents(conversation).fold(String::new(), |text, content| text + content + "|"))
    }
}

fn contents(conversation: &Conversation) -> impl Iterator<Item = &str> {
    let messages = conversation.messages.iter();
    messages.map(|message| message.fields["content"].as_str().unwrap_or_default())
}

/// A request for "a b c" with more fields.
fn with(fields: Value) -> Map<String, Value> {
    let mut body = json!({"messages": [{"role": "user", "content": "a b c"}]});
    if let (Some(body), Some(fields)) = (body.as_object_mut(), fields.as_object()) {
        body.extend(fields.clone());
    }
    body.as_object().cloned().unwrap_or_default()
}

fn job(fields: Value) -> Result<ValidJob, ApiError> {
    let mut jobs = jobs(fields)?;
    assert_eq!(jobs.len(), 1);
    Ok(jobs.remove(0))
}

fn jobs(fields: Value) -> Result<Vec<ValidJob>, ApiError> {
    let checked = check(with(fields), DEFAULTS, VOCABULARY)?;
    checked.into_jobs(&Words, None, 50, 7).map(|(jobs, _)| jobs)
}

#[test]
fn defaults_are_the_server_s() {
    let job = job(json!({})).expect("valid");
    assert_eq!(job.prompt().len(), 3);
    assert_eq!(job.limits().max_tokens, 47, "cut to the context");
    assert_eq!(job.sampling().temperature, 0.25);
    assert_eq!((job.top_logprobs(), job.fallback_seed()), (None, 7));
}

#[test]
fn fields_reach_the_job() {
    let job = job(json!({
        "max_tokens": 3, "max_completion_tokens": 9, "min_tokens": 2, "ignore_eos": true, "stop": "x",
        "stop_token_ids": [5, 999], "skip_special_tokens": false, "allowed_token_ids": [0, 64],
        "temperature": 1, "top_p": 0, "top_k": -1, "min_p": 0.1, "repetition_penalty": 1.5,
        "presence_penalty": -2, "frequency_penalty": 2, "logit_bias": {"7": -100}, "seed": -1,
        "logprobs": true, "top_logprobs": 20, "n": 1, "tools": [], "tool_choice": "auto",
        "response_format": {"type": "text"}, "guided_json": null, "modalities": ["text"],
    }))
    .expect("valid");
    let limits = JobLimits {
        max_tokens: 9,
        must_fit: true,
        min_tokens: 2,
        ignore_eos: true,
        stop: vec!["x".into()],
        stop_tokens: vec![5, 999],
    };
    assert_eq!(job.limits(), &limits);
    let wanted = SamplingOptions {
        temperature: 1.0,
        top_k: 0,
        top_p: 0.0,
        min_p: 0.1,
        repetition_penalty: 1.5,
        presence_penalty: -2.0,
        frequency_penalty: 2.0,
        logit_bias: vec![(7, -100.0)],
        seed: Some(u64::MAX),
    };
    assert_eq!(job.sampling(), &wanted);
    assert_eq!(job.top_logprobs(), Some(20));
    assert!(job.shows_specials());
    let allowed = job.allowed().expect("some");
    let allowed: Vec<u32> = (0..2000).filter(|token| allowed.has(*token)).collect();
    assert_eq!(allowed, [0, 64]);
}

#[test]
fn every_answer_is_a_job_with_a_seed_of_its_own() {
    let jobs = jobs(json!({"n": 3, "seed": 8, "temperature": 1})).expect("valid");
    let seeds: Vec<_> = jobs.iter().map(|job| job.sampling().seed).collect();
    assert_eq!(seeds, [Some(8), Some(9), Some(10)]);
    let fallback: Vec<_> = jobs.iter().map(ValidJob::fallback_seed).collect();
    assert_eq!(fallback, [7, 8, 9]);
}

#[test]
fn how_a_prompt_ends_is_as_asked() {
    let ending = |fields| {
        check(with(fields), DEFAULTS, VOCABULARY)
            .expect("valid")
            .conversation
            .ending
    };
    assert_eq!(ending(json!({})), Ending::InAnswer);
    let bare = json!({"add_generation_prompt": false});
    assert_eq!(ending(bare), Ending::AfterLastMessage);
    let on = json!({"add_generation_prompt": false, "continue_final_message": true});
    assert_eq!(ending(on), Ending::InLastMessage);
    assert_eq!(
        ending(json!({"continue_final_message": true})),
        Ending::InLastMessage
    );
}

#[test]
fn penalties_look_back_as_far_as_they_say() {
    assert!(job(json!({"repeat_last_n": 64})).is_ok(), "there are none");
    let all = json!({"repeat_last_n": -1, "repeat_penalty": 1.1});
    assert_eq!(job(all).expect("valid").sampling().repetition_penalty, 1.1);
    let some = json!({"repeat_last_n": 64, "repeat_penalty": 1.1});
    let error = job(some).expect_err("it would be another answer").body();
    assert_eq!(error["error"]["param"], "repeat_last_n");
}

#[test]
fn more_tokens_than_the_server_gives_are_cut_not_refused() {
    let checked = check(with(json!({"max_tokens": 8192})), DEFAULTS, VOCABULARY).expect("valid");
    assert_eq!(checked.answer.limits.max_tokens, 100);
}

#[test]
fn what_is_not_counted_is_said_to_be_so_much_at_least() {
    let says = |content: &str| json!({"messages": [{"role": "user", "content": content}]});
    let error = job(says("endless")).expect_err("too long").body();
    assert_eq!(error["error"]["code"], "context_length_exceeded");
    let message = error["error"]["message"].as_str().expect("text");
    for wanted in ["prompt is too long", "at least 101 tokens", "holds 50"] {
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn a_prompt_that_nothing_renders_is_not_the_clients_fault() {
    let says = json!({"messages": [{"role": "user", "content": "unrendered"}]});
    let error = job(says).expect_err("no renderer");
    assert_eq!(error.status(), 503);
    assert!(error.message().contains("signal: 9"), "{error:?}");
}

#[test]
fn an_answer_that_was_asked_for_must_fit_the_context() {
    let cases = [
        (json!({"max_tokens": 47}), Some(47)),
        (json!({"max_tokens": 48}), None),
        (json!({"max_completion_tokens": 99}), None),
        (json!({"min_tokens": 48}), None),
        // As much as the server gives, or more: as much as fits.
        (json!({"max_tokens": 100}), Some(47)),
        (json!({"max_tokens": 8192}), Some(47)),
    ];
    for (fields, wanted) in cases {
        match (job(fields.clone()), wanted) {
            (Ok(job), Some(wanted)) => {
                assert_eq!(job.limits().max_tokens, wanted, "{fields}");
            }
            (Err(error), None) => {
                let error = error.body();
                assert_eq!(error["error"]["code"], "context_length_exceeded", "{error}");
            }
            (found, _) => panic!("{fields}: {found:?}"),
        }
    }
}

#[test]
fn refusals_name_their_field() {
    let cases = [
        (json!({"n": 0}), "n"),
        (json!({"n": 129}), "n"),
        (json!({"n_cmpl": 129}), "n_cmpl"),
        (json!({"best_of": 2}), "best_of"),
        (json!({"stop_token_ids": [1000]}), "stop_token_ids"),
        (json!({"stop_token_ids": [-1]}), "stop_token_ids"),
        (json!({"stop_token_ids": vec![1; 65]}), "stop_token_ids"),
        (json!({"allowed_token_ids": []}), "allowed_token_ids"),
        (json!({"allowed_token_ids": [1000]}), "allowed_token_ids"),
        (
            json!({"allowed_token_ids": [1], "regex": "a"}),
            "allowed_token_ids",
        ),
        (
            json!({"continue_final_message": true, "add_generation_prompt": true}),
            "continue_final_message",
        ),
        (json!({"n_predict": 0}), "n_predict"),
        (json!({"repeat_penalty": 0}), "repeat_penalty"),
        (
            json!({"repeat_penalty": 1.1, "repetition_penalty": 1.2}),
            "repeat_penalty",
        ),
        (json!({"min_new_tokens": -1}), "min_new_tokens"),
        (json!({"mirostat": 2}), "mirostat"),
        (json!({"temperature": 2.1}), "temperature"),
        (json!({"temperature": -0.1}), "temperature"),
        (json!({"temperature": 1e39}), "temperature"),
        (json!({"top_p": 1.1}), "top_p"),
        (json!({"top_k": -2}), "top_k"),
        (json!({"min_p": -1}), "min_p"),
        (json!({"repetition_penalty": 0}), "repetition_penalty"),
        (json!({"presence_penalty": 3}), "presence_penalty"),
        (json!({"frequency_penalty": -3}), "frequency_penalty"),
        (json!({"logit_bias": {"1000": 1}}), "logit_bias"),
        (json!({"logit_bias": {"x": 1}}), "logit_bias"),
        (json!({"logit_bias": {"1": 101}}), "logit_bias"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (
            json!({"max_completion_tokens": -1}),
            "max_completion_tokens",
        ),
        (json!({"min_tokens": -1}), "min_tokens"),
        (json!({"min_tokens": 5, "max_tokens": 4}), "min_tokens"),
        (json!({"stop": [""]}), "stop"),
        (json!({"stop": vec!["x"; 17]}), "stop"),
        (json!({"stop": "x".repeat(1025)}), "stop"),
        (json!({"top_logprobs": 3}), "top_logprobs"),
        (
            json!({"logprobs": true, "top_logprobs": 21}),
            "top_logprobs",
        ),
        (
            json!({"tools": [{"type": "function"}]}),
            "tools[0].function",
        ),
        (
            json!({"tools": [{"function": {"name": "f"}}], "tool_choice": "required"}),
            "tool_choice",
        ),
        (json!({"functions": [{}]}), "functions"),
        (
            json!({"response_format": {"type": "json_object"}}),
            "response_format",
        ),
        (json!({"response_format": "text"}), "response_format"),
        (json!({"guided_json": {"type": "object"}}), "guided_json"),
        (
            json!({"structured_outputs": {"json": {}}}),
            "structured_outputs.json",
        ),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"messages": []}), "messages"),
        (
            json!({"messages": [{"role": "user", "content": " "}]}),
            "messages",
        ),
        (
            json!({"messages": [{"role": "user", "content": "refuse"}]}),
            "messages",
        ),
        (
            json!({"messages": [{"role": "robot", "content": "a"}]}),
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "user"}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "user", "content": 5}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
            "messages[0].content[0]",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{}]}]}),
            "messages[0].tool_calls[0]",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": "f()"}]}),
            "messages[0].tool_calls",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a", "tool_calls": [1]}]}),
            "messages[0].tool_calls",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a", "name": 1}]}),
            "messages[0].name",
        ),
        (json!({"messages": [{"content": "a"}]}), "messages[0].role"),
    ];
    for (fields, param) in cases {
        let error = job(fields.clone()).expect_err(&fields.to_string()).body();
        assert_eq!(error["error"]["param"], param, "{fields}: {error}");
        assert_eq!(error["error"]["type"], "invalid_request_error", "{error}");
    }
}

#[test]
fn the_model_knows_of_the_tools_that_it_may_call() {
    let tool = json!({"type": "function", "function": {"name": "f", "strict": true}});
    let known = |choice: &str| {
        let body = with(json!({"tools": [tool], "tool_choice": choice}));
        let checked = check(body, DEFAULTS, VOCABULARY).expect("valid");
        checked.conversation.tools
    };
    assert_eq!(known("auto"), std::slice::from_ref(&tool));
    assert_eq!(known("none"), [Value::Null; 0]);
    // Without a vocabulary for forms, calls that may be made are only read.
    assert!(job(json!({"tools": [tool]})).is_ok());
    let old = json!({"functions": [{"name": "f"}], "function_call": "none"});
    assert!(job(old).is_ok(), "they are not to be called");
}

#[test]
fn long_prompts_say_how_long() {
    let error = job(json!({"messages": [{"role": "user", "content": "w ".repeat(50)}]}))
        .expect_err("too long");
    let error = error.body();
    assert_eq!(error["error"]["code"], "context_length_exceeded");
    let message = error["error"]["message"].as_str().unwrap_or_default();
    // The first words are what some clients tell this error by.
    for wanted in ["prompt is too long", "50"] {
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn messages_reach_the_template_as_they_were_sent() {
    let call = |arguments: Value| json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}});
    let parts = json!([{"type": "text", "text": "a"}, {"text": "b", "type": "text"}]);
    let calls = json!([
        call(json!("{\"a\": 1}")),
        call(json!("no JSON")),
        call(json!({"b": 2}))
    ]);
    let body = with(json!({"messages": [
        {"content": parts, "role": "developer"},
        {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": calls,
         "refusal": null},
        {"role": "assistant", "tool_plan": "p", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "t", "name": "f"},
        {"role": "user", "content": "u", "name": null, "tool_calls": []},
    ], "enable_thinking": true}));
    let checked = check(body, DEFAULTS, VOCABULARY).expect("valid");
    let messages = &checked.conversation.messages;
    let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
    use Role::{Assistant, Developer, Tool, User};
    assert_eq!(roles, [Developer, Assistant, Assistant, Tool, User]);
    let sent: Vec<Value> = messages
        .iter()
        .map(|message| message.fields.clone().into())
        .collect();
    // As text, because the order of fields counts.
    let wanted = json!([
        {"content": parts, "role": "developer"},
        {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": calls},
        {"role": "assistant", "tool_plan": "p", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "t", "name": "f"},
        {"role": "user", "content": "u"},
    ]);
    assert_eq!(Value::from(sent).to_string(), wanted.to_string());
    let objects = [Some(json!({"a": 1})), None, Some(json!({"b": 2}))];
    assert_eq!(messages[1].arguments, objects);
    assert_eq!(
        checked.conversation.variables["enable_thinking"],
        json!(true)
    );
}
