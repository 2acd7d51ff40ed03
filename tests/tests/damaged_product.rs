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
fn texts_with_a_damaged_token_have_no_embedding_and_others_do() {
    let (_folder, path) = damaged("token_embd.weight", 301, f32::NAN);
    let server = server(&path, &["--threads", "2"]);
    let embed = |input: Value| server.post("/v1/embeddings", &json!({"input": input}));
    let (status, good) = embed(json!([[305, 306], [302]]));
    assert_eq!(status, 200, "{good}");
    for input in [json!([301]), json!([[305], [306, 301, 302], [302]])] {
        let (status, body) = embed(input);
        assert!(status == 500 && is_the_error(&body), "{status}: {body}");
        assert!(!body.contains("embedding\":"), "{body}");
    }
    server.later("token_embd.weight");
    assert_eq!(embed(json!([[305, 306], [302]])), (200, good));
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

#[test]
fn check_names_what_is_damaged() {
    let good = command("sysinfer-tune")
        .arg("check")
        .arg(tiny_model())
        .output();
    let good = good.expect("the tuner starts");
    assert!(good.status.success(), "{}", said(&good));
    assert!(
        said(&good).contains("all of its weights are finite"),
        "{}",
        said(&good)
    );
    let (_folder, path) = damaged("blk.1.ffn_up.weight", 3, f32::INFINITY);
    let message = tuner_refuses(&path, &["check"]);
    for part in [
        "blk.1.ffn_up.weight",
        "row 3",
        "inf",
        "1 of its 512 rows",
        "fetch it again",
    ] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    let json = command("sysinfer-tune")
        .args(["check", "--json"])
        .arg(&path)
        .output();
    let json = json.expect("the tuner starts");
    assert_eq!(json.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&json.stdout).expect("one object");
    assert_eq!(json["damaged"][0]["tensor"], "blk.1.ffn_up.weight");
    assert_eq!(json["damaged"][0]["row"], 3);
}

/// Files that are no model that runs here, and what server, tuner and check say of them.
fn refusals() -> Vec<(&'static str, Vec<u8>, Vec<&'static str>)> {
    use sysinfer_conformance::models::{Recipe, build, build_with};
    use sysinfer_formats::{GgufWriter, TensorType};
    let good = std::fs::read(tiny_model()).expect("the model was written");
    let recipe = Recipe {
        architecture: "llama",
        kind: TensorType::F32,
        layers: 1,
        tied: false,
    };
    let with = |key: &str, value: &str| build_with(recipe, |file| file.metadata(key, value));
    let list: sysinfer_formats::OwnedArray = [8u32, 8].into_iter().collect();
    let lists = build_with(recipe, |file| {
        file.metadata("llama.rope.dimension_count", list)
    });
    let nothing = GgufWriter::new().metadata("general.architecture", "llama");
    vec![
        (
            "cut",
            good[..good.len() - 1000].to_vec(),
            vec!["1000 bytes are missing", "fetch it again"],
        ),
        (
            "page",
            b"<!DOCTYPE html><html>Log in</html>".to_vec(),
            vec!["a web page", "download link"],
        ),
        (
            "pointer",
            b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
            vec!["Git LFS", "git lfs pull"],
        ),
        (
            "adapter",
            with("general.type", "adapter"),
            vec!["LoRA adapter", "llama-export-lora"],
        ),
        (
            "projector",
            with("general.type", "mmproj"),
            vec!["multimodal projector"],
        ),
        ("list", lists, vec!["an array of 2 u32", "one per layer"]),
        (
            "vocabulary",
            nothing.write_to_vec(&[]).expect("a valid file"),
            vec!["no weights"],
        ),
        ("no tokenizer", build(recipe), vec!["no tokenizer"]),
        ("empty", Vec::new(), vec!["empty"]),
    ]
}

#[test]
fn what_is_no_model_is_refused_once_with_a_remedy_by_both_programs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("given.gguf");
    for (name, bytes, wanted) in refusals() {
        std::fs::write(&path, bytes).expect("a small file");
        let check = tuner_refuses(&path, &["check"]);
        let mut server = command("sysinfer-server");
        server
            .arg(&path)
            .args(["--host", "127.0.0.1", "--port", "0"]);
        let server = server.output().expect("the server starts");
        assert!(!server.status.success(), "{name}: {}", said(&server));
        for message in [check, said(&server)] {
            // The last line is the refusal: nothing of it is said twice.
            let line = message.lines().last().expect("it says something");
            for part in &wanted {
                assert_eq!(
                    line.matches(part).count(),
                    1,
                    "{name}: {part:?} in {line:?}"
                );
            }
        }
        if name != "no tokenizer" {
            let bench = tuner_refuses(&path, &["bench", "--lengths", "32", "--prefill", "none"]);
            let line = bench.lines().last().expect("it says something");
            for part in &wanted {
                assert_eq!(
                    line.matches(part).count(),
                    1,
                    "{name}: {part:?} in {line:?}"
                );
            }
        }
    }
    let message = tuner_refuses(folder.path(), &["check"]);
    assert!(message.contains("is a directory"), "{message}");
}
