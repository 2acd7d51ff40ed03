//! Vocabularies that cannot be used, and what the errors say.

use super::*;

const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const SUPPRESSED: &str = "tokenizer.ggml.suppress_tokens";
const ADD_SPACE_PREFIX: &str = "tokenizer.ggml.add_space_prefix";

#[test]
fn files_without_a_vocabulary_have_no_tokenizer() {
    assert!(Description(Vec::new()).build().expect("no error").is_none());
    let description = Description(Vec::new()).with("tokenizer.ggml.model", "no_vocab");
    assert!(description.build().expect("no error").is_none());
}

/// Checks that each description is refused with a message that holds what stands beside it.
fn assert_refused<const COUNT: usize>(cases: [(Description, &str); COUNT]) {
    for (description, wanted) in cases {
        let error = description.build().expect_err(wanted).to_string();
        assert!(error.contains(wanted), "{error:?} lacks {wanted:?}");
    }
}

fn numbers(number: i32, count: usize) -> OwnedArray {
    vec![number; count].into_iter().collect()
}

#[test]
fn unknown_kinds_and_wrong_types_are_refused_by_key() {
    let with = |key, value: OwnedValue| bpe().with(key, value);
    assert_refused([
        (
            with(MODEL, "bert".into()),
            "tokenizer.ggml.model is \"bert\" (WordPiece, of BERT and other embedding models), which",
        ),
        (with(MODEL, 3_u32.into()), MODEL),
        (
            with(PRE, "superbpe".into()),
            "tokenizer.ggml.pre is \"superbpe\", which is not supported (groups digits",
        ),
        (
            with(PRE, "mine".into()),
            "tokenizer.ggml.pre is \"mine\", which is not supported; these are: llama-bpe, llama3",
        ),
        (with(TOKENS, numbers(1, 3).into()), TOKENS),
        (with(MERGES, "h e".into()), MERGES),
        (with(BOS, "one".into()), BOS),
        (with(ADD_BOS, 1_u32.into()), ADD_BOS),
        (spm().with(SCORES, strings(["1"])), SCORES),
        (spm().with(ADD_SPACE_PREFIX, 1_u32), ADD_SPACE_PREFIX),
        (bpe().with(SUPPRESSED, strings(["1"])), SUPPRESSED),
    ]);
}

#[test]
fn arrays_that_do_not_fit_the_tokens_are_refused() {
    let size = spm().tokenizer().vocabulary_size();
    let scores: OwnedArray = vec![f32::NAN; size].into_iter().collect();
    assert_refused([
        (bpe().without(TOKENS), "tokenizer.ggml.tokens has 0 entries"),
        (
            bpe().with(TYPES, numbers(1, 3)),
            "tokenizer.ggml.token_type has 3 entries",
        ),
        (
            spm().with(TYPES, numbers(7, size)),
            "tokenizer.ggml.token_type[0] is 7",
        ),
        (
            spm().with(TYPES, numbers(6, size)),
            "tokenizer.ggml.tokens[0] is \"<unk>\"",
        ),
        (spm().without(SCORES), "tokenizer.ggml.scores has 0 entries"),
        (
            spm().with(SCORES, scores),
            "tokenizer.ggml.scores[0] is not a number",
        ),
        (bpe().without(MERGES), "the key is missing"),
        (
            bpe().with(MERGES, strings(["h e", "he"])),
            "tokenizer.ggml.merges[1] is \"he\"",
        ),
        (bpe().with(MERGES, strings(["h x"])), "\"hx\" is no token"),
    ]);
}

#[test]
fn long_tokens_are_refused_where_texts_are_searched_for_them() {
    let long = "x".repeat(513);
    let with = |kind| {
        bpe()
            .with(TOKENS, strings([long.as_str(), "a"]))
            .with(TYPES, numbers(kind, 2))
            .with(MERGES, strings([]))
            .with(EOS, 1_u32)
    };
    assert!(with(1).build().is_ok());
    let wanted = "a control or user-defined token of 513 bytes";
    assert_refused([(with(3), wanted), (with(4), wanted)]);
}

#[test]
fn roles_beyond_the_vocabulary_are_refused() {
    assert_refused([
        (
            bpe().with(BOS, 269_u32),
            "tokenizer.ggml.bos_token_id is 269",
        ),
        (
            bpe().with(EOS, u64::MAX),
            "tokenizer.ggml.eos_token_id is 18446744073709551615",
        ),
        (
            bpe().with("tokenizer.ggml.eot_token_id", 300_u32),
            "tokenizer.ggml.eot_token_id is 300",
        ),
        (
            spm().with("tokenizer.ggml.unknown_token_id", 300_u32),
            "tokenizer.ggml.unknown_token_id is 300",
        ),
        (
            bpe().without(BOS).with(ADD_BOS, true),
            "tokenizer.ggml.add_bos_token is true, but tokenizer.ggml.bos_token_id is missing",
        ),
    ]);
}

#[test]
fn tokens_that_are_not_utf8_are_refused_or_kept() {
    let odd: OwnedArray = [&b"\xFF"[..], b"a"].into_iter().collect();
    let description = bpe()
        .with("tokenizer.ggml.tokens", odd.clone())
        .without("tokenizer.ggml.token_type")
        .with("tokenizer.ggml.merges", strings([]));
    let error = description.build().expect_err("not UTF-8").to_string();
    assert!(
        error.contains(r#"tokenizer.ggml.tokens[0] is "\xff""#),
        "{error}"
    );
    let tokenizer = spm()
        .with("tokenizer.ggml.tokens", odd)
        .with(
            "tokenizer.ggml.scores",
            [0.0_f32; 2].into_iter().collect::<OwnedArray>(),
        )
        .without("tokenizer.ggml.token_type")
        .tokenizer();
    assert_eq!(tokenizer.piece(0), b"\xFF");
    assert_eq!(tokenizer.token_text(0), "\u{FFFD}");
}
