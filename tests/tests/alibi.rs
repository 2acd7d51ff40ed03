//! ALiBi over a context that its steepest heads do not look back to the end of: which keys are read
//! depends on the rows that share a step, what comes of it does not.

use sysinfer_conformance::fixtures::{logit_bits, open};
use sysinfer_conformance::models::{Recipe, build};
use sysinfer_formats::TensorType;

/// Nearly all of the model's context: its steepest slope is 1/2.
const COUNT: usize = 252;

#[test]
fn what_is_out_of_reach_does_not_show_however_a_step_is_divided() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    let recipe = Recipe {
        architecture: "baichuan",
        kind: TensorType::Q8_0, // matters to nothing here, and is the least work
        layers: 40,
        tied: false,
    };
    std::fs::write(&path, build(recipe)).expect("a small file");
    let tokens: Vec<u32> = (0..COUNT as u32).map(|i| (i * 37 + 11) % 300).collect();
    let mut first: Option<Vec<u32>> = None;
    for (threads, feed) in [(1, COUNT), (3, COUNT), (1, 1), (2, 7), (2, 50)] {
        let mut engine = open(&path, threads, |plan| plan.blocking.attention_chunk = 32);
        let got = logit_bits(&mut engine, &tokens, feed);
        let first = first.get_or_insert_with(|| got.clone());
        assert!(*first == got, "{threads} threads, {feed} at a time");
    }
}
