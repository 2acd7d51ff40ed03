//! The alphabet of byte-level BPE: one printable character per byte.
//!
//! GPT-2 writes its vocabulary as text although tokens are bytes: printable Latin-1 characters
//! stand for themselves, the other 68 bytes for the characters from U+0100 on, in order.
//! (`bytes_to_unicode` in OpenAI's gpt-2 `encoder.py`.)

/// One more than the last character of the alphabet: 256 + 68.
const END: usize = 0x144;

/// The character of each byte.
const CHARACTERS: [char; 256] = characters();

/// The byte of each character below [`END`], or `None` for those that the alphabet leaves out.
const BYTES: [Option<u8>; END] = bytes();

/// Whether a byte stands for itself.
const fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF)
}

const fn characters() -> [char; 256] {
    let mut table = ['\0'; 256];
    let mut next = 0x100_u32;
    let mut byte = 0;
    while byte < 256 {
        if is_printable(byte as u8) {
            table[byte] = byte as u8 as char;
        } else {
            table[byte] = match char::from_u32(next) {
                Some(character) => character,
                None => unreachable!(),
            };
            next += 1;
        }
        byte += 1;
    }
    table
}

const fn bytes() -> [Option<u8>; END] {
    let mut table = [None; END];
    let mut byte = 0;
    while byte < 256 {
        table[CHARACTERS[byte] as usize] = Some(byte as u8);
        byte += 1;
    }
    table
}

/// Appends the character of `byte` to `encoded`.
pub(super) fn encode_byte(byte: u8, encoded: &mut String) {
    encoded.push(CHARACTERS[usize::from(byte)]);
}

/// Appends the bytes that `text` stands for to `decoded`. A character outside the alphabet, which
/// only added tokens hold, stands for its own UTF-8.
pub(super) fn decode(text: &str, decoded: &mut Vec<u8>) {
    for character in text.chars() {
        match BYTES.get(character as usize) {
            Some(&Some(byte)) => decoded.push(byte),
            _ => decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// How many bytes `text` stands for; nothing if it has a character outside the alphabet, so that no
/// bytes are spelled like this.
pub(super) fn decoded_length(text: &str) -> Option<usize> {
    let is_byte = |character: char| matches!(BYTES.get(character as usize), Some(Some(_)));
    text.chars().all(is_byte).then(|| text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_characters_match_the_published_table() {
        let cases = [
            (" ", "Ġ"),
            ("\n", "Ċ"),
            ("\t", "ĉ"),
            ("a", "a"),
            ("é", "Ã©"),
            ("\u{ad}", "ÂŃ"),
        ];
        for (text, wanted) in cases {
            let mut encoded = String::new();
            for byte in text.bytes() {
                encode_byte(byte, &mut encoded);
            }
            assert_eq!(encoded, wanted);
        }
    }

    #[test]
    fn every_byte_comes_back() {
        for byte in 0..=255_u8 {
            let mut decoded = Vec::new();
            decode(&CHARACTERS[usize::from(byte)].to_string(), &mut decoded);
            assert_eq!(decoded, [byte]);
        }
    }

    #[test]
    fn foreign_characters_are_kept() {
        let mut decoded = Vec::new();
        decode("日Ġ ", &mut decoded);
        assert_eq!(decoded, "日  ".as_bytes());
    }
}
