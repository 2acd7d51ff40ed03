use std::process::Command as Process;

use super::*;

/// As roff has it: a hyphen that is typed, not set.
fn option(long: &str) -> String {
    format!("\\-\\-{}", long.replace('-', "\\-"))
}

#[test]
fn every_command_has_a_page_with_all_of_its_options() {
    for program in programs() {
        let pages = all(&program).expect("pages");
        let commands = program
            .get_subcommands()
            .map(|sub| (sub, Some(sub.get_name())));
        for (command, sub) in std::iter::once((&program, None)).chain(commands) {
            let parts: Vec<&str> = std::iter::once(program.get_name()).chain(sub).collect();
            let name = parts.join("-");
            let page = pages.iter().find(|(of, _)| *of == name);
            let (_, page) = page.unwrap_or_else(|| panic!("{name} has no page"));
            let page = String::from_utf8_lossy(page);
            assert!(
                page.contains(".TH ") && page.contains("\n.nh\n.ad l\n"),
                "{name}"
            );
            for long in command
                .get_arguments()
                .filter_map(|argument| argument.get_long())
            {
                assert!(page.contains(&option(long)), "{name}(1) lacks --{long}");
            }
        }
        assert_eq!(pages.len(), 1 + program.get_subcommands().count());
    }
}

#[test]
fn pages_name_each_other() {
    let [server, tune] = programs();
    let page = |program, name: &str| {
        let pages = all(program).expect("pages");
        let page = pages
            .into_iter()
            .find(|(of, _)| of == name)
            .expect("a page")
            .1;
        String::from_utf8(page).expect("UTF-8")
    };
    let see = |page: &str| {
        page.split(".SH \"SEE ALSO\"\n")
            .nth(1)
            .expect("SEE ALSO")
            .to_owned()
    };
    assert_eq!(
        see(&page(&server, "sysinfer-server")).trim(),
        "\\fBsysinfer\\-tune\\fR(1)"
    );
    assert_eq!(
        see(&page(&tune, "sysinfer-tune")).trim(),
        "\\fBsysinfer\\-server\\fR(1)"
    );
    assert_eq!(
        see(&page(&tune, "sysinfer-tune-bench")).trim(),
        "\\fBsysinfer\\-server\\fR(1), \\fBsysinfer\\-tune\\fR(1)"
    );
}

/// The formatter of man pages has nothing to say against any.
#[test]
fn pages_are_set_without_a_warning() {
    let prefix = tempfile::tempdir().expect("a folder");
    for program in programs() {
        write(&program, prefix.path()).expect("written");
        for (name, _) in all(&program).expect("pages") {
            let path = prefix.path().join(format!("share/man/man1/{name}.1"));
            let set = Process::new("man")
                .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8"])
                .arg(&path)
                .env("MANWIDTH", "100")
                .output();
            let Ok(set) = set else {
                crate::tests::skipped("man is not here to set pages");
                return;
            };
            let complaints = String::from_utf8_lossy(&set.stderr);
            assert!(
                set.status.success() && complaints.is_empty(),
                "{name}: {complaints}"
            );
            assert!(set.stdout.len() > 500, "{name} is nearly empty");
        }
    }
}
