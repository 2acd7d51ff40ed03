//! What ends an answer and what is a control token: by key, by name, and by type.

use super::*;

const TYPES: &str = "tokenizer.ggml.token_type";

/// A byte-level vocabulary of a few tokens, of the types that stand beside them.
fn byte_level(tokens: &[(&str, i32)], merges: &[&str]) -> Description {
    Description(Vec::new())
        .with("tokenizer.ggml.model", "gpt2")
        .with("tokenizer.ggml.pre", "gpt-2")
        .with(
            "tokenizer.ggml.tokens",
            strings(tokens.iter().map(|token| token.0)),
        )
        .with(
            TYPES,
            tokens.iter().map(|token| token.1).collect::<OwnedArray>(),
        )
        .with("tokenizer.ggml.merges", strings(merges.iter().copied()))
}

/// The same in SentencePiece.
fn sentence_piece(tokens: &[(&str, i32)]) -> Description {
    byte_level(tokens, &[])
        .with("tokenizer.ggml.model", "llama")
        .with(
            "tokenizer.ggml.scores",
            vec![0.0_f32; tokens.len()]
                .into_iter()
                .collect::<OwnedArray>(),
        )
}

/// Which tokens are control tokens, and which end an answer.
fn parts(description: &Description) -> (Vec<u32>, Vec<u32>) {
    let tokenizer = description.tokenizer();
    let all = 0..u32::try_from(tokenizer.vocabulary_size()).expect("few");
    let controls = all.clone().filter(|token| tokenizer.is_control(*token));
    let ends = all.filter(|token| tokenizer.is_end(*token));
    (controls.collect(), ends.collect())
}

#[test]
fn a_name_ends_an_answer_whatever_type_the_file_gives_it() {
    let names = [
        "<|eot_id|>",
        "<|eom_id|>",
        "<|end|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "</s>",
        "<|im_end|>",
        "<|end_of_text|>",
        "<|EOT|>",
        "<｜end▁of▁sentence｜>",
        "[EOS]",
        "<|file_sep|>",
    ];
    for name in names {
        for kind in [0, 1, 3, 4, 5] {
            let tokens = [("a", 1), ("b", 1), ("c", 1), (name, kind), ("<", 1)];
            for description in [byte_level(&tokens, &[]), sentence_piece(&tokens)] {
                let description = description.with("tokenizer.ggml.eos_token_id", 0_u32);
                let (controls, ends) = parts(&description);
                assert_eq!((controls, ends), (vec![3], vec![0, 3]), "{name} {kind}");
            }
        }
        // What stands for the unknown is hidden as it is.
        let (controls, ends) = parts(&byte_level(&[("a", 1), (name, 2)], &[]));
        assert_eq!((controls, ends), (vec![], vec![1]), "{name}");
    }
}

#[test]
fn a_name_that_begins_a_turn_is_a_control_token_and_no_end() {
    let names = [
        "<|im_start|>",
        "<|start_header_id|>",
        "<start_of_turn>",
        "[INST]",
        "<｜User｜>",
        "<|begin_of_text|>",
        "<reserved_107>",
    ];
    for name in names {
        for kind in [1, 3, 4] {
            let tokens = [("a", 1), ("b", 1), ("c", 1), (name, kind)];
            for description in [byte_level(&tokens, &[]), sentence_piece(&tokens)] {
                let description = description.with("tokenizer.ggml.eos_token_id", 0_u32);
                assert_eq!(parts(&description), (vec![3], vec![0]), "{name} {kind}");
                let tokenizer = description.tokenizer();
                assert_eq!(tokenizer.encode(name, SPECIAL), [3], "{name} {kind}");
                assert!(!tokenizer.encode(name, PLAIN).contains(&3), "{name} {kind}");
                assert_eq!(tokenizer.decode(&[3], false), "", "{name} {kind}");
            }
        }
    }
}

/// Qwen learned the HTML tags `<s>` and `</s>` from text.
#[test]
fn what_merging_spells_is_text_unless_a_key_or_a_type_says_otherwise() {
    let tokens = |kind| [("<", 1), ("/s>", 1), ("</s>", kind), ("/", 1), ("s>", 1)];
    let merges = ["/ s>", "< /s>"];
    let text = byte_level(&tokens(1), &merges);
    assert_eq!(parts(&text), (vec![], vec![]));
    let ids = |description: &Description| description.tokenizer().encode("</s>", PLAIN);
    assert_eq!(text.tokenizer().decode(&[2], false), "</s>");
    let eos = text.clone().with("tokenizer.ggml.eos_token_id", 2_u32);
    for description in [
        byte_level(&tokens(3), &merges),
        byte_level(&tokens(4), &merges),
        eos,
    ] {
        assert_eq!(parts(&description), (vec![2], vec![2]));
        assert!(!ids(&description).contains(&2), "no text becomes it");
    }
    // SentencePiece has BOS and EOS by default, and then their names are believed.
    let pieces = [
        ("<", 1),
        ("<s>", 1),
        ("</s>", 1),
        ("/", 1),
        ("s>", 1),
        ("</", 1),
    ];
    assert_eq!(parts(&sentence_piece(&pieces)), (vec![1, 2], vec![2]));
    let other = [
        ("<", 1),
        ("a", 1),
        ("b", 1),
        ("</", 1),
        ("s>", 1),
        ("</s>", 1),
    ];
    assert_eq!(parts(&sentence_piece(&other)), (vec![], vec![2]));
}

#[test]
fn a_token_that_only_looks_like_an_end_is_text() {
    let names = [
        "<|im_ends|>",
        "<|im_end|",
        "<end>",
        "<|IM_END|>",
        "</think>",
        "<|eot_id|> ",
    ];
    for name in names {
        for kind in [1, 4] {
            let (controls, ends) = parts(&byte_level(&[("a", 1), (name, kind)], &[]));
            assert!(controls.is_empty() && ends.is_empty(), "{name} {kind}");
        }
    }
}

#[test]
fn all_that_keys_name_ends_an_answer() {
    let keys = [
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.eom_token_id",
        "tokenizer.ggml.fim_pad_token_id",
        "tokenizer.ggml.fim_rep_token_id",
        "tokenizer.ggml.fim_sep_token_id",
    ];
    let tokens = [
        ("<|a|>", 1),
        ("<|b|>", 4),
        ("<|c|>", 3),
        ("d", 1),
        ("<|e|>", 1),
        ("<|f|>", 1),
        ("<|g|>", 1),
    ];
    let description = keys
        .into_iter()
        .zip(0_u32..)
        .fold(byte_level(&tokens, &[]), |description, (key, token)| {
            description.with(key, token)
        });
    // A single character is text, although an answer ends at it.
    let wanted = (vec![0, 1, 2, 4, 5], vec![0, 1, 2, 3, 4, 5]);
    assert_eq!(parts(&description), wanted);
    let framed = byte_level(&tokens, &[])
        .with("tokenizer.ggml.bos_token_id", 0_u32)
        .with("tokenizer.ggml.fim_pre_token_id", 4_u32)
        .with("tokenizer.ggml.padding_token_id", 5_u32);
    assert_eq!(parts(&framed), (vec![0, 2, 4], vec![]));
}

/// In the answers of gpt-oss and its kin, `<|end|>` stands between two messages.
#[test]
fn the_end_of_a_message_is_not_the_end_where_answers_have_several() {
    let tokens = [("<|end|>", 3), ("<|return|>", 3), ("<|call|>", 3), ("a", 1)];
    assert_eq!(parts(&byte_level(&tokens, &[])).1, [1, 2]);
    assert_eq!(parts(&byte_level(&tokens[..2], &[])).1, [0, 1]);
    let named = byte_level(&tokens, &[]).with("tokenizer.ggml.eot_token_id", 0_u32);
    assert_eq!(parts(&named).1, [0, 1, 2]);
}

#[test]
fn merges_of_control_tokens_are_left_out() {
    let tokens = [("<", 1), ("s>", 1), ("<s>", 3), ("<s><", 1)];
    let tokenizer = byte_level(&tokens, &["< s>", "<s> <"]).tokenizer();
    assert_eq!(tokenizer.encode("<", PLAIN), [0]);
    assert!(tokenizer.is_control(2));
}

#[test]
fn suppressed_tokens_are_those_of_the_file() {
    let key = "tokenizer.ggml.suppress_tokens";
    let ids: OwnedArray = [7_i32, 3, 3, -1, 5000].into_iter().collect();
    let tokenizer = bpe().with(key, ids).tokenizer();
    assert_eq!(tokenizer.suppressed(), [3, 7]);
    assert!(
        tokenizer.notes()[0].contains("2 ids beyond"),
        "{:?}",
        tokenizer.notes()
    );
    assert!(bpe().tokenizer().suppressed().is_empty());
}
