//! Requests that share steps, prompts and memory get what each would get alone, to the bit.

use std::collections::BTreeMap;
use std::time::Duration;

use sysinfer_conformance::fixtures::{open, tiny_model};
use sysinfer_engine::kv::BLOCK_POSITIONS;
use sysinfer_engine::kv::NoRoom;
use sysinfer_engine::{Engine, EngineError, Entry, Lookup, SamplingOptions, Sequence, Wanted};
use sysinfer_server::backend::answer::Vocabulary;
use sysinfer_server::backend::engine::{EngineBackend, Limits};
use sysinfer_server::scheduler::compose::StepLimits;
use sysinfer_server::scheduler::{
    Backend, Event, Finish, Job, JobId, JobLimits, NotAdmitted, ValidJob,
};

const CONTEXT: usize = 500;

/// A backend whose cache has room for `blocks` blocks, and whose steps seem to take as long as they have
/// rows, so that parts of prompts differ in size.
fn backend(parallel: usize, blocks: usize, drafts: bool) -> EngineBackend {
    let engine = open(tiny_model(), 1, |plan| {
        plan.blocking.attention_chunk = 32;
        plan.blocking.prefill_chunk = 48;
    });
    engine.limit_cache(blocks * BLOCK_POSITIONS);
    let tokenizer = engine.tokenizer().expect("it has one").clone();
    let vocabulary = Vocabulary::new(tokenizer, engine.info().vocabulary_size, &[]);
    let limits = Limits {
        parallel,
        step: StepLimits {
            rows: 48,
            gap: Duration::from_millis(20),
        },
    };
    let mut milliseconds = 0;
    let clock = Box::new(move || {
        milliseconds += 1 + milliseconds % 7;
        Duration::from_millis(milliseconds)
    });
    let lookup = match drafts {
        true => Lookup::auto(clock),
        false => Lookup::off(clock),
    };
    EngineBackend::new(engine, vocabulary, lookup, limits)
}

/// What a client asks: a prompt of `shared` tokens that others have too, and `own` more.
#[derive(Clone, Copy, Debug)]
struct Ask {
    shared: usize,
    own: usize,
    answer: usize,
    seed: u64,
}

impl Ask {
    fn prompt(&self) -> Vec<u32> {
        let shared = (0..self.shared).map(|at| 260 + (at * 7 % 190) as u32);
        let own = (0..self.own).map(|at| 300 + ((at as u64 * 11 + self.seed * 5) % 140) as u32);
        shared.chain(own).collect()
    }

    fn job(&self) -> ValidJob {
        let limits = JobLimits {
            max_tokens: self.answer,
            ignore_eos: true,
            ..JobLimits::default()
        };
        // Few words, so that there is something to draft; odd ones are greedy.
        let options = SamplingOptions {
            temperature: if self.seed.is_multiple_of(2) {
                1.0
            } else {
                0.0
            },
            logit_bias: (300..306).map(|token| (token, 30.0)).collect(),
            ..SamplingOptions::default()
        };
        let job = ValidJob::new(self.prompt(), CONTEXT, limits, options, self.seed);
        job.expect("valid").with_logprobs(2)
    }
}

/// What a client got: every event but the last, and that.
type Answer = (Vec<Event>, Finish);

/// Runs all jobs, each admitted as soon as there is room, one more after every step. Those in `leave`
/// leave after so many steps of theirs.
fn run(
    backend: &mut EngineBackend,
    asks: &[Ask],
    leave: &BTreeMap<JobId, usize>,
) -> BTreeMap<JobId, Answer> {
    let jobs = asks.iter().map(|ask| Job::from(ask.job()));
    let mut waiting: Vec<(JobId, Job)> = (0..).zip(jobs).collect();
    waiting.reverse();
    let mut live: BTreeMap<JobId, (usize, Vec<Event>)> = BTreeMap::new();
    let mut answers = BTreeMap::new();
    while !waiting.is_empty() || !live.is_empty() {
        if let Some((id, job)) = waiting.pop() {
            match backend.admit(id, job) {
                Ok(()) => drop(live.insert(id, Default::default())),
                Err(NotAdmitted::Wait(job)) => {
                    assert!(!live.is_empty(), "no room for one alone");
                    waiting.push((id, *job));
                }
                Err(NotAdmitted::Failed(error)) => panic!("{error}"),
            }
        }
        let mut over = Vec::new();
        backend
            .step(&mut |id, event| match event {
                Event::Finished(finish) => over.push((id, finish)),
                event => live.get_mut(&id).expect("it is live").1.push(event),
            })
            .expect("the step runs");
        for (id, finish) in over {
            backend.release(id);
            let (_, events) = live.remove(&id).expect("it is live");
            answers.insert(id, (events, finish));
        }
        live.retain(|id, (steps, _)| {
            *steps += 1;
            let leaves = leave.get(id).is_some_and(|most| *steps > *most);
            if leaves {
                backend.release(*id);
            }
            !leaves
        });
    }
    answers
}

fn alone(asks: &[Ask]) -> Vec<Answer> {
    let one = |ask: &Ask| {
        let mut backend = backend(1, 8, false);
        let mut answers = run(&mut backend, &[*ask], &BTreeMap::new());
        answers.remove(&0).expect("it was answered")
    };
    asks.iter().map(one).collect()
}

/// Fifteen users: some with nothing in common, some with a long beginning, some with the same.
fn asks() -> Vec<Ask> {
    let ask = |(shared, own, answer), seed| Ask {
        shared,
        own,
        answer,
        seed,
    };
    let sizes = [
        (300, 20, 40),
        (300, 90, 20),
        (0, 1, 90),
        (300, 20, 40),
        (128, 3, 30),
        (257, 0, 30),
        (0, 200, 9),
        (40, 30, 60),
        (300, 1, 1),
        (129, 127, 30),
        (255, 1, 10),
        (0, 400, 12),
        (300, 150, 50),
        (90, 2, 70),
        (384, 1, 40),
    ];
    sizes
        .into_iter()
        .zip(0..)
        .map(|(size, seed)| ask(size, seed))
        .collect()
}

#[test]
fn answers_are_those_alone_whatever_else_runs() {
    let asks = asks();
    let wanted = alone(&asks);
    for (parallel, blocks, drafts) in [
        (1, 4, false),
        (4, 12, true),
        (15, 60, false),
        (15, 60, true),
    ] {
        let mut backend = backend(parallel, blocks, drafts);
        // Twice: the second time all prompts were seen before.
        for round in 0..2 {
            let answers = run(&mut backend, &asks, &BTreeMap::new());
            for (id, (events, finish)) in &answers {
                let (wanted, end) = &wanted[*id as usize];
                let what = format!(
                    "{parallel} at once, round {round}: {:?}",
                    asks[*id as usize]
                );
                assert!(events == wanted, "{what}");
                let tokens = |finish: &Finish| (finish.prompt_tokens, finish.completion_tokens);
                assert_eq!(tokens(finish), tokens(end), "{what}");
            }
            assert_eq!(answers.len(), asks.len());
            let usage = backend.engine().cache_use();
            assert_eq!(usage.live, 0, "blocks that nobody gave back");
            assert!(usage.kept <= blocks, "{usage:?}");
        }
    }
}

#[test]
fn what_begins_alike_is_computed_once() {
    let ask = |seed| Ask {
        shared: 300,
        own: 10,
        answer: 5,
        seed,
    };
    let asks: Vec<Ask> = (0..8).map(ask).collect();
    let mut backend = backend(8, 40, false);
    let cached = |answers: BTreeMap<JobId, Answer>| -> Vec<usize> {
        answers
            .values()
            .map(|(_, finish)| finish.cached_tokens)
            .collect()
    };
    // All come while the first one's prompt is being read.
    let first = cached(run(&mut backend, &asks, &BTreeMap::new()));
    assert_eq!(first[0], 0);
    assert!(first[1..].iter().all(|cached| *cached >= 300), "{first:?}");
    // The same again: all but the last token of each prompt is known.
    let again = cached(run(&mut backend, &asks, &BTreeMap::new()));
    assert_eq!(again, [309; 8]);
}

/// Bits of the logits after the last of `tokens`, which go into `sequence` from where it ends.
fn bits(engine: &mut Engine, sequence: &mut Sequence, tokens: &[u32]) -> Vec<u32> {
    let new = &tokens[sequence.len()..];
    let entry = Entry {
        sequence,
        tokens: new,
        wanted: Wanted::Last,
    };
    let mut batch = [entry];
    let logits = engine.step(&mut batch).expect("the step runs");
    let row = logits.row(0).expect("finite");
    row.iter().map(|logit| logit.to_bits()).collect()
}

#[test]
fn what_was_kept_or_shared_gives_the_same_logits() {
    let mut engine = open(tiny_model(), 2, |plan| plan.blocking.attention_chunk = 32);
    let turn: Vec<u32> = (0..330).map(|at| 260 + at * 7 % 190).collect();
    let next = |common: usize, own: u32| -> Vec<u32> {
        let own = (0..30).map(|at| 260 + (own + at * 11) % 190);
        turn[..common].iter().copied().chain(own).collect()
    };
    let mut first = engine.sequence(CONTEXT).expect("it fits");
    bits(&mut engine, &mut first, &turn);
    for common in [1, 127, 128, 129, 255, 256, 300, 330] {
        let prompt = next(common, common as u32);
        let mut alone = engine.sequence(CONTEXT).expect("it fits");
        let wanted = bits(&mut engine, &mut alone, &prompt);
        // From a live sequence, ...
        let mut shares = engine.sequence(CONTEXT).expect("it fits");
        shares.share(&prompt, &first).expect("there is memory");
        assert!(shares.len() >= common && shares.len() < prompt.len());
        assert_eq!(bits(&mut engine, &mut shares, &prompt), wanted, "{common}");
        // ... which goes on as if nobody had shared it, ...
        let goes_on = next(330, 99);
        first.truncate(turn.len());
        let after = bits(&mut engine, &mut first, &goes_on);
        let mut again = engine.sequence(CONTEXT).expect("it fits");
        assert_eq!(bits(&mut engine, &mut again, &goes_on), after);
        // ... even cut back into what others have of it, ...
        shares.truncate(common / 2);
        let other = next(common / 2, 7);
        let mut alone = engine.sequence(CONTEXT).expect("it fits");
        let wanted_other = bits(&mut engine, &mut alone, &other);
        assert_eq!(bits(&mut engine, &mut shares, &other), wanted_other);
        first.truncate(turn.len());
        assert_eq!(bits(&mut engine, &mut first, &goes_on), after);
        // ... and from one that ended.
        engine.keep(again);
        let mut recalls = engine.sequence_of(&prompt, CONTEXT).expect("it fits");
        assert!(recalls.len() >= common, "{} of {common}", recalls.len());
        let known = recalls.len().min(prompt.len() - 1);
        recalls.truncate(known);
        assert_eq!(bits(&mut engine, &mut recalls, &prompt), wanted, "{common}");
    }
}

#[test]
fn the_cache_has_a_limit_and_gives_up_what_is_only_kept() {
    let mut engine = open(tiny_model(), 1, |_| {});
    engine.limit_cache(4 * BLOCK_POSITIONS + 1);
    let tokens: Vec<u32> = (0..200).map(|at| 260 + at % 190).collect();
    let mut first = engine.sequence(200).expect("two blocks");
    bits(&mut engine, &mut first, &tokens);
    let second = engine.sequence(129).expect("two blocks");
    let refused = engine.sequence(1).expect_err("no block is left");
    let EngineError::NoRoom(NoRoom { asked, now }) = refused else {
        panic!("{refused}");
    };
    assert_eq!((asked, now.limit, now.live, now.kept), (1, 4, 4, 0));
    drop(second);
    engine.keep(first);
    assert_eq!((engine.cache_use().live, engine.cache_use().kept), (0, 2));
    // What a new one has in common with what is kept is not given up for it, ...
    let mut third = engine
        .sequence_of(&tokens[..150], 384)
        .expect("three blocks");
    assert_eq!((third.len(), engine.cache_use().kept), (150, 1));
    // ... but for another it is.
    let mut fourth = engine.sequence(128).expect("one block");
    bits(&mut engine, &mut fourth, &tokens[50..150]);
    let more = [&tokens[..150], &tokens[50..200]].concat();
    bits(&mut engine, &mut third, &more);
    assert_eq!((engine.cache_use().live, engine.cache_use().kept), (4, 0));
    // One that needs all there is cannot copy from a block and keep it too.
    engine.keep(third);
    drop(fourth);
    let fifth = engine
        .sequence_of(&tokens[..150], 512)
        .expect("four blocks");
    assert_eq!((fifth.len(), engine.cache_use().live), (128, 4));
}

#[test]
fn whoever_leaves_harms_nobody() {
    let asks = asks();
    let wanted = alone(&asks);
    // While its prompt is read, while it shares another's, while it answers.
    let leave = BTreeMap::from([(0, 2), (1, 9), (6, 1), (9, 12), (12, 7)]);
    for drafts in [false, true] {
        let mut backend = backend(15, 60, drafts);
        let answers = run(&mut backend, &asks, &leave);
        assert!(answers.len() >= asks.len() - leave.len());
        for (id, (events, _)) in answers {
            let wanted = &wanted[id as usize].0;
            assert!(events == *wanted, "{:?}", asks[id as usize]);
        }
        assert_eq!(backend.engine().cache_use().live, 0);
    }
}
