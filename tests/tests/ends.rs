//! What ends an answer, seen by a client: tokens that are drawn for sure, by the server's program.

use std::io::Write;

use serde_json::{Value, json};
use sysinfer_conformance::models::{Recipe, VOCABULARY, build_with};
use sysinfer_conformance::product::{Server, command};
use sysinfer_formats::{GgufWriter, OwnedArray, TensorType};

const BYTES_FROM: usize = 3;
const FIRST_NAMED: usize = BYTES_FROM + 256;

/// Names of the last tokens but for words: ends, beginnings, and what only looks like either.
const NAMES: [&str; 9] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|im_start|>",
    "<reserved_107>",
    "<|im_ends|>",
    "[w1]",
];
const ENDS: usize = 5;
const FRAMES: usize = 2;
const LOOKALIKE: usize = ENDS + FRAMES;
const SUPPRESSED: usize = LOOKALIKE + 1;

const TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n\
                        {% endfor %}<|im_start|>assistant\n";

/// A SentencePiece vocabulary whose named tokens are of type `kind`.
fn vocabulary(file: GgufWriter, kind: i32) -> GgufWriter {
    let mut tokens: Vec<(String, i32)> = [("<unk>", 2), ("<s>", 3), ("</s>", 3)]
        .map(|(text, kind)| (text.to_owned(), kind))
        .to_vec();
    tokens.extend((0..=255_u8).map(|byte| (format!("<0x{byte:02X}>"), 6)));
    tokens.extend(NAMES.map(|name| (name.to_owned(), kind)));
    while tokens.len() < VOCABULARY {
        tokens.push((format!("[x{}]", tokens.len()), 1));
    }
    let scores: OwnedArray = vec![0.0_f32; tokens.len()].into_iter().collect();
    let suppressed = i32::try_from(FIRST_NAMED + SUPPRESSED).expect("few tokens");
    file.metadata("tokenizer.ggml.model", "llama")
        .metadata("tokenizer.ggml.add_space_prefix", false)
        .metadata(
            "tokenizer.ggml.tokens",
            tokens
                .iter()
                .map(|token| token.0.as_str())
                .collect::<OwnedArray>(),
        )
        .metadata("tokenizer.ggml.scores", scores)
        .metadata(
            "tokenizer.ggml.token_type",
            tokens.iter().map(|token| token.1).collect::<OwnedArray>(),
        )
        .metadata(
            "tokenizer.ggml.suppress_tokens",
            [suppressed].into_iter().collect::<OwnedArray>(),
        )
}

/// A server of a model of that architecture and vocabulary.
fn server(architecture: &'static str, kind: i32, arguments: &[&str]) -> Server {
    let recipe = Recipe {
        architecture,
        kind: TensorType::Q8_0,
        layers: 1,
        tied: false,
    };
    let model = build_with(recipe, |file| {
        vocabulary(file, kind).metadata("tokenizer.chat_template", TEMPLATE)
    });
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&model).expect("a small model");
    // Weights are packed, so the file is not needed once the server is ready.
    Server::start(command("sysinfer-server").arg(file.path()).args(arguments))
}

/// What a client sees where `token` is drawn if it may be: text, and why the answer ended.
fn drawn(server: &Server, token: usize) -> (String, String) {
    let body = json!({
        "messages": [{"role": "user", "content": "[x300]"}],
        "max_tokens": 3,
        "temperature": 0,
        "logit_bias": {token.to_string(): 100},
    });
    let (status, text) = server.post("/v1/chat/completions", &body);
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let choice = &answer["choices"][0];
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (
        said(&choice["message"]["content"]),
        said(&choice["finish_reason"]),
    )
}

#[test]
fn an_answer_ends_by_the_name_of_a_token_whatever_its_type() {
    let cases: [(i32, &[&str]); 4] = [
        (1, &["--threads", "1"]),
        (1, &["--threads", "2", "--cache-type", "q8_0"]),
        (3, &["--threads", "1"]),
        (4, &["--threads", "1"]),
    ];
    for (kind, arguments) in cases {
        let server = server("llama", kind, arguments);
        let noted = server
            .log
            .contains("tokenizer: the file types \"<|im_end|>\"");
        assert_eq!(noted, kind != 3, "{}", server.log);
        for (name, token) in NAMES.iter().zip(FIRST_NAMED..).take(ENDS) {
            let wanted = (String::new(), "stop".to_owned());
            assert_eq!(drawn(&server, token), wanted, "{name} of type {kind}");
        }
        for (name, token) in NAMES.iter().zip(FIRST_NAMED..).skip(ENDS).take(FRAMES) {
            let wanted = (String::new(), "length".to_owned());
            assert_eq!(drawn(&server, token), wanted, "{name} of type {kind}");
        }
        let shown = if kind == 3 {
            String::new()
        } else {
            NAMES[LOOKALIKE].repeat(3)
        };
        let wanted = (shown, "length".to_owned());
        assert_eq!(
            drawn(&server, FIRST_NAMED + LOOKALIKE),
            wanted,
            "type {kind}"
        );
        let (text, _) = drawn(&server, FIRST_NAMED + SUPPRESSED);
        assert!(
            !text.contains(NAMES[SUPPRESSED]),
            "suppressed, but said: {text}"
        );
    }
}

/// The tokens that begin a turn are known by their ids; here they are bytes.
#[test]
fn an_answer_of_baichuan_ends_where_it_begins_a_turn() {
    for (architecture, reason) in [("baichuan", "stop"), ("llama", "length")] {
        let server = server(architecture, 1, &["--threads", "1"]);
        for token in [195, 196] {
            let (text, ended) = drawn(&server, token);
            assert_eq!(ended, reason, "{architecture} {token}: {text}");
            assert_eq!(
                text.is_empty(),
                reason == "stop",
                "{architecture} {token}: {text}"
            );
        }
    }
}
