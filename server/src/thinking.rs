//! What a model thinks before it answers, and what it answers: `<think>...</think>` in a text that comes piece by
//! piece.

use crate::tools::format::{THINK, THINK_END};

/// Splits an answer.
#[derive(Clone, Debug)]
pub struct Thinking {
    place: Place,
    /// What cannot be told yet: white space, or the beginning of a mark.
    held: String,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Thoughts.
    Thought(String),
    /// The answer itself.
    Answer(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing but white space has come.
    Begin,
    /// In a block, of which nothing but white space has come.
    Opened,
    Within,
    /// Behind a block, but before the answer.
    Closed,
    Answer,
}

impl Thinking {
    /// For an answer; `opened`, if the prompt has opened the block already.
    pub fn new(opened: bool) -> Self {
        Self {
            place: if opened { Place::Opened } else { Place::Begin },
            held: String::new(),
        }
    }

    /// Takes text and appends what is certain.
    pub fn push(&mut self, text: &str, parts: &mut Vec<Part>) {
        if self.place == Place::Answer {
            return answer(text.to_owned(), parts);
        }
        self.held.push_str(text);
        while self.step(parts) {}
    }

    /// Whether what comes now is a thought.
    pub fn is_open(&self) -> bool {
        matches!(self.place, Place::Opened | Place::Within)
    }

    /// Ends the text: what was held is what it looks like.
    pub fn finish(&mut self, parts: &mut Vec<Part>) {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Begin | Place::Answer => answer(held, parts),
            Place::Opened | Place::Within => thought(held.trim_end(), parts),
            Place::Closed => {}
        }
    }

    /// Whether anything was decided, and there may be more.
    fn step(&mut self, parts: &mut Vec<Part>) -> bool {
        match self.place {
            Place::Begin => {
                let rest = self.held.trim_start();
                if let Some(rest) = rest.strip_prefix(THINK) {
                    self.go_on(Place::Opened, rest.to_owned());
                } else if THINK.starts_with(rest) {
                    return false;
                } else {
                    self.place = Place::Answer;
                    answer(std::mem::take(&mut self.held), parts);
                    return false;
                }
            }
            Place::Opened | Place::Closed => {
                self.held = self.held.trim_start().to_owned();
                if self.held.is_empty() {
                    return false;
                }
                if self.place == Place::Closed {
                    self.place = Place::Answer;
                    answer(std::mem::take(&mut self.held), parts);
                    return false;
                }
                self.place = Place::Within;
            }
            Place::Within => {
                if let Some(at) = self.held.find(THINK_END) {
                    thought(self.held[..at].trim_end(), parts);
                    let rest = self.held[at + THINK_END.len()..].to_owned();
                    self.go_on(Place::Closed, rest);
                } else {
                    let sure = sure(&self.held);
                    thought(&self.held[..sure], parts);
                    self.held.drain(..sure);
                    return false;
                }
            }
            Place::Answer => return false,
        }
        true
    }

    fn go_on(&mut self, place: Place, rest: String) {
        (self.place, self.held) = (place, rest);
    }
}

/// How much of a thought is certainly neither the beginning of its end nor white space before that.
fn sure(text: &str) -> usize {
    let longest = THINK_END.len() - 1;
    let mark = (1..=longest.min(text.len())).rev();
    let begun = mark
        .into_iter()
        .find(|length| text.ends_with(&THINK_END[..*length]));
    text[..text.len() - begun.unwrap_or(0)].trim_end().len()
}

fn thought(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Thought(text.to_owned()));
    }
}

fn answer(text: String, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Answer(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thoughts and answer of a text that comes in pieces of so many characters.
    fn split(opened: bool, text: &str, characters: usize) -> (String, String) {
        let mut thinking = Thinking::new(opened);
        let mut parts = Vec::new();
        let all: Vec<char> = text.chars().collect();
        for piece in all.chunks(characters) {
            thinking.push(&piece.iter().collect::<String>(), &mut parts);
        }
        thinking.finish(&mut parts);
        let (mut thoughts, mut answers) = (String::new(), String::new());
        for part in parts {
            match part {
                Part::Thought(text) => {
                    assert_eq!(answers, "", "a thought behind the answer");
                    thoughts += &text;
                }
                Part::Answer(text) => answers += &text,
            }
        }
        (thoughts, answers)
    }

    #[test]
    fn thoughts_and_answers_are_told_apart_however_they_come() {
        let cases = [
            (false, "<think>\nhm 中\n</think>\n\nyes", ("hm 中", "yes")),
            (
                true,
                "\nhm\n\nhm </thin k></think>yes",
                ("hm\n\nhm </thin k>", "yes"),
            ),
            (true, "hm </think", ("hm </think", "")),
            (true, "hm", ("hm", "")),
            (false, " <think></think>\n", ("", "")),
            (
                false,
                "<think>\n\n</think>\n\n a <think>b</think>",
                ("", "a <think>b</think>"),
            ),
            (false, "\n <thing> yes", ("", "\n <thing> yes")),
            (false, "<thin", ("", "<thin")),
            (
                false,
                "yes <think>no</think>",
                ("", "yes <think>no</think>"),
            ),
            (true, "a</think>b</think>", ("a", "b</think>")),
            (false, "", ("", "")),
        ];
        for (opened, text, (thoughts, answers)) in cases {
            for characters in 1..=text.chars().count().max(1) {
                let found = split(opened, text, characters);
                let wanted = (thoughts.to_owned(), answers.to_owned());
                assert_eq!(found, wanted, "{text:?} by {characters}");
            }
        }
    }

    #[test]
    fn thoughts_are_sent_as_they_come() {
        let mut thinking = Thinking::new(true);
        let mut parts = Vec::new();
        thinking.push("a b", &mut parts);
        assert_eq!(parts, [Part::Thought("a b".into())]);
        thinking.push(" \n</th", &mut parts);
        thinking.push("e c", &mut parts);
        assert_eq!(parts[1..], [Part::Thought(" \n</the c".into())]);
    }
}
