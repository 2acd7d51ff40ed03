//! The arguments of `study`; what it does is [`crate::study`].

use std::path::PathBuf;

use clap::Args;

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
