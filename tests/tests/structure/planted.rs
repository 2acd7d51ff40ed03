//! The check for circles on small trees of sources with a circle that is known, and without one.

use std::fs;
use std::path::Path;

use super::circles::circles;
use super::modules::Tree;

/// Circles of such files, each as its files in order.
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    found(folder.path())
}

fn found(folder: &Path) -> Vec<Vec<String>> {
    let names = |circle: super::circles::Circle| {
        let steps = circle.steps.into_iter();
        steps.map(|step| step.file.display().to_string()).collect()
    };
    circles(&Tree::read(folder))
        .into_iter()
        .map(names)
        .collect()
}

const NONE: [&[&str]; 0] = [];

#[test]
fn two_files_that_import_each_other() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use super::b::B; pub struct A(B);"),
        (
            "b.rs",
            "pub struct B; pub fn make() -> crate::a::A { todo!() }",
        ),
    ];
    assert_eq!(circles_of(&files), [["a.rs", "b.rs"]]);
}

#[test]
fn three_files_and_what_ties_them() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::{B, more as other}; pub struct A(B);"),
        ("b.rs", "use crate::c; pub fn more() {} pub struct B(c::C);"),
        ("c.rs", "pub enum C { One(super::a::A) }"),
    ] {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let circles = circles(&Tree::read(folder.path()));
    let [circle] = &circles[..] else {
        panic!("{circles:?}");
    };
    assert_eq!(
        circle.to_string(),
        "a circle of 3\n  a.rs takes B, more from b.rs\n  b.rs takes C from c.rs\n  c.rs takes A from a.rs"
    );
}

#[test]
fn through_names_that_a_module_hands_on() {
    let files = [
        ("lib.rs", "mod part; mod user; pub use part::Thing;"),
        ("part/mod.rs", "mod thing; pub use thing::*;"),
        (
            "part/thing.rs",
            "pub struct Thing; fn f() { crate::user::g(); }",
        ),
        ("user.rs", "pub fn g() { crate::Thing; }"),
    ];
    assert_eq!(circles_of(&files), [["part/thing.rs", "user.rs"]]);
}

#[test]
fn a_child_and_a_parent_that_use_what_the_other_defines() {
    let files = [
        ("lib.rs", "mod parent;"),
        (
            "parent.rs",
            "mod child; pub struct P; fn f() { child::g(); }",
        ),
        ("parent/child.rs", "pub fn g() -> super::P { super::P }"),
    ];
    assert_eq!(circles_of(&files), [["parent.rs", "parent/child.rs"]]);
}

#[test]
fn a_parent_that_only_declares_and_hands_on_is_in_none() {
    let files = [
        ("lib.rs", "mod parent;"),
        (
            "parent/mod.rs",
            "mod child; pub use child::g; pub struct P;",
        ),
        ("parent/child.rs", "pub fn g() -> super::P { super::P }"),
    ];
    assert_eq!(circles_of(&files), NONE);
}

#[test]
fn what_a_parent_hands_on_and_uses_itself_counts() {
    let files = [
        ("lib.rs", "mod parent;"),
        (
            "parent/mod.rs",
            "mod child; pub use child::G; pub struct P(G);",
        ),
        ("parent/child.rs", "use super::P; pub struct G(Box<P>);"),
    ];
    assert_eq!(circles_of(&files), [["parent/mod.rs", "parent/child.rs"]]);
}

#[test]
fn what_is_for_tests_alone_does_not_count() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "pub struct A; impl A { #[cfg(test)] fn f() { super::b::g(); } }
             #[cfg(all(test, unix))] mod tests { use crate::b::g; }",
        ),
        ("b.rs", "pub fn g() -> super::a::A { todo!() }"),
    ];
    assert_eq!(circles_of(&files), NONE);
}

#[test]
fn in_macros_and_what_they_are_handed() {
    let chosen = "macro_rules! choose { ({ $($item:item)* }) => { $($item)* } }
                  choose! { { mod a; mod b; } }";
    let handed = [
        ("lib.rs", chosen),
        (
            "a.rs",
            "pub struct A; fn f() { println!(\"{:?}\", super::b::g()); }",
        ),
        ("b.rs", "pub fn g() -> crate::a::A { todo!() }"),
    ];
    assert_eq!(circles_of(&handed), [["a.rs", "b.rs"]]);
    let by_rules = [
        (
            "lib.rs",
            "macro_rules! five { () => { $crate::a::six() } } mod a;",
        ),
        ("a.rs", "pub fn six() -> u8 { five!() }"),
    ];
    assert_eq!(circles_of(&by_rules), [["lib.rs", "a.rs"]]);
}

#[test]
fn programs_and_modules_between_braces_are_of_their_files() {
    let files = [
        ("main.rs", "mod a; mod b; fn main() { a::f(); }"),
        ("bin/other.rs", "fn main() {}"),
        (
            "a.rs",
            "pub fn f() { inner::g(); } mod inner { pub fn g() { crate::b::h(); } }",
        ),
        (
            "b.rs",
            "pub fn h() {} pub(super) fn i() { fn j() { use super::a::f; f(); } }",
        ),
    ];
    assert_eq!(circles_of(&files), [["a.rs", "b.rs"]]);
}

#[test]
fn a_module_that_is_named_and_not_used_ties_nothing() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub fn f() { crate::b::h(); }"),
        (
            "b.rs",
            "pub fn h() { use super::a::{self}; use super::a as other; }",
        ),
    ];
    assert_eq!(circles_of(&files), NONE);
}
