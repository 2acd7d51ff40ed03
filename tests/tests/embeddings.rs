//! Embeddings among answers: the same bits as alone, and nobody else's changed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sysinfer_conformance::fixtures::{open, real_model, tiny_model};
use sysinfer_conformance::product::{Server, command};
use sysinfer_engine::kv::BLOCK_POSITIONS;
use sysinfer_engine::{Entry, Lookup, SamplingOptions, Wanted};
use sysinfer_server::backend::answer::Vocabulary;
use sysinfer_server::backend::engine::{EngineBackend, Limits};
use sysinfer_server::scheduler::compose::StepLimits;
use sysinfer_server::scheduler::{
    Backend, Embedded, Event, Job, JobId, JobLimits, NotAdmitted, ValidInputs, ValidJob,
};

const CONTEXT: usize = 500;

/// A backend whose cache has room for `blocks` blocks, and whose steps seem to take as long as they have
/// rows, so that parts of texts differ in size.
fn backend(blocks: usize) -> EngineBackend {
    let engine = open(tiny_model(), 2, |plan| {
        plan.blocking.attention_chunk = 32;
        plan.blocking.prefill_chunk = 48;
    });
    engine.limit_cache(blocks * BLOCK_POSITIONS);
    let tokenizer = engine.tokenizer().expect("it has one").clone();
    let vocabulary = Vocabulary::new(tokenizer, engine.info().vocabulary_size, &[]);
    let limits = Limits {
        parallel: 16,
        step: StepLimits {
            rows: 96,
            gap: Duration::from_millis(20),
        },
    };
    let mut milliseconds = 0;
    let clock = Box::new(move || {
        milliseconds += 1 + milliseconds % 7;
        Duration::from_millis(milliseconds)
    });
    EngineBackend::new(engine, vocabulary, Lookup::auto(clock), limits)
}

/// A text of so many tokens; those of one seed begin alike.
fn text(seed: u32, length: usize) -> Vec<u32> {
    (0..length as u32)
        .map(|at| 260 + (at * 7 + seed * 31) % 190)
        .collect()
}

fn inputs(lengths: &[usize]) -> ValidInputs {
    let texts = (0..).zip(lengths);
    let texts = texts.map(|(seed, length)| text(seed % 3, *length));
    ValidInputs::new(texts.collect(), CONTEXT).expect("they fit")
}

fn chat(seed: u32, length: usize, answer: usize) -> Job {
    let limits = JobLimits {
        max_tokens: answer,
        ignore_eos: true,
        ..JobLimits::default()
    };
    let options = SamplingOptions {
        temperature: 0.7,
        ..SamplingOptions::default()
    };
    let job = ValidJob::new(text(seed, length), CONTEXT, limits, options, seed.into());
    job.expect("valid").with_logprobs(2).into()
}

/// Runs jobs to their ends, one more after every step, and returns what came of each.
fn run(backend: &mut EngineBackend, jobs: Vec<Job>) -> BTreeMap<JobId, Vec<Event>> {
    let mut waiting: Vec<(JobId, Job)> = (0..).zip(jobs).collect();
    waiting.reverse();
    let mut events: BTreeMap<JobId, Vec<Event>> = BTreeMap::new();
    let mut live = 0;
    while !waiting.is_empty() || live > 0 {
        if let Some((id, job)) = waiting.pop() {
            match backend.admit(id, job) {
                Ok(()) => live += 1,
                Err(NotAdmitted::Wait(job)) => {
                    assert!(live > 0, "no room for one alone");
                    waiting.push((id, *job));
                }
                Err(NotAdmitted::Failed(error)) => panic!("{error}"),
            }
        }
        let mut over = Vec::new();
        let stepped = backend.step(&mut |id, event| {
            if !matches!(event, Event::Text { .. }) {
                over.push(id);
            }
            events.entry(id).or_default().push(event);
        });
        stepped.expect("the step runs");
        for id in over {
            backend.release(id);
            live -= 1;
        }
    }
    assert_eq!(
        backend.engine().cache_use().live,
        0,
        "blocks that nobody gave back"
    );
    events
}

fn embedded(events: &[Event]) -> &Embedded {
    match events {
        [Event::Embedded(embedded)] => embedded,
        other => panic!("no embeddings: {other:?}"),
    }
}

fn bits(means: &[Vec<f32>]) -> Vec<Vec<u32>> {
    let bits = |mean: &Vec<f32>| mean.iter().map(|value| value.to_bits()).collect();
    means.iter().map(bits).collect()
}

/// The means of the engine itself, each text alone in one step.
fn alone(inputs: &ValidInputs) -> Vec<Vec<u32>> {
    let mut engine = open(tiny_model(), 1, |plan| plan.blocking.attention_chunk = 32);
    let one = |tokens: &Vec<u32>| {
        let mut sequence = engine.sequence(tokens.len()).expect("it fits");
        let mut batch = [Entry {
            sequence: &mut sequence,
            tokens,
            wanted: Wanted::Mean,
        }];
        engine.step(&mut batch).expect("the step runs");
        sequence.mean_state().expect("finite").expect("all of it")
    };
    let means: Vec<Vec<f32>> = inputs.all().iter().map(one).collect();
    bits(&means)
}

/// Answers without the times that they took.
fn said(events: &[Event]) -> Vec<Event> {
    let text = |event: &&Event| matches!(event, Event::Text { .. });
    events.iter().filter(text).cloned().collect()
}

#[test]
fn vectors_and_answers_are_those_alone() {
    let lengths = [
        vec![1, 300, 7, 128, 129, 2, 90, 500],
        vec![5; 100],
        vec![200, 200, 200, 1, 1, 1],
    ];
    let requests: Vec<ValidInputs> = lengths.iter().map(|lengths| inputs(lengths)).collect();
    let wanted: Vec<_> = requests.iter().map(alone).collect();
    let chats = || {
        vec![
            chat(0, 300, 40),
            chat(1, 20, 60),
            chat(0, 310, 30),
            chat(2, 400, 50),
        ]
    };
    let answers: Vec<Vec<Event>> = chats()
        .into_iter()
        .map(|job| said(&run(&mut backend(60), vec![job])[&0]))
        .collect();
    for blocks in [60, 10, 4] {
        let mut backend = backend(blocks);
        // Twice: the second time, chats have left what they began with in the cache.
        for round in 0..2 {
            let embeddings = requests.iter().cloned().map(Job::from);
            let jobs = chats().into_iter().take(2).chain(embeddings);
            let jobs = jobs.chain(chats().into_iter().skip(2)).collect();
            let found = run(&mut backend, jobs);
            for (number, (wanted, request)) in wanted.iter().zip(&requests).enumerate() {
                let embedded = embedded(&found[&(number as JobId + 2)]);
                assert_eq!(
                    bits(&embedded.means),
                    *wanted,
                    "{blocks}, {round}, {number}"
                );
                assert_eq!(embedded.prompt_tokens, request.tokens());
            }
            for (wanted, id) in answers.iter().zip([0, 1, 5, 6]) {
                assert!(
                    said(&found[&id]) == *wanted,
                    "{blocks}, {round}, answer {id}"
                );
            }
        }
    }
}

/// What is embedded is no beginning of anybody's prompt, and takes nothing from what is.
#[test]
fn the_cache_keeps_prompts_and_no_inputs() {
    let mut backend = backend(60);
    run(&mut backend, vec![chat(0, 300, 5)]);
    let kept = backend.engine().cache_use().kept;
    assert!(kept > 0);
    run(&mut backend, vec![inputs(&[300, 200, 128]).into()]);
    assert_eq!(backend.engine().cache_use().kept, kept);
}

#[test]
fn answers_go_on_while_long_texts_are_read() {
    let mut backend = backend(60);
    backend.admit(0, chat(1, 5, 400)).expect("room");
    let step = |backend: &mut EngineBackend| {
        let (mut spoke, mut done) = (false, false);
        let stepped = backend.step(&mut |id, event| match (id, event) {
            (0, Event::Text { .. }) => spoke = true,
            (_, Event::Embedded(_)) => done = true,
            (_, event) => panic!("{event:?}"),
        });
        stepped.expect("the step runs");
        (spoke, done)
    };
    while !step(&mut backend).0 {}
    backend.admit(1, inputs(&[500; 6]).into()).expect("room");
    let mut steps = 0;
    loop {
        let (spoke, done) = step(&mut backend);
        steps += 1;
        assert!(spoke, "an answer stood still in step {steps}");
        if done {
            break;
        }
        // Somebody whose text is short does not wait for all of it.
        if steps == 3 {
            backend.admit(2, inputs(&[3]).into()).expect("room");
            let (_, done) = step(&mut backend);
            assert!(done, "a short text waits for a long one");
            backend.release(2);
        }
    }
    assert!(steps > 10, "{steps} steps");
}

#[test]
fn whoever_leaves_gives_everything_back() {
    for steps in 0..6 {
        let mut backend = backend(20);
        let (lengths, other) = (inputs(&[300, 9, 9, 9, 400]), inputs(&[40, 3]));
        let wanted = alone(&other);
        backend.admit(7, lengths.into()).expect("room");
        backend.admit(8, other.into()).expect("room");
        let mut means = None;
        let mut step = |backend: &mut EngineBackend| {
            let stepped = backend.step(&mut |id, event| match event {
                Event::Embedded(embedded) if id == 8 => means = Some(embedded.means),
                event => panic!("{id}: {event:?}"),
            });
            stepped.expect("the step runs");
        };
        (0..steps).for_each(|_| step(&mut backend));
        backend.release(7);
        (steps..20).for_each(|_| step(&mut backend));
        backend.release(8);
        assert_eq!(bits(&means.expect("they are done")), wanted, "{steps}");
        assert_eq!(backend.engine().cache_use().live, 0, "{steps}");
    }
}

fn vectors(server: &Server, texts: &[&str]) -> Vec<Vec<f32>> {
    let (status, body) = server.post("/v1/embeddings", &json!({"input": texts}));
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let data = body["data"].as_array().expect("a list");
    let vector = |one: &Value| serde_json::from_value(one["embedding"].clone());
    data.iter()
        .map(|one| vector(one).expect("numbers"))
        .collect()
}

fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let products = one.iter().zip(other);
    products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn near_texts_of_the_real_model_are_nearer_than_far_ones() {
    let Some(model) = real_model("near_texts_of_the_real_model_are_nearer_than_far_ones") else {
        return;
    };
    // Threads that wait for each other would wait for whatever else this host does.
    let mut server = command("sysinfer-server");
    let server = Server::start(server.arg(model).args(["--threads", "1"]));
    let texts = [
        "The cat sleeps on the warm sofa in the living room.",
        "A kitten is napping on a couch at home.",
        "Set the kernel parameter numa_balancing to zero in sysctl.conf.",
    ];
    let alone: Vec<Vec<f32>> = (texts.iter())
        .flat_map(|text| vectors(&server, &[text]))
        .collect();
    for vector in &alone {
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-6);
    }
    let (near, far) = (cosine(&alone[0], &alone[1]), cosine(&alone[0], &alone[2]));
    assert!(near > far + 0.05, "near {near}, far {far}");
    // Among others' answers, and each other: the same numbers to the last digit.
    let question = json!({
        "messages": [{"role": "user", "content": "Count from one to ten."}],
        "temperature": 0, "max_tokens": 40,
    });
    std::thread::scope(|scope| {
        let chats = [0; 3].map(|_| {
            scope.spawn(|| {
                let (status, body) = server.post("/v1/chat/completions", &question);
                assert_eq!(status, 200, "{body}");
            })
        });
        for _ in 0..3 {
            assert_eq!(vectors(&server, &texts), alone);
        }
        for chat in chats {
            chat.join().expect("it was answered");
        }
    });
}
