//! Shell completions: for each shell a file per program, in the folder where that shell looks.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap_complete::{Shell, generate};

/// A shell, the folder under the prefix where it looks, and what its files' names have before and after the
/// program's.
const SHELLS: [(Shell, &str, [&str; 2]); 3] = [
    (Shell::Bash, "share/bash-completion/completions", ["", ""]),
    (Shell::Zsh, "share/zsh/site-functions", ["_", ""]),
    (
        Shell::Fish,
        "share/fish/vendor_completions.d",
        ["", ".fish"],
    ),
];

/// Writes the completions of `program` for every shell under `prefix`.
///
/// # Errors
/// A folder or file cannot be written.
pub fn write(program: &Command, prefix: &Path) -> anyhow::Result<()> {
    let name = program.get_name();
    for (shell, folder, [before, after]) in SHELLS {
        let folder = prefix.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        let path = folder.join(format!("{before}{name}{after}"));
        fs::write(&path, text(program, shell)).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

/// The completions of `program` for one shell.
pub fn text(program: &Command, shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    generate(shell, &mut program.clone(), program.get_name(), &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs;

    #[test]
    fn every_shell_knows_every_subcommand_and_option() {
        for program in programs() {
            for (shell, _, _) in SHELLS {
                let text = String::from_utf8(text(&program, shell)).expect("UTF-8");
                assert!(text.contains(program.get_name()), "{shell}");
                let commands = program.get_subcommands().map(|sub| sub.get_name());
                let options = std::iter::once(&program)
                    .chain(program.get_subcommands())
                    .flat_map(Command::get_arguments)
                    .filter_map(|argument| argument.get_long());
                for word in commands.chain(options) {
                    assert!(text.contains(word), "{shell} does not know {word}");
                }
            }
        }
    }

    #[test]
    fn files_are_where_shells_look() {
        let prefix = tempfile::tempdir().expect("a folder");
        for program in programs() {
            write(&program, prefix.path()).expect("written");
        }
        for file in [
            "share/bash-completion/completions/sysinfer-server",
            "share/bash-completion/completions/sysinfer-tune",
            "share/zsh/site-functions/_sysinfer-server",
            "share/zsh/site-functions/_sysinfer-tune",
            "share/fish/vendor_completions.d/sysinfer-server.fish",
            "share/fish/vendor_completions.d/sysinfer-tune.fish",
        ] {
            assert!(prefix.path().join(file).is_file(), "{file}");
        }
    }

    /// A shell that is here reads its file without complaint.
    #[test]
    fn shells_read_their_files() {
        let prefix = tempfile::tempdir().expect("a folder");
        for program in programs() {
            write(&program, prefix.path()).expect("written");
            for (shell, folder, [before, after]) in SHELLS {
                let file = format!("{before}{}{after}", program.get_name());
                let path = prefix.path().join(folder).join(file);
                let read = std::process::Command::new(shell.to_string())
                    .arg("-n")
                    .arg(&path)
                    .output();
                match read {
                    Ok(read) => assert!(
                        read.status.success() && read.stderr.is_empty(),
                        "{}: {}",
                        path.display(),
                        String::from_utf8_lossy(&read.stderr)
                    ),
                    Err(_) => crate::tests::skipped(&format!(
                        "{shell} is not here to read its completions"
                    )),
                }
            }
        }
    }
}
