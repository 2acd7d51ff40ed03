//! Tokenizers against llama.cpp's, id by id: on the texts that llama.cpp publishes with its
//! vocabularies, each of which is held, or refused by name, and on random strings that `scripts/record_vocab_cases.py` has recorded.
//!
//! The vocabularies (`ggml-vocab-*.gguf`, some with `.inp` and `.out` beside them) are in the source
//! package of llama-cpp-python; `make vocab` fetches them. `SYSINFER_TEST_VOCAB` names their folder,
//! `SYSINFER_TEST_VOCAB_CASES` a recording to replay instead of the one in the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sysinfer_conformance::fixtures::{aloud, fetched_folder};
use sysinfer_engine::Tokenizer;
use sysinfer_engine::tokenizer::Encode;
use sysinfer_formats::Gguf;
use sysinfer_machine::FileMap;

/// Names their folder.
const VOCABULARIES: &str = "SYSINFER_TEST_VOCAB";

/// Vocabularies of the package that have published texts and are held to them.
const HELD: [&str; 13] = [
    "command-r",
    "deepseek-coder",
    "deepseek-llm",
    "falcon",
    "gpt-2",
    "llama-bpe",
    "llama-spm",
    "mpt",
    "phi-3",
    "qwen2",
    "qwen35",
    "refact",
    "starcoder",
];

/// Those without texts: they have to load.
const WITHOUT_TEXTS: [&str; 3] = ["aquila", "baichuan", "gpt-neox"];

/// Those that are refused, with what the message says they are.
const REFUSED: [(&str, &str); 3] = [
    ("bert-bge", "WordPiece"),
    ("gemma-4", "Gemma 4"),
    ("nomic-bert-moe", "SentencePiece Unigram"),
];

/// Those that are known by their tokens where the file does not say how it cuts text.
const RECOGNISED: [&str; 9] = [
    "command-r",
    "deepseek-coder",
    "deepseek-llm",
    "gpt-2",
    "llama-bpe",
    "mpt",
    "qwen2",
    "refact",
    "starcoder",
];

/// No control tokens in text, no BOS: what the recordings were made with.
const PLAIN: Encode = Encode {
    add_special: false,
    parse_special: false,
};

/// A recording: strings, and per vocabulary file the ids of each.
#[derive(Deserialize)]
struct Recording {
    recorded_with: String,
    strings: Vec<String>,
    tokens: BTreeMap<String, Vec<Vec<u32>>>,
}

/// The tokenizer of a file and its `tokenizer.ggml.pre`, or why there is none.
fn open(path: &Path) -> Result<(Tokenizer, String), String> {
    let map = FileMap::open(path).map_err(|error| error.to_string())?;
    let file = Gguf::parse(&map).map_err(|error| error.to_string())?;
    let tokenizer = Tokenizer::from_gguf(file.metadata()).map_err(|error| error.to_string())?;
    let way = file.metadata().string("tokenizer.ggml.pre");
    let way = way.map_err(|error| error.to_string())?.unwrap_or("(none)");
    let tokenizer = tokenizer.ok_or("the file has no vocabulary")?;
    Ok((tokenizer, way.to_owned()))
}

/// The published texts of a vocabulary with their ids, where there are any.
fn published(path: &Path) -> Option<Vec<(String, Vec<u32>)>> {
    let beside =
        |extension: &str| std::fs::read_to_string(format!("{}{extension}", path.display()));
    let (texts, ids) = (beside(".inp").ok()?, beside(".out").ok()?);
    let texts: Vec<&str> = texts.split("\n__ggml_vocab_test__\n").collect();
    let ids = ids.lines().map(|line| {
        let numbers = line.split_whitespace().map(|id| id.parse());
        numbers
            .collect::<Result<Vec<u32>, _>>()
            .expect("ids are numbers")
    });
    let ids: Vec<Vec<u32>> = ids.collect();
    // A text behind the last separator that is empty has no line of its own.
    assert!(texts.len() >= ids.len(), "{}", path.display());
    Some(texts.into_iter().map(str::to_owned).zip(ids).collect())
}

/// How many texts have the wanted ids; the first that has not is described in `faults`.
fn agreeing(
    name: &str,
    tokenizer: &Tokenizer,
    cases: &[(String, Vec<u32>)],
    faults: &mut Vec<String>,
) -> usize {
    let differs = |(text, wanted): &&(String, Vec<u32>)| tokenizer.encode(text, PLAIN) != *wanted;
    let wrong: Vec<_> = cases.iter().filter(differs).collect();
    if let Some((text, wanted)) = wrong.first() {
        let got = tokenizer.encode(text, PLAIN);
        faults.push(format!("{name}: {text:?}: {got:?}, not {wanted:?}"));
    }
    cases.len() - wrong.len()
}

/// The names of the vocabularies in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names = files.filter_map(|file| {
        let name = file.strip_prefix("ggml-vocab-")?.strip_suffix(".gguf")?;
        Some(name.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The file of a vocabulary.
fn vocabulary(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("ggml-vocab-{name}.gguf"))
}

#[test]
fn published_texts_have_the_published_ids() {
    let Some(folder) = fetched_folder(VOCABULARIES, "published_texts_have_the_published_ids")
    else {
        return;
    };
    let mut known: Vec<&str> = HELD.into_iter().chain(WITHOUT_TEXTS).collect();
    known.extend(REFUSED.map(|(name, _)| name));
    known.sort_unstable();
    assert_eq!(names(&folder), known, "each is held, loads, or is refused");
    let (mut table, mut faults) = (Vec::new(), Vec::new());
    for name in known {
        let path = vocabulary(&folder, name);
        let refused = REFUSED.iter().find(|(refused, _)| *refused == name);
        let (opened, cases) = (open(&path), published(&path));
        match (opened, cases, refused) {
            (Err(reason), _, Some((_, what))) if reason.contains(what) => {
                table.push(format!("{name:16} refused: {reason}"));
            }
            (Ok((tokenizer, way)), Some(cases), None) if HELD.contains(&name) => {
                let good = agreeing(name, &tokenizer, &cases, &mut faults);
                let count = cases.len();
                table.push(format!("{name:16} {way:16} {good:3} of {count:3} texts"));
            }
            (Ok((_, way)), None, None) if WITHOUT_TEXTS.contains(&name) => {
                table.push(format!("{name:16} {way:16} loads, has no texts"));
            }
            (opened, cases, _) => {
                let (texts, reason) = (cases.map_or(0, |cases| cases.len()), opened.err());
                faults.push(format!("{name}: {texts} texts, {reason:?}"));
            }
        }
    }
    println!("{}", table.join("\n"));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn vocabularies_are_known_by_their_tokens_where_files_do_not_say_how_to_cut() {
    let test = "vocabularies_are_known_by_their_tokens_where_files_do_not_say_how_to_cut";
    let Some(folder) = fetched_folder(VOCABULARIES, test) else {
        return;
    };
    let mut faults = Vec::new();
    for name in RECOGNISED {
        let path = vocabulary(&folder, name);
        let bytes = without_pre(std::fs::read(&path).expect("it is in the package"));
        let file = Gguf::parse(&bytes).expect("as good as before");
        let tokenizer = Tokenizer::from_gguf(file.metadata());
        let tokenizer = tokenizer.expect("a good vocabulary").expect("a vocabulary");
        let cases = published(&path).expect("it has texts");
        agreeing(name, &tokenizer, &cases, &mut faults);
        let notes = tokenizer.notes();
        let note = "tokenizer.ggml.pre is missing; the vocabulary is that of";
        if !notes.iter().any(|line| line.starts_with(note)) {
            faults.push(format!("{name}: {notes:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A file with another key in the place of `tokenizer.ggml.pre`.
fn without_pre(mut bytes: Vec<u8>) -> Vec<u8> {
    let (key, other) = (b"tokenizer.ggml.pre", b"tokenizer.ggml.xxx");
    // The type behind it tells it from longer keys that begin alike: 8, a string.
    let wanted = [&key[..], &8_u32.to_le_bytes()].concat();
    let mut places = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&wanted));
    let at = places.next().expect("the file says how it cuts text");
    assert_eq!(places.next(), None, "the key is there once");
    bytes[at..at + key.len()].copy_from_slice(other);
    bytes
}

/// The recording to replay.
fn recording() -> Recording {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/vocab_cases.json");
    let path = std::env::var_os("SYSINFER_TEST_VOCAB_CASES");
    let path = path.map_or_else(|| PathBuf::from(default), PathBuf::from);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where a vocabulary of a recording is: in the folder, or the small real model.
fn located(folder: &Path, file: &str) -> Option<PathBuf> {
    let model = std::env::var_os("SYSINFER_TEST_MODEL").map(PathBuf::from);
    let model = model.filter(|model| model.file_name().is_some_and(|name| name == file));
    let candidates = [Some(folder.join(file)), model];
    candidates.into_iter().flatten().find(|path| path.is_file())
}

/// What a vocabulary cannot write.
struct Spelling {
    /// Bytes that some token stands for; a few vocabularies lack those of rare control characters.
    bytes: [bool; 256],
    /// SentencePiece writes a space as `▁`, and so reads every `▁` as a space.
    is_sentence_piece: bool,
}

impl Spelling {
    fn of(tokenizer: &Tokenizer) -> Self {
        let mut bytes = [false; 256];
        let count = u32::try_from(tokenizer.vocabulary_size()).expect("ids have 32 bits");
        for token in 0..count {
            if let &[byte] = tokenizer.piece(token) {
                bytes[usize::from(byte)] = true;
            }
        }
        let is_sentence_piece = (0..count).any(|token| tokenizer.token_text(token) == "<0x00>");
        Self {
            bytes,
            is_sentence_piece,
        }
    }

    /// What comes back of a text.
    fn expected(&self, text: &str) -> Vec<u8> {
        let text = match self.is_sentence_piece {
            true => text.replace('▁', " "),
            false => text.to_owned(),
        };
        let written = text.bytes().filter(|byte| self.bytes[usize::from(*byte)]);
        written.collect()
    }
}

/// Whether llama.cpp is no judge of a text: its `std::regex` takes white space beyond ASCII for a
/// vertical tab, so that ranges of ideographs lose U+3000 and its like. The model's own
/// `tokenizer.json`, run by the `tokenizers` library, keeps them in, and so does this project.
fn is_set_aside(way: &str, text: &str) -> bool {
    let wide_space =
        |letter: char| letter.is_whitespace() && ('\u{800}'..='\u{4e00}').contains(&letter);
    way == "deepseek-llm" && text.contains(wide_space)
}

#[test]
fn recorded_strings_have_the_recorded_ids_and_come_back() {
    let test = "recorded_strings_have_the_recorded_ids_and_come_back";
    let Some(folder) = fetched_folder(VOCABULARIES, test) else {
        return;
    };
    let recording = recording();
    let (mut table, mut faults) = (vec![recording.recorded_with], Vec::new());
    for (file, tokens) in recording.tokens {
        let Some(path) = located(&folder, &file) else {
            aloud(&format!("SKIPPED {test}: {file} is not there"));
            continue;
        };
        let (tokenizer, way) = open(&path).unwrap_or_else(|reason| panic!("{file}: {reason}"));
        assert_eq!(tokens.len(), recording.strings.len(), "{file}");
        let cases = recording.strings.iter().cloned().zip(tokens);
        let cases: Vec<_> = cases
            .filter(|(text, _)| !is_set_aside(&way, text))
            .collect();
        let good = agreeing(&file, &tokenizer, &cases, &mut faults);
        let spells = Spelling::of(&tokenizer);
        let returns = |(text, ids): &&(String, Vec<u32>)| {
            tokenizer.decode_bytes(ids, false) == spells.expected(text)
        };
        let back = cases.iter().filter(returns).count();
        if let Some((text, ids)) = cases.iter().find(|case| !returns(case)) {
            let got = tokenizer.decode(ids, false);
            faults.push(format!("{file}: {text:?} comes back as {got:?}"));
        }
        table.push(format!(
            "{file:36} {way:16} {good} of {} equal, {back} come back",
            cases.len()
        ));
    }
    println!("{}", table.join("\n"));
    assert!(
        faults.is_empty(),
        "{}\n{}",
        table.join("\n"),
        faults.join("\n")
    );
}
