//! Server-sent events out of a stream of bytes (WHATWG HTML, section 9.2.6), data only.
//!
//! Bytes may be cut anywhere, also inside a character or between CR and LF, so lines are collected
//! as bytes and decoded when an event is whole. Size is bounded: a server is a stranger.

/// The largest event; chunks of answers have some hundred bytes.
pub const LIMIT_BYTES: usize = 1 << 20;

/// An event or a line of it is longer than [`LIMIT_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {LIMIT_BYTES} bytes")]
pub struct TooLarge;

/// Turns bytes into events. Names, ids and comments are skipped.
#[derive(Debug, Default)]
pub struct EventParser {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_carriage_return: bool,
    after_first_line: bool,
}

impl EventParser {
    /// Takes the next bytes; appends the data of every event that they complete.
    ///
    /// # Errors
    /// An event grows beyond the limit.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<Vec<u8>>) -> Result<(), TooLarge> {
        for &byte in bytes {
            let skipped = byte == b'\n' && self.after_carriage_return;
            self.after_carriage_return = byte == b'\r';
            match byte {
                b'\n' if skipped => {}
                b'\n' | b'\r' => self.end_line(events),
                _ if self.line.len() + self.data.len() >= LIMIT_BYTES => return Err(TooLarge),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// The stream has ended: an event that lacks only its empty line counts, since servers leave it
    /// out behind their last one.
    pub fn finish(mut self, events: &mut Vec<Vec<u8>>) {
        if !self.line.is_empty() {
            self.end_line(events);
        }
        self.end_event(events);
    }

    fn end_line(&mut self, events: &mut Vec<Vec<u8>>) {
        let mut line = std::mem::take(&mut self.line);
        if !self.after_first_line && line.starts_with(b"\xEF\xBB\xBF") {
            line.drain(..3);
        }
        self.after_first_line = true;
        if line.is_empty() {
            self.end_event(events);
        } else if let Some(value) = data_of(&line) {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
        // Its memory serves the next line.
        line.clear();
        self.line = line;
    }

    fn end_event(&mut self, events: &mut Vec<Vec<u8>>) {
        if std::mem::take(&mut self.has_data) {
            events.push(std::mem::take(&mut self.data));
        }
    }
}

/// The value of a `data` line; one blank behind the colon does not belong to it.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of `step` bytes.
    fn events(text: &[u8], step: usize) -> Vec<String> {
        let (mut parser, mut events) = (EventParser::default(), Vec::new());
        for piece in text.chunks(step) {
            parser.push(piece, &mut events).expect("small");
        }
        parser.finish(&mut events);
        let text = |data| String::from_utf8(data).expect("whole characters");
        events.into_iter().map(text).collect()
    }

    #[test]
    fn streams_however_they_are_cut() {
        let cases: [(&str, &[&str]); 10] = [
            ("data: a\n\ndata: b\n\n", &["a", "b"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
            ("data: a\r\rdata:b\r\r", &["a", "b"]),
            (
                ": ping\n\ndata: \u{6c49}\u{1F600}\n\n",
                &["\u{6c49}\u{1F600}"],
            ),
            ("event: x\nid: 1\ndata: a\ndata: b\n\n", &["a\nb"]),
            ("data\ndata:\n\n", &["\n"]),
            ("data:  two blanks\n\n", &[" two blanks"]),
            ("database: no\nretry: 5\n\n", &[]),
            ("data: unfinished", &["unfinished"]),
            ("\u{feff}data: behind a mark\n\n", &["behind a mark"]),
        ];
        for (text, expected) in cases {
            for step in [1, 2, 3, 7, 1000] {
                assert_eq!(
                    events(text.as_bytes(), step),
                    expected,
                    "{text:?} by {step}"
                );
            }
        }
    }

    #[test]
    fn endless_lines_and_events_are_refused() {
        let mut line = EventParser::default();
        let long = vec![b'x'; LIMIT_BYTES];
        assert_eq!(line.push(&long, &mut Vec::new()), Ok(()));
        assert_eq!(line.push(b"x", &mut Vec::new()), Err(TooLarge));
        let mut event = EventParser::default();
        let mut outcome = Ok(());
        for _ in 0..=LIMIT_BYTES / 1000 {
            let mut piece = b"data: ".to_vec();
            piece.extend_from_slice(&long[..1000]);
            piece.push(b'\n');
            outcome = outcome.and(event.push(&piece, &mut Vec::new()));
        }
        assert_eq!(outcome, Err(TooLarge));
        let mut ended = EventParser::default();
        let empty = vec![b'\n'; 3 * LIMIT_BYTES];
        assert_eq!(
            ended.push(&empty, &mut Vec::new()),
            Ok(()),
            "nothing is kept"
        );
    }
}
