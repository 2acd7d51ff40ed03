//! Texts of more tokens than are wanted: never refused without need, and not encoded for nothing.

use super::*;

/// Vocabularies that cover text in all the ways there are: merges, written-out tokens, bytes that are
/// left out, and `▁`, which is longer than the space it stands for.
fn vocabularies() -> [(&'static str, Tokenizer); 5] {
    let few = strings(["h", "e", "he", "Ġ"]);
    let lossy = bpe()
        .with("tokenizer.ggml.tokens", few)
        .with("tokenizer.ggml.merges", strings(["h e"]))
        .without("tokenizer.ggml.token_type")
        .without("tokenizer.ggml.bos_token_id")
        .without("tokenizer.ggml.eos_token_id");
    let unknown = |unknown: i32| {
        spm()
            .with("tokenizer.ggml.tokens", strings(["?", "▁", "a", "▁▁▁"]))
            .with(
                "tokenizer.ggml.scores",
                [0.0_f32; 4].into_iter().collect::<OwnedArray>(),
            )
            .with(
                "tokenizer.ggml.token_type",
                [unknown, 1, 1, 1].into_iter().collect::<OwnedArray>(),
            )
            .with("tokenizer.ggml.bos_token_id", 1)
            .with("tokenizer.ggml.eos_token_id", 1)
    };
    [
        ("bpe", bpe().tokenizer()),
        ("bpe without most bytes", lossy.tokenizer()),
        ("spm", spm().tokenizer()),
        ("spm without bytes", unknown(2).tokenizer()),
        (
            "spm without a prefix",
            spm()
                .with("tokenizer.ggml.add_space_prefix", false)
                .tokenizer(),
        ),
    ]
}

#[test]
fn a_text_is_refused_only_if_it_has_more_tokens() {
    let texts = [
        "",
        " ",
        "hello world",
        "he he xhex",
        "        ",
        "▁▁▁▁▁▁",
        "▁ ▁a a",
        "xyxyxyxy ab",
        "<tool> call<tool><|begin|>hello<|im_end|>",
        "</s><s>ab<tool>ab",
        "é😀日本\u{0}\n",
    ];
    for (name, tokenizer) in vocabularies() {
        for (text, parse_special) in texts.iter().flat_map(|text| [(text, false), (text, true)]) {
            let doubled = [Segment {
                text,
                parse_special,
            }; 2];
            for add_special in [false, true] {
                let tokens = tokenizer.encode_segments(&doubled, add_special);
                for most in 0..tokens.len() + 2 {
                    let within = tokenizer.encode_segments_within(&doubled, add_special, most);
                    let what = format!("{name}: {text:?}, {most} of {}", tokens.len());
                    match within {
                        Ok(found) => {
                            assert!(tokens.len() <= most, "{what}");
                            assert_eq!(found, tokens, "{what}");
                        }
                        Err(TooManyTokens { at_least }) => {
                            assert!(tokens.len() > most, "{what}");
                            assert!((most + 1..=tokens.len()).contains(&at_least), "{what}");
                        }
                    }
                }
            }
        }
    }
}

/// What is certain is said of the whole text, at once; else as much is encoded as was wanted.
#[test]
fn what_is_not_wanted_is_not_encoded() {
    let at_least = |tokenizer: &Tokenizer, text: &str, most| {
        let segment = Segment {
            text,
            parse_special: true,
        };
        let refused = tokenizer.encode_segments_within(&[segment], false, most);
        refused.expect_err("too many").at_least
    };
    let text = " x".repeat(100_000);
    // The longest token that merging may come to is "<tool>": there are no spaces in its alphabet.
    let bpe = bpe().tokenizer();
    assert_eq!(at_least(&bpe, &text, 100), 200_000_usize.div_ceil(6));
    assert_eq!(at_least(&bpe, &text, 50_000), 50_002, "two tokens a word");
    // A space is three bytes there, and the longest token, "▁▁", has twice as many.
    let spm = spm().tokenizer();
    assert_eq!(
        at_least(&spm, &text, 100),
        (100_000 + 300_000_usize).div_ceil(6)
    );
    let tools = "<tool>".repeat(1000);
    assert_eq!(at_least(&bpe, &tools, 10), 1000, "each is one token");
}
