//! Text and tokens: any text becomes tokens of the vocabulary and comes back, any tokens become text,
//! at once and as a stream.
//!
//! The first byte chooses the vocabulary, the rest is the text, and taken in pairs of bytes the tokens.

use std::sync::Arc;

use sysinfer_engine::tokenizer::{Encode, Segment, TextStream};

use super::vocabularies::{Sample, samples};
use super::{Target, text};

/// See [`Target`].
pub const TARGET: Target = Target {
    name: "tokenizer",
    run,
    most_bytes: 64 << 10,
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
    let sample = &samples[usize::from(*choice) % samples.len()];
    encode(sample, &text(rest));
    decode(sample, rest);
}

fn encode(sample: &Sample, text: &str) {
    let tokenizer = &sample.tokenizer;
    let options = |parse_special| Encode {
        add_special: false,
        parse_special,
    };
    let plain = tokenizer.encode(text, options(false));
    assert!(plain.iter().all(|token| !tokenizer.is_control(*token)));
    let special = tokenizer.encode(text, options(true));
    for token in plain.iter().chain(&special) {
        assert!((*token as usize) < tokenizer.vocabulary_size(), "{token}");
    }
    let name = &sample.name;
    if sample.is_sentencepiece {
        // A token that was written out ends a text, and the next one gets its own space prefix.
        if !text.contains("<tool>") {
            assert_eq!(
                tokenizer.decode(&plain, false),
                text.replace('▁', " "),
                "{name}"
            );
        }
    } else {
        assert_eq!(tokenizer.decode(&plain, false), text, "{name}");
        assert_eq!(tokenizer.decode(&special, true), text, "{name}");
    }
    in_parts(sample, text, &plain);
    stream(sample, &special, true);
}

/// Two parts of a text give the tokens of the whole, unless the cut goes through a written-out token.
fn in_parts(sample: &Sample, text: &str, whole: &[u32]) {
    if text.contains('<') {
        return;
    }
    let mut middle = text.len() / 2;
    while !text.is_char_boundary(middle) {
        middle -= 1;
    }
    let (left, right) = text.split_at(middle);
    let parts = [left, right].map(|text| Segment {
        text,
        parse_special: false,
    });
    assert_eq!(sample.tokenizer.encode_segments(&parts, false), whole);
}

fn decode(sample: &Sample, data: &[u8]) {
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
