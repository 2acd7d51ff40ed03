//! `compare`: two profiles or reports side by side: what differs, and whether rates do beyond noise.
//!
//! [`side`] reads, [`mod@judge`] compares (`verify` asks it too), [`output`] prints. `docs/en/comparing.md` says how
//! rates are compared and how often that errs.

mod facts;
pub mod judge;
pub mod output;
pub mod rate;
mod runs;
pub mod side;

use std::path::PathBuf;

use clap::Args;

use self::judge::judge;
use self::output::{json, text};
use self::side::Side;
use crate::Ending;

const EXAMPLES: &str = "\
Examples:
  sysinfer-tune compare monday.toml friday.toml
  sysinfer-tune compare sysinfer-profile-report other-report --json
  sysinfer-tune compare before/journal.jsonl after/journal.jsonl";

/// Arguments of `compare`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// A profile, a report's directory or its journal.jsonl: what is compared with
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The same: what is faster or slower
    #[arg(value_name = "B")]
    pub second: PathBuf,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub json: bool,
}

/// Reads both sides and prints.
///
/// # Errors
/// A side cannot be read or has no rates.
pub fn run(arguments: &CompareArgs) -> anyhow::Result<Ending> {
    let first = Side::load(&arguments.first)?;
    let second = Side::load(&arguments.second)?;
    let judged = judge(&first, &second);
    match arguments.json {
        true => println!("{}", json(&first, &second, &judged)),
        false => {
            let words = judged.words();
            println!("{}", text([&first, &second], ["A", "B"], &judged, words));
        }
    }
    Ok(Ending::Complete)
}

#[cfg(test)]
pub(crate) mod tests;
