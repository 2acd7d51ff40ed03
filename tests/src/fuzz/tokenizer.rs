//! Text and tokens: any text becomes tokens of the vocabulary and comes back, any tokens become text,
//! at once and as a stream.
//!
//! The first byte chooses the vocabulary and the question, the rest is the text, or taken in pairs of
//! bytes the tokens.

use std::sync::Arc;

use sysinfer_engine::tokenizer::{Encode, Segment, TextStream};

use super::target::{Target, text};
use super::vocabularies::{Sample, samples};

/// See [`Target`].
pub const TARGET: Target = Target {
    name: "tokenizer",
    run,
    largest_floor_bytes: AUTOMATON_BYTES,
    // A symbol of a SentencePiece text, one per character, has 32 bytes.
    largest_per_input_byte: 32,
    peak_per_input_byte: 256,
    peak_floor_bytes: 8 * AUTOMATON_BYTES,
};

/// Regular expressions keep the states that texts have led them through, up to this many bytes.
const AUTOMATON_BYTES: usize = 2 << 20;

fn run(data: &[u8]) {
    let samples = samples();
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    let choice = usize::from(*choice);
    let sample = &samples[choice % samples.len()];
    // One question per run, so that the longest text is answered within the second.
    match choice / samples.len() % 4 {
        0 => comes_back(sample, &text(rest)),
        1 => with_control_tokens(sample, &text(rest)),
        2 => in_parts(sample, &text(rest)),
        _ => of_any_tokens(sample, rest),
    }
}

fn encode(sample: &Sample, text: &str, parse_special: bool) -> Vec<u32> {
    let options = Encode {
        add_special: false,
        parse_special,
    };
    let tokens = sample.tokenizer.encode(text, options);
    let size = sample.tokenizer.vocabulary_size();
    assert!(tokens.iter().all(|token| (*token as usize) < size));
    tokens
}

/// A user's text holds no control tokens and comes back.
fn comes_back(sample: &Sample, text: &str) {
    let tokens = encode(sample, text, false);
    let is_control = |token: &u32| sample.tokenizer.is_control(*token);
    assert!(!tokens.iter().any(is_control));
    let back = sample.tokenizer.decode(&tokens, false);
    if !sample.is_sentencepiece {
        assert_eq!(back, text, "{}", sample.name);
    } else if !text.contains("<tool>") {
        // A token that was written out ends a text, and the next one gets its own space prefix.
        assert_eq!(back, text.replace('▁', " "), "{}", sample.name);
    }
    stream(sample, &tokens, false);
}

/// A template's text may hold control tokens.
fn with_control_tokens(sample: &Sample, text: &str) {
    let tokens = encode(sample, text, true);
    if !sample.is_sentencepiece {
        let back = sample.tokenizer.decode(&tokens, true);
        assert_eq!(back, text, "{}", sample.name);
    }
    stream(sample, &tokens, true);
}

/// Two parts of a text give the tokens of the whole, unless the cut goes through a written-out token.
fn in_parts(sample: &Sample, text: &str) {
    if text.contains('<') {
        return;
    }
    let middle = text.char_indices().nth(text.chars().count() / 2);
    let middle = middle.map_or(0, |(offset, _)| offset);
    let (left, right) = text.split_at(middle);
    let parts = [left, right].map(|text| Segment {
        text,
        parse_special: false,
    });
    let tokens = sample.tokenizer.encode_segments(&parts, false);
    assert_eq!(tokens, encode(sample, text, false), "{}", sample.name);
}

/// Whatever a model says becomes text, the same at once and as a stream.
fn of_any_tokens(sample: &Sample, data: &[u8]) {
    let number = |pair: &[u8]| {
        pair.iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte))
    };
    let tokens: Vec<u32> = data.chunks(2).map(number).collect();
    for specials in [false, true] {
        stream(sample, &tokens, specials);
    }
}

/// A stream hands out, in pieces, what decoding gives at once.
fn stream(sample: &Sample, tokens: &[u32], specials: bool) {
    let wanted = sample.tokenizer.decode(tokens, specials);
    let mut stream = TextStream::new(Arc::clone(&sample.tokenizer), None, specials);
    let mut streamed = String::with_capacity(wanted.len());
    for token in tokens {
        streamed.push_str(stream.push(*token));
    }
    streamed.push_str(stream.flush());
    assert_eq!(streamed, wanted, "{}", sample.name);
}
