//! Weights and values that are not finite: every row of logits that they have a part in is refused, and no
//! other; the file's first damaged tensor is found.

use sysinfer_conformance::fixtures::{open, open_as, tiny_model};
use sysinfer_conformance::models::{Recipe, VOCABULARY, build, build_mixed};
use sysinfer_conformance::spoil::{WRONG, spoil, stretch, tensors};
use sysinfer_engine::{
    CacheType, Damage, Drafter, Drawn, Engine, Entry, Lookup, ModelFile, NotFinite, PhasePlan,
    Plan, Precision, Turn, Wanted, WeightPrecision, WeightStorage, damaged_tensors,
};
use sysinfer_formats::TensorType;
use sysinfer_machine::Topology;

/// More than a decode step has, so that they go the way of a prompt when they are fed at once.
const TOKENS: [u32; 12] = [5, 17, 250, 3, 99, 100, 7, 42, 211, 60, 18, 5];

const fn recipe(architecture: &'static str, kind: TensorType, layers: usize) -> Recipe {
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

fn opened(path: &std::path::Path) -> ModelFile {
    ModelFile::open(path).expect("the test's model opens")
}

/// An engine with one or two threads, and a cache, by a number.
fn engine(bytes: &[u8], way: usize) -> Engine {
    let (_folder, path) = written(bytes);
    let mut plan = Plan::with_threads(PhasePlan::unpinned(1 + way % 2));
    plan.blocking.attention_chunk = 32;
    let precision = Precision::with_cache(CacheType::ALL[way % 3]);
    // Hundreds of engines: looking for the topology takes longer than the rest.
    let topology = Topology::flat(&[0]);
    Engine::load(&opened(&path), plan, precision, &topology, &mut |_| {})
        .expect("the test's model loads")
}

/// Which rows of logits after `tokens` are refused, fed `feed` at a time.
fn refused(engine: &mut Engine, tokens: &[u32], feed: usize) -> Vec<bool> {
    let mut sequence = engine.sequence(tokens.len()).expect("it fits");
    let mut refused = Vec::new();
    for tokens in tokens.chunks(feed) {
        let mut batch = [Entry {
            sequence: &mut sequence,
            tokens,
            wanted: Wanted::All,
        }];
        let logits = engine.step(&mut batch).expect("the step runs");
        refused.extend((0..logits.rows()).map(|row| logits.row(row) == Err(NotFinite)));
        assert_eq!(
            logits.require_finite().is_err(),
            refused[refused.len() - logits.rows()..].contains(&true)
        );
    }
    refused
}

/// Puts every wrong value into every tensor, and holds every row of logits to being refused.
fn every_tensor_shows(recipe: Recipe, kind: impl Fn(&str) -> Option<TensorType>) {
    let good = build_mixed(recipe, kind);
    let all_good = refused(&mut engine(&good, 0), &TOKENS, 4);
    assert_eq!(all_good, [false; TOKENS.len()], "{recipe:?}");
    let mut way = 0;
    for tensor in tensors(&good) {
        for wrong in WRONG {
            way += 1;
            let mut bytes = good.clone();
            // The first token's row of the embedding: all that follows attends to it.
            let row = match tensor.as_str() {
                "token_embd.weight" => TOKENS[0] as usize,
                _ => 0,
            };
            spoil(&mut bytes, &tensor, row, wrong);
            let mut engine = engine(&bytes, way);
            for feed in [TOKENS.len(), 1] {
                let refused = refused(&mut engine, &TOKENS, feed);
                let what = format!("{recipe:?}: {wrong} in {tensor}, fed {feed}, way {way}");
                // An expert's weights have a part in what uses it, which may be few rows.
                if tensor.contains("_exps") {
                    continue;
                }
                assert_eq!(refused, [true; TOKENS.len()], "{what}");
            }
        }
    }
}

#[test]
fn every_tensor_of_plain_numbers_shows() {
    for kind in [TensorType::F32, TensorType::F16, TensorType::BF16] {
        every_tensor_shows(recipe("llama", kind, 2), |_| None);
    }
}

#[test]
fn every_tensor_of_quantised_blocks_shows() {
    // With biases, and with norms of heads.
    every_tensor_shows(recipe("qwen2", TensorType::Q4_0, 2), |_| None);
    every_tensor_shows(recipe("qwen3", TensorType::Q8_0, 1), |_| None);
    every_tensor_shows(recipe("llama", TensorType::Q4K, 1), |name| {
        name.contains("ffn_down").then_some(TensorType::Q6K)
    });
    every_tensor_shows(recipe("llama", TensorType::Q4_1, 1), |name| {
        name.contains("attn_v").then_some(TensorType::Q5_1)
    });
}

#[test]
fn routers_and_experts_show() {
    let recipe = recipe("mixtral", TensorType::Q4_0, 1);
    every_tensor_shows(recipe, |_| None);
    let good = build(recipe);
    for expert in 0..6 {
        // A router that does not score one expert must not do as if the others were all.
        let mut router = good.clone();
        spoil(&mut router, "blk.0.ffn_gate_inp.weight", expert, f32::NAN);
        let refused_rows = refused(&mut engine(&router, expert), &TOKENS, 4);
        assert_eq!(refused_rows, [true; TOKENS.len()], "router of {expert}");
    }
    // Who uses a damaged expert is refused; with all damaged, everybody is.
    let (mut some, mut all) = (good.clone(), good.clone());
    for expert in 0..6 {
        let row = expert * 256;
        spoil(&mut all, "blk.0.ffn_down_exps.weight", row, f32::NAN);
        if expert == 0 {
            spoil(&mut some, "blk.0.ffn_down_exps.weight", row, f32::NAN);
        }
    }
    let rows = refused(&mut engine(&all, 1), &TOKENS, TOKENS.len());
    assert_eq!(rows, [true; TOKENS.len()]);
    let at_once = refused(&mut engine(&some, 1), &TOKENS, TOKENS.len());
    assert!(
        at_once.contains(&true) && at_once.contains(&false),
        "{at_once:?}"
    );
    assert_eq!(refused(&mut engine(&some, 1), &TOKENS, 1), at_once);
}

#[test]
fn alibi_hides_no_damage() {
    let recipe = recipe("baichuan", TensorType::Q4_0, 40);
    let good = build(recipe);
    // Enough positions that steep slopes leave chunks out.
    let tokens: Vec<u32> = (0..200).map(|at| at * 7 % 300).collect();
    for (way, tensor) in [
        "blk.3.attn_k.weight",
        "blk.20.attn_v.weight",
        "blk.39.attn_q.weight",
    ]
    .into_iter()
    .enumerate()
    {
        let mut bytes = good.clone();
        spoil(&mut bytes, tensor, 1, WRONG[way]);
        let rows = refused(&mut engine(&bytes, way), &tokens, 64);
        assert!(rows.iter().all(|refused| *refused), "{tensor}");
    }
    // One token that is no number, far behind those that are.
    let mut bytes = good;
    spoil(
        &mut bytes,
        "token_embd.weight",
        tokens[0] as usize,
        f32::NAN,
    );
    let rows = refused(&mut engine(&bytes, 1), &tokens, 64);
    assert!(rows.iter().all(|refused| *refused));
}

#[test]
fn a_damaged_token_is_refused_where_it_was_read_and_nowhere_else() {
    let good = build(recipe("llama", TensorType::Q4_0, 2));
    let mut bytes = good.clone();
    spoil(&mut bytes, "token_embd.weight", 250, f32::NAN);
    for way in 0..6 {
        let mut damaged = engine(&bytes, way);
        let expected: Vec<bool> = (0..TOKENS.len()).map(|at| at >= 2).collect();
        for feed in [1, 5, TOKENS.len()] {
            assert_eq!(
                refused(&mut damaged, &TOKENS, feed),
                expected,
                "{way}, {feed}"
            );
        }
        // In one step with others, which get what they get from the good file, to the bit.
        let mut whole = engine(&good, way);
        for lengths in [[2, 3, 1], [8, 6, 4]] {
            let parts = [
                &TOKENS[3..3 + lengths[0]],
                &TOKENS[2..2 + lengths[1]],
                &TOKENS[4..4 + lengths[2]],
            ];
            let (got, wanted) = (together(&mut damaged, parts), together(&mut whole, parts));
            assert_eq!(got[1], None, "way {way}");
            assert_eq!((&got[0], &got[2]), (&wanted[0], &wanted[2]), "way {way}");
            assert!(got[0].is_some() && got[2].is_some());
        }
    }
}

/// Bits of the last logits of three sequences that share a step; `None` for those refused.
fn together(engine: &mut Engine, parts: [&[u32]; 3]) -> [Option<Vec<u32>>; 3] {
    let mut sequences = [0; 3].map(|_| engine.sequence(32).expect("it fits"));
    let mut batch: Vec<Entry<'_>> = sequences
        .iter_mut()
        .zip(parts)
        .map(|(sequence, tokens)| Entry {
            sequence,
            tokens,
            wanted: Wanted::Last,
        })
        .collect();
    let logits = engine.step(&mut batch).expect("the step runs");
    [0, 1, 2].map(|row| {
        let row = logits.row(row).ok()?;
        Some(row.iter().map(|logit| logit.to_bits()).collect())
    })
}

#[test]
fn values_beyond_a_cache_are_refused_and_another_cache_holds_them() {
    use CacheType::{F16, F32, Q8_0};
    let good = build(recipe("llama", TensorType::F32, 1));
    // Keys and values of about one, times this.
    for (factor, holds) in [
        (1e4, &[F32, F16, Q8_0][..]),
        (1e6, &[F32, Q8_0]),
        (1e9, &[F32]),
    ] {
        for tensor in ["blk.0.attn_k.weight", "blk.0.attn_v.weight"] {
            let mut bytes = good.clone();
            stretch(&mut bytes, tensor, factor);
            let (_folder, path) = written(&bytes);
            assert_eq!(damaged_tensors(&opened(&path), 9, &mut |_| {}), []);
            for cache in CacheType::ALL {
                for threads in [1, 2] {
                    let plan = Plan::with_threads(PhasePlan::unpinned(threads));
                    let mut engine = open_as(&path, plan, Precision::with_cache(cache));
                    let wanted = [!holds.contains(&cache); TOKENS.len()];
                    for feed in [1, TOKENS.len()] {
                        let rows = refused(&mut engine, &TOKENS, feed);
                        assert_eq!(rows, wanted, "{tensor} times {factor}, {cache:?}, {feed}");
                    }
                }
            }
        }
    }
}

#[test]
fn values_beyond_f32_are_refused() {
    let good = build(recipe("llama", TensorType::F32, 2));
    // Squares of the residual, scores, products, logits.
    for (way, (tensor, factor)) in [
        ("blk.0.ffn_down.weight", 1e25),
        ("blk.0.attn_output.weight", 1e30),
        ("blk.1.attn_q.weight", 3e38),
        ("blk.1.ffn_up.weight", 1e38),
        ("blk.0.attn_norm.weight", 2e38),
        ("output_norm.weight", 3e38),
        ("output.weight", 3e38),
        ("token_embd.weight", 1e30),
    ]
    .into_iter()
    .enumerate()
    {
        let mut bytes = good.clone();
        stretch(&mut bytes, tensor, factor);
        let rows = refused(
            &mut engine(&bytes, way),
            &TOKENS,
            [1, TOKENS.len()][way % 2],
        );
        assert_eq!(rows, [true; TOKENS.len()], "{tensor} times {factor}");
    }
}

#[test]
fn logits_of_a_single_token_are_not_passed_over() {
    let good = build(recipe("llama", TensorType::Q8_0, 1));
    for (way, wrong) in WRONG.into_iter().enumerate() {
        for token in [0, 7, 8, VOCABULARY - 1] {
            let mut bytes = good.clone();
            spoil(&mut bytes, "output.weight", token, wrong);
            let rows = refused(&mut engine(&bytes, way), &TOKENS, 5);
            assert_eq!(rows, [true; TOKENS.len()], "{wrong} of token {token}");
        }
    }
}

#[test]
fn weights_in_f32_and_in_the_map_show_too() {
    let mut bytes = build(recipe("llama", TensorType::Q4_0, 1));
    spoil(&mut bytes, "blk.0.ffn_up.weight", 9, f32::INFINITY);
    let (_folder, path) = written(&bytes);
    let mut mapped = open(&path, 2, |plan| plan.memory.weights = WeightStorage::Mapped);
    assert_eq!(refused(&mut mapped, &TOKENS, 5), [true; TOKENS.len()]);
    let precision = Precision {
        weights: WeightPrecision::F32,
        ..Precision::default()
    };
    let plan = Plan::with_threads(PhasePlan::unpinned(1));
    let mut wide = open_as(&path, plan, precision);
    assert_eq!(refused(&mut wide, &TOKENS, 5), [true; TOKENS.len()]);
}

#[test]
fn lookup_ends_the_turn_that_has_no_logits_and_no_other() {
    let mut bytes = std::fs::read(tiny_model()).expect("the model was written");
    spoil(&mut bytes, "token_embd.weight", 301, f32::NAN);
    for drafts in [false, true] {
        let mut engine = engine(&bytes, 1);
        let still = Box::new(|| std::time::Duration::ZERO);
        let mut lookup = match drafts {
            false => Lookup::off(still),
            true => Lookup::auto(still),
        };
        let prompt: Vec<u32> = (0..24).map(|at| 260 + at % 6).collect();
        let mut sequences = [0; 2].map(|_| engine.sequence(64).expect("it fits"));
        for sequence in &mut sequences {
            let entry = Entry {
                sequence,
                tokens: &prompt,
                wanted: Wanted::Last,
            };
            let mut batch = [entry];
            let logits = engine.step(&mut batch).expect("the step runs");
            logits.row(0).expect("a good prompt");
        }
        let (mut first, mut second) = (Drafter::default(), Drafter::default());
        let [good, bad] = &mut sequences;
        let mut turns =
            [(good, &mut first, 260), (bad, &mut second, 301)].map(|(sequence, drafter, last)| {
                Turn {
                    sequence,
                    drafter,
                    last,
                    most_tokens: 8,
                }
            });
        let mut drawn = [0; 2];
        let spoilt = lookup
            .step(&mut engine, &mut turns, Vec::new(), &mut |turn, logits| {
                assert!(logits.iter().all(|logit| logit.is_finite()));
                drawn[turn] += 1;
                Drawn {
                    token: 261,
                    over: true,
                }
            })
            .expect("the step runs");
        assert_eq!((drawn[0], drawn[1]), (1, 0));
        assert!(spoilt.contains(1) && !spoilt.contains(0));
        assert_eq!(spoilt.require_none(), Err(NotFinite));
        // Both hold what was drawn from, and nothing else.
        assert_eq!((turns[0].sequence.len(), turns[1].sequence.len()), (25, 24));
    }
}

#[test]
fn the_first_damaged_tensor_is_named_for_every_type() {
    let kinds = sysinfer_formats::blocks::CONVERTIBLE;
    for (kind, wrong) in kinds
        .into_iter()
        .flat_map(|kind| WRONG.map(|wrong| (kind, wrong)))
    {
        let mut bytes = build(recipe("llama", kind, 2));
        spoil(&mut bytes, "blk.1.ffn_gate.weight", 300, wrong);
        spoil(&mut bytes, "blk.1.ffn_gate.weight", 17, wrong);
        spoil(&mut bytes, "output_norm.weight", 0, wrong);
        let (_folder, path) = written(&bytes);
        let mut seen = 0;
        let file = opened(&path);
        let found = damaged_tensors(&file, 9, &mut |step| seen = step.done_bytes);
        assert!(seen > 0);
        let Damage {
            tensor,
            row,
            column,
            value,
            damaged_rows,
            rows,
            ..
        } = &found[0];
        assert_eq!(
            (tensor.as_str(), *row, *column, *damaged_rows, *rows),
            ("blk.1.ffn_gate.weight", 17, 0, 2, 512),
            "{kind}"
        );
        assert!(!value.is_finite() && found[0].kind == kind);
        assert_eq!(
            (found.len(), found[1].tensor.as_str()),
            (2, "output_norm.weight")
        );
        let first = damaged_tensors(&file, 1, &mut |_| {});
        assert_eq!(first.len(), 1);
    }
}
