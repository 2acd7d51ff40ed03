//! Chat templates for models whose file has none, chosen by name, architecture or vocabulary. Their
//! text is in `sources`.

mod sources;

use sources::{
    BAICHUAN, CHATML, LLAMA2, LLAMA3, MISTRAL_V1, MISTRAL_V3, MISTRAL_V7, PLAIN, ZEPHYR,
};

/// A template that comes with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Its name on the command line.
    pub name: &'static str,
    /// Jinja source.
    pub source: &'static str,
    /// Tokens that the source names by the variables `user_token` and `assistant_token`, by their
    /// ids: their texts differ between versions of the vocabulary.
    pub role_tokens: Option<RoleTokens>,
}

/// Ids of the tokens that begin a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleTokens {
    /// Begins a user's turn.
    pub user: u32,
    /// Begins the model's turn.
    pub assistant: u32,
}

/// All of them; the last fits any model, badly.
pub const ALL: [Builtin; 9] = [
    plain_roles("chatml", CHATML),
    plain_roles("llama3", LLAMA3),
    plain_roles("llama2", LLAMA2),
    plain_roles("mistral-v1", MISTRAL_V1),
    plain_roles("mistral-v3", MISTRAL_V3),
    plain_roles("mistral-v7", MISTRAL_V7),
    plain_roles("zephyr", ZEPHYR),
    // generation_config.json of Baichuan 1 and 2: user_token_id 195, assistant_token_id 196.
    Builtin {
        name: "baichuan",
        source: BAICHUAN,
        role_tokens: Some(RoleTokens {
            user: 195,
            assistant: 196,
        }),
    },
    plain_roles("plain", PLAIN),
];

/// The name that means the version of Mistral's template that the vocabulary was made for.
const MISTRAL: &str = "mistral";

const fn plain_roles(name: &'static str, source: &'static str) -> Builtin {
    Builtin {
        name,
        source,
        role_tokens: None,
    }
}

/// What is known of a model that brings no template.
pub struct Model<'m> {
    /// `general.architecture`.
    pub architecture: &'m str,
    /// `general.name`.
    pub name: &'m str,
    /// Whether the vocabulary has a token of that text.
    pub has_token: &'m dyn Fn(&str) -> bool,
}

/// A row of [`GUESSES`]: all that it names must hold.
struct Guess {
    template: &'static str,
    /// Start of the architecture.
    architecture: &'static str,
    /// Parts of the model's name in lower case, of which one must be there; none: any name.
    names: &'static [&'static str],
    /// Texts of tokens that must be there.
    has: &'static [&'static str],
    /// Texts of tokens that must not be there.
    lacks: &'static [&'static str],
}

const ANY: Guess = Guess {
    template: "plain",
    architecture: "",
    names: &[],
    has: &[],
    lacks: &[],
};

/// Tokens of a SentencePiece vocabulary of Llama 2 and its descendants.
const SENTENCE_PIECE: &[&str] = &["</s>", "<0x0A>"];

/// Which template fits a model without one; the first row that holds. Mistral's and Zephyr's first
/// models have no tokens of their own, so only their names tell them from Llama 2.
const GUESSES: [Guess; 10] = [
    Guess {
        template: "baichuan",
        architecture: "baichuan",
        ..ANY
    },
    Guess {
        template: "llama3",
        has: &["<|start_header_id|>"],
        ..ANY
    },
    Guess {
        template: "chatml",
        has: &["<|im_start|>"],
        ..ANY
    },
    Guess {
        template: "mistral-v7",
        has: &["[SYSTEM_PROMPT]"],
        ..ANY
    },
    Guess {
        template: "mistral-v3",
        has: &["[INST]"],
        ..ANY
    },
    // Phi 3 has these tokens as well, and ends a turn with `<|end|>`.
    Guess {
        template: "zephyr",
        has: &["<|user|>", "<|assistant|>"],
        lacks: &["<|end|>"],
        ..ANY
    },
    Guess {
        template: "mistral-v1",
        architecture: "llama",
        names: &["mistral", "mixtral"],
        has: SENTENCE_PIECE,
        ..ANY
    },
    Guess {
        template: "zephyr",
        names: &["zephyr", "tinyllama"],
        ..ANY
    },
    Guess {
        template: "llama2",
        architecture: "llama",
        has: SENTENCE_PIECE,
        ..ANY
    },
    ANY,
];

impl Guess {
    fn holds(&self, model: &Model<'_>) -> bool {
        let name = model.name.to_lowercase();
        let has = |token: &&str| (model.has_token)(token);
        model.architecture.starts_with(self.architecture)
            && (self.names.is_empty() || self.names.iter().any(|part| name.contains(part)))
            && self.has.iter().all(has)
            && !self.lacks.iter().any(has)
    }
}

/// The template called `name`; `mistral` is the version for the vocabulary.
pub fn named(name: &str, has_token: &dyn Fn(&str) -> bool) -> Option<Builtin> {
    let name = match name {
        MISTRAL if has_token("[SYSTEM_PROMPT]") => "mistral-v7",
        MISTRAL if has_token("[INST]") => "mistral-v3",
        MISTRAL => "mistral-v1",
        other => other,
    };
    ALL.into_iter().find(|builtin| builtin.name == name)
}

/// Whether [`named`] knows the name, whatever the vocabulary.
pub fn is_name(name: &str) -> bool {
    named(name, &|_| false).is_some()
}

/// All names, separated by commas.
pub fn names() -> String {
    let mut names = ALL.map(|builtin| builtin.name).to_vec();
    names.insert(3, MISTRAL);
    names.join(", ")
}

/// The likeliest template for a model without one.
pub fn likely(model: &Model<'_>) -> Builtin {
    let guess = GUESSES.iter().find(|guess| guess.holds(model));
    let name = guess.map_or(ANY.template, |guess| guess.template);
    named(name, model.has_token).unwrap_or(ALL[ALL.len() - 1])
}

#[cfg(test)]
mod tests;
