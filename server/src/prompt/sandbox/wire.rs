//! What the two processes say to each other: JSON values, each behind its length.
//!
//! The child begins with an empty [`Answer`]: it is there. Then it is sent a [`Setup`] and any number of
//! [`Conversation`](crate::prompt::Conversation)s; each is answered by an [`Answer`].

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::prompt::template::TokenTexts;

/// Longest value: far above any conversation, and what a hostile template can make us keep.
const MOST_BYTES: usize = 64 << 20;

/// What is compiled, once.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) source: String,
    pub(super) origin: String,
    pub(super) tokens: TokenTexts,
}

/// What came of it: a text, nothing for a start or a setup, or what the template says against it.
pub(super) type Answer = Result<String, String>;

/// A value and its length, as they are written.
///
/// # Errors
/// A value of more than 64 MiB.
pub(super) fn frame(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size_of::<u32>()];
    serde_json::to_writer(&mut bytes, value)?;
    let length = bytes.len() - size_of::<u32>();
    let length = checked(length)? as u32;
    bytes[..size_of::<u32>()].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// Writes a value.
pub(super) fn write(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&frame(value)?)?;
    out.flush()
}

/// Reads a value.
///
/// # Errors
/// The end of the stream, a length above 64 MiB, another value.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    read_sized(from).map(|(value, _)| value)
}

/// Reads a value; with it comes how many bytes it took.
///
/// # Errors
/// As [`read`].
pub(super) fn read_sized<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<(T, usize)> {
    let mut length = [0; size_of::<u32>()];
    from.read_exact(&mut length)?;
    let length = checked(u32::from_le_bytes(length) as usize)?;
    let mut bytes = Vec::new();
    // Grows as bytes come, whatever the length says.
    if from.take(length as u64).read_to_end(&mut bytes)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((serde_json::from_slice(&bytes)?, length))
}

fn checked(length: usize) -> io::Result<usize> {
    if length <= MOST_BYTES {
        Ok(length)
    } else {
        Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{length} bytes are more than the {MOST_BYTES} that a prompt may have"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::prompt::{Conversation, Ending, Message, Role};

    #[test]
    fn values_come_back_and_bad_frames_are_errors() {
        let conversation = Conversation {
            messages: vec![Message {
                role: Role::Tool,
                fields: Map::from_iter([
                    ("role".to_owned(), "tool".into()),
                    ("content".to_owned(), "\u{1e}é\"\n".into()),
                    ("name".to_owned(), "clock".into()),
                ]),
                arguments: vec![None, Some(json!({"b": 1, "a": null}))],
            }],
            tools: vec![json!({"function": {"name": "f"}})],
            variables: Map::from_iter([("deep".to_owned(), json!([[1.5], {"a": null}]))]),
            ending: Ending::InLastMessage,
        };
        let bytes = frame(&conversation).expect("small");
        let read_back: Conversation = read(&mut bytes.as_slice()).expect("whole");
        assert_eq!(read_back, conversation);

        let cases: [&[u8]; 4] = [&[], &[1, 0], &[5, 0, 0, 0, b'"'], &[0xFF; 8]];
        for bytes in cases {
            assert!(read::<Answer>(&mut &bytes[..]).is_err(), "{bytes:?}");
        }
        assert!(read::<Answer>(&mut &[2, 0, 0, 0, b'x', b'x'][..]).is_err());
    }
}
