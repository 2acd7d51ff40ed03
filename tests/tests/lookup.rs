//! Lookup changes no answer: what a client gets with drafts is what it gets without, to the bit.

use std::time::Duration;

use serde_json::Value;
use sysinfer_conformance::fixtures::{open, open_as, tiny_model};
use sysinfer_conformance::models::{Recipe, build};
use sysinfer_conformance::product::{command, said};
use sysinfer_engine::{
    CacheType, Drafter, Drafts, Drawn, Engine, Entry, Lookup, PhasePlan, Plan, Precision, Sampler,
    SamplingOptions, Turn, Wanted,
};
use sysinfer_formats::TensorType;
use sysinfer_server::backend::answer::Vocabulary;
use sysinfer_server::backend::engine::{EngineBackend, Limits};
use sysinfer_server::scheduler::compose::StepLimits;
use sysinfer_server::scheduler::{Backend, Event, FinishReason, JobLimits, ValidJob};

const CONTEXT: usize = 400;

/// Never drafts; no time passes.
fn plain() -> Lookup {
    Lookup::off(Box::new(|| Duration::ZERO))
}

/// Every step seems to take the same time, so every match is drafted.
fn eager() -> Lookup {
    let mut milliseconds = 0;
    Lookup::auto(Box::new(move || {
        milliseconds += 1;
        Duration::from_millis(milliseconds)
    }))
}

fn backend(lookup: Lookup) -> EngineBackend {
    let engine = open(tiny_model(), 1, |plan| plan.blocking.attention_chunk = 32);
    let tokenizer = engine.tokenizer().expect("it has one").clone();
    let vocabulary = Vocabulary::new(tokenizer, engine.info().vocabulary_size, &[]);
    let limits = Limits {
        parallel: 1,
        step: StepLimits {
            rows: 512,
            gap: Duration::from_millis(100),
        },
    };
    EngineBackend::new(engine, vocabulary, lookup, limits)
}

/// Draws from four words only, so that nearly every end of the text was seen before.
fn babble() -> SamplingOptions {
    SamplingOptions {
        temperature: 2.0,
        logit_bias: (300..304).map(|token| (token, 60.0)).collect(),
        seed: Some(3),
        ..SamplingOptions::default()
    }
}

fn prompt() -> Vec<u32> {
    (0..60).map(|at| 260 + at * 7 % 50).collect()
}

fn limits(max_tokens: usize) -> JobLimits {
    JobLimits {
        max_tokens,
        ..JobLimits::default()
    }
}

fn job(prompt: Vec<u32>, limits: JobLimits, options: SamplingOptions) -> ValidJob {
    ValidJob::new(prompt, CONTEXT, limits, options, 9).expect("valid")
}

/// Runs a job to its end. Returns what its client gets, but for times, and its drafts.
fn answer(backend: &mut EngineBackend, job: ValidJob) -> (Vec<Event>, Drafts) {
    backend.admit(1, job.into()).expect("admitted");
    let (mut events, mut drafts) = (Vec::new(), None);
    while drafts.is_none() {
        let emit = &mut |_, mut event| {
            if let Event::Finished(finish) = &mut event {
                drafts = Some(std::mem::take(&mut finish.drafts));
                finish.prefill_time = Duration::ZERO;
                finish.decode_time = Duration::ZERO;
            }
            events.push(event);
        };
        backend.step(emit).expect("the step runs");
    }
    backend.release(1);
    (events, drafts.expect("the loop ended"))
}

fn text(events: &[Event]) -> String {
    let text = |event: &Event| match event {
        Event::Text { text, .. } => text.clone(),
        _ => String::new(),
    };
    events.iter().map(text).collect()
}

#[test]
fn clients_see_no_difference() {
    let stop = |texts: &[&str]| JobLimits {
        stop: texts.iter().map(|text| (*text).to_string()).collect(),
        ..limits(200)
    };
    let penalised = SamplingOptions {
        repetition_penalty: 1.2,
        presence_penalty: 0.4,
        frequency_penalty: 0.05,
        top_k: 40,
        ..babble()
    };
    // The end token is among the likely ones.
    let mut ending = babble();
    ending.logit_bias.push((2, 58.0));
    let unending = JobLimits {
        min_tokens: 30,
        ..limits(200)
    };
    let deaf = JobLimits {
        ignore_eos: true,
        ..limits(40)
    };
    let greedy = SamplingOptions::default;
    let jobs = [
        ("greedy", limits(150), greedy()),
        ("sampled", limits(150), babble()),
        ("penalised", limits(150), penalised),
        ("ends", limits(200), ending.clone()),
        ("may not end yet", unending, ending.clone()),
        ("never ends", deaf, ending),
        (
            "stops",
            stop(&["w301 \u{2581}w3", "w301 w300 w302"]),
            babble(),
        ),
        ("stops in a word", stop(&["302 w301 w"]), babble()),
    ];
    let (mut plain, mut drafted) = (backend(plain()), backend(eager()));
    let (mut reasons, mut accepted) = (Vec::new(), 0);
    for (name, limits, options) in jobs {
        for logprobs in [None, Some(3)] {
            let job = || {
                let job = job(prompt(), limits.clone(), options.clone());
                match logprobs {
                    Some(count) => job.with_logprobs(count),
                    None => job,
                }
            };
            let (wanted, none) = answer(&mut plain, job());
            let (got, drafts) = answer(&mut drafted, job());
            assert_eq!(got, wanted, "{name}, logprobs {logprobs:?}");
            assert_eq!(none, Drafts::default());
            assert!(drafts.accepted <= drafts.drafted, "{name}: {drafts:?}");
            accepted += drafts.accepted;
            if let Some(Event::Finished(finish)) = got.last() {
                reasons.push(finish.reason);
            }
        }
    }
    assert!(accepted > 100, "only {accepted} drafted tokens were right");
    for reason in [FinishReason::Stop, FinishReason::Length] {
        let count = reasons.iter().filter(|one| **one == reason).count();
        assert!(count >= 6, "{reasons:?}");
    }
}

#[test]
fn answers_end_on_their_last_token_wherever_drafts_end() {
    let (mut plain, mut drafted) = (backend(plain()), backend(eager()));
    for max_tokens in (1..40).step_by(3) {
        let job = || job(prompt(), limits(max_tokens), SamplingOptions::default());
        let (wanted, _) = answer(&mut plain, job());
        assert_eq!(answer(&mut drafted, job()).0, wanted, "{max_tokens}");
    }
    // To the last position of the context.
    let job = || job(prompt(), limits(CONTEXT), SamplingOptions::default());
    let (wanted, _) = answer(&mut plain, job());
    assert_eq!(answer(&mut drafted, job()).0, wanted);
}

#[test]
fn stop_texts_end_answers_in_the_middle_of_a_draft_too() {
    let (mut plain, mut drafted) = (backend(plain()), backend(eager()));
    let job_of = |limits| job(prompt(), limits, babble());
    let (whole, _) = answer(&mut plain, job_of(limits(120)));
    assert_eq!(answer(&mut drafted, job_of(limits(120))).0, whole);
    let whole = text(&whole);
    let words: Vec<&str> = whole.split_inclusive(' ').collect();
    // Five words are seldom said twice, so most of these end the answer late, and some where the
    // last word was drafted.
    for last in (20..words.len()).step_by(3) {
        let stop = words[last - 5..last].concat().trim_end().to_string();
        let wish = JobLimits {
            stop: vec![stop],
            ..limits(120)
        };
        let (wanted, _) = answer(&mut plain, job_of(wish.clone()));
        let (got, _) = answer(&mut drafted, job_of(wish.clone()));
        assert_eq!(got, wanted, "{wish:?}");
    }
    assert!(words.len() > 80, "{whole}");
}

#[test]
fn the_next_conversation_finds_what_it_would_find() {
    let first = || job(prompt(), limits(50), babble());
    let continued: Vec<u32> = prompt().into_iter().chain(300..330).collect();
    let next = || job(continued.clone(), limits(60), babble());
    let (mut plain, mut drafted) = (backend(plain()), backend(eager()));
    answer(&mut plain, first());
    answer(&mut drafted, first());
    let (wanted, _) = answer(&mut plain, next());
    assert_eq!(answer(&mut drafted, next()).0, wanted);

    // A client that left in the middle of an answer leaves nothing behind either.
    for steps in [1, 3, 9] {
        drafted.admit(5, first().into()).expect("admitted");
        for _ in 0..steps {
            drafted.step(&mut |_, _| {}).expect("the step runs");
        }
        drafted.release(5);
        let (got, _) = answer(&mut drafted, next());
        assert_eq!(text(&got), text(&wanted), "left after {steps} steps");
    }
}

/// Greedy tokens and their logits.
fn tokens(engine: &mut Engine, mut lookup: Lookup) -> (Vec<(u32, Vec<f32>)>, Drafts) {
    const COUNT: usize = 48;
    let prompt: Vec<u32> = (0..40).map(|at| 1 + at % 11 * 20).collect();
    let mut sequence = engine.sequence(prompt.len() + COUNT).expect("it fits");
    let mut sampler = Sampler::new(SamplingOptions::default(), 0).expect("valid");
    let entry = Entry {
        sequence: &mut sequence,
        tokens: &prompt,
        wanted: Wanted::Last,
    };
    let logits = engine.step(&mut [entry]).expect("the prompt runs");
    let logits = logits.row(0).expect("finite");
    let mut drawn = vec![(sampler.sample(logits), logits.to_vec())];
    let mut drafter = Drafter::default();
    while drawn.len() < COUNT {
        let turn = Turn {
            sequence: &mut sequence,
            drafter: &mut drafter,
            last: drawn[drawn.len() - 1].0,
            most_tokens: COUNT - drawn.len(),
        };
        let mut draw = |_, logits: &[f32]| {
            let token = sampler.sample(logits);
            drawn.push((token, logits.to_vec()));
            let over = drawn.len() == COUNT;
            Drawn { token, over }
        };
        let stepped = lookup.step(engine, &mut [turn], Vec::new(), &mut draw);
        let spoilt = stepped.expect("the step runs");
        spoilt.require_none().expect("finite logits");
    }
    (drawn, drafter.drafts())
}

#[test]
fn every_family_and_cache_gives_the_same_bits() {
    let recipe = |architecture, kind| Recipe {
        architecture,
        kind,
        layers: 2,
        tied: false,
    };
    let alibi = Recipe {
        layers: 40,
        ..recipe("baichuan", TensorType::Q4_0)
    };
    let f16 = Precision::default();
    let models = [
        (recipe("llama", TensorType::Q4_0), f16),
        (
            recipe("llama", TensorType::Q6K),
            Precision::with_cache(CacheType::Q8_0),
        ),
        (recipe("llama", TensorType::F16), f16),
        (recipe("qwen3", TensorType::Q4K), f16),
        (recipe("mixtral", TensorType::Q4_0), f16),
        (recipe("qwen3moe", TensorType::Q8_0), f16),
        (alibi, f16),
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    let mut all = Drafts::default();
    for (recipe, precision) in models {
        std::fs::write(&path, build(recipe)).expect("a small file");
        let mut plan = Plan::with_threads(PhasePlan::unpinned(1));
        plan.blocking.attention_chunk = 32;
        let mut engine = open_as(&path, plan, precision);
        let (wanted, _) = tokens(&mut engine, plain());
        let (got, drafts) = tokens(&mut engine, eager());
        assert!(got == wanted, "{recipe:?}: tokens or logits differ");
        all.drafted += drafts.drafted;
        all.accepted += drafts.accepted;
    }
    assert!(all.accepted > 20 && all.drafted > all.accepted, "{all:?}");
}

#[test]
fn the_bench_compares_answers_with_and_without() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prompt = folder.path().join("prompt.txt");
    std::fs::write(&prompt, "one two three one two three one two").expect("a small file");
    let bench = |arguments: &[&str]| {
        let mut bench = command("sysinfer-tune");
        bench.args(["bench", "--threads", "1", "--repeat", "2", "--tokens", "40"]);
        bench.args(arguments).arg("--lookup").arg(&prompt);
        bench.output().expect("the tuner starts")
    };
    let tiny = tiny_model().to_str().expect("temporary folders are UTF-8");
    let output = bench(&[tiny, "--json"]);
    assert!(output.status.success(), "{}", said(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let compared = &json["lookup"][0];
    assert!(compared["tokens"].as_u64().is_some_and(|n| n > 1), "{json}");
    assert_eq!(compared["rounds"], 2, "{json}");
    let output = bench(&[tiny]);
    assert!(
        said(&output).contains("the same with and without lookup"),
        "{}",
        said(&output)
    );
    let output = bench(&["--synthetic", "tiny"]);
    assert!(!output.status.success(), "a model without tokenizer");
    assert!(said(&output).contains("no tokenizer"), "{}", said(&output));
}
