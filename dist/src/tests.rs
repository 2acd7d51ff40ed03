use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

/// Says what a test leaves out, past the harness, which keeps what passing tests print to itself.
pub(crate) fn skipped(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("standard error");
}

/// `packages.toml`, and the two kinds of package in it.
fn manifest() -> (Table, Value, Value) {
    let text = include_str!("../packages.toml");
    let manifest: Table = text.parse().expect("TOML");
    let kinds = &manifest["package"]["metadata"];
    let (deb, rpm) = (kinds["deb"].clone(), kinds["generate-rpm"].clone());
    (manifest, deb, rpm)
}

#[test]
fn packages_say_of_the_licence_what_the_workspace_says() {
    let (manifest, _, rpm) = manifest();
    let package = &manifest["package"];
    assert_eq!(package["license"].as_str(), Some(env!("CARGO_PKG_LICENSE")));
    assert_eq!(
        package["repository"].as_str(),
        Some(env!("CARGO_PKG_REPOSITORY"))
    );
    assert_eq!(package["description"], rpm["summary"]);
}

/// The folders differ where the systems do, by these names.
#[test]
fn both_kinds_of_package_hold_the_same_files() {
    let (_, deb, rpm) = manifest();
    let text = |value: &Value| {
        value
            .as_str()
            .expect("text")
            .trim_start_matches('/')
            .to_owned()
    };
    let files = |kind: &Value, [source, dest, mode]: [&dyn Fn(&Value) -> Value; 3]| {
        let assets = kind["assets"].as_array().expect("assets");
        let files = assets.iter().map(|asset| {
            (
                text(&source(asset)),
                (text(&dest(asset)), text(&mode(asset))),
            )
        });
        files.collect::<BTreeMap<_, _>>()
    };
    let mut of_deb = files(
        &deb,
        [&|of| of[0].clone(), &|of| of[1].clone(), &|of| {
            of[2].clone()
        }],
    );
    let mut of_rpm = files(
        &rpm,
        [
            &|of| of["source"].clone(),
            &|of| of["dest"].clone(),
            &|of| of["mode"].clone(),
        ],
    );
    // cargo-deb makes `copyright` of it.
    assert!(of_rpm.remove("root/share/doc/sysinfer/LICENSE").is_some());
    assert_eq!(
        deb["license-file"][0].as_str(),
        Some("root/share/doc/sysinfer/LICENSE")
    );
    let zsh = "root/share/zsh/site-functions/*";
    assert_eq!(
        of_deb.remove(zsh).expect("zsh").0,
        "usr/share/zsh/vendor-completions/"
    );
    assert_eq!(
        of_rpm.remove(zsh).expect("zsh").0,
        "usr/share/zsh/site-functions/"
    );
    assert_eq!(of_deb, of_rpm);
    let folders: BTreeSet<&str> = of_deb.values().map(|(folder, _)| &**folder).collect();
    assert!(folders.contains("usr/bin/") && folders.contains("usr/share/man/man1/"));
}

/// What packages declare comes from here: this very program needs a C library of some version.
#[test]
fn needed_libraries_are_read_from_programs_and_from_nothing_else() {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scripts/needed_libraries.sh"
    );
    let is_here = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    if !(is_here("bash") && is_here("readelf")) {
        skipped("bash or readelf is not here to read what programs need");
        return;
    }
    let needs = |path: &Path| {
        let shell = Command::new("bash")
            .arg("-c")
            .arg("echo \"$1\" | \"$0\"")
            .arg(script)
            .arg(path)
            .output();
        let said = shell.expect("bash runs");
        assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
        String::from_utf8(said.stdout).expect("UTF-8")
    };
    let program = needs(&std::env::current_exe().expect("this test"));
    let lines: Vec<&str> = program.lines().collect();
    assert!(lines.contains(&"libc.so.6()(64bit)"), "{program}");
    let versions = lines
        .iter()
        .filter(|line| line.starts_with("libc.so.6(GLIBC_2."));
    assert!(
        versions.count() > 1 && lines.iter().all(|line| line.ends_with(")(64bit)")),
        "{program}"
    );
    assert_eq!(needs(Path::new(script)), "");
}
