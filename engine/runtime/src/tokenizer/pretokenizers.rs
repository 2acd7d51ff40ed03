//! How text is cut into words before byte-level BPE merges inside each word.
//!
//! A GGUF file only names its way (`tokenizer.ggml.pre`); the regular expressions belong to the
//! models' own `tokenizer.json` files, and the names and their extra rules to llama.cpp's
//! `llama-vocab.cpp`. A way is a list of steps: each step cuts the pieces of the step before into
//! its matches and what lies between them.
//!
//! The original expressions end in `\s+(?!\S)|\s+`: a run of spaces before a word leaves its last
//! space to the word. Here the expression is `\s+` and the last space is given back after the match
//! ([`Spaces`]), because look-ahead needs a backtracking engine, which gives up on a long run of
//! spaces; without it the `regex` automata run, in linear time.

use regex::Regex;

/// What a run of spaces before something else leaves to it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spaces {
    /// Nothing: the match stands as it is.
    Keep,
    /// Its last character, if it has two or more.
    LeaveLast,
    /// The same, unless the run ends in a line break, which another branch has matched.
    LeaveLastUnlessLineBreak,
}

/// One way of cutting, as a row of [`WAYS`].
#[derive(Debug)]
pub(super) struct Way {
    names: &'static [&'static str],
    steps: &'static [(&'static str, Spaces)],
    /// Whether a word that is a token as a whole is taken without looking at the merges.
    pub(super) ignores_merges: bool,
    /// Whether texts start with the BOS token where the file does not say.
    pub(super) adds_bos: bool,
}

impl Way {
    /// The way called `name` in `tokenizer.ggml.pre`, or `None` when it is not known.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        WAYS.iter().find(|way| way.names.contains(&name))
    }

    /// The names that [`Way::named`] knows, separated by commas.
    pub(super) fn supported() -> String {
        let names: Vec<&str> = WAYS.iter().flat_map(|way| way.names).copied().collect();
        names.join(", ")
    }
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
const GPT2_STEP: (&str, Spaces) = (GPT2, Spaces::LeaveLast);

/// Llama 3 and Qwen 2 differ in how many digits make a word.
macro_rules! llama3 {
    ($digits:literal) => {
        concat!(
            r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|",
            $digits,
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
        )
    };
}

/// The cased letters that DeepSeek-LLM takes for words; others fall to later steps. Those that
/// Unicode normalisation would change are written as numbers, so that no editor can.
const DEEPSEEK_LETTERS: &str = concat!(
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕ",
    r"ἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1f7d}ᾀ-ᾴᾶ-ᾼ\x{1fbe}ῂ-ῄῆ-ῌῐ-\x{1fd3}ῖ-\x{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ",
    r"\x{2126}ℨ\x{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲",
    r"𑢠-𑣟𞤀-𞥃]+"
);

/// The ideographs and syllables that both DeepSeek vocabularies keep together.
const DEEPSEEK_IDEOGRAPHS: &str = "[一-龥ࠀ-一가-\u{d7ff}]+";

const WAYS: &[Way] = &[
    Way {
        names: &["llama-bpe", "llama3", "llama-v3"],
        steps: &[(llama3!(r"\p{N}{1,3}"), Spaces::LeaveLastUnlessLineBreak)],
        ignores_merges: true,
        adds_bos: true,
    },
    Way {
        names: &["qwen2", "deepseek-r1-qwen", "stablelm2", "megrez"],
        steps: &[(llama3!(r"\p{N}"), Spaces::LeaveLastUnlessLineBreak)],
        ignores_merges: false,
        adds_bos: false,
    },
    Way {
        names: &["gpt-2", "gpt2", "phi-2", "olmo", "mpt"],
        steps: &[GPT2_STEP],
        ignores_merges: false,
        adds_bos: false,
    },
    Way {
        names: &["smollm", "starcoder", "refact", "command-r"],
        steps: &[(r"\p{N}", Spaces::Keep), GPT2_STEP],
        ignores_merges: false,
        adds_bos: false,
    },
    Way {
        names: &["deepseek-llm"],
        steps: &[
            (r"[\r\n]", Spaces::Keep),
            (DEEPSEEK_LETTERS, Spaces::Keep),
            (r"\s?[!-/:-~！-／：-～‘-‟\x{3000}-。]+", Spaces::Keep),
            (r"\s+$", Spaces::Keep),
            (DEEPSEEK_IDEOGRAPHS, Spaces::Keep),
            (r"\p{N}+", Spaces::Keep),
        ],
        ignores_merges: false,
        adds_bos: false,
    },
    Way {
        names: &["deepseek-coder"],
        steps: &[
            (r"[\r\n]", Spaces::Keep),
            (r"\s?\p{L}+", Spaces::Keep),
            (r"\s?\p{P}+", Spaces::Keep),
            (DEEPSEEK_IDEOGRAPHS, Spaces::Keep),
            (r"\p{N}", Spaces::Keep),
        ],
        ignores_merges: false,
        adds_bos: false,
    },
    Way {
        names: &["falcon"],
        steps: &[
            (r"[\p{P}\$\+<=>\^~\|`]+", Spaces::Keep),
            GPT2_STEP,
            (r"[0-9][0-9][0-9]", Spaces::Keep),
        ],
        ignores_merges: false,
        adds_bos: false,
    },
    // What llama.cpp does for files that do not say: a mixture that no model was trained with.
    Way {
        names: &["default"],
        steps: &[
            (r"[\p{P}\$\+<=>\^~\|]+", Spaces::Keep),
            GPT2_STEP,
            (r"\p{N}+", Spaces::Keep),
            (r"[0-9][0-9][0-9]", Spaces::Keep),
        ],
        ignores_merges: false,
        adds_bos: false,
    },
];

/// One compiled step.
#[derive(Debug)]
struct Step {
    expression: Regex,
    spaces: Spaces,
}

/// A way of cutting text into words, ready for use.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    steps: Vec<Step>,
}

impl PreTokenizer {
    /// Compiles the expressions of a way, which takes milliseconds.
    pub(super) fn compile(way: &Way) -> Self {
        let compile = |&(expression, spaces): &(&str, Spaces)| Step {
            expression: Regex::new(expression)
                .expect("expressions of WAYS are constants, all compiled by a test"),
            spaces,
        };
        Self {
            steps: way.steps.iter().map(compile).collect(),
        }
    }

    /// Hands the words of `text` to `each`, in order; together they are the whole text.
    pub(super) fn split<'t>(&self, text: &'t str, each: &mut impl FnMut(&'t str)) {
        split(text, &self.steps, each);
    }
}

/// Cuts `text` by the first step and its pieces by the others.
fn split<'t>(text: &'t str, steps: &[Step], each: &mut impl FnMut(&'t str)) {
    if text.is_empty() {
        return;
    }
    let Some((step, others)) = steps.split_first() else {
        each(text);
        return;
    };
    let mut rest = text;
    while let Some(found) = step.expression.find(rest) {
        let start = found.start();
        let end = start + step.spaces.kept(found.as_str(), &rest[found.end()..]);
        split(&rest[..start], others, each);
        split(&rest[start..end], others, each);
        rest = &rest[end..];
    }
    split(rest, others, each);
}

impl Spaces {
    /// How many bytes of the match `found`, which `following` follows, stay in it; never none.
    fn kept(self, found: &str, following: &str) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        let way = PreTokenizer::compile(Way::named(name).expect(name));
        way.split(text, &mut |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn text_is_cut_as_the_models_were_trained() {
        let cases: [(&str, &str, &[&str]); 14] = [
            ("gpt-2", "Hello  world", &["Hello", " ", " world"]),
            ("gpt-2", "a\n\nb", &["a", "\n", "\n", "b"]),
            ("gpt-2", "I'll 2024", &["I", "'ll", " 2024"]),
            ("gpt-2", "end   ", &["end", "   "]),
            ("gpt-2", "\t\tx", &["\t", "\t", "x"]),
            ("llama-bpe", "a\n\nb", &["a", "\n\n", "b"]),
            ("llama-bpe", "a \n  b", &["a", " \n", " ", " b"]),
            ("llama-bpe", "I'LL 12345", &["I", "'LL", " ", "123", "45"]),
            ("llama-bpe", "x=1;\n\n y", &["x", "=", "1", ";\n\n", " y"]),
            ("qwen2", "a 12", &["a", " ", "1", "2"]),
            ("smollm", "a  12b", &["a", "  ", "1", "2", "b"]),
            (
                "deepseek-llm",
                "ab \n12日本",
                &["ab", " ", "\n", "12", "日本"],
            ),
            ("falcon", "a+12345", &["a", "+", "123", "45"]),
            ("default", "a, 12", &["a", ",", " ", "12"]),
        ];
        for (name, text, wanted) in cases {
            assert_eq!(words(name, text), wanted, "{name} {text:?}");
        }
    }

    #[test]
    fn every_way_compiles_and_loses_nothing() {
        let text = "Héllo, wörld!  It's\t\t2024\r\n\n  日本語 😀\u{3000}\u{a0} ١٢٣ <|x|>   ";
        for name in WAYS.iter().flat_map(|way| way.names) {
            assert_eq!(words(name, text).concat(), text, "{name}");
            assert!(words(name, "").is_empty());
        }
    }

    #[test]
    fn long_runs_of_white_space_are_cut_to_the_end() {
        let text = format!("{}a{}", " ".repeat(300_000), "\n ".repeat(300_000));
        for way in WAYS {
            let cut = words(way.names[0], &text);
            assert!(cut.len() > 2, "{:?}", way.names);
            assert_eq!(cut.concat(), text);
        }
    }

    #[test]
    fn unknown_names_are_not_guessed() {
        assert!(Way::named("tekken").is_none());
        assert!(Way::supported().contains("llama-bpe, llama3"));
    }
}
