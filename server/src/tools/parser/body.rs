//! A call that has begun: the object that it is, or the object of its arguments.

use serde_json::{Map, Value};

use super::Said;
use super::json::Brackets;
use super::object::{self, Head};

/// An object that is coming.
#[derive(Clone, Debug)]
pub(super) struct Body {
    raw: String,
    brackets: Brackets,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// An object whose head is not known.
    Unknown,
    /// One that is looked at when it is whole.
    Whole,
    /// One with arguments in it, as far as they came.
    Call(Arguments),
    /// Arguments and nothing else.
    Bare,
}

#[derive(Clone, Debug)]
struct Arguments {
    brackets: Brackets,
    /// How far `raw` was sent; they begin where this began.
    sent: usize,
    whole: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    GoesOn,
    Whole,
    Broken,
}

impl Body {
    /// An object that names its function.
    pub(super) fn object() -> Self {
        Self {
            raw: String::new(),
            brackets: Brackets::default(),
            kind: Kind::Unknown,
        }
    }

    /// The arguments of a call that has begun.
    pub(super) fn arguments() -> Self {
        Self {
            kind: Kind::Bare,
            ..Self::object()
        }
    }

    /// Whether a call has come out.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.kind, Kind::Call(_) | Kind::Bare)
    }

    /// What was written so far.
    pub(super) fn raw(&self) -> &str {
        &self.raw
    }

    /// Takes of `text` what belongs to it: how many bytes, and what became of it.
    pub(super) fn push(
        &mut self,
        text: &str,
        names: &[String],
        said: &mut Vec<Said>,
    ) -> (usize, Course) {
        let (taken, ends) = self.brackets.follow(text);
        self.raw.push_str(&text[..taken]);
        if matches!(self.kind, Kind::Unknown) {
            match object::head(&self.raw, names) {
                Ok(Head::Other) => return (taken, Course::Broken),
                Ok(Head::Call(name, from)) => {
                    said.push(Said::Call(name));
                    self.kind = Kind::Call(Arguments {
                        brackets: Brackets::default(),
                        sent: from,
                        whole: false,
                    });
                }
                Ok(Head::Whole) => self.kind = Kind::Whole,
                Err(_) => {}
            }
        }
        let valid = || serde_json::from_str::<Map<String, Value>>(&self.raw).is_ok();
        let holds = match &mut self.kind {
            Kind::Call(arguments) => {
                arguments.pass(&self.raw, said);
                !ends || arguments.whole && valid()
            }
            Kind::Bare => {
                pass(&text[..taken], said);
                !ends || valid()
            }
            Kind::Unknown | Kind::Whole if ends => match object::call(&self.raw, names) {
                Some((name, arguments)) => {
                    said.extend([Said::Call(name), Said::Arguments(arguments)]);
                    true
                }
                None => false,
            },
            Kind::Unknown | Kind::Whole => true,
        };
        let course = match (holds, ends) {
            (false, _) => Course::Broken,
            (true, true) => Course::Whole,
            (true, false) => Course::GoesOn,
        };
        (taken, course)
    }
}

impl Arguments {
    /// Sends what has come of them.
    fn pass(&mut self, raw: &str, said: &mut Vec<Said>) {
        if !self.whole {
            let come = &raw[self.sent..];
            let (taken, whole) = self.brackets.follow(come);
            pass(&come[..taken], said);
            self.sent += taken;
            self.whole = whole;
        }
    }
}

fn pass(piece: &str, said: &mut Vec<Said>) {
    if !piece.is_empty() {
        said.push(Said::Arguments(piece.to_owned()));
    }
}
