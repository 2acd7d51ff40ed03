//! What the built-in templates write, and which of them a model without one gets.

use jiff::Timestamp;

use super::*;
use crate::prompt::template::{ChatTemplate, TokenTexts};
use crate::prompt::{Conversation, Message, Role};

fn render(name: &str, messages: &[(Role, &str)]) -> String {
    let tokens = TokenTexts {
        bos: "<s>".into(),
        eos: "</s>".into(),
        user: "<U>".into(),
        assistant: "<A>".into(),
    };
    let source = named(name, &|_| false).expect(name).source;
    let template = ChatTemplate::new(source, name, tokens, || Timestamp::UNIX_EPOCH);
    let messages = messages
        .iter()
        .map(|(role, content)| Message::new(*role, *content));
    let conversation = Conversation {
        messages: messages.collect(),
        ..Conversation::default()
    };
    let rendered = template.expect("compiles").render(&conversation);
    rendered.expect("renders")
}

#[test]
fn models_get_what_they_were_trained_on() {
    use Role::{Assistant, System, User};
    let talk = [
        (System, "Be brief."),
        (User, " hi\n"),
        (Assistant, "hello "),
        (User, "再见"),
    ];
    let cases = [
        (
            "chatml",
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n hi\n<|im_end|>\n<|im_start|>assistant\nhello <|im_end|>\n<|im_start|>user\n再见<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "llama3",
            "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nhello<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n再见<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            "llama2",
            "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n hi [/INST] hello </s><s>[INST] 再见 [/INST]",
        ),
        (
            "mistral-v1",
            "<s> [INST] Be brief.\n\n hi\n [/INST] hello </s> [INST] 再见 [/INST]",
        ),
        (
            "mistral-v3",
            "<s>[INST] Be brief.\n\n hi\n[/INST] hello</s>[INST] 再见[/INST]",
        ),
        (
            "mistral-v7",
            "<s>[SYSTEM_PROMPT] Be brief.[/SYSTEM_PROMPT][INST]  hi\n[/INST] hello </s>[INST] 再见[/INST]",
        ),
        (
            "zephyr",
            "<|system|>\nBe brief.</s>\n<|user|>\n hi\n</s>\n<|assistant|>\nhello </s>\n<|user|>\n再见</s>\n<|assistant|>\n",
        ),
        ("baichuan", "Be brief.<U> hi\n<A>hello <U>再见<A>"),
        (
            "plain",
            "system: Be brief.\nuser:  hi\n\nassistant: hello \nuser: 再见\nassistant:",
        ),
    ];
    assert_eq!(cases.len(), ALL.len());
    for (name, wanted) in cases {
        assert_eq!(render(name, &talk), wanted, "{name}");
    }
}

/// Template, messages, what comes of them.
type Case<'c> = (&'c str, &'c [(Role, &'c str)], &'c str);

#[test]
fn corners_are_as_in_the_reference_code() {
    use Role::{Assistant, System, User};
    let lone = "<s>[INST] <<SYS>>\nx\n<</SYS>> [/INST]";
    let cases: [Case<'_>; 4] = [
        ("llama2", &[(System, "x")], lone),
        ("mistral-v3", &[(System, "x")], "<s>[INST] x\n\n"),
        ("baichuan", &[(User, "a"), (Assistant, "b")], "<U>a<A>b"),
        (
            "chatml",
            &[(User, "")],
            "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n",
        ),
    ];
    for (name, messages, wanted) in cases {
        assert_eq!(render(name, messages), wanted, "{name}");
    }
}

#[test]
fn guesses_go_by_architecture_vocabulary_and_name() {
    let spm = ["<s>", "</s>", "<0x0A>"];
    let v3 = ["</s>", "<0x0A>", "[INST]", "[/INST]"];
    let v7 = ["</s>", "<0x0A>", "[INST]", "[SYSTEM_PROMPT]"];
    let phi = ["</s>", "<0x0A>", "<|user|>", "<|assistant|>", "<|end|>"];
    let cases: [(&str, &str, &[&str], &str); 14] = [
        ("baichuan", "Baichuan2 13B", &spm, "baichuan"),
        (
            "llama",
            "Meta Llama 3",
            &["<|start_header_id|>", "<|eot_id|>"],
            "llama3",
        ),
        (
            "qwen2",
            "Qwen2.5",
            &["<|im_start|>", "<|im_end|>"],
            "chatml",
        ),
        ("qwen3moe", "Qwen3", &["<|im_start|>"], "chatml"),
        ("llama", "Mistral 7B v0.3", &v3, "mistral-v3"),
        ("llama", "anything", &v7, "mistral-v7"),
        ("llama", "Mistral-7B-Instruct-v0.2", &spm, "mistral-v1"),
        ("llama", "mixtral", &spm, "mistral-v1"),
        (
            "llama",
            "x",
            &["<|user|>", "<|assistant|>", "</s>"],
            "zephyr",
        ),
        ("llama", "phi", &phi, "llama2"),
        ("llama", "Zephyr 7B beta", &spm, "zephyr"),
        ("llama", "TinyLlama 1.1B Chat", &spm, "zephyr"),
        ("llama", "Llama 2 7B chat", &spm, "llama2"),
        ("gpt2", "GPT-2", &["<|endoftext|>"], "plain"),
    ];
    for (architecture, name, tokens, wanted) in cases {
        let found = likely(&Model {
            architecture,
            name,
            has_token: &|token| tokens.contains(&token),
        });
        assert_eq!(found.name, wanted, "{architecture} {name} {tokens:?}");
    }
}

#[test]
fn every_name_is_known_once() {
    for builtin in ALL {
        assert_eq!(named(builtin.name, &|_| false), Some(builtin));
        assert!(names().contains(builtin.name));
    }
    assert!(is_name("mistral") && names().contains("mistral,"));
    assert!(!is_name("mystery"));
}

#[test]
fn mistral_is_the_version_of_the_vocabulary() {
    let cases: [(&[&str], &str); 3] = [
        (&[], "mistral-v1"),
        (&["[INST]"], "mistral-v3"),
        (&["[INST]", "[SYSTEM_PROMPT]"], "mistral-v7"),
    ];
    for (tokens, wanted) in cases {
        let found = named("mistral", &|token| tokens.contains(&token));
        assert_eq!(found.map(|builtin| builtin.name), Some(wanted));
    }
}
