//! What the server's options promise: refusals that come before the work, and settings that can be
//! seen.

use serde_json::{Value, json};
use sysinfer_conformance::fixtures::tiny_model;
use sysinfer_conformance::product::{Server, command, said};

/// What the server says when it refuses to start.
fn refusal(arguments: &[&str]) -> String {
    let output = command("sysinfer-server")
        .arg(tiny_model())
        .args(["--host", "127.0.0.1", "--port", "0"])
        .args(arguments)
        .output()
        .expect("the server starts");
    assert!(!output.status.success(), "{arguments:?} were accepted");
    said(&output)
}

#[test]
fn what_cannot_be_is_refused_before_the_weights_are_read() {
    let broken = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(broken.path(), "{% if %}").expect("a small file");
    let broken = broken.path().to_str().expect("temporary folders are UTF-8");
    let cases: [(&[&str], &str); 5] = [
        (
            &["--context", "1025"],
            "--context 1025 is more than the 1024",
        ),
        (&["--chat-template", "zephir"], "mistral, mistral-v1"),
        (&["--chat-template", broken], "is broken"),
        (&["--cache-type", "q4_0"], "f16 or q8_0"),
        (&["--lookup", "on"], "auto or off"),
    ];
    for (arguments, wanted) in cases {
        let message = refusal(arguments);
        assert!(message.contains(wanted), "{arguments:?}: {message}");
        assert!(!message.contains("packing weights"), "{message}");
    }
}

/// Words that go before the server's own program, on hosts that must emulate it.
#[test]
fn a_runner_that_cannot_be_started_is_named() {
    let template = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(template.path(), "fine").expect("a small file");
    let output = command("sysinfer-server")
        .arg(tiny_model())
        .args(["--host", "127.0.0.1", "--port", "0", "--chat-template"])
        .arg(template.path())
        .env("SYSINFER_RUNNER", "/nonexistent/emulator -L /x")
        .output()
        .expect("the server starts");
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    let cause = "cannot be started: ";
    let runner = "by SYSINFER_RUNNER=\"/nonexistent/emulator -L /x\": ";
    assert!(said.contains(cause) && said.contains(runner), "{said}");
}

#[test]
fn the_type_of_the_cache_can_be_chosen_and_seen() {
    let cases: [(&[&str], Option<&str>, &str, &str); 3] = [
        (&[], None, "f16", "1024 bytes a token"),
        (&["--cache-type", "q8_0"], None, "q8_0", "544 bytes a token"),
        (&["--cache-type", "f16"], Some("q8_0"), "f16", "over q8_0"),
    ];
    for (arguments, variable, wanted, logged) in cases {
        let mut server = command("sysinfer-server");
        server.arg(tiny_model()).args(arguments);
        if let Some(value) = variable {
            server.env("SYSINFER_CACHE_TYPE", value);
        }
        let server = Server::start(&mut server);
        let (_, props) = server.get("/props");
        let props: Value = serde_json::from_str(&props).expect("props are JSON");
        assert_eq!(props["cache_type"], wanted);
        assert!(server.log.contains(logged), "{}", server.log);
        let clamp = "-n 4096: answers end where the context of 1024 tokens is full";
        assert!(server.log.contains(clamp), "{}", server.log);
        let body = json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4});
        assert_eq!(server.post("/v1/chat/completions", &body).0, 200);
    }
}

#[test]
fn lookup_can_be_turned_off_and_seen() {
    let cases: [(&[&str], Option<&str>, &str, &str); 3] = [
        (&[], None, "auto", "lookup: auto, up to 7 tokens"),
        (&[], Some("off"), "off", "lookup: off"),
        (
            &["--lookup", "auto"],
            Some("off"),
            "auto",
            "lookup: auto from --lookup, over off from SYSINFER_LOOKUP",
        ),
    ];
    for (arguments, variable, wanted, logged) in cases {
        let mut server = command("sysinfer-server");
        server.arg(tiny_model()).args(arguments);
        if let Some(value) = variable {
            server.env("SYSINFER_LOOKUP", value);
        }
        let server = Server::start(&mut server);
        let (_, props) = server.get("/props");
        let props: Value = serde_json::from_str(&props).expect("props are JSON");
        assert_eq!(props["lookup"], wanted);
        assert!(server.log.contains(logged), "{}", server.log);
        let body = json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 40});
        assert_eq!(server.post("/v1/chat/completions", &body).0, 200);
    }
}

#[test]
fn an_answer_that_cannot_fit_is_refused() {
    let server = Server::start(command("sysinfer-server").arg(tiny_model()).args([
        "--context",
        "64",
        "-n",
        "60",
    ]));
    let ask = |fields: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "Hello there"}]});
        let fields = fields.as_object().cloned().unwrap_or_default();
        body.as_object_mut().expect("a map").extend(fields);
        server.post("/v1/chat/completions", &body)
    };
    let (status, answer) = ask(json!({"max_tokens": 59}));
    assert_eq!(status, 400, "{answer}");
    assert!(answer.contains("context_length_exceeded"), "{answer}");
    assert_eq!(ask(json!({"max_tokens": 4})).0, 200);
    assert_eq!(ask(json!({"max_tokens": 4096})).0, 200, "as much as fits");
}
