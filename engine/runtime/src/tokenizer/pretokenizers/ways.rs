//! The ways of cutting text into words that are built, and the names of those that are not.

use super::Spaces;

/// One way of cutting.
#[derive(Debug)]
pub(in crate::tokenizer) struct Way {
    /// What `tokenizer.ggml.pre` calls it; the first name is the one in messages and documents.
    pub(in crate::tokenizer) names: &'static [&'static str],
    pub(super) steps: &'static [(&'static str, Spaces)],
    /// Whether a word that is a token as a whole is taken without looking at the merges.
    pub(in crate::tokenizer) ignores_merges: bool,
    /// Whether texts start with the BOS token where the file does not say.
    pub(in crate::tokenizer) adds_bos: bool,
}

impl Way {
    /// All ways.
    pub(in crate::tokenizer) fn all() -> impl Iterator<Item = &'static Self> {
        WAYS.iter()
    }

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

/// Names that llama.cpp knows and that are not built, each with the reason.
pub(in crate::tokenizer) const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "afmoe",
        "groups digits from the right; no model that runs here uses it",
    ),
    (
        "chameleon",
        "cuts image tokens; no model that runs here uses it",
    ),
    (
        "cohere2moe",
        "groups digits from the right; no model that runs here uses it",
    ),
    ("gemma4", "BPE over UTF-8 with byte pieces, of Gemma 4"),
    (
        "granite-embed-multi-311m",
        "BPE over UTF-8 with byte pieces, of an embedding model",
    ),
    ("granite-embed-multi-97m", "of an embedding model"),
    (
        "jais-2",
        "cuts spaces by powers of two; no model that runs here uses it",
    ),
    (
        "kimi-k2",
        "merges without a list of merges; no model that runs here uses it",
    ),
    ("sarvam-moe", "BPE over UTF-8 with byte pieces, of Sarvam"),
    ("spark2_5", "no model that runs here uses it"),
    (
        "superbpe",
        "groups digits from the right; no model that runs here uses it",
    ),
    (
        "tiny_aya",
        "groups digits from the right; no model that runs here uses it",
    ),
    (
        "whitespace",
        "words between white space, of an embedding model",
    ),
];

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
const GPT2_STEP: (&str, Spaces) = (GPT2, Spaces::LeaveLast);

/// English contractions, in either case.
macro_rules! contractions {
    () => {
        r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
    };
}

/// Line breaks with the white space before them, or other white space.
macro_rules! line_breaks {
    () => {
        r"|\s*[\r\n]+|\s+"
    };
}

/// Words in the way of GPT-4, from which Llama 3 and Qwen come, after the contractions: letters with
/// at most one other character in front, digits, signs with the line breaks behind them. They differ
/// in how many digits make a word.
macro_rules! gpt4_words {
    ($digits:literal) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?\p{L}+|",
            $digits,
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*",
            line_breaks!()
        )
    };
}

/// The same with contractions.
macro_rules! gpt4 {
    ($digits:literal) => {
        concat!(contractions!(), "|", gpt4_words!($digits))
    };
}

/// Words in the way of GPT-4o: capitals, then small letters, with `$ending` behind them. Letters
/// without case and marks are both.
macro_rules! gpt4o {
    ($ending:literal, $digits:literal) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
            $ending,
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
            $ending,
            "|",
            $digits,
            r"| ?[^\s\p{L}\p{N}]+[\r\n/]*",
            line_breaks!()
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

/// The ideographs and kana that DeepSeek-V3 keeps together.
const KANA_AND_IDEOGRAPHS: &str = "[一-龥\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+";

/// What BLOOM takes for words; the parentheses and the bar are in the class.
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";

/// What most ways share.
const PLAIN: Way = Way {
    names: &[],
    steps: &[],
    ignores_merges: false,
    adds_bos: false,
};

const LLAMA3: &str = gpt4!(r"\p{N}{1,3}");
const QWEN2: &str = gpt4!(r"\p{N}");
const DEEPSEEK_V3: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##,
    r"| ?[\p{P}\p{S}]+[\r\n]*",
    line_breaks!()
);

const WAYS: &[Way] = &[
    Way {
        names: &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        steps: &[(LLAMA3, Spaces::LeaveLastUnlessLineBreak)],
        ignores_merges: true,
        adds_bos: true,
    },
    Way {
        names: &["smaug-bpe", "dbrx", "chatglm-bpe"],
        steps: &[(LLAMA3, Spaces::LeaveLastUnlessLineBreak)],
        ..PLAIN
    },
    Way {
        names: &["glm4", "glm5"],
        steps: &[(LLAMA3, Spaces::LeaveLastUnlessLineBreak)],
        ignores_merges: true,
        ..PLAIN
    },
    Way {
        names: &[
            "qwen2",
            "deepseek-r1-qwen",
            "stablelm2",
            "megrez",
            "kormo",
            "f2llmv2",
            "hunyuan",
            "solar-open",
            "grok-2",
        ],
        steps: &[(QWEN2, Spaces::LeaveLastUnlessLineBreak)],
        ..PLAIN
    },
    Way {
        names: &["qwen35"],
        steps: &[(
            concat!(
                contractions!(),
                r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
                line_breaks!()
            ),
            Spaces::LeaveLastUnlessLineBreak,
        )],
        ..PLAIN
    },
    Way {
        names: &["tekken"],
        steps: &[(gpt4o!("", r"\p{N}"), Spaces::LeaveLastUnlessLineBreak)],
        ignores_merges: true,
        adds_bos: true,
    },
    Way {
        names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        steps: &[(
            gpt4o!(r"(?:'(?i:s|t|re|ve|m|ll|d))?", r"\p{N}{1,3}"),
            Spaces::LeaveLastUnlessLineBreak,
        )],
        ..PLAIN
    },
    Way {
        names: &[
            "gpt-2",
            "gpt2",
            "phi-2",
            "olmo",
            "mpt",
            "jais",
            "trillion",
            "granite-docling",
            "exaone4",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "roberta-bpe",
            "jina-es",
            "jina-de",
            "jina-v1-en",
            "jina-v2-es",
            "jina-v2-de",
            "jina-v2-code",
        ],
        steps: &[GPT2_STEP],
        ..PLAIN
    },
    Way {
        names: &[
            "smollm",
            "starcoder",
            "refact",
            "command-r",
            "codeshell",
            "exaone",
            "minerva-7b",
            "mellum2",
        ],
        steps: &[(r"\p{N}", Spaces::Keep), GPT2_STEP],
        ..PLAIN
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
        ..PLAIN
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
        ..PLAIN
    },
    Way {
        names: &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        steps: &[
            (r"\p{N}{1,3}", Spaces::Keep),
            (KANA_AND_IDEOGRAPHS, Spaces::Keep),
            (DEEPSEEK_V3, Spaces::LeaveLastUnlessLineBreak),
        ],
        ..PLAIN
    },
    Way {
        names: &["youtu"],
        steps: &[
            (
                concat!(
                    r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|",
                    "[一-龥\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+"
                ),
                Spaces::Keep,
            ),
            (
                gpt4o!(r"(?:'(?i:s|t|re|ve|m|ll|d))?", r"\p{N}"),
                Spaces::LeaveLastUnlessLineBreak,
            ),
        ],
        ignores_merges: true,
        ..PLAIN
    },
    Way {
        names: &["falcon"],
        steps: &[
            (r"[\p{P}\$\+<=>\^~\|`]+", Spaces::Keep),
            GPT2_STEP,
            (r"[0-9][0-9][0-9]", Spaces::Keep),
        ],
        ..PLAIN
    },
    Way {
        names: &["bailingmoe", "bailingmoe2", "llada-moe"],
        steps: &[(
            concat!(
                r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
                r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+"
            ),
            Spaces::LeaveLastUnlessLineBreak,
        )],
        ..PLAIN
    },
    Way {
        names: &["exaone-moe"],
        steps: &[(
            concat!(
                contractions!(),
                r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}",
                r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+"
            ),
            Spaces::LeaveLastUnlessLineBreak,
        )],
        ..PLAIN
    },
    Way {
        names: &["seed-coder"],
        steps: &[(
            concat!(
                contractions!(),
                r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+",
                line_breaks!()
            ),
            Spaces::LeaveLastUnlessLineBreak,
        )],
        ..PLAIN
    },
    Way {
        names: &["minicpm5"],
        steps: &[
            (r"\p{N}{1,3}", Spaces::Keep),
            (gpt4!(r"\p{N}+"), Spaces::LeaveLastUnlessLineBreak),
        ],
        ignores_merges: true,
        ..PLAIN
    },
    Way {
        names: &["ufakzeka"],
        steps: &[(gpt4_words!(r"\p{N}"), Spaces::LeaveLastUnlessLineBreak)],
        ..PLAIN
    },
    Way {
        names: &["laguna"],
        steps: &[
            (r"[^\n]+|\n+", Spaces::Keep),
            (QWEN2, Spaces::LeaveLastUnlessLineBreak),
        ],
        ..PLAIN
    },
    Way {
        names: &["poro-chat", "bloom", "gpt3-finnish"],
        steps: &[(BLOOM, Spaces::Keep)],
        ..PLAIN
    },
    Way {
        names: &["viking"],
        steps: &[(BLOOM, Spaces::Keep), (r"\p{N}", Spaces::Keep)],
        ..PLAIN
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
        ..PLAIN
    },
];
