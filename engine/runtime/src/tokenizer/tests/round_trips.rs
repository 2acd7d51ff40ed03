//! Any text comes back, also long and hostile text.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

#[test]
fn a_megabyte_of_anything_is_encoded() {
    let hostile = ["a", " ", "<tool", " \n", "é", "hello "];
    for (description, is_spm) in [(bpe(), false), (spm(), true)] {
        let tokenizer = description.tokenizer();
        for pattern in hostile {
            let text = pattern.repeat((1 << 20) / pattern.len());
            let tokens = tokenizer.encode(&text, SPECIAL);
            assert_eq!(
                tokenizer.decode(&tokens, true),
                text,
                "{pattern:?} {is_spm}"
            );
        }
    }
}

/// Text that round-trips: a user-defined token in a SentencePiece text gains a space after it, and
/// `▁` becomes a space, so neither is drawn.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c <>|s\n\t]{0,40}",
        "\\PC{0,40}",
        proptest::collection::vec(any::<char>(), 0..20).prop_map(String::from_iter),
    ]
    .prop_map(|text| text.replace('▁', "_").replace("<tool>", ""))
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(text in text()) {
        for tokenizer in [bpe().tokenizer(), spm().tokenizer()] {
            let tokens = tokenizer.encode(&text, PLAIN);
            prop_assert!(tokens.iter().all(|&token| !tokenizer.is_control(token)));
            prop_assert_eq!(&tokenizer.decode(&tokens, false), &text);
        }
    }

    #[test]
    fn streams_give_what_decoding_gives(
        tokens in proptest::collection::vec(0_u32..300, 0..60),
        specials: bool,
    ) {
        for tokenizer in [bpe().tokenizer(), spm().tokenizer()] {
            let wanted = tokenizer.decode(&tokens, specials);
            let mut stream = TextStream::new(Arc::new(tokenizer), None, specials);
            let mut streamed = String::new();
            for &token in &tokens {
                streamed.push_str(stream.push(token));
            }
            streamed.push_str(stream.flush());
            prop_assert_eq!(streamed, wanted);
        }
    }
}
