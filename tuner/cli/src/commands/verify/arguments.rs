//! The command line of `verify`.

use std::path::PathBuf;

use clap::Args;

use crate::model_arguments::ModelArgs;
use crate::numbers::Numbers;

const EXAMPLES: &str = "\
Examples:
  sysinfer-tune verify sysinfer-profile.toml model.gguf
  sysinfer-tune verify sysinfer-profile.toml model.gguf --quick
  sysinfer-tune verify sysinfer-profile.toml model.gguf --lengths 32,512 --repeat 9 --json
  sysinfer-tune verify host.toml --synthetic llama3-8b --quick

Exit code: 0 if the profile holds; 1 if not, or if that cannot be told, with the reason in the last line.";

/// Arguments of `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The profile
    #[arg(value_name = "PROFILE.toml")]
    pub profile: PathBuf,
    /// What to run.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Measure although the profile was made on another host
    #[arg(long)]
    pub force_profile: bool,
    /// Measure although the run that made the profile is not to be trusted
    #[arg(long)]
    pub force_untrusted: bool,
    /// Lengths of the profile to measure [default: all; sampled ones, and prompts beyond those that were
    /// decoded whole, if a pass over them takes less than a minute or so]
    #[arg(long, value_name = "LIST")]
    pub lengths: Option<Numbers>,
    /// Only lengths up to 256
    #[arg(long, conflicts_with = "lengths")]
    pub quick: bool,
    /// Runs; lengths that seem slower get three times as many more
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}
