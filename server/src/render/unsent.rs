//! Bytes of a stream that have not left yet.

use axum::body::Bytes;
use serde::Serialize;

use super::no_answer::lost;

/// Room for a piece of one token; longer ones grow.
const PIECE_BYTES: usize = 512;

/// Whole pieces, which leave together.
#[derive(Default)]
pub struct Unsent(Vec<u8>);

impl Unsent {
    /// Adds an object as a server-sent event. JSON escapes line ends, so it is one line.
    pub fn event(&mut self, object: &impl Serialize) {
        self.between("data: ", object, "\n\n");
    }

    /// Adds an object as a server-sent event of a kind, which the object names too.
    pub fn event_of_kind(&mut self, kind: &str, object: &impl Serialize) {
        for part in ["event: ", kind, "\n"] {
            self.text(part);
        }
        self.event(object);
    }

    /// Adds an object as a line.
    pub fn line(&mut self, object: &impl Serialize) {
        self.between("", object, "\n");
    }

    /// Adds an event whose data is one line of text.
    pub fn event_of_text(&mut self, data: &str) {
        for part in ["data: ", data, "\n\n"] {
            self.0.extend_from_slice(part.as_bytes());
        }
    }

    /// Adds text as it is.
    pub fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// All of it, if there is any.
    pub fn take(&mut self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0).into())
    }

    fn between(&mut self, before: &str, object: &impl Serialize, behind: &str) {
        let begin = self.0.len();
        self.0.reserve(PIECE_BYTES);
        self.text(before);
        if serde_json::to_writer(&mut self.0, object).is_err() {
            // Plain structs of texts and numbers always serialise; an error would be the answer if they
            // did not.
            self.0.truncate(begin);
            self.text(before);
            self.text(&lost().body().to_string());
        }
        self.text(behind);
    }
}
