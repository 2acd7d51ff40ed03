//! The machine that goes through an answer, whatever its syntax.

use std::sync::Arc;

use super::body::{Body, Course};
use super::rules::{Head, Opening, Rules, Tail, Undecided, rules};
use super::{Said, say};
use crate::tools::format::ChatFormat;

/// Longest head of a call, bytes: a name and marks.
const LONGEST_HEAD: usize = 512;

/// Finds the calls of one answer.
#[derive(Clone, Debug)]
pub struct CallParser {
    rules: &'static dyn Rules,
    names: Arc<[String]>,
    /// Marks that are no text, and never shown.
    specials: Arc<[&'static str]>,
    place: Place,
    /// What cannot be told yet.
    held: String,
    /// White space behind the last text: it is shown before more of that, and not before a call.
    space: String,
    /// Nothing but white space has come.
    at_start: bool,
    has_called: bool,
}

#[derive(Clone, Debug)]
enum Place {
    Text,
    /// Behind what begins a call. `before` is shown if it is none.
    Head {
        before: String,
    },
    Body {
        before: String,
        body: Body,
    },
    Tail,
}

impl CallParser {
    /// For an answer in a format, whose calls are of these functions.
    pub fn new(format: &ChatFormat, names: Arc<[String]>) -> Self {
        let specials = format.specials.iter().map(|(mark, _)| *mark);
        Self {
            rules: rules(format.syntax),
            names,
            specials: specials.collect(),
            place: Place::Text,
            held: String::new(),
            space: String::new(),
            at_start: true,
            has_called: false,
        }
    }

    /// Takes text and appends what is certain.
    pub fn push(&mut self, text: &str, said: &mut Vec<Said>) {
        self.held.push_str(text);
        while self.step(false, said) {}
    }

    /// Ends the text.
    pub fn finish(&mut self, said: &mut Vec<Said>) {
        while self.step(true, said) {}
        let space = std::mem::take(&mut self.space);
        if !self.has_called {
            say(&space, said);
        }
    }

    /// Whether anything was decided, and there may be more.
    fn step(&mut self, ended: bool, said: &mut Vec<Said>) -> bool {
        match std::mem::replace(&mut self.place, Place::Text) {
            Place::Text => self.text(ended, said),
            Place::Head { before } => self.head(before, ended, said),
            Place::Body { before, body } => self.body(before, body, ended, said),
            Place::Tail => self.tail(ended),
        }
    }

    fn text(&mut self, ended: bool, said: &mut Vec<Said>) -> bool {
        match self.rules.opening(&self.held, self.at_start) {
            Opening::At(from, to) => {
                self.pass(from, said);
                let mark = self.taken(to - from);
                let before = std::mem::take(&mut self.space) + &self.shown(&mark);
                self.at_start = false;
                self.place = Place::Head { before };
                true
            }
            Opening::None(sure) => {
                let sure = if ended { self.held.len() } else { sure };
                self.pass(sure, said);
                false
            }
        }
    }

    fn head(&mut self, mut before: String, ended: bool, said: &mut Vec<Said>) -> bool {
        let known = |name: &str| self.names.iter().any(|one| one == name);
        let (length, body) = match self.rules.head(&self.held) {
            Err(Undecided) if !ended && self.held.len() <= LONGEST_HEAD => {
                self.place = Place::Head { before };
                return false;
            }
            Ok(Head::Text(length)) => {
                self.taken(length);
                self.space.clear();
                return true;
            }
            Ok(Head::Object(length)) => (length, Body::object()),
            Ok(Head::Named(name, length)) if known(name) => {
                said.push(Said::Call(name.to_owned()));
                (length, Body::arguments())
            }
            _ => {
                self.show(&before, said);
                return true;
            }
        };
        let head = self.taken(length);
        before += &self.shown(&head);
        self.place = Place::Body { before, body };
        true
    }

    fn body(&mut self, before: String, mut body: Body, ended: bool, said: &mut Vec<Said>) -> bool {
        let (length, course) = body.push(&self.held, &self.names, said);
        self.taken(length);
        match course {
            Course::GoesOn if !ended => {
                self.place = Place::Body { before, body };
                return false;
            }
            Course::Whole => {
                said.push(Said::Done);
                self.has_called = true;
                self.place = Place::Tail;
            }
            Course::GoesOn | Course::Broken if body.has_begun() => {
                said.push(Said::Broken(before + &self.shown(body.raw())));
            }
            // What looked like a call is text, in which there may be calls.
            Course::GoesOn | Course::Broken => {
                self.show(&before, said);
                self.held.insert_str(0, body.raw());
            }
        }
        true
    }

    fn tail(&mut self, ended: bool) -> bool {
        match self.rules.tail(&self.held) {
            Ok(Tail::Over(length)) => {
                self.taken(length);
            }
            Ok(Tail::Another(length)) => {
                let before = self.taken(length);
                let body = Body::object();
                self.place = Place::Body { before, body };
            }
            // The rest of the mark never came.
            Err(Undecided) if ended => self.held.clear(),
            Err(Undecided) => {
                self.place = Place::Tail;
                return false;
            }
        }
        true
    }

    /// Passes so many bytes on as text.
    fn pass(&mut self, length: usize, said: &mut Vec<Said>) {
        let text = self.taken(length);
        self.show(&text, said);
    }

    fn show(&mut self, text: &str, said: &mut Vec<Said>) {
        let text = std::mem::take(&mut self.space) + text;
        let (shown, space) = text.split_at(text.trim_end().len());
        say(shown, said);
        self.at_start &= shown.is_empty();
        self.space = space.to_owned();
    }

    fn taken(&mut self, length: usize) -> String {
        let rest = self.held.split_off(length);
        std::mem::replace(&mut self.held, rest)
    }

    /// Text without what is none.
    fn shown(&self, text: &str) -> String {
        let specials = self.specials.iter();
        specials.fold(text.to_owned(), |text, special| text.replace(special, ""))
    }
}
