//! Answers that call tools, as grammars in Lark's syntax as llguidance reads it.
//!
//! A rule with `[lazy]` ends as soon as it can: what begins a call is one as soon as it stands there, and from then
//! on only a call fits. Control tokens stand as `<[ID]>`, for they are no text.

use std::fmt::Write;

use serde_json::{Value, json};

use super::asked::Choice;
use super::format::{ChatFormat, Syntax};

/// White space in a call, where models write some.
const BLANK: &str = r"[ \n]{0,2}";

/// What an answer may be.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Functions that may be called, with the schemas of their arguments.
    pub tools: &'a [(&'a str, Value)],
    /// Whether there must be calls.
    pub choice: Choice,
    /// Whether there may be several.
    pub parallel: bool,
    /// The name of a grammar of all that is no call; any text, if there is none.
    pub otherwise: Option<&'a str>,
}

/// Any text: a terminal that others are made of, too.
pub const TEXT: &str = "TEXT: /(?s:.*)/\nSOME: /(?s:.+)/\n";

/// What stands before text that is no call; nothing in most syntaxes.
pub fn says(syntax: Syntax) -> &'static str {
    match syntax {
        Syntax::Functionary32 => "\"all\\n\"",
        _ => "",
    }
}

/// The rule `answer` and those that it needs, but for [`TEXT`].
pub fn rules(format: &ChatFormat, asked: Asked<'_>) -> String {
    let Asked {
        tools,
        choice,
        parallel,
        otherwise,
    } = asked;
    let parallel = parallel && format.syntax.is_parallel();
    let mut writer = Writer {
        format,
        lark: String::new(),
    };
    for (number, (_, schema)) in tools.iter().enumerate() {
        writer.rule(&format!("arguments_{number}"), &format!("%json {schema}"));
    }
    let text = otherwise.map_or_else(|| "TEXT".to_owned(), |grammar| format!("@{grammar}"));
    let Calls {
        only,
        first,
        next,
        end,
    } = writer.calls(tools, otherwise.is_none());
    writer.rule("only", &only);
    writer.rule("first", &first);
    writer.rule("next", &next);
    let more = if parallel { "next*" } else { "" };
    let says = says(format.syntax);
    let answer = match (choice, otherwise) {
        (Choice::Required, _) => format!("only {more} {end}"),
        // JSON of a form and JSON that is a call begin alike: only one behind its mark is a call.
        (Choice::Auto, Some(_)) if format.syntax == Syntax::Llama3 => format!("first | {text}"),
        (Choice::Auto, Some(_)) => format!("only {more} {end} | {says} {text}"),
        (Choice::Auto, None) => match (says.is_empty(), parallel) {
            (false, true) => format!("{says} first* {text} | only next*"),
            (false, false) => format!("{says} ({text} | first) | only"),
            (true, true) if format.syntax.is_text_behind() => format!("first* {text}"),
            (true, _) => format!("first {more} {end} | {text}"),
        },
    };
    writer.rule("answer", &answer);
    writer.lark
}

impl Syntax {
    /// Whether text may follow a call, and then another one.
    fn is_text_behind(self) -> bool {
        matches!(self, Self::Hermes | Self::Generic | Self::Functionary31)
    }
}

/// A call, as right sides of rules.
struct Calls {
    /// At the start of an answer that is calls and nothing else.
    only: String,
    /// Behind text, if there may be some.
    first: String,
    /// Behind another call.
    next: String,
    /// Behind the last one.
    end: &'static str,
}

struct Writer<'a> {
    format: &'a ChatFormat,
    lark: String,
}

impl Writer<'_> {
    fn rule(&mut self, name: &str, is: &str) {
        // A String takes everything.
        let _ = writeln!(self.lark, "{name}: {is}");
    }

    /// A mark: a control token, or text.
    fn mark(&self, mark: &str) -> String {
        match self.format.special(mark) {
            Some(id) => format!("<[{id}]>"),
            None => literal(mark),
        }
    }

    /// The rule of any text up to a mark.
    fn opening(&mut self, rule: &str, mark: &str, behind_text: bool) {
        match (self.format.special(mark), behind_text) {
            (Some(id), true) => self.rule(rule, &format!("SOME? <[{id}]>")),
            (None, true) => self.rule(&format!("{rule}[lazy]"), &format!("TEXT {}", literal(mark))),
            (_, false) => self.rule(rule, &self.mark(mark)),
        }
    }

    fn calls(&mut self, tools: &[(&str, Value)], behind_text: bool) -> Calls {
        match self.format.syntax {
            Syntax::Hermes | Syntax::Generic => self.hermes(tools, behind_text),
            Syntax::Llama3 => self.llama3(tools, behind_text),
            Syntax::MistralList => self.mistral_list(tools, behind_text),
            Syntax::MistralArgs { ids } => self.mistral_args(tools, ids, behind_text),
            Syntax::Functionary31 => self.functionary31(tools, behind_text),
            Syntax::Functionary32 => self.functionary32(tools),
        }
    }

    /// The rule `object`: a call as one, of any function.
    fn object(&mut self, tools: &[(&str, Value)]) {
        let key = self.format.syntax.arguments_key();
        let one = tools.iter().enumerate().map(|(number, (name, _))| {
            let name = escaped(name);
            format!(
                r#"/{BLANK}\{{{BLANK}"name"{BLANK}:{BLANK}"{name}"{BLANK},{BLANK}"{key}"{BLANK}:{BLANK}/ arguments_{number} /{BLANK}\}}/"#
            )
        });
        let any = either(one);
        self.rule("object", &any);
    }

    fn hermes(&mut self, tools: &[(&str, Value)], behind_text: bool) -> Calls {
        self.object(tools);
        self.opening("opening", "<tool_call>", behind_text);
        let rest = format!("object \"\\n\"? {}", self.mark("</tool_call>"));
        self.rule("rest", &rest);
        let mark = self.mark("<tool_call>");
        Calls {
            only: format!("{mark} rest"),
            first: "opening rest".into(),
            next: format!("\"\\n\"? {mark} rest"),
            end: "",
        }
    }

    fn llama3(&mut self, tools: &[(&str, Value)], behind_text: bool) -> Calls {
        self.object(tools);
        self.opening("opening", "<|python_tag|>", behind_text);
        let mut first = vec!["opening object".to_owned()];
        // As soon as it has the name of a function, an answer that begins as an object is a call.
        for (number, (name, _)) in tools.iter().enumerate().filter(|_| behind_text) {
            let name = escaped(name);
            let begins = format!(r#"/{BLANK}\{{{BLANK}"name"{BLANK}:{BLANK}"{name}"/"#);
            self.rule(&format!("bare_{number}[lazy]"), &begins);
            first.push(format!(
                r#"bare_{number} /{BLANK},{BLANK}"parameters"{BLANK}:{BLANK}/ arguments_{number} /{BLANK}\}}/"#
            ));
        }
        Calls {
            only: "object".into(),
            first: first.join(" | "),
            next: "\"; \" object".into(),
            end: "",
        }
    }

    fn mistral_list(&mut self, tools: &[(&str, Value)], behind_text: bool) -> Calls {
        self.object(tools);
        self.opening("opening", "[TOOL_CALLS]", behind_text);
        let mark = self.mark("[TOOL_CALLS]");
        Calls {
            only: format!("{mark} \"[\" object"),
            first: "opening \"[\" object".into(),
            next: "\",\" object".into(),
            end: "\"]\"",
        }
    }

    fn mistral_args(&mut self, tools: &[(&str, Value)], ids: bool, behind_text: bool) -> Calls {
        self.opening("opening", "[TOOL_CALLS]", behind_text);
        let id = match ids {
            true => format!("({} /[a-zA-Z0-9]{{9}}/)?", self.mark("[CALL_ID]")),
            false => String::new(),
        };
        let begins = self.mark("[ARGS]");
        let one = tools.iter().enumerate();
        let one = one.map(|(number, (name, _))| {
            format!("{} {id} {begins} arguments_{number}", literal(name))
        });
        let any = either(one);
        self.rule("rest", &any);
        let mark = self.mark("[TOOL_CALLS]");
        Calls {
            only: format!("{mark} rest"),
            first: "opening rest".into(),
            next: format!("{mark} rest"),
            end: "",
        }
    }

    fn functionary31(&mut self, tools: &[(&str, Value)], behind_text: bool) -> Calls {
        let mut first = Vec::new();
        for (number, (name, _)) in tools.iter().enumerate() {
            let opening = format!("opening_{number}");
            self.opening(&opening, &format!("<function={name}>"), behind_text);
            first.push(format!("{opening} arguments_{number} \"</function>\""));
        }
        let one = tools.iter().enumerate().map(|(number, (name, _))| {
            let begins = literal(&format!("<function={name}>"));
            format!("{begins} arguments_{number} \"</function>\"")
        });
        let any = either(one);
        Calls {
            only: any.clone(),
            first: first.join(" | "),
            next: any,
            end: "",
        }
    }

    fn functionary32(&mut self, tools: &[(&str, Value)]) -> Calls {
        let mut first = Vec::new();
        for (number, (name, _)) in tools.iter().enumerate() {
            let opening = format!("opening_{number}");
            self.opening(&opening, &format!(">>>{name}\n"), true);
            first.push(format!("{opening} arguments_{number}"));
        }
        let call = |before: &str| {
            let one = tools.iter().enumerate().map(|(number, (name, _))| {
                format!(
                    "{} arguments_{number}",
                    literal(&format!("{before}{name}\n"))
                )
            });
            either(one)
        };
        Calls {
            only: call(""),
            first: first.join(" | "),
            next: call(">>>"),
            end: "",
        }
    }
}

fn either(alternatives: impl Iterator<Item = String>) -> String {
    alternatives.collect::<Vec<_>>().join(" | ")
}

/// A text in quotes.
fn literal(text: &str) -> String {
    json!(text).to_string()
}

/// The name of a function in a regular expression: of its signs, only the dot means something there.
fn escaped(name: &str) -> String {
    name.replace('.', r"\.")
}
