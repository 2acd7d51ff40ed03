//! Damaged model files, by the binaries: what clients, logs and the tuner say of them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sysinfer_conformance::fixtures::tiny_model;
use sysinfer_conformance::product::{Server, command, said};
use sysinfer_conformance::spoil::spoil;

/// The tiny model with a wrong value, in a folder that lives as long as the result.
fn damaged(tensor: &str, row: usize, wrong: f32) -> (tempfile::TempDir, PathBuf) {
    let mut bytes = std::fs::read(tiny_model()).expect("the model was written");
    spoil(&mut bytes, tensor, row, wrong);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("damaged.gguf");
    std::fs::write(&path, bytes).expect("a small file");
    (folder, path)
}

fn server(model: &Path, arguments: &[&str]) -> Server {
    let mut server = command("sysinfer-server");
    server.arg(model).args(arguments);
    Server::start_watched(&mut server)
}

fn ask(server: &Server, text: &str, more: Value) -> (u16, String) {
    let mut body = json!({
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 8,
        "temperature": 0,
    });
    let fields = body.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    server.post("/v1/chat/completions", &body)
}

fn is_the_error(body: &str) -> bool {
    body.contains("\"code\":\"logits_not_finite\"") && body.contains("not finite numbers")
}

#[test]
fn a_damaged_tensor_is_a_500_and_a_log_line_that_names_it_once() {
    let cases: [(&str, f32, &[&str]); 3] = [
        ("blk.0.ffn_down.weight", f32::NAN, &["--threads", "1"]),
        (
            "blk.1.attn_k.weight",
            f32::INFINITY,
            &["--threads", "2", "--cache-type", "q8_0"],
        ),
        (
            "output_norm.weight",
            f32::NEG_INFINITY,
            &["--threads", "1", "--lookup", "off"],
        ),
    ];
    for (tensor, wrong, arguments) in cases {
        let (_folder, path) = damaged(tensor, 0, wrong);
        let server = server(&path, arguments);
        let ways = [
            json!({}),
            json!({"temperature": 1.5, "seed": 3}),
            json!({"logprobs": true, "top_logprobs": 3}),
            json!({"ignore_eos": true, "min_tokens": 4}),
        ];
        for way in ways {
            let (status, body) = ask(&server, "w301 w302", way.clone());
            assert_eq!(status, 500, "{tensor}, {way}: {body}");
            assert!(is_the_error(&body), "{tensor}, {way}: {body}");
            assert!(!body.contains("choices"), "{body}");
            let mut streamed = way;
            streamed["stream"] = json!(true);
            let (status, body) = ask(&server, "w301 w302", streamed);
            assert_eq!(status, 200, "{body}");
            assert!(is_the_error(&body), "{tensor}: {body}");
            assert!(
                !body.contains("[DONE]") && !body.contains("finish_reason\":\"stop"),
                "{body}"
            );
        }
        let log = server.later(tensor);
        let line = log
            .lines()
            .find(|line| line.contains(tensor))
            .expect("it is there");
        assert!(line.contains("ERROR") && line.contains("row 0"), "{line}");
        assert!(line.contains("fetch it again"), "{line}");
        // Eight answers failed, and the file was looked through for the first of them.
        assert_eq!(ask(&server, "w303", json!({})).0, 500);
        server.get("/nowhere");
        let rest = server.later("/nowhere");
        assert!(!rest.contains(tensor), "{rest}");
    }
}

#[test]
fn a_damaged_token_ends_the_answers_that_read_it_and_no_other() {
    let (_folder, path) = damaged("token_embd.weight", 301, f32::NAN);
    let good = Server::start(command("sysinfer-server").arg(tiny_model()));
    let server = server(&path, &["--lookup", "off"]);
    let bias = json!({"logit_bias": {"310": 100}});
    let biased = |server: &Server| ask(server, "w305 w306", bias.clone());
    let content = |(status, body): (u16, String)| {
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        body["choices"][0]["message"]["content"].clone()
    };
    let wanted = content(biased(&good));
    assert_eq!(content(biased(&server)), wanted);
    // The damaged token is drawn first, and gives no second one: a stream says so after its text.
    let drawn = json!({"logit_bias": {"301": 100}});
    let (status, body) = ask(&server, "w305 w306", drawn.clone());
    assert!(status == 500 && is_the_error(&body), "{status}: {body}");
    let mut streamed = drawn;
    streamed["stream"] = json!(true);
    let (_, body) = ask(&server, "w305 w306", streamed);
    assert!(body.contains("301") && is_the_error(&body), "{body}");
    // What it left in the cache is in no answer after it.
    assert_eq!(content(biased(&server)), wanted);
    server.later("token_embd.weight");
}

#[test]
fn values_that_overflow_are_not_blamed_on_the_file() {
    let mut bytes = std::fs::read(tiny_model()).expect("the model was written");
    // The largest scale of a block: a value that f16 holds, and its sums do not.
    for row in 0..512 {
        spoil(&mut bytes, "output_norm.weight", 0, 3e38);
        spoil(&mut bytes, "output.weight", row, 6e4);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("large.gguf");
    std::fs::write(&path, bytes).expect("a small file");
    let server = server(&path, &[]);
    let (status, body) = ask(&server, "w301", json!({}));
    assert!(status == 500 && is_the_error(&body), "{status}: {body}");
    let log = server.later("--cache-type f32");
    assert!(
        log.contains("all weights") && log.contains("overflow"),
        "{log}"
    );
}

/// The tuner with a damaged model fails, and says why.
fn tuner_refuses(path: &Path, arguments: &[&str]) -> String {
    let mut tuner = command("sysinfer-tune");
    tuner.arg(arguments[0]).arg(path).args(&arguments[1..]);
    let output = tuner.output().expect("the tuner starts");
    assert_eq!(
        output.status.code(),
        Some(1),
        "{arguments:?}: {}",
        said(&output)
    );
    said(&output)
}

#[test]
fn the_tuner_measures_no_model_whose_values_are_not_finite() {
    let (folder, path) = damaged("blk.1.ffn_up.weight", 3, f32::INFINITY);
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "w301 w302 w303 ".repeat(20)).expect("a small file");
    let text = text.to_str().expect("temporary folders are UTF-8");
    let cases: [&[&str]; 6] = [
        &[
            "bench",
            "--lengths",
            "32",
            "--prefill",
            "none",
            "--repeat",
            "1",
        ],
        &[
            "bench",
            "--lengths",
            "none",
            "--prefill",
            "32",
            "--repeat",
            "1",
        ],
        &[
            "bench",
            "--lengths",
            "32,64",
            "--sampled-from",
            "64",
            "--prefill",
            "none",
        ],
        &["bench", "--first-token"],
        &["bench", "--lookup", text, "--tokens", "8"],
        &["perplexity", text, "--context", "64"],
    ];
    for arguments in cases {
        let message = tuner_refuses(&path, arguments);
        assert!(message.contains("finite"), "{arguments:?}: {message}");
        assert!(
            message.contains("sysinfer-tune check"),
            "{arguments:?}: {message}"
        );
        assert!(!message.contains("NaN"), "{arguments:?}: {message}");
    }
}
