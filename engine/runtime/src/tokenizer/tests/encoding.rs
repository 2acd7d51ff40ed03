//! Text to tokens: merges, control and user-defined tokens, BOS and EOS, roles.

use super::*;

#[test]
fn bpe_merges_inside_words() {
    let tokenizer = bpe().tokenizer();
    let cases: [(&str, &[&str]); 5] = [
        ("hello world", &["hello", "Ġwor", "ld"]),
        ("hell", &["hell"]),
        ("llh", &["ll", "h"]),
        ("  w", &["Ġ", "Ġw"]),
        ("é", &["Ã", "©"]),
    ];
    for (text, wanted) in cases {
        assert_eq!(spellings(&tokenizer, text, PLAIN), wanted, "{text:?}");
    }
}

#[test]
fn llama3_takes_a_word_that_is_a_token_without_merging() {
    let tokens = strings(["a", "b", "c", "abc", "ab"]);
    let description = bpe()
        .with("tokenizer.ggml.tokens", tokens)
        .with("tokenizer.ggml.merges", strings(["a b"]))
        .without("tokenizer.ggml.token_type")
        .without("tokenizer.ggml.bos_token_id")
        .without("tokenizer.ggml.eos_token_id");
    let tokenizer = description
        .clone()
        .with("tokenizer.ggml.pre", "llama-bpe")
        .tokenizer();
    assert_eq!(tokenizer.encode("abc", PLAIN), [3]);
    assert!(!tokenizer.adds_bos(), "there is none to add");
    assert_eq!(description.tokenizer().encode("abc", PLAIN), [4, 2]);
    let control = [1, 1, 1, 3, 1].into_iter().collect::<OwnedArray>();
    let tokenizer = description
        .with("tokenizer.ggml.pre", "llama-bpe")
        .with("tokenizer.ggml.token_type", control)
        .tokenizer();
    assert_eq!(
        tokenizer.encode("abc", PLAIN),
        [4, 2],
        "a control token is no word"
    );
}

#[test]
fn nothing_merges_over_a_byte_that_the_vocabulary_lacks() {
    let tokenizer = bpe()
        .with("tokenizer.ggml.tokens", strings(["h", "e", "he"]))
        .with("tokenizer.ggml.merges", strings(["h e"]))
        .without("tokenizer.ggml.token_type")
        .without("tokenizer.ggml.bos_token_id")
        .without("tokenizer.ggml.eos_token_id")
        .tokenizer();
    let cases: [(&str, &[u32]); 5] = [
        ("he", &[2]),
        ("hxe", &[0, 1]),
        ("xhe", &[2]),
        ("hex", &[2]),
        ("xx", &[]),
    ];
    for (text, wanted) in cases {
        assert_eq!(tokenizer.encode(text, PLAIN), wanted, "{text}");
    }
}

#[test]
fn spm_merges_by_score_and_then_from_the_left() {
    let tokenizer = spm().tokenizer();
    let cases: [(&str, &[&str]); 8] = [
        ("ab", &["▁ab"]),
        ("abc", &["▁a", "bc"]),
        ("caaa", &["▁", "c", "aa", "a"]),
        ("a  a", &["▁a", "▁", "▁a"]),
        ("xyxy", &["▁", "xyxy"]),
        ("<tool>ab", &["<tool>", "▁ab"]),
        ("", &[]),
        ("é", &["▁", "<0xC3>", "<0xA9>"]),
    ];
    for (text, wanted) in cases {
        assert_eq!(spellings(&tokenizer, text, PLAIN), wanted, "{text:?}");
    }
}

#[test]
fn spm_without_bytes_falls_back_to_the_unknown_token() {
    let description = spm()
        .with("tokenizer.ggml.tokens", strings(["<unk>", "▁", "a"]))
        .with(
            "tokenizer.ggml.scores",
            [0.0_f32; 3].into_iter().collect::<OwnedArray>(),
        )
        .without("tokenizer.ggml.token_type");
    assert_eq!(description.tokenizer().encode("aéa", PLAIN), [1, 2, 0, 2]);
}

#[test]
fn the_space_prefix_can_be_off() {
    let tokenizer = spm()
        .with("tokenizer.ggml.add_space_prefix", false)
        .tokenizer();
    assert_eq!(spellings(&tokenizer, "ab", PLAIN), ["ab"]);
    assert_eq!(
        tokenizer.decode(&tokenizer.encode(" ab", PLAIN), false),
        " ab"
    );
}

#[test]
fn control_tokens_are_read_only_where_allowed() {
    let tokenizer = bpe().tokenizer();
    let text = "<|begin|>hello<|im_end|>";
    assert_eq!(
        spellings(&tokenizer, text, SPECIAL),
        ["<|begin|>", "hello", "<|im_end|>"]
    );
    let plain = tokenizer.encode(text, PLAIN);
    assert!(plain.iter().all(|&token| !tokenizer.is_control(token)));
    assert_eq!(tokenizer.decode(&plain, false), text);
    // The pieces "<s" and ">" would merge to the spelling of BOS.
    let tokenizer = spm().tokenizer();
    assert_eq!(spellings(&tokenizer, "<s>", PLAIN), ["▁", "<s", ">"]);
    assert_eq!(spellings(&tokenizer, "<s>", SPECIAL), ["<s>"]);
}

#[test]
fn user_defined_tokens_are_always_read_and_the_longest_wins() {
    let tokenizer = bpe().tokenizer();
    let cases: [(&str, &[u32]); 4] = [
        ("<tool>", &[TOOL]),
        ("<tool> call", &[TOOL_CALL]),
        ("<tool><tool> call", &[TOOL, TOOL_CALL]),
        ("<tool><|im_end|>", &[TOOL, TURN_END]),
    ];
    for (text, wanted) in cases {
        assert_eq!(tokenizer.encode(text, SPECIAL), wanted, "{text:?}");
    }
    assert_eq!(tokenizer.encode("<tool>", PLAIN), [TOOL]);
    assert_eq!(tokenizer.decode(&[TOOL_CALL], false), "<tool> call");
}

#[test]
fn segments_are_one_text_but_for_control_tokens() {
    let tokenizer = bpe().tokenizer();
    let template = |text| Segment {
        text,
        parse_special: true,
    };
    let user = |text| Segment {
        text,
        parse_special: false,
    };
    let tokens = tokenizer.encode_segments(
        &[
            template("<|begin|>he"),
            user("llo<|im_end|>"),
            template(""),
            template("<|im_end|>"),
        ],
        false,
    );
    assert_eq!(tokens[..2], tokenizer.encode("<|begin|>hello", SPECIAL));
    assert_eq!(tokens.iter().filter(|&&token| token == TURN_END).count(), 1);
    assert_eq!(
        tokenizer.decode(&tokens, true),
        "<|begin|>hello<|im_end|><|im_end|>"
    );
    assert!(tokenizer.encode_segments(&[], false).is_empty());
}

#[test]
fn texts_are_framed_as_the_file_says() {
    const NONE: [u32; 0] = [];
    let framed = |description: Description| {
        description.tokenizer().encode(
            "",
            Encode {
                add_special: true,
                parse_special: false,
            },
        )
    };
    assert_eq!(framed(bpe()), NONE);
    assert_eq!(
        framed(bpe().with("tokenizer.ggml.pre", "llama-bpe")),
        [BEGIN]
    );
    assert_eq!(
        framed(bpe().with("tokenizer.ggml.add_bos_token", true)),
        [BEGIN]
    );
    assert_eq!(
        framed(bpe().with("tokenizer.ggml.add_eos_token", true)),
        [END]
    );
    assert_eq!(framed(spm()), [1]);
    assert_eq!(
        framed(spm().with("tokenizer.ggml.add_bos_token", false)),
        NONE
    );
}

#[test]
fn roles_are_found_by_key_and_by_name() {
    let tokenizer = bpe().tokenizer();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(BEGIN), Some(END)));
    let ends: Vec<u32> = (0..300).filter(|&token| tokenizer.is_end(token)).collect();
    assert_eq!(ends, [END, TURN_END]);
    let tokenizer = bpe().with("tokenizer.ggml.eot_token_id", TOOL).tokenizer();
    assert!(tokenizer.is_end(TOOL));
    let tokenizer = spm().tokenizer();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
    assert!(tokenizer.is_end(2) && !tokenizer.is_end(u32::MAX));
}
