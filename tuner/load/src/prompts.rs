//! What is asked: lines of a file by turns, or random words of about a given number of tokens.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use sysinfer_random::SplitMix64;

use super::endpoint::Endpoint;

/// The largest file of prompts.
const LIMIT_BYTES: u64 = 64 << 20;
/// Common words that nearly every vocabulary has as one token each.
const WORDS: [&str; 64] = [
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world",
    "school", "state", "family", "student", "group", "country", "problem", "hand", "part", "place",
    "case", "week", "company", "system", "program", "question", "work", "number", "night", "point",
    "home", "water", "room", "mother", "area", "money", "story", "fact", "month", "lot", "right",
    "study", "book", "eye", "job", "word", "business", "issue", "side", "kind", "head", "house",
    "service", "friend", "father", "power", "hour", "game", "line", "end", "member", "law", "car",
];

/// Where prompts come from.
#[derive(Clone, Debug)]
pub enum Prompts {
    /// Those of a file, by turns.
    Listed(Vec<Prompt>),
    /// Random words; each request gets its own, so that no cache of prompts answers.
    Random {
        /// Words, which are about as many tokens.
        words: u32,
        /// Seed of the words.
        seed: u64,
    },
}

/// One prompt as the endpoints take it.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// Plain text.
    Text(String),
    /// A conversation; only for the chat endpoint.
    Messages(Value),
}

impl Prompts {
    /// Reads a file: `.jsonl` has a JSON value per line (a list of messages, an object with
    /// `messages` or `prompt`, or a string), any other is text with a prompt per line.
    ///
    /// # Errors
    /// The file cannot be read or has no prompts; names the line that is none.
    pub fn load(path: &Path, endpoint: Endpoint) -> anyhow::Result<Self> {
        let mut text = String::new();
        let file = File::open(path);
        let read = file.and_then(|file| file.take(LIMIT_BYTES + 1).read_to_string(&mut text));
        read.with_context(|| format!("cannot read --prompts {}", path.display()))?;
        if text.len() as u64 > LIMIT_BYTES {
            bail!(
                "--prompts {} is larger than {LIMIT_BYTES} bytes; give fewer prompts",
                path.display()
            );
        }
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "jsonl");
        let mut prompts = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let prompt = match is_json {
                true => from_json(line),
                false => Ok(Prompt::Text(line.trim().to_owned())),
            };
            let prompt = prompt.and_then(|prompt| prompt.fits(endpoint));
            let place = || format!("--prompts {}, line {}", path.display(), index + 1);
            prompts.push(prompt.map_err(anyhow::Error::msg).with_context(place)?);
        }
        if prompts.is_empty() {
            bail!(
                "--prompts {} has no prompts; write one per line",
                path.display()
            );
        }
        Ok(Self::Listed(prompts))
    }

    /// The prompt of request `index`.
    pub fn at(&self, index: u64) -> Prompt {
        match self {
            Self::Listed(prompts) => prompts[(index % prompts.len() as u64) as usize].clone(),
            Self::Random { words, seed } => {
                let mut random = SplitMix64(seed.wrapping_mul(0x9E37_79B9).wrapping_add(index));
                let words = (0..*words).map(|_| WORDS[random.below(WORDS.len())]);
                Prompt::Text(words.collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl Prompt {
    fn fits(self, endpoint: Endpoint) -> Result<Self, String> {
        match (&self, endpoint) {
            (Self::Messages(_), Endpoint::Completions) => Err(
                "messages need --endpoint chat; for completions write {\"prompt\": \"...\"}".into(),
            ),
            _ => Ok(self),
        }
    }
}

fn from_json(line: &str) -> Result<Prompt, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let messages = match &value {
        Value::String(text) => return Ok(Prompt::Text(text.clone())),
        Value::Array(_) => &value,
        other => match (other.get("messages"), other.get("prompt")) {
            (Some(messages), _) => messages,
            (None, Some(Value::String(text))) => return Ok(Prompt::Text(text.clone())),
            _ => {
                return Err(
                    "neither a list of messages nor an object with messages or prompt".into(),
                );
            }
        },
    };
    let is_message = |message: &Value| message.get("role").is_some_and(Value::is_string);
    match messages.as_array() {
        Some(list) if !list.is_empty() && list.iter().all(is_message) => {
            Ok(Prompt::Messages(messages.clone()))
        }
        _ => Err("messages must be a list of objects, each with a role".into()),
    }
}

/// What every request says beside its prompt.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The model's name.
    pub model: String,
    /// Which call.
    pub endpoint: Endpoint,
    /// Tokens of the answer.
    pub output_tokens: u32,
    /// Whether an answer may end before that.
    pub stop_at_eos: bool,
}

/// The body of a request: streamed, greedy, with token counts at its end.
pub fn body(wish: &Wish, prompt: &Prompt) -> Vec<u8> {
    let mut body = json!({
        "model": wish.model,
        "stream": true,
        "stream_options": {"include_usage": true},
        "temperature": 0,
        "max_tokens": wish.output_tokens,
    });
    match (wish.endpoint, prompt) {
        (Endpoint::Chat, Prompt::Text(text)) => {
            body["messages"] = json!([{"role": "user", "content": text}]);
        }
        (Endpoint::Chat, Prompt::Messages(messages)) => body["messages"] = messages.clone(),
        (Endpoint::Completions, Prompt::Text(text)) => body["prompt"] = json!(text),
        (Endpoint::Completions, Prompt::Messages(messages)) => body["prompt"] = messages.clone(),
    }
    if !wish.stop_at_eos {
        body["ignore_eos"] = json!(true);
        body["min_tokens"] = json!(wish.output_tokens);
    }
    body.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str, text: &str, endpoint: Endpoint) -> anyhow::Result<Prompts> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join(name);
        std::fs::write(&path, text)?;
        Prompts::load(&path, endpoint)
    }

    #[test]
    fn files_give_prompts_by_turns() {
        let lines = load("p.txt", " one \n\ntwo\n", Endpoint::Completions).expect("text");
        let expected = ["one", "two", "one"].map(|text| Prompt::Text(text.into()));
        assert_eq!([0, 1, 2].map(|index| lines.at(index)), expected);
        let messages = r#"[{"role":"user","content":"a"}]"#;
        let text =
            format!("{messages}\n{{\"messages\":{messages}}}\n{{\"prompt\":\"b\"}}\n\"c\"\n");
        let json = load("p.jsonl", &text, Endpoint::Chat).expect("json lines");
        assert_eq!(json.at(0), json.at(1));
        assert_eq!(json.at(3), Prompt::Text("c".into()));
    }

    #[test]
    fn bad_files_name_their_line() {
        let cases = [
            ("p.txt", "\n \n", Endpoint::Chat, "no prompts"),
            ("p.jsonl", "\"a\"\n{", Endpoint::Chat, "line 2"),
            ("p.jsonl", "{\"messages\":[]}", Endpoint::Chat, "line 1"),
            ("p.jsonl", "[{\"content\":\"a\"}]", Endpoint::Chat, "role"),
            (
                "p.jsonl",
                "[{\"role\":\"user\"}]",
                Endpoint::Completions,
                "--endpoint chat",
            ),
        ];
        for (name, text, endpoint, part) in cases {
            let message = format!("{:#}", load(name, text, endpoint).expect_err(text));
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn random_prompts_differ_and_repeat_by_seed() {
        let prompts = Prompts::Random { words: 40, seed: 1 };
        assert_eq!(prompts.at(3), prompts.at(3));
        assert_ne!(prompts.at(3), prompts.at(4));
        let Prompt::Text(text) = prompts.at(0) else {
            panic!("random prompts are text");
        };
        assert_eq!(text.split(' ').count(), 40);
    }

    #[test]
    fn bodies_ask_for_streams_of_a_fixed_length() {
        let mut wish = Wish {
            model: "m".into(),
            endpoint: Endpoint::Chat,
            output_tokens: 7,
            stop_at_eos: false,
        };
        let read = |wish: &Wish| -> Value {
            let bytes = body(wish, &Prompt::Text("hi".into()));
            serde_json::from_slice(&bytes).expect("JSON")
        };
        let chat = read(&wish);
        assert_eq!(chat["messages"][0]["content"], "hi");
        assert_eq!(
            (&chat["stream"], &chat["max_tokens"]),
            (&json!(true), &json!(7))
        );
        assert_eq!(
            (&chat["ignore_eos"], &chat["min_tokens"]),
            (&json!(true), &json!(7))
        );
        assert_eq!(chat["stream_options"]["include_usage"], true);
        wish.endpoint = Endpoint::Completions;
        wish.stop_at_eos = true;
        let plain = read(&wish);
        assert_eq!(plain["prompt"], "hi");
        assert!(plain.get("ignore_eos").is_none() && plain.get("min_tokens").is_none());
    }
}
