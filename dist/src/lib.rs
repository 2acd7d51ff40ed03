//! What an installation has beside the two programs: man pages and shell completions, made from the
//! programs' own command lines, so that neither can say anything else than `--help` does; and the licences
//! of what is linked into them.
//!
//! [`pages`], [`completions`] and [`notices`] are the three kinds; the binary writes all into a folder, from
//! which `scripts/dist.sh` makes packages. That is a program of its own so that those that are shipped need
//! no hidden command for it. `packages.toml`, beside this crate, is what the packages say of themselves.
#![forbid(unsafe_code)]

pub mod completions;
pub mod notices;
pub mod pages;

use clap::CommandFactory;

/// The command lines of the programs that are installed.
pub fn programs() -> [clap::Command; 2] {
    [
        sysinfer_server::cli::Arguments::command(),
        sysinfer_tune::commands::Cli::command(),
    ]
}

#[cfg(test)]
mod tests;
