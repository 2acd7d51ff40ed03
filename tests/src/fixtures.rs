//! Models that the tests make or find.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sysinfer_engine::model::synth::write_gguf;
use sysinfer_engine::{Engine, Entry, ModelFile, PhasePlan, Plan, Precision, Preset, Wanted};
use sysinfer_machine::Topology;

/// A folder for files that live as long as this test program, empty at first: beside the binaries, where
/// the next run finds it again. Nobody would remove a temporary one, since statics are not dropped.
///
/// # Panics
/// If it cannot be made.
pub fn folder(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a test knows its own path");
    let path = program.with_extension("files").join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("files of an earlier run");
    }
    std::fs::create_dir_all(&path).expect("the build wrote beside it");
    path
}

/// The `tiny` preset as a file, written once per process.
pub fn tiny_model() -> &'static Path {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let path = folder("model").join("tiny.gguf");
        let file = std::fs::File::create(&path).expect("the folder was just made");
        write_gguf(Preset::Tiny, 7, &mut BufWriter::new(file)).expect("the disk has 1 MB");
        path
    })
}

/// The small real model that `make test` fetches, named by `SYSINFER_TEST_MODEL`. Where it is
/// missing, says so aloud and returns `None`.
pub fn real_model(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("SYSINFER_TEST_MODEL").map(PathBuf::from);
    match path {
        Some(path) if path.is_file() => Some(path),
        _ => {
            aloud(&format!(
                "SKIPPED {test}: SYSINFER_TEST_MODEL names no file; `make test` fetches it"
            ));
            None
        }
    }
}

/// A folder that `make test` fetches, named by a variable of the environment. Where it is missing, says so aloud and
/// returns `None`.
pub fn fetched_folder(variable: &str, test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    let folder = folder.filter(|folder| folder.is_dir());
    if folder.is_none() {
        aloud(&format!(
            "SKIPPED {test}: {variable} names no folder; `make test` fetches it"
        ));
    }
    folder
}

/// Says something whether or not the test harness shows the output of tests that pass.
pub fn aloud(text: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Opens a model with `threads` unpinned threads and a change to the plan.
///
/// # Panics
/// If it cannot be opened: the test's own files are good.
pub fn open(path: &Path, threads: usize, change: impl FnOnce(&mut Plan)) -> Engine {
    let mut plan = Plan::with_threads(PhasePlan::unpinned(threads));
    change(&mut plan);
    open_as(path, plan, Precision::default())
}

/// Opens a model with a plan and another precision.
///
/// # Panics
/// As [`open`].
pub fn open_as(path: &Path, plan: Plan, precision: Precision) -> Engine {
    let topology = Topology::discover().expect("this host has a topology");
    let file = ModelFile::open(path).expect("the test's model opens");
    Engine::load(&file, plan, precision, &topology, &mut |_| {}).expect("the test's model loads")
}

/// Greedy tokens after a prompt that is fed `feed` tokens at a time.
///
/// # Panics
/// If a step fails.
pub fn greedy(engine: &mut Engine, prompt: &[u32], count: usize, feed: usize) -> Vec<u32> {
    let mut sequence = engine
        .sequence(prompt.len() + count)
        .expect("the prompt fits");
    let mut next = |tokens: &[u32]| {
        let entry = Entry {
            sequence: &mut sequence,
            tokens,
            wanted: Wanted::Last,
        };
        let logits = engine.step(&mut [entry]).expect("the step runs");
        largest(logits.row(0).expect("finite"))
    };
    let mut token = 0;
    for tokens in prompt.chunks(feed) {
        token = next(tokens);
    }
    let mut tokens = vec![token];
    while tokens.len() < count {
        token = next(&[token]);
        tokens.push(token);
    }
    tokens
}

/// The first of the largest logits.
pub fn largest(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    best as u32
}

/// Bits of the logits after every token, fed `feed` at a time.
///
/// # Panics
/// If the engine refuses the tokens.
pub fn logit_bits(engine: &mut Engine, tokens: &[u32], feed: usize) -> Vec<u32> {
    let mut sequence = engine.sequence(tokens.len()).expect("it fits");
    let mut bits = Vec::new();
    for tokens in tokens.chunks(feed) {
        let entry = Entry {
            sequence: &mut sequence,
            tokens,
            wanted: Wanted::All,
        };
        let mut batch = [entry];
        let logits = engine.step(&mut batch).expect("the step runs");
        for row in 0..logits.rows() {
            let values = logits.row(row).expect("finite logits");
            bits.extend(values.iter().map(|value| value.to_bits()));
        }
    }
    bits
}
