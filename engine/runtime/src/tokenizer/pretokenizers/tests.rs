//! Every way of cutting: by hand, and against what the `tokenizers` library recorded.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

fn words(name: &str, text: &str) -> Vec<String> {
    let way = PreTokenizer::compile(Way::named(name).expect(name));
    cut(&way, text).into_iter().map(str::to_owned).collect()
}

fn cut<'t>(way: &PreTokenizer, text: &'t str) -> Vec<&'t str> {
    let mut words = Vec::new();
    let all = way.split(text, &mut |word| {
        words.push(word);
        ControlFlow::Continue(())
    });
    assert_eq!(all, ControlFlow::Continue(()));
    words
}

#[test]
fn no_word_is_looked_for_after_the_last_that_was_wanted() {
    for way in Way::all() {
        let mut words = 0;
        let ended = PreTokenizer::compile(way).split("one two, three\n four", &mut |_| {
            words += 1;
            ControlFlow::Break(())
        });
        assert_eq!(
            (ended, words),
            (ControlFlow::Break(()), 1),
            "{:?}",
            way.names
        );
    }
}

#[test]
fn text_is_cut_as_the_models_were_trained() {
    let cases: [(&str, &str, &[&str]); 20] = [
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
        ("qwen35", "e\u{301}a 1", &["e\u{301}a", " ", "1"]),
        (
            "tekken",
            "helloWorld 12",
            &["hello", "World", " ", "1", "2"],
        ),
        ("tekken", "it's a/b/\n", &["it", "'s", " a", "/b", "/\n"]),
        ("gpt-4o", "it's HTTPServer", &["it's", " HTTPServer"]),
        ("smollm", "a  12b", &["a", "  ", "1", "2", "b"]),
        (
            "deepseek-llm",
            "ab \n12日本",
            &["ab", " ", "\n", "12", "日本"],
        ),
        ("deepseek-v3", "a.b 1234", &["a", ".b", " ", "123", "4"]),
        ("falcon", "a+12345", &["a", "+", "123", "45"]),
        ("viking", "a, 12", &["a", ",", " ", "1", "2"]),
        ("default", "a, 12", &["a", ",", " ", "12"]),
    ];
    for (name, text, wanted) in cases {
        assert_eq!(words(name, text), wanted, "{name} {text:?}");
    }
}

/// What `scripts/record_cut_cases.py` recorded.
#[derive(Deserialize)]
struct Recording {
    recorded_with: String,
    texts: Vec<String>,
    /// By name of the way: for each text the bytes of its words.
    bytes: BTreeMap<String, Vec<Vec<usize>>>,
}

#[test]
fn recorded_texts_are_cut_as_recorded() {
    let recording: Recording =
        serde_json::from_str(include_str!("cut_cases.json")).expect("as the script writes it");
    for way in Way::all() {
        let name = way.names[0];
        let recorded = recording.bytes.get(name);
        let recorded = recorded.unwrap_or_else(|| panic!("{name} has no recording"));
        assert_eq!(recorded.len(), recording.texts.len(), "{name}");
        let way = PreTokenizer::compile(way);
        for (text, wanted) in recording.texts.iter().zip(recorded) {
            let found: Vec<usize> = cut(&way, text).into_iter().map(str::len).collect();
            let with = &recording.recorded_with;
            assert_eq!(&found, wanted, "{name} {text:?} ({with})");
        }
    }
    assert_eq!(recording.bytes.len(), Way::all().count());
}

#[test]
fn every_way_compiles_and_loses_nothing() {
    let text = "Héllo, wörld!  It's\t\t2024\r\n\n  日本語 😀\u{3000}\u{a0} ١٢٣ <|x|>   ";
    for way in Way::all() {
        for name in way.names {
            assert_eq!(words(name, text).concat(), text, "{name}");
            assert!(words(name, "").is_empty());
        }
    }
}

/// With look-ahead or backtracking, each of these would take minutes, or be given up.
#[test]
fn long_texts_of_one_kind_are_cut_to_the_end() {
    let texts = [
        format!("{}a{}", " ".repeat(300_000), "\n ".repeat(300_000)),
        "A".repeat(300_000),
        "aA".repeat(150_000),
        "日A".repeat(100_000),
        "\u{301}".repeat(150_000),
        "a ".repeat(150_000),
        "/\n".repeat(150_000),
        "1".repeat(300_000),
        "'".repeat(300_000),
    ];
    for way in Way::all() {
        let compiled = PreTokenizer::compile(way);
        for text in &texts {
            let bytes: usize = cut(&compiled, text).into_iter().map(str::len).sum();
            assert_eq!(bytes, text.len(), "{:?}", way.names);
        }
    }
}

#[test]
fn names_are_known_once_and_not_guessed() {
    assert!(Way::named("superbpe").is_none() && Way::named("").is_none());
    assert!(Way::supported().contains("llama-bpe, llama3"));
    let mut names: Vec<&str> = Way::all().flat_map(|way| way.names).copied().collect();
    names.extend(UNSUPPORTED.iter().map(|(name, _)| *name));
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
}
