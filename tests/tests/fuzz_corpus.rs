//! Every input that the fuzzer's corpus holds, run as the fuzzer runs it, bounds on memory included:
//! what was found once stays fixed on machines without a fuzzer.

mod counting;

use std::path::{Path, PathBuf};

use sysinfer_conformance::fuzz::{
    LARGEST_PER_FILE_BYTE, TARGETS, Target, allocation, gguf, gguf_mutator, seeds, split, swollen,
};

/// The corpus of a target, next to this crate.
fn corpus(target: &Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target.name);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    files.sort();
    files
}

/// Stack of the threads that encode prompts and load models in a server.
const SERVER_STACK_BYTES: usize = 2 << 20;

fn replay(name: &str) {
    let target = *TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target");
    let replayed = std::thread::Builder::new()
        .stack_size(SERVER_STACK_BYTES)
        .spawn(move || {
            assert!(allocation::is_counting());
            let files = corpus(&target);
            assert!(files.len() >= 8, "{} files of {}", files.len(), target.name);
            target.prepare();
            for file in files {
                let data = std::fs::read(&file).expect("the file can be read");
                eprintln!("{}", file.display()); // the last one is the one that fails
                target.check(&data);
            }
        })
        .expect("a thread starts");
    assert!(replayed.join().is_ok(), "the file above breaks a promise");
}

#[test]
fn cpu_lists() {
    replay("cpu_list");
}

#[test]
fn models() {
    replay("gguf");
}

#[test]
fn profiles() {
    replay("profile");
}

#[test]
fn split_models() {
    replay("split");
}

#[test]
fn templates() {
    replay("template");
}

#[test]
fn texts() {
    replay("tokenizer");
}

/// Memory grows with the file by the factors that hold for small ones, whatever the file is made of.
#[test]
fn files_made_to_swell_stay_within_bounds() {
    gguf::TARGET.prepare();
    for (name, file) in swollen::files(1 << 20) {
        let allocated = gguf::TARGET.check(&file);
        // Large enough that no constant matters.
        let most = LARGEST_PER_FILE_BYTE * file.len();
        assert!(allocated.largest_bytes <= most, "{name}: {allocated:?}");
        let per_byte = |bytes: usize| bytes as f64 / file.len() as f64;
        eprintln!(
            "{name}: {} bytes, largest {:.2} x, peak {:.2} x",
            file.len(),
            per_byte(allocated.largest_bytes),
            per_byte(allocated.peak_bytes)
        );
    }
}

/// The models that fuzzing starts from run, and so does what becomes of them.
#[test]
fn seeds_and_their_mutations_run() {
    gguf::TARGET.prepare();
    let mut changed = 0;
    for (name, model) in seeds::models() {
        eprintln!("{name}: {} bytes", model.len());
        assert!(gguf::runs_as_engine(&model), "{name}");
        for seed in 0..64 {
            if let Some(mutation) = gguf_mutator::mutate(&model, seed) {
                gguf::TARGET.check(&mutation);
                changed += 1;
            }
        }
    }
    assert!(changed > 256, "{changed} mutations could be written");
    split::TARGET.prepare();
    for (name, set) in seeds::sets() {
        eprintln!("{name}: {} bytes", set.len());
        for seed in 0..16 {
            if let Some(mutation) = split::mutate(&set, seed) {
                split::TARGET.check(&mutation);
            }
        }
    }
}
