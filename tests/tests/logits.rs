//! The engine's logits against the naive decoder's, for every block type, and the same tokens
//! however a step is divided.

use sysinfer_conformance::fixtures::{greedy, open, open_as, real_model};
use sysinfer_conformance::golden::relative_rms_error;
use sysinfer_conformance::models::{Recipe, build, build_mixed};
use sysinfer_conformance::naive::Naive;
use sysinfer_engine::tokenizer::Encode;
use sysinfer_engine::{CacheType, Engine, Entry, KernelChoice, PhasePlan, Plan, Precision, Wanted};
use sysinfer_formats::{Gguf, TensorType};
use sysinfer_kernels::{Phase, layout::LAYOUTS, table};

/// Written to a file, since engines open files.
fn file(recipe: Recipe) -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
    written(build(recipe))
}

fn written(bytes: Vec<u8>) -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, &bytes).expect("a small file");
    (folder, path, bytes)
}

const TOKENS: [u32; 24] = [
    1, 17, 300, 4, 99, 250, 251, 252, 7, 7, 7, 128, 64, 32, 16, 8, 0, 299, 3, 200, 11, 13, 190, 55,
];

fn recipe(architecture: &'static str, kind: TensorType) -> Recipe {
    Recipe {
        architecture,
        kind,
        layers: 2,
        tied: false,
    }
}

/// Logits after every token, fed `feed` at a time.
fn logits(engine: &mut Engine, feed: usize) -> Vec<Vec<f32>> {
    let mut sequence = engine.sequence(TOKENS.len()).expect("it fits");
    let mut got = Vec::new();
    for tokens in TOKENS.chunks(feed) {
        let entry = Entry {
            sequence: &mut sequence,
            tokens,
            wanted: Wanted::All,
        };
        let mut batch = [entry];
        let logits = engine.step(&mut batch).expect("the step runs");
        got.extend((0..logits.rows()).map(|row| logits.row(row).expect("finite").to_vec()));
    }
    got
}

/// Runs a model every way: within `bound` of the naive decoder, and the same bits each time.
fn check(recipe: Recipe, precision: Precision, bound: f64) {
    check_file(&format!("{recipe:?}"), build(recipe), precision, bound);
}

fn check_file(model: &str, bytes: Vec<u8>, precision: Precision, bound: f64) {
    let (_folder, path, bytes) = written(bytes);
    let wanted = Naive::new(&Gguf::parse(&bytes).expect("our own file")).logits(&TOKENS);
    let mut first: Option<Vec<Vec<f32>>> = None;
    for (threads, feed) in [(1, 24), (2, 24), (2, 1), (3, 5)] {
        let plan = Plan::with_threads(PhasePlan::unpinned(threads));
        let mut engine = open_as(&path, plan, precision);
        let got = logits(&mut engine, feed);
        let error = relative_rms_error(&got, &wanted);
        let how = format!("{model}, {precision:?}, {threads} threads, {feed} at a time");
        assert!(error < bound, "{how}: {error}");
        let first = first.get_or_insert_with(|| got.clone());
        assert!(*first == got, "{how} change bits");
    }
}

/// What rounding activations to 8 bits costs.
const ROUNDED: f64 = 0.03;
/// What the cache's f16 costs, where nothing else is rounded.
const PLAIN: f64 = 0.002;
/// The same where it may change which experts are chosen: with random weights, scores lie close.
const ROUTED: f64 = 0.15;
/// What sums in f32 cost.
const EXACT: f64 = 2e-5;

#[test]
fn every_block_type_gives_the_naive_decoders_logits() {
    let stored = Precision::default();
    for layout in &LAYOUTS {
        let bound = match layout.block {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => PLAIN,
            _ => ROUNDED,
        };
        check(recipe("llama", layout.block), stored, bound);
    }
    let tied = Recipe {
        tied: true,
        ..recipe("llama", TensorType::Q8_0)
    };
    check(tied, stored, ROUNDED);
}

/// What llama.cpp's `quantize` makes of a model that is asked for in one type.
#[test]
fn mixtures_give_the_naive_decoders_logits() {
    use TensorType::{Q4_0, Q4K, Q5_0, Q5K, Q6K, Q8_0};
    type Mixture = (&'static str, fn(&str) -> TensorType);
    let mixtures: [Mixture; 4] = [
        ("Q4_0", |name| match name {
            "output.weight" => Q6K,
            _ => Q4_0,
        }),
        ("Q4_K_M", |name| match name {
            "output.weight" | "blk.0.attn_v.weight" | "blk.0.ffn_down.weight" => Q6K,
            _ => Q4K,
        }),
        ("Q5_K_M", |name| match name {
            "output.weight" | "blk.1.attn_v.weight" | "blk.1.ffn_down.weight" => Q6K,
            _ => Q5K,
        }),
        // Rows that are not whole blocks of 256 get a type with small blocks instead.
        ("Q4_K_M of odd widths", |name| match name {
            "token_embd.weight" | "output.weight" => Q8_0,
            "blk.0.attn_v.weight" | "blk.0.ffn_down.weight" => Q6K,
            _ => Q5_0,
        }),
    ];
    for (name, kind) in mixtures {
        let bytes = build_mixed(recipe("llama", Q4_0), |tensor| Some(kind(tensor)));
        check_file(name, bytes, Precision::default(), ROUNDED);
    }
}

#[test]
fn every_family_gives_the_naive_decoders_logits() {
    let alibi = Recipe {
        layers: 40,
        ..recipe("baichuan", TensorType::F32)
    };
    check(alibi, Precision::default(), 4.0 * PLAIN);
    let families = [
        ("baichuan", ROUNDED),
        ("qwen2", ROUNDED),
        ("qwen3", ROUNDED),
        ("mixtral", ROUTED),
        ("qwen2moe", ROUTED),
        ("qwen3moe", ROUTED),
    ];
    for (family, rounded) in families {
        let plain = recipe(family, TensorType::F32);
        check(plain, Precision::REFERENCE, EXACT);
        let quantised = recipe(family, TensorType::Q8_0);
        check(quantised, Precision::default(), rounded);
    }
}

#[test]
fn every_type_of_cache_costs_what_it_may() {
    for (cache, bound) in [
        (CacheType::F32, EXACT),
        (CacheType::F16, PLAIN),
        (CacheType::Q8_0, 0.01),
    ] {
        let plain = recipe("llama", TensorType::F32);
        check(plain, Precision::with_cache(cache), bound);
    }
}

#[test]
fn the_reference_precision_is_exact_for_every_block_type() {
    for layout in &LAYOUTS {
        check(recipe("llama", layout.block), Precision::REFERENCE, EXACT);
    }
}

#[test]
fn a_wrong_layer_would_be_seen() {
    let recipe = recipe("llama", TensorType::F32);
    let (_folder, path, bytes) = file(recipe);
    let exact = Naive::new(&Gguf::parse(&bytes).expect("our own file")).logits(&TOKENS);
    let mut engine = open(&path, 1, |_| {});
    let mut sequence = engine.sequence(TOKENS.len()).expect("it fits");
    let mut tokens = TOKENS;
    tokens.swap(0, 1);
    let entry = Entry {
        sequence: &mut sequence,
        tokens: &tokens,
        wanted: Wanted::All,
    };
    let mut batch = [entry];
    let logits = engine.step(&mut batch).expect("the step runs");
    let got: Vec<Vec<f32>> = (0..logits.rows())
        .map(|row| logits.row(row).expect("finite").to_vec())
        .collect();
    assert!(
        relative_rms_error(&got, &exact) > 0.05,
        "two tokens were swapped and nothing changed"
    );
}

#[test]
fn sequences_that_share_a_step_do_not_touch_each_other() {
    let recipe = recipe("llama", TensorType::Q4_0);
    let (_folder, path, _) = file(recipe);
    let mut engine = open(&path, 2, |_| {});
    let prompts: [&[u32]; 3] = [&TOKENS[..5], &TOKENS[5..24], &TOKENS[3..4]];
    let alone: Vec<Vec<f32>> = prompts
        .iter()
        .map(|tokens| {
            let mut sequence = engine.sequence(32).expect("it fits");
            let entry = Entry {
                sequence: &mut sequence,
                tokens,
                wanted: Wanted::Last,
            };
            engine
                .step(&mut [entry])
                .expect("the step runs")
                .row(0)
                .expect("finite")
                .to_vec()
        })
        .collect();
    let mut sequences: Vec<_> = prompts
        .iter()
        .map(|_| engine.sequence(32).expect("it fits"))
        .collect();
    let mut batch: Vec<Entry<'_>> = sequences
        .iter_mut()
        .zip(prompts)
        .map(|(sequence, tokens)| Entry {
            sequence,
            tokens,
            wanted: Wanted::Last,
        })
        .collect();
    let logits = engine.step(&mut batch).expect("the step runs");
    for (row, alone) in alone.iter().enumerate() {
        assert_eq!(
            logits.row(row),
            Ok(&alone[..]),
            "sequence {row} changed in company"
        );
    }
}

/// Paris is the capital of France, whatever the plan.
#[test]
fn the_real_model_says_the_same_under_every_plan() {
    let Some(path) = real_model("the_real_model_says_the_same_under_every_plan") else {
        return;
    };
    let mut engine = open(&path, 1, |_| {});
    let tokenizer = engine.tokenizer().expect("a chat model").clone();
    let options = Encode {
        add_special: true,
        parse_special: false,
    };
    let prompt = tokenizer.encode("The capital of France is", options);
    const COUNT: usize = 24;
    let wanted = greedy(&mut engine, &prompt, COUNT, prompt.len());
    let text = tokenizer.decode(&wanted, false);
    assert!(text.starts_with(" Paris."), "the model says {text:?}");

    assert_eq!(
        greedy(&mut engine, &prompt, COUNT, 1),
        wanted,
        "prompt token by token"
    );
    let mut two = open(&path, 2, |plan| plan.blocking.attention_chunk = 32);
    assert_eq!(
        greedy(&mut two, &prompt, COUNT, prompt.len()),
        wanted,
        "two threads"
    );
    let mut small = open(&path, 2, |plan| plan.blocking.prefill_chunk = 2);
    assert_eq!(
        greedy(&mut small, &prompt, COUNT, prompt.len()),
        wanted,
        "prompt in pieces"
    );

    let types = engine.info().block_types.clone();
    let main = TensorType::from_name(&types[0]).expect("a known type");
    let class = table::candidates(main, Phase::Decode)
        .next()
        .expect("a kernel")
        .kernel()
        .numerics;
    for decode in table::candidates(main, Phase::Decode).filter(|k| k.kernel().numerics == class) {
        for prefill in
            table::candidates(main, Phase::Prefill).filter(|k| k.kernel().numerics == class)
        {
            let mut plan = engine.plan().clone();
            let choice = KernelChoice {
                decode: Some(decode.kernel().name.into()),
                prefill: Some(prefill.kernel().name.into()),
            };
            plan.kernels.insert(types[0].clone(), choice);
            engine.replan(plan).expect("these kernels run here");
            let got = greedy(&mut engine, &prompt, COUNT, prompt.len());
            assert_eq!(got, wanted, "{decode:?} and {prefill:?}");
        }
    }
}

/// Timing a step changes none of its bits, in steps of any size, and its parts are the whole.
#[test]
fn a_profiled_step_gives_the_same_logits() {
    let start = std::time::Instant::now();
    let clock = || start.elapsed();
    for architecture in ["llama", "mixtral"] {
        let (_folder, path, _) = file(recipe(architecture, TensorType::Q4_0));
        for (threads, feed) in [(1, 24), (2, 1), (2, 24), (3, 10)] {
            let mut engine = open(&path, threads, |plan| plan.blocking.prefill_chunk = 10);
            let plain = logits(&mut engine, feed);
            let mut sequence = engine.sequence(TOKENS.len()).expect("it fits");
            let mut timed = Vec::new();
            for tokens in TOKENS.chunks(feed) {
                let mut batch = [Entry {
                    sequence: &mut sequence,
                    tokens,
                    wanted: Wanted::All,
                }];
                let (logits, times) = engine
                    .profile_step(&clock, &mut batch)
                    .expect("the step runs");
                timed.extend(
                    (0..logits.rows()).map(|row| logits.row(row).expect("finite").to_vec()),
                );
                let parts = times.parts();
                let sum: f64 = parts.iter().map(|(_, part)| part.mean).sum();
                let how = format!("{architecture}, {threads} threads, {feed}: {times:?}");
                assert!((sum / times.step_seconds - 1.0).abs() < 0.01, "{how}");
                let worked = parts.iter().filter(|(_, part)| part.mean > 0.0).count();
                assert!(worked >= 3, "{how}");
                let worst = parts
                    .iter()
                    .all(|(_, part)| part.worst >= 0.999 * part.mean);
                assert!(worst && parts[0].1.worst <= times.step_seconds, "{how}");
            }
            assert_eq!(plain, timed, "{architecture}, {threads} threads, {feed}");
        }
    }
}
