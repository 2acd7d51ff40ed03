//! Holds the tables of `docs/en/tokenizers.md` to the code.

use std::collections::BTreeMap;

use super::super::keys::{KEYS, Use};
use super::super::names::{ENDS, FRAMES};
use super::super::{kinds, pretokenizers};
use super::*;

const PAGE: &str = include_str!("../../../../../docs/en/tokenizers.md");

/// The lines under a heading, up to the next of its kind.
fn section(heading: &str) -> Vec<&'static str> {
    let lines = PAGE.lines().skip_while(|line| *line != heading).skip(1);
    let lines: Vec<_> = lines.take_while(|line| !line.starts_with("## ")).collect();
    assert!(!lines.is_empty(), "{heading}");
    lines
}

/// Rows of a table that begin with a name in backticks: the names of the first cell, and the second.
fn rows(lines: &[&'static str]) -> Vec<(Vec<&'static str>, &'static str)> {
    let rows = lines.iter().filter(|line| line.starts_with("| `"));
    let row = |line: &&'static str| {
        let mut cells = line.trim_end_matches(" |").split(" | ");
        let names = quoted(cells.next().unwrap_or_default());
        (names, cells.next().unwrap_or_default().trim())
    };
    rows.map(row).collect()
}

/// What stands in backticks.
fn quoted(text: &'static str) -> Vec<&'static str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_key_is_documented_as_it_is_used() {
    let written: BTreeMap<_, _> = rows(&section("## Keys"))
        .into_iter()
        .map(|(names, used)| (names[0], used))
        .collect();
    let name = |used| match used {
        Use::Honoured => "honoured",
        Use::Control => "control",
        Use::Unused => "unused",
        Use::WithoutEffect => "without effect",
    };
    let wanted: BTreeMap<_, _> = KEYS.iter().map(|(key, used)| (*key, name(*used))).collect();
    assert_eq!(written, wanted);
}

#[test]
fn every_kind_is_documented() {
    let written = rows(&section("## Kinds"));
    for (name, what) in kinds::UNSUPPORTED {
        let row = written.iter().find(|(names, _)| names == &[*name]);
        assert_eq!(
            row.map(|row| row.1),
            Some(format!("refused: {what}").as_str()),
            "{name}"
        );
        assert!(bpe().with(MODEL, *name).build().is_err());
    }
    let built = written
        .iter()
        .filter(|(_, what)| what.starts_with("built: "));
    let built: Vec<_> = built.flat_map(|(names, _)| names.clone()).collect();
    assert_eq!(built, ["gpt2", "llama"]);
    assert_eq!(written.len(), kinds::UNSUPPORTED.len() + built.len());
}

#[test]
fn every_cut_is_documented() {
    let lines = section("## How byte-level BPE cuts text");
    let split = lines
        .iter()
        .position(|line| line.starts_with("These names are refused"));
    let (built, refused) = lines.split_at(split.expect("the two tables"));
    let built: Vec<_> = rows(built).into_iter().map(|row| row.0).collect();
    let wanted: Vec<_> = pre_tokenizers().map(<[_]>::to_vec).collect();
    assert_eq!(built, wanted);
    let refused: Vec<_> = rows(refused)
        .into_iter()
        .map(|row| (row.0[0], row.1))
        .collect();
    assert_eq!(refused, pretokenizers::UNSUPPORTED);
    for (name, _) in refused {
        assert!(
            bpe().with("tokenizer.ggml.pre", name).build().is_err(),
            "{name}"
        );
    }
}

#[test]
fn every_name_is_documented() {
    let lines = section("## What ends an answer");
    let lists: Vec<&str> = lines
        .iter()
        .filter(|line| line.ends_with('`'))
        .copied()
        .collect();
    let written: Vec<_> = lists.into_iter().flat_map(quoted).collect();
    let wanted: Vec<_> = ENDS.iter().chain(FRAMES).copied().collect();
    assert_eq!(written, wanted);
}
