//! The crates of the workspace and what they depend on, as cargo knows it and as ARCHITECTURE.md shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// By crate: the crates of the workspace that it depends on when it is built for use.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// What cargo says of the workspace.
pub(crate) struct Workspace {
    pub(crate) folder: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A member of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Names of its normal dependencies, of the workspace and not.
    dependencies: Vec<String>,
}

impl Workspace {
    pub(crate) fn read() -> Workspace {
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--no-deps",
                "--offline",
                "--format-version",
                "1",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo metadata: {problem}");
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let folder = metadata["workspace_root"].as_str().expect("a path").into();
        let packages = array(&metadata["packages"]).iter().map(Package::of);
        Workspace {
            folder,
            packages: packages.collect(),
        }
    }

    pub(crate) fn graph(&self) -> Graph {
        let members: BTreeSet<&String> = self.packages.iter().map(|p| &p.name).collect();
        let of_members = |package: &Package| {
            let names = package.dependencies.iter();
            names
                .filter(|name| members.contains(name))
                .cloned()
                .collect()
        };
        let packages = self.packages.iter();
        packages.map(|p| (p.name.clone(), of_members(p))).collect()
    }
}

impl Package {
    fn of(package: &Value) -> Package {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let dependencies = array(&package["dependencies"]).iter();
        Package {
            name: text(&package["name"]),
            folder: manifest.parent().expect("a folder").to_owned(),
            dependencies: dependencies
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| text(&dependency["name"]))
                .collect(),
        }
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The graph in the block of a page that begins with a line `crates`: `crate -> crate, crate`, or the name
/// alone of one that depends on no other.
pub(crate) fn shown(page: &str) -> Option<Graph> {
    let (_, rest) = page.split_once("```text\ncrates\n")?;
    let (block, _) = rest.split_once("```")?;
    let lines = block.lines().filter(|line| !line.trim().is_empty());
    let line = |line: &str| {
        let (name, others) = line.split_once("->").unwrap_or((line, ""));
        let others = others.split(',').map(str::trim).filter(|o| !o.is_empty());
        (name.trim().to_owned(), others.map(str::to_owned).collect())
    };
    Some(lines.map(line).collect())
}

/// The block that shows a graph.
pub(crate) fn block(graph: &Graph) -> String {
    let lines = graph.iter().map(|(name, others)| {
        let others: Vec<_> = others.iter().map(String::as_str).collect();
        match others.is_empty() {
            true => format!("{name}\n"),
            false => format!("{name} -> {}\n", others.join(", ")),
        }
    });
    format!("```text\ncrates\n{}```", lines.collect::<String>())
}

#[test]
fn a_block_is_read_as_it_is_written() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let graph = Graph::from([
        ("a".to_owned(), names(&["b", "c"])),
        ("b".to_owned(), names(&[])),
        ("c".to_owned(), names(&["b"])),
    ]);
    let page = format!(
        "# A page\n\n```text\nother\n```\n\n{}\n\nmore\n",
        block(&graph)
    );
    assert!(page.contains("\na -> b, c\nb\nc -> b\n"), "{page}");
    assert_eq!(shown(&page), Some(graph));
    assert_eq!(shown("# A page without\n"), None);
}
