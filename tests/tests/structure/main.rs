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

#[test]
fn no_files_of_a_crate_need_each_other_in_a_circle() {
    let workspace = Workspace::read();
    let mut found = String::new();
    for package in &workspace.packages {
        for circle in circles_of(package) {
            write!(found, "\n{}: {circle}", package.name).expect("text");
        }
    }
    assert!(
        found.is_empty(),
        "files need each other in a circle; move what both need into a file of its own:{found}"
    );
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
