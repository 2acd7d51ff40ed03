//! Is the search to be trusted? It is run on simulated hosts many times, each with noise of its own,
//! and what it chooses is compared with the true best of everything it could have chosen.
//!
//! [`trial`] is one host and its runs, [`summary`] the words and figures, [`histogram`] the plots.

pub mod histogram;
pub mod summary;
pub mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::SimulatedHost;

pub use trial::{Subject, Trial};

/// Runs the search `runs` times on each host of the directory `hosts`, and writes the report to `output`; `say` is
/// told a line about each host. Returns the summary's path.
///
/// # Errors
/// A host file that is wrong, a directory that cannot be read or written.
pub fn run(
    hosts: &Path,
    runs: usize,
    output: &Path,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<PathBuf> {
    let files = host_files(hosts)?;
    std::fs::create_dir_all(output)
        .with_context(|| format!("cannot make the directory {}", output.display()))?;
    let mut studied = Vec::new();
    for file in &files {
        let subject = Subject::new(SimulatedHost::load(file)?)?;
        let trials = subject.run(runs)?;
        say(&summary::line(&subject, &trials));
        let plot = histogram::render(&subject, &trials)?;
        save(output, &format!("{}.svg", subject.name()), &plot)?;
        studied.push((subject, trials));
    }
    save(output, "study.csv", &summary::csv(&studied)?)?;
    save(output, "summary.md", &summary::markdown(&studied))?;
    Ok(output.join("summary.md"))
}

/// The host files of a directory, in the order of their names.
///
/// # Errors
/// The directory cannot be read, or has none.
pub fn host_files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read the host files of {}", directory.display()))?;
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    if files.is_empty() {
        bail!("{} has no host files (*.toml)", directory.display());
    }
    Ok(files)
}

fn save(directory: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = directory.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
