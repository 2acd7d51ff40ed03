//! The pages of metrics show what is exported. `SYSINFER_WRITE_DOCS=1` writes the English table anew.
#![forbid(unsafe_code)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::metrics::Exported;
use common::{Options, Server, ask, body};
use serde_json::json;
use sysinfer_server::metrics::row::Row;
use sysinfer_server::metrics::rows::ROWS;

fn page(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(language)
        .join("metrics.md")
}

const HEAD: &str =
    "| metric, and vLLM's name for it | type | unit | labels | meaning |\n|---|---|---|---|---|\n";

fn line(row: &Row) -> String {
    let names = [Some(row.name), row.vllm].into_iter().flatten();
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let labels: Vec<String> = row.labels.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "| {} | {} | {} | {} | {} |\n",
        names.join(", "),
        row.kind.name(),
        row.unit,
        labels.join(", "),
        row.what
    )
}

#[test]
fn the_english_table_is_that_of_the_code() {
    let path = page("en");
    let text = std::fs::read_to_string(&path).expect("it is in the repository");
    let table: String = ROWS.iter().map(line).collect();
    let table = format!("{HEAD}{table}");
    let begin = text.find(HEAD).expect("the head of the table");
    let end = text[begin..]
        .find("\n\n")
        .map_or(text.len(), |end| begin + end + 1);
    if std::env::var_os("SYSINFER_WRITE_DOCS").is_some() {
        let text = format!("{}{table}{}", &text[..begin], &text[end..]);
        std::fs::write(path, text).expect("written");
        return;
    }
    assert_eq!(
        &text[begin..end],
        table,
        "SYSINFER_WRITE_DOCS=1 writes it anew"
    );
}

/// Names, type and labels of each row, in order; its meaning is in Chinese.
#[test]
fn the_chinese_table_has_the_same_metrics() {
    let text = std::fs::read_to_string(page("zh")).expect("it is in the repository");
    let cells = |line: &str| -> Vec<String> {
        let cells = line.split('|').map(|cell| cell.trim().to_owned());
        cells.collect()
    };
    let found: Vec<Vec<String>> = text
        .lines()
        .filter(|line| line.starts_with("| `sysinfer_") || line.starts_with("| `vllm:"))
        .map(cells)
        .collect();
    assert_eq!(found.len(), ROWS.len());
    for (found, row) in found.iter().zip(ROWS) {
        let wanted = cells(line(row).trim_end());
        assert_eq!((&found[1], &found[2]), (&wanted[1], &wanted[2]));
        assert_eq!(found[4], wanted[4], "{}", row.name);
        let is_chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        assert!(found[5].contains(is_chinese), "{}: {}", row.name, found[5]);
    }
}

/// All rows are exported but those whose values are not known here, and nothing else is.
#[tokio::test]
async fn what_is_exported_is_in_the_table() {
    let server = Server::start(Options::default());
    body(server.chat(ask("hi", json!({}))).await).await;
    // It knows itself when it is read again.
    Exported::of(&server).await;
    let exported = Exported::of(&server).await;
    let names = ROWS
        .iter()
        .flat_map(|row| [Some((row.name, row)), row.vllm.map(|name| (name, row))]);
    let mut all = BTreeSet::new();
    for (name, row) in names.flatten() {
        all.insert(name.to_owned());
        if row.name.contains("tuned") && row.labels.is_empty() || row.name.contains("decode_tokens")
        {
            assert!(
                !exported.kinds.contains_key(name),
                "{name} is not known without a profile"
            );
            continue;
        }
        let (help, kind) = exported
            .kinds
            .get(name)
            .unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(
            (help.as_str(), kind.as_str()),
            (row.what, row.kind.name()),
            "{name}"
        );
        let series = exported
            .values
            .keys()
            .filter(|series| exported.metric(series) == name);
        for series in series {
            let labels = series.split_once('{').map_or("", |(_, labels)| labels);
            let found: BTreeSet<&str> = labels
                .split("\",")
                .filter_map(|label| Some(label.split_once('=')?.0))
                .filter(|label| *label != "le")
                .collect();
            let model = (row.name != name).then_some("model_name");
            let wanted: BTreeSet<&str> = row.labels.iter().copied().chain(model).collect();
            assert_eq!(found, wanted, "{series}");
        }
    }
    let unsaid: Vec<&String> = exported
        .kinds
        .keys()
        .filter(|name| !all.contains(*name))
        .collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
}
