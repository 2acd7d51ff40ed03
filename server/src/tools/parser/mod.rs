//! Calls in the text of an answer, which comes piece by piece.
//!
//! One machine goes through the text: it looks for what begins a call, reads its head, passes its arguments on as
//! they come, and looks for what ends it. Where these are and what they look like is the syntax' (`rules`): pure
//! functions of the text that is there, which ask for more where that does not tell yet. So what comes out does not
//! depend on how the text was cut.
//!
//! Nothing of a mark comes out. What only looks like a call is text: a beginning that does not go on as one, a
//! function that was not offered, JSON that is none. A call that has begun to come out and then breaks, or never
//! ends, is followed by [`Said::Broken`].

mod body;
mod json;
mod machine;
mod object;
mod rules;

pub use machine::CallParser;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Text, of whole characters.
    Text(String),
    /// A call of the function of this name begins.
    Call(String),
    /// A piece of its arguments, as the model wrote them: together the JSON text of an object.
    Arguments(String),
    /// The call is whole.
    Done,
    /// It is none: what was written, marks left out that are no text.
    Broken(String),
}

/// Appends text, if there is any.
fn say(text: &str, said: &mut Vec<Said>) {
    if !text.is_empty() {
        said.push(Said::Text(text.to_owned()));
    }
}

#[cfg(test)]
mod tests;
