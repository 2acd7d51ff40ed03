//! What is said about files that are odd, and that nothing is said about others.

use super::*;

/// The notes about a vocabulary.
fn notes(description: &Description) -> Vec<String> {
    description.tokenizer().notes().to_vec()
}

/// Checks that there is one note, with all of `parts` in it.
fn assert_noted(description: &Description, parts: &[&str]) {
    let notes = notes(description);
    assert_eq!(notes.len(), 1, "{notes:?}");
    for part in parts {
        assert!(notes[0].contains(part), "{notes:?} lacks {part:?}");
    }
}

#[test]
fn ordinary_vocabularies_have_none() {
    assert_eq!(notes(&bpe()), Vec::<String>::new());
    assert_eq!(notes(&spm()), Vec::<String>::new());
}

#[test]
fn ids_that_decide_nothing_are_noted_and_passed_over() {
    let keys = [
        "tokenizer.ggml.padding_token_id",
        "tokenizer.ggml.seperator_token_id",
        "tokenizer.ggml.cls_token_id",
        "tokenizer.ggml.mask_token_id",
        "tokenizer.ggml.fim_pre_token_id",
        "tokenizer.ggml.fim_sep_token_id",
        "tokenizer.ggml.unknown_token_id",
    ];
    for key in keys {
        let beyond = bpe().with(key, u32::MAX);
        assert_noted(&beyond, &[key, "4294967295", "without effect"]);
        assert_noted(&bpe().with(key, -1_i32), &[key, "without effect"]);
        assert!(notes(&bpe().with(key, 9_u32)).is_empty(), "{key}");
    }
}

#[test]
fn keys_that_are_not_known_are_named() {
    let odd = bpe().with("tokenizer.ggml.eos_token_ids", 3_u32);
    assert_noted(
        &odd,
        &["\"tokenizer.ggml.eos_token_ids\"", "without effect"],
    );
    assert!(notes(&bpe().with("tokenizer.other", 3_u32)).is_empty());
    assert!(notes(&bpe().with("tokenizer.ggml.add_sep_token", true)).is_empty());
}

#[test]
fn corrected_types_are_named() {
    let kinds: OwnedArray = (0..269)
        .map(|token| if token < 3 { 1 } else { 4 })
        .collect();
    let odd = bpe().with("tokenizer.ggml.token_type", kinds);
    assert_noted(
        &odd,
        &[
            "\"<|begin|>\", \"<|end of it|>\", \"<|im_end|>\"",
            "control tokens",
        ],
    );
}

#[test]
fn a_vocabulary_without_an_end_is_noted() {
    let tokens = bpe().with("tokenizer.ggml.tokens", strings(["a"]));
    let endless = tokens
        .with("tokenizer.ggml.merges", strings([]))
        .without("tokenizer.ggml.token_type")
        .without("tokenizer.ggml.bos_token_id")
        .without("tokenizer.ggml.eos_token_id");
    assert_noted(&endless, &["no token ends an answer"]);
}

#[test]
fn a_cut_that_the_file_does_not_name_is_found_or_noted() {
    let without = bpe().without("tokenizer.ggml.pre");
    assert_noted(
        &without,
        &["tokenizer.ggml.pre is missing", "\"default\"", "convert"],
    );
    let default = bpe().with("tokenizer.ggml.pre", "default");
    assert_noted(&default, &["tokenizer.ggml.pre is \"default\"", "convert"]);
    let marks = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "a",
        "1",
        "2",
        "12",
    ];
    let smol = bpe()
        .with("tokenizer.ggml.tokens", strings(marks))
        .with(
            "tokenizer.ggml.token_type",
            [3_i32, 3, 3, 1, 1, 1, 1]
                .into_iter()
                .collect::<OwnedArray>(),
        )
        .with("tokenizer.ggml.merges", strings(["1 2"]));
    assert_eq!(
        smol.tokenizer().encode("12", PLAIN),
        [6],
        "as the file says"
    );
    let smol = smol.without("tokenizer.ggml.pre");
    assert_noted(
        &smol,
        &["that of SmolLM", "\"<|endoftext|>\"", "\"smollm\""],
    );
    assert_eq!(
        smol.tokenizer().encode("12", PLAIN),
        [4, 5],
        "each digit is a word"
    );
}
