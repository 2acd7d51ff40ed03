//! Tokens to text, at once and one by one.

use std::sync::Arc;

use super::*;

#[test]
fn pieces_are_bytes_and_control_tokens_have_none() {
    let tokenizer = bpe().tokenizer();
    assert_eq!(tokenizer.piece(BEGIN), b"");
    assert_eq!(tokenizer.token_text(BEGIN), "<|begin|>");
    assert_eq!(tokenizer.piece(FIRST_NORMAL + 0xC3), b"\xC3");
    assert_eq!(tokenizer.piece(u32::MAX), b"");
    assert_eq!(
        tokenizer.decode(&[BEGIN, FIRST_NORMAL + 0xC3, u32::MAX], true),
        "<|begin|>\u{FFFD}"
    );
    let tokenizer = spm().tokenizer();
    assert_eq!(tokenizer.piece(4 + 0xC3), b"\xC3");
    assert_eq!(tokenizer.piece(4 + 256 + 9), b" a");
    assert_eq!(tokenizer.vocabulary_size(), 4 + 256 + 18);
}

#[test]
fn decoding_takes_off_one_space_at_the_front() {
    let tokenizer = spm().tokenizer();
    let (bos, word) = (1, 4 + 256 + 10);
    assert_eq!(tokenizer.decode(&[word, word], false), "ab ab");
    assert_eq!(tokenizer.decode(&[bos, word, word], false), "ab ab");
    assert_eq!(tokenizer.decode(&[bos, word], true), "<s>ab");
    assert_eq!(
        tokenizer.decode(&tokenizer.encode("  a", PLAIN), false),
        "  a"
    );
}

#[test]
fn streams_hold_back_unfinished_characters() {
    let tokenizer = Arc::new(bpe().tokenizer());
    let byte = |byte: u8| FIRST_NORMAL + u32::from(byte);
    let mut stream = TextStream::new(Arc::clone(&tokenizer), None, false);
    // An euro sign, a byte that starts nothing, a character cut short by a letter, and an open end.
    let steps: [(u8, &str); 8] = [
        (0xE2, ""),
        (0x82, ""),
        (0xAC, "€"),
        (0xFF, "\u{FFFD}"),
        (0xC3, ""),
        (b'a', "\u{FFFD}a"),
        (0xF0, ""),
        (0x9F, ""),
    ];
    for (pushed, wanted) in steps {
        assert_eq!(stream.push(byte(pushed)), wanted, "{pushed:#x}");
    }
    assert_eq!(stream.flush(), "\u{FFFD}");
    assert_eq!(stream.flush(), "");
}

#[test]
fn streams_keep_the_space_after_other_text() {
    let tokenizer = Arc::new(spm().tokenizer());
    let (bos, letter, word) = (1, 4 + 256 + 1, 4 + 256 + 10);
    for (previous, wanted) in [(None, "ab"), (Some(bos), "ab"), (Some(letter), " ab")] {
        let mut stream = TextStream::new(Arc::clone(&tokenizer), previous, false);
        assert_eq!(stream.push(bos), "");
        assert_eq!(stream.push(word), wanted);
        assert_eq!(stream.push(word), " ab");
    }
    let mut stream = TextStream::new(tokenizer, None, true);
    assert_eq!(stream.push(bos), "<s>");
}

/// Files without types, and those that call all tokens normal.
#[test]
fn bytes_come_back_whatever_type_the_file_gives_them() {
    let types = "tokenizer.ggml.token_type";
    let size = spm().tokenizer().vocabulary_size();
    let text = "é\n\0 <0x41>";
    for kind in [0, 1, 3, 4, 5, 6] {
        let kinds: OwnedArray = (0..size)
            .map(|token| match token {
                0 => 2,
                1 | 2 => 3,
                4..260 => kind,
                _ => 1,
            })
            .collect();
        let tokenizer = spm().with(types, kinds).tokenizer();
        let tokens = tokenizer.encode(text, PLAIN);
        assert_eq!(tokens, spm().tokenizer().encode(text, PLAIN), "type {kind}");
        assert_eq!(tokenizer.decode(&tokens, false), text, "type {kind}");
        assert_eq!(tokenizer.piece(4 + 10), b"\n", "type {kind}");
    }
    let tokenizer = spm().without(types).tokenizer();
    let tokens = tokenizer.encode(text, PLAIN);
    assert_eq!(tokenizer.decode(&tokens, false), text);
}

/// Merging comes to user-defined runs of spaces; byte-level BPE has its bytes by another spelling.
#[test]
fn user_defined_and_byte_pieces_come_back() {
    let types = "tokenizer.ggml.token_type";
    let spaces = 4 + 256 + 13;
    let size = spm().tokenizer().vocabulary_size();
    let kinds: OwnedArray = (0..size)
        .map(|token| match token {
            0 => 2,
            1 | 2 => 3,
            4..260 => 6,
            _ if token == spaces => 4,
            _ => 1,
        })
        .collect();
    let tokenizer = spm().with(types, kinds).tokenizer();
    assert_eq!(tokenizer.token_text(spaces as u32), "▁▁");
    let tokens = tokenizer.encode("c   c", PLAIN);
    assert!(tokens.contains(&(spaces as u32)), "{tokens:?}");
    assert_eq!(tokenizer.decode(&tokens, false), "c   c");
    let mut kinds = vec![1_i32; bpe().tokenizer().vocabulary_size()];
    kinds[..FIRST_NORMAL as usize].copy_from_slice(&[3, 3, 3, 4, 4]);
    kinds[FIRST_NORMAL as usize..FIRST_NORMAL as usize + 256].fill(6);
    let kinds: OwnedArray = kinds.into_iter().collect();
    let tokenizer = bpe().with(types, kinds).tokenizer();
    let tokens = tokenizer.encode("a\n é", PLAIN);
    assert_eq!(tokenizer.decode(&tokens, false), "a\n é");
}
