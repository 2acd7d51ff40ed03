//! Means of hidden states against the naive decoder's, and the same bits however a step is divided and
//! whatever else is in it.

use std::path::Path;
use std::slice::from_ref;

use sysinfer_conformance::fixtures::{open, open_as, tiny_model};
use sysinfer_conformance::golden::relative_rms_error;
use sysinfer_conformance::models::{Recipe, build};
use sysinfer_conformance::naive::Naive;
use sysinfer_conformance::spoil::{WRONG, spoil};
use sysinfer_engine::{
    CacheType, Engine, Entry, NotFinite, PhasePlan, Plan, Precision, Sequence, Wanted,
};
use sysinfer_formats::{Gguf, TensorType};

const TOKENS: [u32; 24] = [
    1, 17, 300, 4, 99, 250, 251, 252, 7, 7, 7, 128, 64, 32, 16, 8, 0, 299, 3, 200, 11, 13, 190, 55,
];

fn recipe(architecture: &'static str, kind: TensorType, layers: usize) -> Recipe {
    Recipe {
        architecture,
        kind,
        layers,
        tied: false,
    }
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).expect("a small file");
    (folder, path)
}

/// Adds tokens to a sequence, `feed` at a time, with their states.
fn add(engine: &mut Engine, sequence: &mut Sequence, tokens: &[u32], feed: usize) {
    for tokens in tokens.chunks(feed) {
        let mut batch = [Entry {
            sequence,
            tokens,
            wanted: Wanted::Mean,
        }];
        let logits = engine.step(&mut batch).expect("the step runs");
        assert_eq!(logits.rows(), 0, "nobody asked for logits");
    }
}

/// The mean of the states of some tokens.
fn mean(engine: &mut Engine, tokens: &[u32], feed: usize) -> Vec<f32> {
    let mut sequence = engine.sequence(tokens.len()).expect("it fits");
    add(engine, &mut sequence, tokens, feed);
    let mean = sequence.mean_state().expect("finite");
    mean.expect("all tokens were asked for")
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// What the oracle says, whatever the threads and the sizes of steps: within `bound`, and always the same bits.
fn check(recipe: Recipe, precision: Precision, bound: f64) {
    let bytes = build(recipe);
    let states = Naive::new(&Gguf::parse(&bytes).expect("our own file")).states(&TOKENS);
    let column = |column: usize| states.iter().map(|state| state[column]).sum::<f64>();
    let wanted: Vec<f32> = (0..states[0].len())
        .map(|at| (column(at) / states.len() as f64) as f32)
        .collect();
    let (_folder, path) = written(&bytes);
    let mut first = None;
    for (threads, feed) in [(1, 24), (2, 24), (2, 1), (3, 5), (3, 24)] {
        let plan = Plan::with_threads(PhasePlan::unpinned(threads));
        let got = mean(&mut open_as(&path, plan, precision), &TOKENS, feed);
        let how = format!("{recipe:?}, {precision:?}, {threads} threads, {feed} at a time");
        let error = relative_rms_error(from_ref(&got), from_ref(&wanted));
        assert!(error < bound, "{how}: {error}");
        let first = first.get_or_insert_with(|| bits(&got));
        assert_eq!(*first, bits(&got), "{how} change bits");
    }
}

#[test]
fn means_are_the_naive_decoders() {
    const EXACT: f64 = 2e-5;
    const ROUNDED: f64 = 0.03;
    let stored = Precision::default();
    for family in ["llama", "baichuan", "qwen2", "qwen3", "mixtral", "qwen2moe"] {
        check(
            recipe(family, TensorType::F32, 2),
            Precision::REFERENCE,
            EXACT,
        );
    }
    check(
        recipe("baichuan", TensorType::F32, 40),
        Precision::REFERENCE,
        EXACT,
    );
    for kind in [TensorType::Q4_0, TensorType::Q4K, TensorType::Q8_0] {
        check(recipe("llama", kind, 2), Precision::REFERENCE, EXACT);
        check(recipe("llama", kind, 2), stored, ROUNDED);
    }
}

/// The output matrix makes the engine's own logits of the engine's own states.
#[test]
fn states_are_what_the_output_matrix_multiplies() {
    for tied in [false, true] {
        let recipe = Recipe {
            tied,
            ..recipe("llama", TensorType::Q8_0, 2)
        };
        let bytes = build(recipe);
        let naive = Naive::new(&Gguf::parse(&bytes).expect("our own file"));
        let (_folder, path) = written(&bytes);
        let plan = Plan::with_threads(PhasePlan::unpinned(2));
        let mut engine = open_as(&path, plan, Precision::REFERENCE);
        for token in [0, 7, 300] {
            let state = mean(&mut engine, &[token], 1);
            let state = state.into_iter().map(f64::from).collect();
            let output = naive.output(&[state]).remove(0);
            let output: Vec<f32> = output.into_iter().map(|logit| logit as f32).collect();
            let mut sequence = engine.sequence(1).expect("it fits");
            let mut batch = [Entry {
                sequence: &mut sequence,
                tokens: &[token],
                wanted: Wanted::Last,
            }];
            let logits = engine.step(&mut batch).expect("the step runs");
            let logits = logits.row(0).expect("finite").to_vec();
            let error = relative_rms_error(&[output], &[logits]);
            assert!(error < 1e-6, "{token}: {error}");
        }
    }
}

/// An engine whose passes are small and odd.
fn small_passes(path: &Path, threads: usize) -> Engine {
    open(path, threads, |plan| {
        plan.blocking.attention_chunk = 32;
        plan.blocking.prefill_chunk = 13;
    })
}

#[test]
fn neighbours_in_a_step_change_no_bit_of_a_mean_nor_it_one_of_theirs() {
    let (_folder, path) = written(&build(recipe("mixtral", TensorType::Q4_0, 2)));
    let mut engine = small_passes(&path, 2);
    let inputs: [&[u32]; 4] = [&TOKENS[..5], &TOKENS[..], &TOKENS[3..4], &TOKENS[9..20]];
    let alone = inputs.map(|tokens| bits(&mean(&mut engine, tokens, tokens.len())));
    let last = |engine: &mut Engine, wanted: [Wanted; 4], parts: [&[u32]; 4]| {
        let mut sequences = [0; 4].map(|_| engine.sequence(32).expect("it fits"));
        let entries = sequences.iter_mut().zip(parts).zip(wanted);
        let mut batch: Vec<Entry<'_>> = entries
            .map(|((sequence, tokens), wanted)| Entry {
                sequence,
                tokens,
                wanted,
            })
            .collect();
        let logits = engine.step(&mut batch).expect("the step runs");
        let rows = (0..logits.rows()).map(|row| bits(logits.row(row).expect("finite")));
        let rows: Vec<_> = rows.collect();
        (sequences, rows)
    };
    let (_, logits) = last(&mut engine, [Wanted::Last; 4], inputs);
    for wanted in [
        [Wanted::Mean; 4],
        [Wanted::Mean, Wanted::Last, Wanted::Mean, Wanted::Last],
        [Wanted::Last, Wanted::Mean, Wanted::None, Wanted::Mean],
    ] {
        let (sequences, rows) = last(&mut engine, wanted, inputs);
        let mut rows = rows.into_iter();
        for (number, wanted) in wanted.into_iter().enumerate() {
            let mean = sequences[number].mean_state().expect("finite");
            match wanted {
                Wanted::Mean => {
                    assert_eq!(mean.map(|mean| bits(&mean)), Some(alone[number].clone()));
                }
                _ => assert_eq!(mean, None),
            }
            if wanted == Wanted::Last {
                assert_eq!(rows.next().as_ref(), Some(&logits[number]));
            }
        }
    }
}

/// No mean of a part passes for that of the whole.
#[test]
fn tokens_that_were_not_asked_for_leave_no_mean() {
    let mut engine = small_passes(tiny_model(), 2);
    let prompt: Vec<u32> = (0..200).map(|at| 260 + at * 7 % 190).collect();
    let whole = bits(&mean(&mut engine, &prompt, 200));
    let mut sequence = engine.sequence(200).expect("it fits");
    assert_eq!(sequence.mean_state(), Ok(None), "there is no token yet");
    add(&mut engine, &mut sequence, &prompt, 30);
    let found = sequence.mean_state().expect("finite");
    assert_eq!(found.map(|mean| bits(&mean)), Some(whole.clone()));
    // Cut back, it has a sum of too much.
    sequence.truncate(190);
    assert_eq!(sequence.mean_state(), Ok(None));
    add(&mut engine, &mut sequence, &prompt[190..], 10);
    assert_eq!(sequence.mean_state(), Ok(None));
    // Emptied, it begins anew.
    sequence.clear();
    add(&mut engine, &mut sequence, &prompt, 64);
    let found = sequence.mean_state().expect("finite");
    assert_eq!(found.map(|mean| bits(&mean)), Some(whole.clone()));
    // What another has computed has no states here, be it alive or kept.
    let mut shares = engine.sequence(200).expect("it fits");
    shares.share(&prompt, &sequence).expect("there is memory");
    assert_eq!((shares.len(), shares.mean_state()), (200, Ok(None)));
    shares.truncate(150);
    add(&mut engine, &mut shares, &prompt[150..], 50);
    assert_eq!(shares.mean_state(), Ok(None));
    engine.keep(sequence);
    let recalls = engine.sequence_of(&prompt, 200).expect("it fits");
    assert_eq!((recalls.len(), recalls.mean_state()), (200, Ok(None)));
    // One that is begun without a prompt knows nothing, and computes all.
    assert_eq!(bits(&mean(&mut engine, &prompt, 200)), whole);
    // A part without states in the middle.
    let mut gap = engine.sequence(200).expect("it fits");
    add(&mut engine, &mut gap, &prompt[..50], 50);
    let mut batch = [Entry {
        sequence: &mut gap,
        tokens: &prompt[50..60],
        wanted: Wanted::Last,
    }];
    engine.step(&mut batch).expect("the step runs");
    add(&mut engine, &mut gap, &prompt[60..], 200);
    assert_eq!((gap.len(), gap.mean_state()), (200, Ok(None)));
}

#[test]
fn states_that_are_not_finite_are_an_error_of_their_sequence() {
    let good = build(recipe("llama", TensorType::Q4_0, 2));
    for (tensor, row) in [
        ("token_embd.weight", 250),
        ("blk.1.ffn_down.weight", 3),
        ("output_norm.weight", 0),
    ] {
        for (threads, wrong) in (1..).zip(WRONG) {
            let mut bytes = good.clone();
            spoil(&mut bytes, tensor, row, wrong);
            let (_folder, path) = written(&bytes);
            let plan = Plan::with_threads(PhasePlan::unpinned(threads));
            let mut engine = open_as(&path, plan, Precision::with_cache(CacheType::F16));
            let sequences = [0; 2].map(|_| engine.sequence(8).expect("it fits"));
            let [mut with, mut without] = sequences;
            let mut batch = [
                Entry {
                    sequence: &mut with,
                    tokens: &TOKENS[2..8],
                    wanted: Wanted::Mean,
                },
                Entry {
                    sequence: &mut without,
                    tokens: &TOKENS[8..11],
                    wanted: Wanted::Mean,
                },
            ];
            engine.step(&mut batch).expect("the step runs");
            assert_eq!(with.mean_state(), Err(NotFinite), "{wrong} in {tensor}");
            let other = without.mean_state();
            match tensor {
                // Its token is in the first only.
                "token_embd.weight" => assert!(matches!(other, Ok(Some(_))), "{other:?}"),
                _ => assert_eq!(other, Err(NotFinite), "{wrong} in {tensor}"),
            }
        }
    }
}
