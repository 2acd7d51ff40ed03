//! The structure that ARCHITECTURE.md promises: data flows one way, between files and between crates.

mod circles;
mod crates;
mod modules;
mod planted;
mod references;
mod resolve;

use std::fmt::Write;
use std::fs;

use circles::Circle;
use crates::{Package, Workspace};
use modules::Tree;

/// Packages that have circles. None is added; one that has none any more leaves the list.
const NOT_HELD: &[&str] = &[
    "sysinfer-measure",
    "sysinfer-search",
    "sysinfer-simulate",
    "sysinfer-tune",
];

#[test]
fn no_files_of_a_crate_need_each_other_in_a_circle() {
    let workspace = Workspace::read();
    let mut found = String::new();
    let held = workspace.packages.iter();
    for package in held.filter(|package| !NOT_HELD.contains(&package.name.as_str())) {
        for circle in circles_of(package) {
            write!(found, "\n{}: {circle}", package.name).expect("text");
        }
    }
    assert!(
        found.is_empty(),
        "files need each other in a circle; move what both need into a file of its own:{found}"
    );
}

#[test]
fn packages_that_are_not_held_have_circles() {
    let workspace = Workspace::read();
    for name in NOT_HELD {
        let package = workspace.packages.iter().find(|p| p.name == *name);
        let package = package.unwrap_or_else(|| panic!("there is no package {name}"));
        assert!(
            !circles_of(package).is_empty(),
            "{name} has no circle any more: take it out of NOT_HELD"
        );
    }
}

fn circles_of(package: &Package) -> Vec<Circle> {
    let tree = Tree::read(&package.folder.join("src"));
    assert!(!tree.files.is_empty(), "no sources of {}", package.name);
    circles::circles(&tree)
}

#[test]
fn architecture_md_shows_the_crates_as_they_depend_on_each_other() {
    let workspace = Workspace::read();
    let page = workspace.folder.join("ARCHITECTURE.md");
    let text = fs::read_to_string(&page).expect("ARCHITECTURE.md");
    let shown = crates::shown(&text)
        .expect("ARCHITECTURE.md has a block ```text that begins with `crates`");
    let actual = workspace.graph();
    assert_eq!(
        shown,
        actual,
        "the block should be:\n{}",
        crates::block(&actual)
    );
}
