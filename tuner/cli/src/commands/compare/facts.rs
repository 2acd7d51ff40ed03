//! What two sides say of host, model and plan, where they disagree.

use std::collections::BTreeMap;

use serde::Serialize;

/// A fact that the sides disagree on.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    pub(super) key: String,
    pub(super) a: Option<String>,
    pub(super) b: Option<String>,
}

/// Facts that differ; those of one side only where the other side has facts of that kind at all.
pub(super) fn differences(
    first: &BTreeMap<String, String>,
    second: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let mut keys: Vec<&String> = first.keys().chain(second.keys()).collect();
    keys.sort();
    keys.dedup();
    let kind = |key: &str| key.split('.').next().unwrap_or(key).to_owned();
    let has_kind = |facts: &BTreeMap<String, String>, key: &str| {
        facts.keys().any(|known| kind(known) == kind(key))
    };
    let differs = |key: &&String| {
        first.get(*key) != second.get(*key) && has_kind(first, key) && has_kind(second, key)
    };
    keys.into_iter()
        .filter(differs)
        .map(|key| Difference {
            key: key.clone(),
            a: first.get(key).cloned(),
            b: second.get(key).cloned(),
        })
        .collect()
}
