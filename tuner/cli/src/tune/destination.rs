//! Where a run's results go. Looked into and taken before anything is measured: a run must not end in a
//! place that cannot be written, or that another run writes to.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail};
use sysinfer_journal::lock::FolderLock;

use super::arguments::TuneArgs;
use crate::tune::folder;

/// The folder of the report, for this run alone.
///
/// # Errors
/// The profile or the report cannot be written where they should be, or another run writes there.
pub(crate) fn take(
    arguments: &TuneArgs,
    cpu_model: &str,
    model: &str,
) -> anyhow::Result<FolderLock> {
    let output = arguments.output();
    if output.file_name().is_none() || output.is_dir() {
        bail!(
            "-o {} is not a file name; try -o sysinfer-profile.toml",
            output.display()
        );
    }
    require_writable(output)?;
    match (&arguments.report, &arguments.reports) {
        (Some(directory), _) => made(directory),
        (None, Some(root)) => {
            let now = jiff::Timestamp::now().to_string();
            // Never a resumed run, which names its folder with --report.
            first_free(&folder::in_collection(root, cpu_model, &now, model))
        }
        (None, None) => made(&folder::beside(output)),
    }
}

fn made(directory: &Path) -> anyhow::Result<FolderLock> {
    make(directory)?;
    FolderLock::take(directory)
}

/// The first folder of a day and model that no run has left samples in, nor writes to.
fn first_free(first: &Path) -> anyhow::Result<FolderLock> {
    for directory in folder::numbered(first) {
        if folder::has_samples(&directory) {
            continue;
        }
        make(&directory)?;
        if let Some(lock) = FolderLock::try_take(&directory)? {
            return Ok(lock);
        }
    }
    bail!("{} and all its numbers are taken", first.display())
}

fn make(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the report directory {}", directory.display()))
}

/// Makes the profile's directory, and tries a neighbour of it, which is what is written first.
fn require_writable(profile: &Path) -> anyhow::Result<()> {
    let cannot = || {
        format!(
            "no profile can be written to {}; name another place with -o",
            profile.display()
        )
    };
    if let Some(directory) = profile.parent() {
        std::fs::create_dir_all(directory).with_context(cannot)?;
    }
    let mut name = profile.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.try", std::process::id()));
    let path = profile.with_file_name(name);
    File::create(&path).with_context(cannot)?;
    std::fs::remove_file(&path).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use sysinfer_journal::SamplesCsv;

    use super::super::identity::tune_arguments;
    use super::*;

    fn taken(line: &[&str]) -> anyhow::Result<FolderLock> {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        take(&tune_arguments(&words).expect("valid"), "cpu", "m.gguf")
    }

    #[test]
    fn a_profile_that_cannot_be_written_is_told_before_measuring() {
        let root = tempfile::tempdir().expect("a folder");
        let path = |name: &str| root.path().join(name).display().to_string();
        let report = path("r");
        std::fs::write(path("file"), "").expect("written");
        for output in [path("file/p.toml"), root.path().display().to_string()] {
            let error = taken(&["m.gguf", "-o", &output, "--report", &report]);
            let message = format!("{:#}", error.expect_err("no place for it"));
            assert!(
                message.contains(&output) && message.contains("-o"),
                "{message}"
            );
            assert!(!Path::new(&report).exists());
        }
        let folder = taken(&["m.gguf", "-o", &path("new/p.toml")]).expect("free");
        assert_eq!(folder.path(), root.path().join("new/p-report"));
        let left: Vec<_> = std::fs::read_dir(root.path().join("new"))
            .expect("made")
            .collect();
        assert_eq!(left.len(), 1, "the report alone: {left:?}");
    }

    #[test]
    fn runs_of_a_day_have_folders_of_their_own_even_at_once() {
        let root = tempfile::tempdir().expect("a folder");
        let reports = root.path().join("rs").display().to_string();
        let output = root.path().join("p.toml").display().to_string();
        let line = ["m.gguf", "-o", &output, "--reports", &reports];
        let first = taken(&line).expect("free");
        let second = taken(&line).expect("another folder");
        let name = |lock: &FolderLock| lock.path().display().to_string();
        assert_eq!(name(&second), format!("{}-2", name(&first)));
        drop(second);
        std::fs::write(SamplesCsv::path(first.path()), "time\n").expect("written");
        let third = taken(&line).expect("without samples");
        assert_eq!(name(&third), format!("{}-2", name(&first)));
    }
}
