//! `check`: what is known about this host and what about it costs speed, or what is wrong with a model
//! file.

mod model;

use std::path::PathBuf;

use clap::Args;
use sysinfer_measure::host::check::Check;
use sysinfer_terminal::render;

use crate::{Ending, this_host};

/// Arguments of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Look through this model file instead: whether it would be loaded, and whether all of its weights
    /// are finite. Fails if something is wrong with it
    #[arg(value_name = "MODEL.gguf")]
    pub model: Option<PathBuf>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Prints what is known about this host, or about a model file. Described hosts (`HWLOC_SYNTHETIC`) are
/// refused.
///
/// # Errors
/// The topology cannot be discovered or is not this host's. A model file that would not be loaded, or
/// that is damaged.
pub fn run(arguments: &CheckArgs) -> anyhow::Result<Ending> {
    if let Some(path) = &arguments.model {
        return model::run(path, arguments.json);
    }
    let host = this_host::discover()?;
    host.require_real()?;
    let check = Check::of_this_host(&host);
    if arguments.json {
        println!("{}", serde_json::to_string(&check)?);
    } else {
        print!("{}", rendered(&check));
    }
    Ok(Ending::Complete)
}

/// Facts as a table, findings as lines.
fn rendered(check: &Check) -> String {
    let facts = check.facts.iter();
    let rows = facts.map(|fact| vec![fact.name.to_owned(), fact.value.clone()]);
    let mut text = render(&["fact", "this host"], rows);
    text.push('\n');
    if check.findings.is_empty() {
        text.push_str("Nothing was found that costs speed.\n");
    }
    for finding in &check.findings {
        text.push_str(&format!("{finding}\n"));
    }
    text
}
