//! Is the search to be trusted? It is run on simulated hosts many times, each with noise of its own,
//! and what it chooses is compared with the true best of everything it could have chosen.
//!
//! [`trial`] is one host and its runs, [`summary`] the words and figures, [`histogram`] the plots.

pub mod histogram;
pub mod summary;
pub mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::Ending;
use crate::commands::study::StudyArgs;
use crate::simulate::SimulatedHost;

pub use trial::{Subject, Trial};

/// Runs the study and writes its report.
///
/// # Errors
/// A host file that is wrong, a directory that cannot be read or written.
pub fn run(arguments: &StudyArgs) -> anyhow::Result<Ending> {
    let files = host_files(&arguments.hosts)?;
    std::fs::create_dir_all(&arguments.output)
        .with_context(|| format!("cannot make the directory {}", arguments.output.display()))?;
    let mut studied = Vec::new();
    for file in &files {
        let subject = Subject::new(SimulatedHost::load(file)?)?;
        let trials = subject.run(usize::from(arguments.runs))?;
        eprintln!("{}", summary::line(&subject, &trials));
        let plot = histogram::render(&subject, &trials)?;
        save(&arguments.output, &format!("{}.svg", subject.name()), &plot)?;
        studied.push((subject, trials));
    }
    save(&arguments.output, "study.csv", &summary::csv(&studied)?)?;
    save(
        &arguments.output,
        "summary.md",
        &summary::markdown(&studied),
    )?;
    println!("study: {}", arguments.output.join("summary.md").display());
    Ok(Ending::Complete)
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
