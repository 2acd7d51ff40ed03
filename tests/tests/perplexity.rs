//! `sysinfer-tune perplexity`, by its binary: against the naive decoder, against itself, and what
//! the types of the cache cost.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use sysinfer_conformance::edit::Edit;
use sysinfer_conformance::fixtures::{self, tiny_model};
use sysinfer_conformance::naive::Naive;
use sysinfer_conformance::product::{command, said};
use sysinfer_engine::Tokenizer;
use sysinfer_engine::tokenizer::Encode;
use sysinfer_formats::blocks::dequantize;
use sysinfer_formats::{Gguf, TensorType};

const CONTEXT: usize = 48;
const WINDOWS: usize = 4;
/// Four windows in a vocabulary of bytes, and a bit; the rest is dropped.
const TEXT: &str = "The quick brown fox jumps over the lazy dog. 敏捷的棕色狐狸跳过了懒狗。\n\
    Perplexity is the exponential of the mean surprisal: w300 w301 w302, and so on to w511.\n\n";

/// A folder with the text, and with the `tiny` preset's weights in f32.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = fixtures::folder("texts");
        std::fs::write(folder.join("text.txt"), TEXT).expect("a small file");
        let bytes = std::fs::read(tiny_model()).expect("it was written");
        let plain = in_f32(&bytes);
        std::fs::write(folder.join("f32.gguf"), plain).expect("a small file");
        folder
    })
}

fn plain_model() -> PathBuf {
    folder().join("f32.gguf")
}

/// The same model with every tensor dequantised.
fn in_f32(bytes: &[u8]) -> Vec<u8> {
    let mut file = Edit::of(bytes);
    for tensor in &mut file.tensors {
        let mut values = vec![0.0; tensor.shape.iter().product::<u64>() as usize];
        dequantize(tensor.kind, &tensor.data, &mut values).expect("a type that we decode");
        tensor.kind = TensorType::F32;
        tensor.data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
    }
    file.write()
}

/// The JSON object that the command prints for windows of the text.
fn measured(model: &Path, more: &[&str]) -> Value {
    let output = command("sysinfer-tune")
        .arg("perplexity")
        .arg(model)
        .arg(folder().join("text.txt"))
        .args(["--context", &CONTEXT.to_string(), "--format", "json"])
        .args(["--threads", "2"])
        .args(more)
        .output()
        .expect("the tuner starts");
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["windows"], WINDOWS, "{report}");
    assert_eq!(report["partial"], false, "{report}");
    report
}

fn number(report: &Value, path: &str) -> f64 {
    let found = report.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("{path} is no number in {report}"))
}

fn near(found: f64, expected: f64, relative: f64) {
    assert!(
        (found / expected - 1.0).abs() < relative,
        "{found} is not within {relative} of {expected}"
    );
}

/// Perplexity by the definition, on the naive decoder's logits.
fn naive_perplexity() -> f64 {
    let bytes = std::fs::read(plain_model()).expect("it was written");
    let file = Gguf::parse(&bytes).expect("our own file");
    let tokenizer = Tokenizer::from_gguf(file.metadata());
    let tokenizer = tokenizer.expect("a good one").expect("there is one");
    let options = Encode {
        add_special: true,
        parse_special: false,
    };
    let tokens = tokenizer.encode(TEXT.strip_suffix('\n').expect("has one"), options);
    assert_eq!(
        tokens.first().copied(),
        tokenizer.bos(),
        "the model adds BOS"
    );
    let naive = Naive::new(&file);
    let mut surprisals = Vec::new();
    for window in 0..WINDOWS {
        let mut window = tokens[window * CONTEXT..(window + 1) * CONTEXT].to_vec();
        window[0] = tokens[0];
        let logits = naive.logits(&window);
        for place in CONTEXT / 2..CONTEXT - 1 {
            let row: Vec<f64> = logits[place]
                .iter()
                .map(|logit| f64::from(*logit))
                .collect();
            let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
            surprisals.push(sum.ln() - row[window[place + 1] as usize]);
        }
    }
    (surprisals.iter().sum::<f64>() / surprisals.len() as f64).exp()
}

#[test]
fn perplexity_is_that_of_the_naive_decoder() {
    let wanted = naive_perplexity();
    let report = measured(tiny_model(), &[]);
    let scored = WINDOWS * (CONTEXT - 1 - CONTEXT / 2);
    assert_eq!(report["tokens_scored"], scored, "{report}");
    near(number(&report, "/reference_perplexity/value"), wanted, 1e-5);
    // As stored, activations are rounded to 8 bits.
    near(number(&report, "/perplexity/value"), wanted, 0.02);
    let ratio =
        number(&report, "/perplexity/value") / number(&report, "/reference_perplexity/value");
    near(number(&report, "/perplexity_ratio/value"), ratio, 1e-9);

    let alone = measured(tiny_model(), &["--no-reference"]);
    assert_eq!(alone["perplexity"], report["perplexity"]);
    assert!(alone["kl_divergence_nats"].is_null(), "{alone}");
}

#[test]
fn steps_of_any_length_give_the_same_perplexity() {
    let report = measured(tiny_model(), &[]);
    for step in ["1", "5", "512"] {
        let other = measured(tiny_model(), &["--step", step]);
        assert_eq!(other["perplexity"], report["perplexity"], "--step {step}");
    }
}

#[test]
fn a_model_in_f32_does_not_differ_from_itself() {
    let report = measured(&plain_model(), &["--cache", "f32"]);
    assert_eq!(number(&report, "/kl_divergence_nats/maximum"), 0.0);
    assert_eq!(number(&report, "/kl_divergence_nats/mean"), 0.0);
    assert_eq!(number(&report, "/perplexity_ratio/value"), 1.0);
    assert_eq!(number(&report, "/same_top_token_percent/value"), 100.0);
}

#[test]
fn a_smaller_cache_costs_more_and_little() {
    let cost = |cache| {
        let report = measured(&plain_model(), &["--cache", cache]);
        assert_eq!(report["model"]["cache"], cache, "{report}");
        number(&report, "/kl_divergence_nats/mean")
    };
    let (half, eighth) = (cost("f16"), cost("q8_0"));
    assert!(half > 0.0 && half < 1e-5, "f16 costs {half} nats");
    assert!(
        eighth > 4.0 * half && eighth < 1e-2,
        "q8_0 costs {eighth} nats"
    );
}

#[test]
fn a_file_in_f32_is_as_good_a_reference_as_the_model_dequantised() {
    let own = measured(tiny_model(), &[]);
    let file = plain_model();
    let other = measured(
        tiny_model(),
        &["--reference", file.to_str().expect("a plain path")],
    );
    assert_eq!(other["reference"]["weights"], "as_stored", "{other}");
    assert_eq!(other["kl_divergence_nats"], own["kl_divergence_nats"]);
    assert_eq!(other["reference_perplexity"], own["reference_perplexity"]);
    let mean = number(&own, "/kl_divergence_nats/mean");
    assert!(
        mean > 1e-6,
        "rounded activations cost {mean} nats, which is too little to be true"
    );
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_remedy() {
    let text = folder().join("text.txt");
    let path = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let (model, text) = (path(tiny_model()), path(&text));
    let missing = path(&folder().join("missing"));
    let cases: [(&[&str], &str); 5] = [
        (&[&model, &text, "--context", "1000"], "needs 1000"),
        (
            &[&model, &text, "--context", "1025"],
            "context length of the model is 1024",
        ),
        (&[&model, &text, "--tokens", "100"], "--tokens 100"),
        (&[&model, &missing], "missing"),
        (
            &[&model, &text, "--kernel", "portable-f16-r8"],
            "portable-f16-r8",
        ),
    ];
    for (arguments, part) in cases {
        let output = command("sysinfer-tune")
            .arg("perplexity")
            .args(arguments)
            .output()
            .expect("the tuner starts");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
