//! Licences of the crates that are linked into the programs: most ask that their text goes along.
//!
//! Which crates these are cargo says (`cargo metadata`), the texts lie in the crates' own folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

/// How names of files begin that hold a licence or what it asks to be passed on, in lower case.
const NAMES: [&str; 6] = [
    "license",
    "licence",
    "copying",
    "notice",
    "copyright",
    "unlicense",
];

/// What `cargo metadata --format-version 1` says, as far as it is read here.
#[derive(Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: PathBuf,
    /// None of crates of this workspace.
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// None of what is linked, else `dev` or `build`.
    kind: Option<String>,
}

impl Package {
    /// Whether it runs in the compiler only.
    fn is_macro(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    }

    fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// The texts in its folder, by name.
    fn texts(&self) -> anyhow::Result<Vec<String>> {
        let folder = self.manifest_path.parent().unwrap_or(Path::new("."));
        let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file() && holds_a_licence(path))
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| fs::read(path).with_context(|| format!("{}", path.display())))
            .map(|bytes| Ok(plain(&String::from_utf8_lossy(&bytes?))))
            .collect()
    }
}

fn holds_a_licence(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    NAMES.iter().any(|start| name.starts_with(start))
}

/// Without what differs between copies of one text: ends of lines and empty lines around it.
fn plain(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

impl Metadata {
    /// The crates that are linked into `programs`, other than those of this workspace.
    fn linked(&self, programs: &[&str]) -> Vec<&Package> {
        let packages: BTreeMap<&str, &Package> = self
            .packages
            .iter()
            .map(|package| (&*package.id, package))
            .collect();
        let nodes: BTreeMap<&str, &Node> = self
            .resolve
            .nodes
            .iter()
            .map(|node| (&*node.id, node))
            .collect();
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = packages
            .values()
            .filter(|package| package.source.is_none() && programs.contains(&&*package.name))
            .map(|package| &*package.id)
            .collect();
        while let Some(id) = open.pop() {
            let Some(package) = packages.get(id) else {
                continue;
            };
            if package.is_macro() || !found.insert((&*package.name, &*package.version, id)) {
                continue;
            }
            let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
            let linked =
                dependencies.filter(|of| of.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            open.extend(linked.map(|dependency| &*dependency.pkg));
        }
        let all = found.iter().map(|(_, _, id)| packages[id]);
        all.filter(|package| package.source.is_some()).collect()
    }
}

/// A list of the crates in `programs` with their licences, then each text once, under the crates that have it.
///
/// # Errors
/// A crate's folder or text cannot be read; or a crate says nothing of its licence.
pub fn text(metadata: &Metadata, programs: &[&str]) -> anyhow::Result<String> {
    let linked = metadata.linked(programs);
    anyhow::ensure!(
        !linked.is_empty(),
        "cargo names no crates of {}",
        programs.join(" and ")
    );
    let mut list = format!(
        "{} are linked with Rust's standard library (MIT OR Apache-2.0) and these crates:\n\n",
        programs.join(" and ")
    );
    let mut texts: Vec<(String, Vec<String>)> = Vec::new();
    for package in linked {
        let (title, found) = (package.title(), package.texts()?);
        let licence = match &package.license {
            Some(licence) => licence,
            None if found.is_empty() => anyhow::bail!("{title} says nothing of its licence"),
            None => "its text is below",
        };
        let lacks = if found.is_empty() {
            " (it comes without the text)"
        } else {
            ""
        };
        list += &format!("{title}: {licence}{lacks}\n");
        for text in found {
            match texts.iter_mut().find(|(known, _)| *known == text) {
                Some((_, titles)) => titles.push(title.clone()),
                None => texts.push((text, vec![title.clone()])),
            }
        }
    }
    let rule = "-".repeat(80);
    let texts = texts
        .iter()
        .map(|(text, titles)| format!("\n{rule}\n{}\n\n{text}\n", titles.join(", ")));
    Ok(list + &texts.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn crates(folder: &Path) -> Metadata {
        let package = |name: &str, licence: Option<&str>, kind: &str, is_ours: bool| {
            fs::create_dir_all(folder.join(name)).expect("a folder");
            json!({
                "id": name, "name": name, "version": "1.0.0", "license": licence,
                "manifest_path": folder.join(name).join("Cargo.toml"),
                "source": if is_ours { None } else { Some("registry") },
                "targets": [{ "kind": [kind] }],
            })
        };
        let needs = |name: &str, kind: Option<&str>| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [
                package("program", None, "bin", true), package("ours", None, "lib", true),
                package("a", Some("MIT"), "lib", false), package("b", Some("MIT OR Zlib"), "lib", false),
                package("derive", Some("MIT"), "proc-macro", false), package("check", Some("GPL-3.0"), "lib", false),
                package("other", Some("MIT"), "lib", false),
            ],
            "resolve": { "nodes": [
                { "id": "program", "deps": [needs("ours", None), needs("check", Some("dev")), needs("derive", None)] },
                { "id": "ours", "deps": [needs("a", None), needs("other", Some("build"))] },
                { "id": "a", "deps": [needs("b", None)] },
                { "id": "b", "deps": [needs("a", None)] },
            ] },
        });
        serde_json::from_value(metadata).expect("metadata")
    }

    #[test]
    fn texts_of_what_is_linked_are_passed_on_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let metadata = crates(folder.path());
        let write =
            |path: &str, text: &str| fs::write(folder.path().join(path), text).expect("written");
        write("a/LICENSE-MIT", "\nOf both \r\n");
        write("b/license.md", "Of both\n");
        write("b/NOTICE", "Of b");
        write("b/README.md", "No licence");
        let notices = text(&metadata, &["program"]).expect("notices");
        let rule = "-".repeat(80);
        let expected = format!(
            "program are linked with Rust's standard library (MIT OR Apache-2.0) and these crates:\n\n\
             a 1.0.0: MIT\nb 1.0.0: MIT OR Zlib\n\
             \n{rule}\na 1.0.0, b 1.0.0\n\nOf both\n\n{rule}\nb 1.0.0\n\nOf b\n"
        );
        assert_eq!(notices, expected);
    }

    #[test]
    fn a_crate_without_text_is_said_and_one_without_licence_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut metadata = crates(folder.path());
        let notices = text(&metadata, &["program"]).expect("notices");
        assert!(
            notices.contains("a 1.0.0: MIT (it comes without the text)\n"),
            "{notices}"
        );
        metadata
            .packages
            .iter_mut()
            .for_each(|package| package.license = None);
        let refused = text(&metadata, &["program"])
            .expect_err("no licence")
            .to_string();
        assert_eq!(refused, "a 1.0.0 says nothing of its licence");
        assert!(text(&metadata, &["absent"]).is_err());
    }
}
