//! A file of every family, served by the real binary: the prompt that its chat template makes of a
//! conversation, its tokens, and an answer as a stream.
//!
//! The models are tiny and made from a seed, the vocabularies small, the templates written from the
//! families' documented formats.

mod templates;
mod vocabulary;

use serde_json::{Value, json};
use sysinfer_conformance::models::{Recipe, build_with};
use sysinfer_conformance::product::{Server, command};
use sysinfer_engine::Tokenizer;
use sysinfer_engine::tokenizer::Encode;
use sysinfer_formats::{Gguf, TensorType};
use vocabulary::Vocabulary;

/// A file and what it makes of [`talk`] and [`question`].
struct Family {
    architecture: &'static str,
    /// `general.name`.
    name: &'static str,
    vocabulary: Vocabulary,
    /// The file's own template.
    template: Option<&'static str>,
    /// What the server calls the template.
    origin: &'static str,
    talk: &'static str,
    question: &'static str,
    /// Texts that stand for tokens though no text can become one: Baichuan's.
    roles: [&'static str; 2],
}

/// System, user, assistant, user, in two languages.
fn talk() -> Value {
    json!([
        {"role": "system", "content": "Be brief. 简短。"},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "你好！"},
        {"role": "user", "content": "再见"},
    ])
}

/// One user's turn, with white space around it.
fn question() -> Value {
    json!([{"role": "user", "content": " 什么是 openEuler？\n"}])
}

const LLAMA3: Vocabulary = Vocabulary::Bpe {
    pre: "llama-bpe",
    control: &[
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
    ],
    bos: Some("<|begin_of_text|>"),
    eos: "<|eot_id|>",
};
const CHATML: &[&str] = &["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const QWEN: Vocabulary = Vocabulary::Bpe {
    pre: "qwen2",
    control: CHATML,
    bos: None,
    eos: "<|im_end|>",
};
const SMOLLM: Vocabulary = Vocabulary::Bpe {
    pre: "smollm",
    control: CHATML,
    bos: None,
    eos: "<|im_end|>",
};
const LLAMA2: Vocabulary = Vocabulary::Spm {
    control: &[],
    normal: &[],
};
const MISTRAL: Vocabulary = Vocabulary::Spm {
    control: &["[INST]", "[/INST]"],
    normal: &[],
};
const ZEPHYR: Vocabulary = Vocabulary::Spm {
    control: &["<|system|>", "<|user|>", "<|assistant|>"],
    normal: &[],
};
const BAICHUAN: Vocabulary = Vocabulary::Spm {
    control: &[],
    normal: &[(195, "<U>"), (196, "<A>")],
};

const FILE: &str = "the chat template in the model file";

const PLAIN: Family = Family {
    architecture: "llama",
    name: "",
    vocabulary: LLAMA2,
    template: None,
    origin: FILE,
    talk: "",
    question: "",
    roles: ["", ""],
};

/// Serves the family's file and holds prompts, tokens and a stream against what is wanted.
fn check(family: &Family) -> Server {
    let recipe = Recipe {
        architecture: family.architecture,
        kind: TensorType::Q8_0,
        layers: 1,
        tied: false,
    };
    let file = build_with(recipe, |file| {
        let file = family.vocabulary.write(file);
        let file = file.metadata("general.name", family.name);
        match family.template {
            Some(template) => file.metadata("tokenizer.chat_template", template),
            None => file,
        }
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, &file).expect("a small file");
    let server = Server::start(
        command("sysinfer-server")
            .arg(&path)
            .args(["--threads", "1"]),
    );
    let (_, props) = server.get("/props");
    let props: Value = serde_json::from_str(&props).expect("props are JSON");
    assert_eq!(props["chat_template"], family.origin);
    for (messages, wanted) in [(talk(), family.talk), (question(), family.question)] {
        assert_eq!(prompt(&server, &json!({"messages": messages})), wanted);
        let tokens = token_count(&file, family, wanted);
        assert_eq!(streamed(&server, &messages), tokens, "{wanted:?}");
    }
    server
}

/// What `/apply-template` says.
fn prompt(server: &Server, body: &Value) -> String {
    let (status, answer) = server.post("/apply-template", body);
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("answers are JSON");
    answer["prompt"].as_str().expect("a text").to_owned()
}

/// The tokens of a prompt, from the file alone.
fn token_count(file: &[u8], family: &Family, prompt: &str) -> usize {
    let file = Gguf::parse(file).expect("own file");
    let tokenizer = Tokenizer::from_gguf(file.metadata());
    let tokenizer = tokenizer.expect("a good vocabulary").expect("a vocabulary");
    let options = Encode {
        add_special: false,
        parse_special: true,
    };
    let [user, assistant] = family.roles;
    let parts: Vec<&str> = match user.is_empty() {
        true => vec![prompt],
        false => prompt
            .split(user)
            .flat_map(|part| part.split(assistant))
            .collect(),
    };
    let mut tokens = tokenizer.encode(parts[0], options);
    let bos = tokenizer.bos().filter(|_| tokenizer.adds_bos());
    if bos.is_some() && tokens.first() != bos.as_ref() {
        tokens.extend(bos);
    }
    for part in &parts[1..] {
        tokens.push(u32::MAX);
        tokens.extend(tokenizer.encode(part, options));
    }
    tokens.len()
}

/// Streams an answer, checks its shape and returns how many tokens its prompt had.
fn streamed(server: &Server, messages: &Value) -> usize {
    let body = json!({
        "messages": messages, "max_tokens": 8, "stream": true,
        "stream_options": {"include_usage": true},
    });
    let (status, answer) = server.post("/v1/chat/completions", &body);
    assert_eq!(status, 200, "{answer}");
    let data: Vec<&str> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    let (last, chunks) = data.split_last().expect("events");
    assert_eq!(*last, "[DONE]", "{answer}");
    let chunks: Vec<Value> = chunks
        .iter()
        .map(|chunk| serde_json::from_str(chunk).expect("chunks are JSON"))
        .collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let ends = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
    let ends: Vec<&str> = ends.collect();
    assert!(matches!(ends[..], ["stop" | "length"]), "{answer}");
    let usage = &chunks[chunks.len() - 1]["usage"];
    let completion = usage["completion_tokens"].as_u64();
    assert!(
        completion.is_some_and(|tokens| (1..=8).contains(&tokens)),
        "{usage}"
    );
    usage["prompt_tokens"].as_u64().expect("a count") as usize
}

#[test]
fn llama_3() {
    check(&Family {
        vocabulary: LLAMA3,
        template: Some(templates::LLAMA3),
        talk: "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief. 简短。<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n你好！<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n再见<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        question: "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n什么是 openEuler？<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ..PLAIN
    });
}

#[test]
fn llama_2_without_a_template() {
    check(&Family {
        name: "Llama 2 7B chat",
        origin: "the built-in chat template llama2",
        talk: "<s>[INST] <<SYS>>\nBe brief. 简短。\n<</SYS>>\n\nHello [/INST] 你好！ </s><s>[INST] 再见 [/INST]",
        question: "<s>[INST] 什么是 openEuler？ [/INST]",
        ..PLAIN
    });
}

#[test]
fn mistral() {
    let server = check(&Family {
        vocabulary: MISTRAL,
        template: Some(templates::MISTRAL),
        talk: "<s>[INST] Hello[/INST] 你好！</s>[INST] Be brief. 简短。\n\n再见[/INST]",
        question: "<s>[INST]  什么是 openEuler？\n[/INST]",
        ..PLAIN
    });
    let twice = json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]);
    for path in ["/apply-template", "/v1/chat/completions"] {
        let (status, answer) = server.post(path, &json!({"messages": twice}));
        assert_eq!(status, 400, "{answer}");
        assert!(answer.contains("roles must alternate"), "{answer}");
    }
}

#[test]
fn mistral_without_a_template() {
    check(&Family {
        vocabulary: MISTRAL,
        origin: "the built-in chat template mistral-v3",
        talk: "<s>[INST] Be brief. 简短。\n\nHello[/INST] 你好！</s>[INST] 再见[/INST]",
        question: "<s>[INST]  什么是 openEuler？\n[/INST]",
        ..PLAIN
    });
}

#[test]
fn zephyr() {
    let own = Family {
        vocabulary: ZEPHYR,
        template: Some(templates::ZEPHYR),
        talk: "<|system|>\nBe brief. 简短。</s>\n<|user|>\nHello</s>\n<|assistant|>\n你好！</s>\n<|user|>\n再见</s>\n<|assistant|>\n",
        question: "<|user|>\n 什么是 openEuler？\n</s>\n<|assistant|>\n",
        ..PLAIN
    };
    check(&own);
    check(&Family {
        template: None,
        origin: "the built-in chat template zephyr",
        ..own
    });
}

#[test]
fn baichuan() {
    check(&Family {
        architecture: "baichuan",
        vocabulary: BAICHUAN,
        origin: "the built-in chat template baichuan",
        talk: "Be brief. 简短。<U>Hello<A>你好！<U>再见<A>",
        question: "<U> 什么是 openEuler？\n<A>",
        roles: ["<U>", "<A>"],
        ..PLAIN
    });
}

const CHATML_TALK: &str = "<|im_start|>system\nBe brief. 简短。<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n你好！<|im_end|>\n<|im_start|>user\n再见<|im_end|>\n<|im_start|>assistant\n";
const CHATML_QUESTION: &str =
    "<|im_start|>user\n 什么是 openEuler？\n<|im_end|>\n<|im_start|>assistant\n";

#[test]
fn qwen_2_and_smollm_have_a_default_system_message() {
    let qwen = Family {
        architecture: "qwen2",
        vocabulary: QWEN,
        template: Some(templates::QWEN2),
        talk: CHATML_TALK,
        question: "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\n 什么是 openEuler？\n<|im_end|>\n<|im_start|>assistant\n",
        ..PLAIN
    };
    check(&qwen);
    check(&Family {
        architecture: "llama",
        vocabulary: SMOLLM,
        ..qwen
    });
}

#[test]
fn qwen_3_thinks_unless_it_is_told_not_to() {
    let server = check(&Family {
        architecture: "qwen3",
        vocabulary: QWEN,
        template: Some(templates::QWEN3),
        talk: CHATML_TALK,
        question: CHATML_QUESTION,
        ..PLAIN
    });
    let quiet = format!("{CHATML_QUESTION}<think>\n\n</think>\n\n");
    let cases = [
        (json!({"enable_thinking": true}), CHATML_QUESTION),
        (json!({"enable_thinking": false}), quiet.as_str()),
        (
            json!({"chat_template_kwargs": {"enable_thinking": false}}),
            quiet.as_str(),
        ),
    ];
    for (mut body, wanted) in cases {
        body["messages"] = question();
        assert_eq!(prompt(&server, &body), wanted, "{body}");
    }
    let history = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nb"},
        {"role": "assistant", "content": "c", "reasoning_content": "hm"},
    ]);
    let wanted = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\nc<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(prompt(&server, &json!({"messages": history})), wanted);
}

#[test]
fn qwen_3_with_experts_and_without_a_template() {
    check(&Family {
        architecture: "qwen3moe",
        vocabulary: QWEN,
        origin: "the built-in chat template chatml",
        talk: CHATML_TALK,
        question: CHATML_QUESTION,
        ..PLAIN
    });
}
