//! What every syntax says of its calls, and what several say alike.

use std::fmt;

/// The text does not tell yet: more is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools::parser) struct Undecided;

/// Where a call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools::parser) enum Opening {
    /// The mark before it is these bytes of the text, maybe none.
    At(usize, usize),
    /// Nowhere in these first bytes, whatever follows.
    None(usize),
}

/// What stands behind the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools::parser) enum Head<'t> {
    /// So many bytes, then an object that names its function.
    Object(usize),
    /// The name of a function, which ends with so many bytes; then its arguments.
    Named(&'t str, usize),
    /// So many bytes that say that text follows.
    Text(usize),
    /// This is no call.
    Other,
}

/// What stands behind a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools::parser) enum Tail {
    /// So many bytes that end it.
    Over(usize),
    /// So many bytes, then another object that names its function.
    Another(usize),
}

/// A syntax.
pub(in crate::tools::parser) trait Rules:
    fmt::Debug + Send + Sync
{
    /// Looks for the first call in text, which begins the answer if `at_start`.
    fn opening(&self, text: &str, at_start: bool) -> Opening;

    /// Looks at what stands behind the mark.
    fn head<'t>(&self, text: &'t str) -> Result<Head<'t>, Undecided>;

    /// Looks at what stands behind a call.
    fn tail(&self, text: &str) -> Result<Tail, Undecided>;
}

/// The first place of a mark; else how much of the text cannot be the beginning of one.
pub(super) fn find(text: &str, mark: &str) -> Opening {
    match text.find(mark) {
        Some(at) => Opening::At(at, at + mark.len()),
        None => {
            let most = text.len().min(mark.len() - 1);
            // Marks are ASCII, so what they begin with ends at characters of the text.
            let begun = (1..=most)
                .rev()
                .find(|begun| text.ends_with(&mark[..*begun]));
            Opening::None(text.len() - begun.unwrap_or(0))
        }
    }
}

/// How many bytes of white space the text begins with.
pub(super) fn blank(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// White space, then an object.
pub(super) fn object(text: &str) -> Result<Head<'_>, Undecided> {
    let at = blank(text);
    match text[at..].chars().next() {
        None => Err(Undecided),
        Some('{') => Ok(Head::Object(at)),
        Some(_) => Ok(Head::Other),
    }
}

/// White space, then a mark that ends a call; without the mark, the call is over as well.
pub(super) fn closed(text: &str, mark: &str) -> Result<Tail, Undecided> {
    let at = blank(text);
    let rest = &text[at..];
    if rest.starts_with(mark) {
        Ok(Tail::Over(at + mark.len()))
    } else if mark.starts_with(rest) {
        Err(Undecided)
    } else {
        Ok(Tail::Over(0))
    }
}
