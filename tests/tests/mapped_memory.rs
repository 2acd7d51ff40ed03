//! The memory that weights take in the file's map and packed. A process of its own, so that nothing else
//! takes memory meanwhile.

use sysinfer_conformance::fixtures::{aloud, greedy, open, real_model};
use sysinfer_engine::WeightStorage;

/// Anonymous memory of this process, bytes.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .expect("since Linux 4.5");
    let kib = line.trim().trim_end_matches("kB").trim();
    kib.parse::<u64>().expect("a number") << 10
}

#[test]
fn the_real_model_says_the_same_in_a_fraction_of_the_memory() {
    let Some(path) = real_model("the_real_model_says_the_same_in_a_fraction_of_the_memory") else {
        return;
    };
    let file = std::fs::metadata(&path).expect("it is a file").len();
    let prompt: Vec<u32> = (100..164).collect();
    let before = anonymous_bytes();
    let with = |weights| open(&path, 2, |plan| plan.memory.weights = weights);
    let mut mapped = with(WeightStorage::Mapped);
    let said = greedy(&mut mapped, &prompt, 8, prompt.len());
    let taken = anonymous_bytes().saturating_sub(before);
    aloud(&format!(
        "mapped: {taken} bytes of memory for a file of {file}"
    ));
    // The tokenizer, the cache and activations are in it.
    assert!(taken < file / 2, "{taken} bytes for a file of {file}");
    let mut packed = with(WeightStorage::Packed);
    assert_eq!(greedy(&mut packed, &prompt, 8, prompt.len()), said);
    let both = anonymous_bytes().saturating_sub(before);
    assert!(both - taken > file / 2, "packed weights are in memory");
}
