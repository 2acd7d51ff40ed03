//! What a run of spaces leaves to the word behind it.

/// What a run of spaces before something else leaves to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Spaces {
    /// Nothing: the match stands as it is.
    Keep,
    /// Its last character, if it has two or more.
    LeaveLast,
    /// The same, unless the run ends in a line break, which another branch has matched.
    LeaveLastUnlessLineBreak,
}

impl Spaces {
    /// How many bytes of the match `found`, which `following` follows, stay in it; never none.
    pub(super) fn kept(self, found: &str, following: &str) -> usize {
        let gives = match self {
            Self::Keep => false,
            Self::LeaveLast => true,
            Self::LeaveLastUnlessLineBreak => !found.ends_with(['\r', '\n']),
        };
        let last = found.chars().next_back().map_or(0, char::len_utf8);
        // A match that starts and ends in white space is a run of it: in every expression, words
        // have at most one space, at their start, and signs at most line breaks at their end. A run
        // goes on as far as the white space does, so what follows it, if anything, is something
        // else.
        let is_run = found.len() > last
            && found.starts_with(char::is_whitespace)
            && found.ends_with(char::is_whitespace);
        if gives && is_run && !following.is_empty() {
            found.len() - last
        } else {
            found.len()
        }
    }
}
