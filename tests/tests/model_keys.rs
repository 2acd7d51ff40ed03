//! Keys of the architecture: what they change is held against the naive decoder, and no key is ignored.

use sysinfer_conformance::edit::{Edit, OwnTensor};
use sysinfer_conformance::fixtures::open_as;
use sysinfer_conformance::golden::relative_rms_error;
use sysinfer_conformance::models::{Recipe, build};
use sysinfer_conformance::naive::Naive;
use sysinfer_engine::model::family::FAMILIES;
use sysinfer_engine::model::keys::{KEYS, Reading, row};
use sysinfer_engine::{Engine, Entry, ModelFile, PhasePlan, Plan, Precision, Wanted};
use sysinfer_formats::{Gguf, OwnedValue, TensorType};
use sysinfer_machine::Topology;

const TOKENS: [u32; 24] = [
    1, 17, 300, 4, 99, 250, 251, 252, 7, 7, 7, 128, 64, 32, 16, 8, 0, 299, 3, 200, 11, 13, 190, 55,
];
/// What sums in f32 cost.
const EXACT: f64 = 2e-5;

fn model(architecture: &'static str) -> Edit {
    model_of(architecture, 2)
}

fn model_of(architecture: &'static str, layers: usize) -> Edit {
    Edit::of(&build(Recipe {
        architecture,
        kind: TensorType::F32,
        layers,
        tied: false,
    }))
}

fn opened(bytes: &[u8]) -> Result<Engine, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).expect("a small file");
    let topology = Topology::discover().expect("this host has a topology");
    let plan = Plan::with_threads(PhasePlan::unpinned(1));
    ModelFile::open(&path)
        .and_then(|file| Engine::load(&file, plan, Precision::REFERENCE, &topology, &mut |_| {}))
        .map_err(|error| error.to_string())
}

fn logits(bytes: &[u8]) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).expect("a small file");
    let plan = Plan::with_threads(PhasePlan::unpinned(2));
    let mut engine = open_as(&path, plan, Precision::REFERENCE);
    let mut sequence = engine.sequence(TOKENS.len()).expect("it fits");
    let entry = Entry {
        sequence: &mut sequence,
        tokens: &TOKENS,
        wanted: Wanted::All,
    };
    let mut batch = [entry];
    let logits = engine.step(&mut batch).expect("the step runs");
    (0..logits.rows())
        .map(|row| logits.row(row).expect("finite").to_vec())
        .collect()
}

/// The file gives the naive decoder's logits, and others than it would without the change.
fn changes(what: &str, before: &Edit, after: &Edit) {
    let bytes = after.write();
    let got = logits(&bytes);
    let wanted = Naive::new(&Gguf::parse(&bytes).expect("own file")).logits(&TOKENS);
    let error = relative_rms_error(&got, &wanted);
    assert!(error < EXACT, "{what}: {error}");
    let change = relative_rms_error(&logits(&before.write()), &got);
    assert!(change > 50.0 * EXACT, "{what} changes nothing: {change}");
}

#[test]
fn scaled_positions_are_the_naive_decoders() {
    for architecture in ["llama", "qwen2", "qwen3"] {
        let plain = model(architecture);
        let key = |name: &str| format!("{architecture}.rope.{name}");
        let set = |file: &Edit, name: &str, value: f32| file.clone().with(&key(name), value);
        let linear = set(&plain, "scaling.factor", 4.0);
        changes("a factor alone is linear", &plain, &linear);
        let typed = linear.clone().with(&key("scaling.type"), "linear");
        changes("linear", &plain, &typed);
        let old = set(&plain, "scale_linear", 4.0);
        changes("the old key", &plain, &old);
        assert_eq!(logits(&old.write()), logits(&typed.write()));
        let yarn = linear
            .with(&key("scaling.type"), "yarn")
            .with(&key("scaling.original_context_length"), 64u32);
        changes("yarn", &plain, &yarn);
        changes("yarn is not linear", &typed, &yarn);
        let attn = set(&yarn, "scaling.attn_factor", 0.8);
        changes("attn_factor", &yarn, &attn);
        let magnitude = set(&yarn, "scaling.yarn_attn_factor", 0.9);
        changes("yarn_attn_factor", &yarn, &magnitude);
        // Unset, and a type that says not to scale.
        for same in [
            set(&plain, "scaling.factor", 0.0),
            set(&plain, "scaling.factor", 4.0).with(&key("scaling.type"), "none"),
        ] {
            assert_eq!(logits(&same.write()), logits(&plain.write()));
        }
    }
}

#[test]
fn slopes_of_alibi_are_the_naive_decoders() {
    let plain = model_of("baichuan", 40);
    let steeper = plain
        .clone()
        .with("baichuan.attention.max_alibi_bias", 4.0f32);
    changes("max_alibi_bias", &plain, &steeper);
}

#[test]
fn weights_of_experts_are_the_naive_decoders() {
    for (recipe, architecture) in [("mixtral", "llama"), ("qwen2moe", "qwen2moe")] {
        let plain = model(recipe);
        let norm = format!("{architecture}.expert_weights_norm");
        let other = plain.clone().with(&norm, architecture == "qwen2moe");
        changes("expert_weights_norm", &plain, &other);
        let scale = format!("{architecture}.expert_weights_scale");
        let scaled = plain.clone().with(&scale, 2.5f32);
        changes("expert_weights_scale", &plain, &scaled);
    }
}

#[test]
fn the_widths_of_experts_have_defaults() {
    let whole = model("qwen2moe");
    let known = logits(&whole.write());
    // All used experts together are as wide as the feed-forward, and so is the shared one.
    let mut bare = whole;
    bare.metadata.retain(|(key, _)| {
        !key.ends_with("expert_feed_forward_length") && !key.ends_with("shared_feed_forward_length")
    });
    assert_eq!(logits(&bare.write()), known);
}

#[test]
fn biases_are_the_naive_decoders() {
    let plain = model("llama");
    let bias = |name: &str, length: usize| OwnTensor {
        name: name.into(),
        kind: TensorType::F32,
        shape: vec![length as u64],
        data: (0..length)
            .flat_map(|index| (0.3 * (index as f32 * 0.7).sin()).to_le_bytes())
            .collect(),
    };
    let mut biased = plain.clone();
    for layer in 0..2 {
        for (part, length) in [("gate", 512), ("up", 512), ("down", 256)] {
            let name = format!("blk.{layer}.ffn_{part}.bias");
            biased.tensors.push(bias(&name, length));
        }
    }
    changes("biases of the feed-forward network", &plain, &biased);
    let mut output = plain.clone();
    output.tensors.push(bias("output.bias", 301));
    changes("a bias of the logits", &plain, &output);
    let mut incomplete = biased;
    incomplete.take("blk.1.ffn_up.bias");
    let message = opened(&incomplete.write()).err().expect("one is missing");
    assert!(message.contains("blk.1.ffn_up.bias"), "{message}");
}

#[test]
fn a_sliding_window_limits_sequences() {
    let file = model("llama").with("llama.attention.sliding_window", 16u32);
    let engine = opened(&file.write()).expect("a good file");
    assert_eq!(engine.info().context_length, 16);
    let notes = engine.notes();
    assert!(notes[0].contains("attention.sliding_window"), "{notes:?}");
    assert!(engine.sequence(17).is_err());
    let none = model("llama").with("llama.attention.sliding_window", 0u32);
    let engine = opened(&none.write()).expect("a good file");
    assert_eq!(engine.info().context_length, 256);
    assert!(engine.notes().is_empty());
}

/// Every row of the table does what it says, for every architecture.
#[test]
fn no_key_is_ignored() {
    for family in &FAMILIES {
        let architecture = family.architecture;
        let recipe = match architecture {
            "llama" => "mixtral",
            other => other,
        };
        let file = model(recipe);
        for key in KEYS {
            let full = format!("{architecture}.{}", key.name);
            let Reading::Only(values) = row(architecture, key.name).expect("a row").reading else {
                continue;
            };
            for value in values {
                let neutral = file.clone().with(&full, *value);
                opened(&neutral.write()).unwrap_or_else(|error| panic!("{value}: {error}"));
            }
            let bad = file.clone().with(&full, 77.5);
            let message = opened(&bad.write()).err().expect("it would change results");
            assert!(
                message.contains(&full) && message.contains("77.5"),
                "{message}"
            );
        }
        let unknown = format!("{architecture}.attention.new_idea");
        let message = opened(&file.with(&unknown, true).write()).err();
        let message = message.expect("nobody knows what it does");
        for word in [unknown.as_str(), "--remove-metadata"] {
            assert!(message.contains(word), "{message}");
        }
    }
}

#[test]
fn values_of_other_types_are_judged_by_what_they_say() {
    let key = "llama.attention.causal";
    let good = [OwnedValue::Bool(true), OwnedValue::U8(1)];
    let bad = [
        OwnedValue::Bool(false),
        OwnedValue::String("yes".into()),
        OwnedValue::from(vec![1u32, 0]),
    ];
    for value in good {
        let file = model("llama").with(key, value.clone());
        assert!(opened(&file.write()).is_ok(), "{value:?}");
    }
    for value in bad {
        let file = model("llama").with(key, value.clone());
        let message = opened(&file.write()).err();
        assert!(message.is_some_and(|text| text.contains(key)), "{value:?}");
    }
}

#[test]
fn positions_that_cannot_be_are_refused_by_name() {
    let cases: [(&str, OwnedValue, &str); 6] = [
        ("rope.scaling.type", "longrope".into(), "\"longrope\""),
        ("rope.scaling.type", "dynamic".into(), "\"dynamic\""),
        (
            "rope.scaling.type",
            "yarn".into(),
            "rope.scaling.factor is missing",
        ),
        (
            "rope.scaling.factor",
            (-2.0f32).into(),
            "rope.scaling.factor",
        ),
        ("rope.scale_linear", f32::NAN.into(), "rope.scale_linear"),
        ("rope.freq_base", 0.0f32.into(), "rope.freq_base"),
    ];
    for (key, value, words) in cases {
        let file = model("llama").with(&format!("llama.{key}"), value);
        let message = opened(&file.write()).err().expect(key);
        assert!(message.contains(words), "{message}");
    }
}

/// The table of the documentation has a line for every row, with what is done.
#[test]
fn the_documentation_shows_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/en/model-files.md");
    let page = std::fs::read_to_string(path).expect("it is in the repository");
    for key in KEYS {
        let reading = match key.reading {
            Reading::Honoured => "honoured".to_owned(),
            Reading::WithoutEffect => "without effect".to_owned(),
            Reading::Only(values) => {
                let values: Vec<String> = values.iter().map(f64::to_string).collect();
                format!("refused unless {}", values.join(" or "))
            }
        };
        let of = match key.architectures {
            [] => "all".to_owned(),
            some => some.join(", "),
        };
        let line = format!("| `{}` | {of} | {reading} | {} |", key.name, key.what);
        assert!(
            page.contains(&line),
            "docs/en/model-files.md lacks:\n{line}"
        );
    }
    for family in &FAMILIES {
        assert!(page.contains(&format!("`{}`", family.architecture)));
    }
}
