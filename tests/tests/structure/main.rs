//! The structure that ARCHITECTURE.md promises: data flows one way, between files and between crates.

mod circles;
mod crates;
mod modules;
mod planted;
mod references;
mod resolve;

use std::fmt::Write;
use std::fs;

use crates::Workspace;

/// Packages whose circles are not looked for.
const NOT_HELD: &[&str] = &["sysinfer-tune"];

#[test]
fn no_files_of_a_crate_need_each_other_in_a_circle() {
    let workspace = Workspace::read();
    let mut found = String::new();
    let held = workspace.packages.iter();
    for package in held.filter(|package| !NOT_HELD.contains(&package.name.as_str())) {
        let tree = modules::Tree::read(&package.folder.join("src"));
        assert!(!tree.files.is_empty(), "no sources of {}", package.name);
        for circle in circles::circles(&tree) {
            write!(found, "\n{}: {circle}", package.name).expect("text");
        }
    }
    assert!(
        found.is_empty(),
        "files need each other in a circle; move what both need into a file of its own:{found}"
    );
}

#[test]
fn every_package_that_is_not_held_is_one_of_the_workspace() {
    let workspace = Workspace::read();
    let names: Vec<_> = workspace.packages.iter().map(|p| p.name.as_str()).collect();
    for name in NOT_HELD {
        assert!(names.contains(name), "there is no package {name}");
    }
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
