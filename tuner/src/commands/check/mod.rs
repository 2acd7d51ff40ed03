//! `check`: what is known about this host, and what about it costs speed.

use clap::Args;

use crate::Ending;
use crate::host::Host;
use crate::host::check::Check;

/// Arguments of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Prints what is known about this host. Described hosts (`HWLOC_SYNTHETIC`) are refused.
///
/// # Errors
/// The topology cannot be discovered or is not this host's.
pub fn run(arguments: &CheckArgs) -> anyhow::Result<Ending> {
    let host = Host::discover(None)?;
    host.require_real()?;
    let check = Check::of_this_host(&host.topology);
    if arguments.json {
        println!("{}", serde_json::to_string(&check)?);
    } else {
        print!("{}", check.render());
    }
    Ok(Ending::Complete)
}
