//! `study`: is the search to be trusted? What it does is [`sysinfer_simulate::study`].

use std::path::PathBuf;

use clap::Args;
use sysinfer_simulate::study;

use crate::Ending;

/// Arguments of `study`.
#[derive(Args, Clone, Debug)]
pub struct StudyArgs {
    /// Directory of host files
    #[arg(long, value_name = "DIR", default_value = "hosts")]
    pub hosts: PathBuf,
    /// Runs of the search on each host, every one with noise of its own
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub runs: u16,
    /// Directory of study.csv, summary.md and histograms
    #[arg(short, long, value_name = "DIR", default_value = "simulated-hosts")]
    pub output: PathBuf,
}

/// Runs the study and writes its report.
///
/// # Errors
/// A host file that is wrong, a directory that cannot be read or written.
pub fn run(arguments: &StudyArgs) -> anyhow::Result<Ending> {
    let runs = usize::from(arguments.runs);
    let say = &mut |line: &str| eprintln!("{line}");
    let summary = study::run(&arguments.hosts, runs, &arguments.output, say)?;
    println!("study: {}", summary.display());
    Ok(Ending::Complete)
}
